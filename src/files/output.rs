//! Files that a person asked for by name: links are followed, modes kept, devices and pipes written into.

use std::{
    fs::{Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{interrupt::Unfinished, is_ours, parent, unfinished};
use crate::{Error, Result};

/// What stands for standard output where a file is asked for.
#[cfg(feature = "cli")]
pub const STANDARD_OUTPUT: &str = "-";

/// Links that follow each other; more are a circle.
const MAX_LINKS: usize = 40;

/// Whether a file can be written at `path`, and may be: what is there already is replaced only with `replace`.
#[cfg(feature = "cli")]
pub fn check_output(path: &Path, replace: bool) -> Result<()> {
    if path == Path::new(STANDARD_OUTPUT) {
        return Ok(());
    }
    match Target::of(path)? {
        Target::File(_, Some(_)) if !replace => Err(Error::input(
            format!("{} is already there", path.display()),
            "give --force to replace it, or another place with -o",
        )),
        Target::File(_, Some(before)) if before.permissions().readonly() => Err(Error::input(
            format!("{} is write-protected", path.display()),
            "make it writable, or choose another place",
        )),
        Target::File(file, before) => match unfinished_file(&file) {
            // In a folder of somebody else, a file may still be one's own.
            Err(_) if before.is_some() && OpenOptions::new().write(true).open(&file).is_ok() => {
                Ok(())
            }
            tried => tried.map(drop),
        },
        // Opening a pipe would wait for its reader.
        Target::Into(_) => Ok(()),
    }
}

/// Writes a file so that it is there completely or not at all; `-` is standard output.
#[cfg(feature = "cli")]
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<()> {
    if path != Path::new(STANDARD_OUTPUT) {
        return write_file(path, bytes);
    }
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|e| Error::file("write to", Path::new("standard output"), e))
}

/// Whether two paths lead to one file, there or not yet, or are both standard output.
#[cfg(feature = "cli")]
pub fn is_same_output(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| match Target::of(path) {
        Ok(Target::File(file, _)) => {
            let folder = parent(&file).canonicalize().ok()?;
            Some(folder.join(file.file_name()?))
        }
        _ => None,
    };
    let standard = |path: &Path| path == Path::new(STANDARD_OUTPUT);
    match (standard(a), standard(b)) {
        (false, false) => place(a).is_some_and(|a| Some(a) == place(b)),
        (a, b) => a && b,
    }
}

/// Writes a file so that it is there completely or not at all. A link stays one, and what it points to is written; a
/// file that was there keeps its mode; a device or a pipe is written into.
///
/// A file that is mounted on its own, and one in a folder that nothing can be added to, cannot be replaced: there, its bytes
/// are.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| Error::file("write", path, e);
    match Target::of(path)? {
        Target::File(target, None) => replace(&target, None, bytes).map_err(failed),
        Target::File(target, Some(before)) => {
            replace(&target, Some(before), bytes).or_else(|e| match e.kind() {
                io::ErrorKind::ResourceBusy | io::ErrorKind::PermissionDenied => {
                    write_into(OpenOptions::new().truncate(true), &target, bytes).map_err(failed)
                }
                _ => Err(failed(e)),
            })
        }
        Target::Into(target) => write_into(&mut OpenOptions::new(), &target, bytes).map_err(failed),
    }
}

/// Puts a new file with `bytes`, and the mode of the file that was there `before`, in the place of `target`.
fn replace(target: &Path, before: Option<Metadata>, bytes: &[u8]) -> io::Result<()> {
    let (mut file, _unfinished) = hidden_file(target)?;
    file.write_all(bytes)?;
    if let Some(before) = before {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(target).map_err(|e| e.error)?;
    Ok(())
}

/// Writes into what is there.
fn write_into(options: &mut OpenOptions, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = options.write(true).open(target)?;
    file.write_all(bytes)?;
    file.flush()
}

/// Where a path leads.
enum Target {
    /// To an ordinary file, there or not, behind all links.
    File(PathBuf, Option<Metadata>),
    /// To a device, a pipe or another thing that bytes go into.
    Into(PathBuf),
}

impl Target {
    fn of(path: &Path) -> Result<Self> {
        let failed = |e| Error::file("write", path, e);
        match std::fs::metadata(path) {
            Ok(there) if there.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(there) if there.is_file() => match path.canonicalize() {
                Ok(file) => Ok(Self::File(file, Some(there))),
                // An open file without a name, as /proc shows it.
                Err(_) => Ok(Self::Into(path.to_path_buf())),
            },
            Ok(_) => Ok(Self::Into(path.to_path_buf())),
            // Nothing is there, and a file has no name that ends so.
            Err(e) if e.kind() == io::ErrorKind::NotFound && ends_as_folder(path) => {
                Err(failed(io::ErrorKind::IsADirectory.into()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut path = path.to_path_buf();
                for _ in 0..MAX_LINKS {
                    match std::fs::read_link(&path) {
                        Ok(link) => path = parent(&path).join(link),
                        Err(_) => break,
                    }
                }
                Ok(Self::File(path, None))
            }
            Err(e) => Err(failed(e)),
        }
    }
}

fn ends_as_folder(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes
        .last()
        .is_some_and(|&last| std::path::is_separator(last.into()))
}

/// A hidden file beside `path`, which is removed unless it is moved there, with the mode that new files have.
#[cfg(any(test, feature = "cli"))]
pub(super) fn unfinished_file(path: &Path) -> Result<(tempfile::NamedTempFile, Unfinished)> {
    hidden_file(path).map_err(|e| Error::file("write", path, e))
}

fn hidden_file(path: &Path) -> io::Result<(tempfile::NamedTempFile, Unfinished)> {
    let builder = unfinished(0o666);
    loop {
        let file = builder.tempfile_in(parent(path))?;
        let unfinished = Unfinished::new(file.path());
        if is_ours(file.as_file(), file.path()) {
            return Ok((file, unfinished));
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    #[test]
    fn links_are_followed_and_modes_kept() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::create_dir(place("inner")).unwrap();
        std::fs::write(place("inner/file"), "before").unwrap();
        std::fs::set_permissions(place("inner/file"), std::fs::Permissions::from_mode(0o600))
            .unwrap();
        symlink("inner/file", place("link")).unwrap();
        symlink("inner/new", place("dangling")).unwrap();
        write_file(&place("link"), b"after").unwrap();
        assert!(place("link").is_symlink());
        assert_eq!(std::fs::read(place("inner/file")).unwrap(), b"after");
        let mode = std::fs::metadata(place("inner/file"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        write_file(&place("dangling"), b"new").unwrap();
        assert!(place("dangling").is_symlink());
        assert_eq!(std::fs::read(place("inner/new")).unwrap(), b"new");
        assert!(write_file(&place("inner"), b"").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn new_files_have_the_mode_that_other_programs_give() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        write_file(&place("ours"), b"").unwrap();
        File::create(place("theirs")).unwrap();
        let mode = |name: &str| std::fs::metadata(place(name)).unwrap().permissions().mode();
        assert_eq!(mode("ours"), mode("theirs"));
    }

    #[test]
    fn a_device_is_written_into() {
        write_file(Path::new("/dev/null"), b"nothing").unwrap();
        let null = std::fs::metadata("/dev/null").unwrap();
        assert!(null.file_type().is_char_device());
    }
}
