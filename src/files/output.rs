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
        Target::File(file, _) => unfinished_file(&file).map(drop),
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

/// Writes a file so that it is there completely or not at all. A link stays one, and what it points to is written; a
/// file that was there keeps its mode; a device or a pipe is written into.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| Error::file("write", path, e);
    let (target, before) = match Target::of(path)? {
        Target::File(target, before) => (target, before),
        Target::Into(target) => {
            let mut file = OpenOptions::new()
                .write(true)
                .open(target)
                .map_err(failed)?;
            return file
                .write_all(bytes)
                .and_then(|()| file.flush())
                .map_err(failed);
        }
    };
    let (mut file, _unfinished) = unfinished_file(&target)?;
    file.write_all(bytes).map_err(failed)?;
    if let Some(before) = before {
        file.as_file()
            .set_permissions(before.permissions())
            .map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|e| failed(e.error))?;
    Ok(())
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

/// A hidden file beside `path`, which is removed unless it is moved there, with the mode that new files have.
pub(super) fn unfinished_file(path: &Path) -> Result<(tempfile::NamedTempFile, Unfinished)> {
    let failed = |e| Error::file("write", path, e);
    let builder = unfinished(0o666);
    loop {
        let file = builder.tempfile_in(parent(path)).map_err(failed)?;
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
