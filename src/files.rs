//! Files and folders that appear whole or not at all.

use std::{fs::File, path::Path};

use crate::{Error, Result};

/// What the names of unfinished files and folders begin with.
const UNFINISHED: &str = ".art2mus-unfinished-";

/// Lower-case hexadecimal digits.
#[cfg(any(test, feature = "train"))]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a file can be written at `path`.
#[cfg(feature = "cli")]
pub fn check_writable(path: &Path) -> Result<()> {
    unfinished_file(path).map(drop)
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

/// A hidden file beside `path`, which is removed unless it is moved there.
#[cfg(any(test, feature = "cli", feature = "train"))]
fn unfinished_file(path: &Path) -> Result<tempfile::NamedTempFile> {
    let failed = |e| Error::file("write", path, e);
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    loop {
        let file = builder.tempfile_in(parent(path)).map_err(failed)?;
        if is_ours(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
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

/// Writes a file so that it is there completely or not at all.
#[cfg(any(test, feature = "cli", feature = "train"))]
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let failed = |e| Error::file("write", path, e);
    let mut file = unfinished_file(path)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let readable = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(failed)?;
    }
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Refuses a folder that is there already and not empty.
pub fn check_free(target: &Path) -> Result<()> {
    let occupied = match std::fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => target.exists(),
    };
    if occupied {
        return Err(Error::input(
            format!("{} is already there", target.display()),
            "choose another place, or remove it",
        ));
    }
    Ok(())
}

/// A hidden folder that is being filled; it is removed unless [`finish_folder`] gives it its place.
#[derive(Debug)]
pub struct UnfinishedFolder {
    folder: tempfile::TempDir,
    /// Locked, where folders can be opened.
    _ours: Option<File>,
}

impl UnfinishedFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A hidden folder beside `target`, which must not exist yet (or be empty). What programs that were killed have left
/// there is removed.
pub fn unfinished_folder(target: &Path) -> Result<UnfinishedFolder> {
    check_free(target)?;
    let parent = parent(target);
    std::fs::create_dir_all(parent).map_err(|e| Error::file("create", parent, e))?;
    remove_unfinished(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    loop {
        let folder = builder
            .tempdir_in(parent)
            .map_err(|e| Error::file("create a folder in", parent, e))?;
        let opened = File::open(folder.path()).ok();
        if opened
            .as_ref()
            .is_none_or(|opened| is_ours(opened, folder.path()))
        {
            return Ok(UnfinishedFolder {
                folder,
                _ours: opened,
            });
        }
    }
}

/// Moves a finished folder to `target`, readable for others: temporary folders are private.
pub fn finish_folder(folder: UnfinishedFolder, target: &Path) -> Result<()> {
    let moved = |action, e| Error::file(action, target, e);
    if target.exists() {
        std::fs::remove_dir(target).map_err(|e| moved("replace", e))?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), readable).map_err(|e| moved("create", e))?;
    }
    std::fs::rename(folder.path(), target).map_err(|e| moved("create", e))?;
    let _moved_away = folder.folder.keep();
    Ok(())
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
        let writing = unfinished_file(&file).unwrap();
        // What a kill leaves.
        let left = place(&format!("{UNFINISHED}left"));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("half"), "a").unwrap();
        std::fs::write(place(&format!("{UNFINISHED}half")), "a").unwrap();
        let another = unfinished_folder(&place("another")).unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names(), 3);
        assert!(working.path().is_dir() && writing.path().is_file());
        finish_folder(working, &target).unwrap();
        finish_folder(another, &place("another")).unwrap();
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
