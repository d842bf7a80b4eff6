//! The one error type of the crate: what went wrong, and what to do about it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

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
    path: Option<PathBuf>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`: `message` says what is wrong, `hint` what to do (both without a full stop).
    pub fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: hint.into(),
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
        Self::new(
            ErrorKind::Internal,
            message,
            "please report this with the command that led here",
        )
    }

    /// The caller asked to stop.
    pub fn cancelled() -> Self {
        Self::new(
            ErrorKind::Cancelled,
            "the generation was cancelled",
            "start it again when you like",
        )
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
