//! Files and folders that appear whole or not at all: the one place where anything is written.

mod folder;
mod interrupt;
#[cfg(any(test, feature = "cli", feature = "train"))]
mod output;

use std::{fs::File, path::Path};

#[cfg(any(test, all(feature = "cli", feature = "train")))]
pub use folder::check_free;
pub use folder::{UnfinishedFolder, finish_folder, unfinished_folder};
#[cfg(feature = "cli")]
pub use interrupt::remove_when_stopped;
#[cfg(any(test, feature = "cli", feature = "train"))]
pub use output::write_file;
#[cfg(feature = "cli")]
pub use output::{check_output, is_same_output, write_output};

use crate::{Error, Result};

/// What the names of unfinished files and folders begin with.
const UNFINISHED: &str = ".art2mus-unfinished-";

/// Lower-case hexadecimal digits.
#[cfg(any(test, feature = "train"))]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the lock of what is kept in `folder`: a file named `lock` there, which the system unlocks when this program
/// ends, however it ends. None while another program has it.
#[cfg(any(test, feature = "train"))]
pub fn try_lock(folder: &Path) -> Result<Option<File>> {
    let (path, file) = lock_file(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(e)) => Err(Error::file("lock", &path, e)),
    }
}

/// The same, once no other program has it.
#[cfg(any(test, feature = "train"))]
pub fn wait_for_lock(folder: &Path) -> Result<File> {
    let (path, file) = lock_file(folder)?;
    file.lock().map_err(|e| Error::file("lock", &path, e))?;
    Ok(file)
}

#[cfg(any(test, feature = "train"))]
fn lock_file(folder: &Path) -> Result<(std::path::PathBuf, File)> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|e| Error::file("lock", &path, e))?;
    Ok((path, file))
}

/// Makes hidden files and folders with `mode`, of which the system takes what the umask forbids.
fn unfinished(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// Marks the unfinished `path`, opened as `file`, as one that is being worked on, until `file` is closed: see
/// [`remove_unfinished`]. False if that has just removed it.
fn is_ours(file: &File, path: &Path) -> bool {
    // Where files cannot be locked, none are removed.
    file.lock().is_err() || path.exists()
}

/// Removes what programs that were killed have left in `folder`. What a program still works on is locked.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    let failed = |e| Error::file("read", folder, e);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(UNFINISHED) {
            continue;
        }
        // It may be gone already, or belong to somebody else: then it is in nobody's way.
        let Ok(left) = File::open(&path) else {
            continue;
        };
        if left.try_lock().is_ok() {
            let _ = match path.is_dir() {
                true => std::fs::remove_dir_all(&path),
                false => std::fs::remove_file(&path),
            };
        }
    }
    Ok(())
}

/// The folder that `path` lies in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_works_on_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let (target, file) = (place("bundle"), place("file"));
        let working = unfinished_folder(&target).unwrap();
        let (writing, _unfinished) = output::unfinished_file(&file).unwrap();
        // What a kill leaves.
        let left = place(&format!("{UNFINISHED}left"));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("half"), "a").unwrap();
        std::fs::write(place(&format!("{UNFINISHED}half")), "a").unwrap();
        let another = unfinished_folder(&place("another")).unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names(), 3);
        assert!(working.path().is_dir() && writing.path().is_file());
        finish_folder(working, &target, "").unwrap();
        finish_folder(another, &place("another"), "").unwrap();
        write_file(&file, b"whole").unwrap();
        drop(writing);
        assert_eq!(names(), 3);
        assert!(check_free(&file).is_err() && target.is_dir());
    }

    #[test]
    fn one_lock_for_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = try_lock(folder.path()).unwrap();
        assert!(lock.is_some());
        assert!(try_lock(folder.path()).unwrap().is_none());
        drop(lock);
        assert!(try_lock(folder.path()).unwrap().is_some());
        wait_for_lock(folder.path()).unwrap();
    }
}
