//! Files and folders that appear whole or not at all.

use std::{io::Write, path::Path};

use crate::{Error, Result};

/// What the names of unfinished files and folders begin with.
const UNFINISHED: &str = ".art2mus-unfinished-";

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a file can be written at `path`.
#[cfg(feature = "cli")]
pub fn check_writable(path: &Path) -> Result<()> {
    unfinished_file(path).map(drop)
}

/// A hidden file beside `path`, which is removed unless it is moved there.
fn unfinished_file(path: &Path) -> Result<tempfile::NamedTempFile> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)
        .map_err(|e| Error::file("write", path, e))
}

/// Removes what a program that was killed has left in `folder`. No other program may be writing there.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    let failed = |e| Error::file("read", folder, e);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(UNFINISHED) {
            std::fs::remove_file(&path).map_err(|e| Error::file("remove", &path, e))?;
        }
    }
    Ok(())
}

/// Writes a file so that it is there completely or not at all.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
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

/// A hidden folder beside `target`, which must not exist yet (or be empty); it is removed unless
/// [`finish_folder`] gives it its place.
pub fn unfinished_folder(target: &Path) -> Result<tempfile::TempDir> {
    check_free(target)?;
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(|e| Error::file("create", parent, e))?;
    tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(parent)
        .map_err(|e| Error::file("create a folder in", parent, e))
}

/// Moves a finished folder to `target`, readable for others: temporary folders are private.
pub fn finish_folder(folder: tempfile::TempDir, target: &Path) -> Result<()> {
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
    let _moved_away = folder.keep();
    Ok(())
}
