//! Items that could not be read.

use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{Loader, Source};
use crate::{Error, ErrorKind, Result};

/// The file of a run that lists the items it left out, as JSON lines.
const FILE: &str = "skipped.jsonl";

/// Notes which items of a run could not be read, and why, once each.
///
/// A run that is resumed finds what was noted before.
#[derive(Debug)]
pub struct SkipLog {
    file: PathBuf,
    known: Mutex<HashMap<String, String>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    id: String,
    reason: String,
}

impl SkipLog {
    /// The log of the run in `folder`, which is made if it is not there.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| Error::file("create", folder, e))?;
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file).unwrap_or_default();
        // A line that a kill has cut off is found again.
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let known = lines.map(|line: Line| (line.id, line.reason)).collect();
        Ok(Self {
            file,
            known: Mutex::new(known),
        })
    }

    /// Notes that the item `id` cannot be read.
    pub fn note(&self, id: &str, reason: &str) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(id.to_string(), reason.to_string()).is_some() {
            return Ok(());
        }
        let line = Line {
            id: id.to_string(),
            reason: reason.to_string(),
        };
        let line = serde_json::to_string(&line)
            .map_err(|e| Error::internal(format!("a log cannot be written ({e})")))?;
        let failed = |e| Error::file("write", &self.file, e);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.file)
            .map_err(failed)?;
        file.write_all(format!("{line}\n").as_bytes())
            .map_err(failed)
    }

    /// Why the item `id` could not be read, if it was noted.
    pub fn reason(&self, id: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }

    /// How many items could not be read.
    pub fn count(&self) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.len()
    }

    /// Says on standard error how many items were left out, if any were.
    pub fn report(&self) {
        match self.count() {
            0 => {}
            count => eprintln!(
                "{count} items could not be read and were left out: see {}",
                self.file.display()
            ),
        }
    }
}

/// What `read` makes of the first of `candidates` that can be read; those before it are noted.
///
/// Faults of this program are not blamed on an item.
pub fn first_readable<T>(
    source: &dyn Source,
    skipped: &SkipLog,
    candidates: impl Iterator<Item = usize>,
    read: impl Fn(usize) -> Result<T>,
) -> Result<T> {
    let mut first = None;
    for index in candidates {
        let id = source.id(index);
        if let Some(reason) = skipped.reason(&id) {
            first.get_or_insert(reason);
            continue;
        }
        match read(index) {
            Err(error) if error.kind() != ErrorKind::Internal => {
                skipped.note(&id, error.message())?;
                first.get_or_insert_with(|| error.message().to_string());
            }
            other => return other,
        }
    }
    Err(nothing_readable(first.as_deref()))
}

/// What `read` makes of the first `count` items of `source` that can be read, or of all of them if there
/// are fewer; on several threads.
pub fn read_first<T: Send>(
    source: &dyn Source,
    skipped: &SkipLog,
    threads: usize,
    count: usize,
    read: &(dyn Fn(usize) -> Result<T> + Sync),
) -> Result<Vec<T>> {
    let all = 0..source.count().unwrap_or(usize::MAX);
    std::thread::scope(|scope| {
        let mut items = Vec::with_capacity(count);
        let mut first = None;
        for (index, item) in Loader::start(scope, threads, all, read).enumerate() {
            match item? {
                Ok(item) => items.push(item),
                Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                Err(error) => {
                    skipped.note(&source.id(index), error.message())?;
                    first.get_or_insert_with(|| error.message().to_string());
                }
            }
            if items.len() == count {
                break;
            }
        }
        if items.is_empty() {
            return Err(nothing_readable(first.as_deref()));
        }
        Ok(items)
    })
}

/// The error for a source of which no item can be read.
pub(super) fn nothing_readable(first: Option<&str>) -> Error {
    let first = first.unwrap_or("there are none");
    Error::input(
        format!("none of the items can be read ({first})"),
        "check the list and its folders",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Split, material::tests::painted_only};

    #[test]
    fn broken_items_are_noted_once_and_others_take_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let source = painted_only(Split::Test);
        let read = |index: usize| match index % 3 {
            0 => Ok(index),
            1 => Err(Error::input("a damaged file", "get it again")),
            _ => Err(Error::internal("a fault")),
        };
        let skipped = SkipLog::open(folder.path()).unwrap();
        for _ in 0..2 {
            let found = first_readable(&source, &skipped, [1, 4, 6].into_iter(), read);
            assert_eq!(found.unwrap(), 6);
        }
        assert_eq!(skipped.count(), 2);
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("test item 4") && text.contains("a damaged file"));
        assert_eq!(SkipLog::open(folder.path()).unwrap().count(), 2);
        let thirds = |index: usize| if index < 2 { read(1) } else { Ok(index) };
        let items = read_first(&source, &skipped, 2, 3, &thirds).unwrap();
        assert_eq!(items, [2, 3, 4]);
        // All of them broken; and a fault that is ours.
        let none = first_readable(&source, &skipped, [1, 7].into_iter(), read).unwrap_err();
        assert!(none.message().contains("none of the items") && none.message().contains("damaged"));
        let ours = first_readable(&source, &skipped, [2, 3].into_iter(), read).unwrap_err();
        assert_eq!(ours.kind(), ErrorKind::Internal);
    }
}
