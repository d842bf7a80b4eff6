//! The one error type of the crate: what went wrong, and what to do about it.

mod faults;

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
};

pub use faults::Fault;

/// What a caller can do about an [`Error`], one variant for each reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This device, build or bundle cannot do what was asked: choose another.
    Unsupported,
    /// A size is beyond what is accepted: ask for less.
    Limits,
    /// The device ran out of memory: ask for less, or use another device.
    OutOfMemory,
    /// The GPU went away: start again.
    DeviceLost,
    /// The network failed: try again.
    Network,
    /// Bytes are not the ones that were promised: fetch or convert again.
    Integrity,
    /// A file is not in the form that is expected.
    Format,
    /// The caller gave something that cannot be used.
    Input,
    /// The caller asked to stop.
    Cancelled,
    /// Reading or writing a file failed.
    File,
    /// A fault of this program.
    Internal,
}

impl ErrorKind {
    /// The name under which JavaScript sees the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "Unsupported",
            Self::Limits => "Limits",
            Self::OutOfMemory => "OutOfMemory",
            Self::DeviceLost => "DeviceLost",
            Self::Network => "Network",
            Self::Integrity => "Integrity",
            Self::Format => "Format",
            Self::Input => "Input",
            Self::Cancelled => "Cancelled",
            Self::File => "File",
            Self::Internal => "Internal",
        }
    }

    /// The kind that JavaScript sees under this name.
    #[cfg(feature = "web")]
    pub fn from_name(name: &str) -> Option<Self> {
        let kinds = [
            Self::Unsupported,
            Self::Limits,
            Self::OutOfMemory,
            Self::DeviceLost,
            Self::Network,
            Self::Integrity,
            Self::Format,
            Self::Input,
            Self::Cancelled,
            Self::File,
            Self::Internal,
        ];
        kinds.into_iter().find(|kind| kind.name() == name)
    }
}

/// An error: one sentence that says what is wrong and what to do next.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: String,
    /// In a box, so that results stay small.
    coded: Option<Box<Coded>>,
    path: Option<PathBuf>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What is wrong, for programs.
#[derive(Debug)]
struct Coded {
    code: Cow<'static, str>,
    values: ErrorValues,
}

/// What a sentence is about, by name.
pub type ErrorValues = Vec<(Cow<'static, str>, String)>;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`: `message` says what is wrong, `hint` what to do (both without a full stop).
    pub fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: hint.into(),
            coded: None,
            path: None,
            source: None,
        }
    }

    /// The caller gave something that cannot be used.
    pub fn input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message, hint)
    }

    /// A file is not in the form that is expected.
    pub fn format(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::Format, message, hint)
    }

    /// Bytes are not the ones that were promised.
    pub fn integrity(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::Integrity, message, hint)
    }

    /// This device, build or bundle cannot do what was asked.
    pub fn unsupported(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message, hint)
    }

    /// A fault of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        let reason = message.into();
        Fault::Internal { reason }.into()
    }

    /// The caller asked to stop.
    pub fn cancelled() -> Self {
        Fault::Cancelled {}.into()
    }

    /// Reading or writing the file `path` failed.
    pub fn file(action: &str, path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let hint = match source.kind() {
            Io::NotFound => "check the path",
            Io::PermissionDenied => "check its permissions",
            Io::StorageFull | Io::QuotaExceeded => "free some space and run the command again",
            Io::UnexpectedEof => "the file is shorter than it says, get it again",
            _ => "check the file and try again",
        };
        let message = format!("cannot {action} {} ({source})", path.display());
        Self {
            path: Some(path.to_path_buf()),
            ..Self::new(ErrorKind::File, message, hint).with_source(source)
        }
    }

    /// The same error, said of what the file `path` holds.
    pub fn in_file(self, path: &Path) -> Self {
        Self {
            message: format!("{}: {}", path.display(), self.message),
            path: Some(path.to_path_buf()),
            ..self
        }
    }

    /// Gives the error a stable code with named values, of which a page makes sentences in its own language.
    pub fn coded(mut self, code: impl Into<Cow<'static, str>>, values: ErrorValues) -> Self {
        let code = code.into();
        self.coded = Some(Box::new(Coded { code, values }));
        self
    }

    /// The same error, as one of a bundle that is being read, where it has no code of its own.
    pub fn of_bundle(self) -> Self {
        if self.coded.is_some() {
            return self;
        }
        let reason = self.message.clone();
        let Self { coded, .. } = Fault::BundleUnusable { reason }.into();
        Self { coded, ..self }
    }

    /// Adds the error that caused this one.
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// What exactly is wrong, as [`Fault::CODES`] lists it; the same in all versions.
    pub fn code(&self) -> Option<&str> {
        self.coded.as_ref().map(|coded| coded.code.as_ref())
    }

    /// What the message is about, by name.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.coded.iter().flat_map(|coded| &coded.values);
        pairs.map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// The value of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.values();
        values.find_map(|(other, value)| (other == name).then_some(value))
    }

    /// The file that is at fault, where it is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}.", self.message, self.hint)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
