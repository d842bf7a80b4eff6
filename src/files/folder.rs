//! Folders that appear whole or not at all.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{interrupt::Unfinished, is_ours, parent, remove_unfinished, unfinished};
use crate::{Error, Result};

/// What systems put into folders that are empty for a person: into every mounted disk, or where somebody looked.
const OF_SYSTEMS: [&str; 4] = [
    "lost+found",
    "System Volume Information",
    ".DS_Store",
    "desktop.ini",
];

/// Refuses a folder that is there already and not empty. What programs that were killed have left in it is removed.
pub fn check_free(target: &Path) -> Result<()> {
    if target.is_dir() {
        remove_unfinished(target)?;
    }
    let occupied = match std::fs::read_dir(target) {
        Ok(mut entries) => entries.any(|entry| {
            let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
            !OF_SYSTEMS.iter().any(|of_systems| name == *of_systems)
        }),
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
    /// Whether it lies inside its target.
    inside: bool,
    /// Locked, where folders can be opened.
    _ours: Option<File>,
    _unfinished: Unfinished,
}

impl UnfinishedFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A hidden folder for what will be the folder `target`, which must not exist yet (or be empty). What programs that were
/// killed have left there is removed.
///
/// It lies beside the target, or inside one that exists: that may be where another disk is mounted, or where the person
/// stands.
pub fn unfinished_folder(target: &Path) -> Result<UnfinishedFolder> {
    check_free(target)?;
    let inside = target.is_dir();
    let place = if inside { target } else { parent(target) };
    std::fs::create_dir_all(place).map_err(|e| Error::file("create", place, e))?;
    remove_unfinished(place)?;
    let builder = unfinished(0o777);
    loop {
        let folder = builder
            .tempdir_in(place)
            .map_err(|e| Error::file("create a folder in", place, e))?;
        let unfinished = Unfinished::new(folder.path());
        let opened = File::open(folder.path()).ok();
        let ours = opened.as_ref();
        if ours.is_none_or(|opened| is_ours(opened, folder.path())) {
            return Ok(UnfinishedFolder {
                folder,
                inside,
                _ours: opened,
                _unfinished: unfinished,
            });
        }
    }
}

/// Gives a finished folder, or what is in it, its place at `target`. In a target that exists, the file `last` comes last:
/// as long as it is missing, the folder is not whole.
pub fn finish_folder(folder: UnfinishedFolder, target: &Path, last: &str) -> Result<()> {
    let moved = |e| Error::file("create", target, e);
    if !folder.inside {
        std::fs::rename(folder.path(), target).map_err(moved)?;
        let _moved_away = folder.folder.keep();
        return Ok(());
    }
    let entries = std::fs::read_dir(folder.path()).map_err(moved)?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(PathBuf::from(entry.map_err(moved)?.file_name()));
    }
    names.sort_by_key(|name| name == Path::new(last));
    for name in names {
        std::fs::rename(folder.path().join(&name), target.join(&name)).map_err(moved)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_is_filled_and_stays_the_same_folder() {
        let outer = tempfile::tempdir().unwrap();
        let target = outer.path().join("disk");
        std::fs::create_dir(&target).unwrap();
        std::fs::create_dir(target.join("lost+found")).unwrap();
        // As a mount point or a working folder: one that cannot be replaced.
        let held = File::open(&target).unwrap();
        let folder = unfinished_folder(&target).unwrap();
        std::fs::write(folder.path().join("manifest.json"), "last").unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/a"), "a").unwrap();
        assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1);
        finish_folder(folder, &target, "manifest.json").unwrap();
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 3);
        assert_eq!(std::fs::read(target.join("inner/a")).unwrap(), b"a");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(
                held.metadata().unwrap().ino(),
                std::fs::metadata(&target).unwrap().ino()
            );
        }
        drop(held);
        assert!(unfinished_folder(&target).is_err());
    }
}
