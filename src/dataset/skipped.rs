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

/// An item that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its number in the source.
    pub index: usize,
    /// What a person calls it.
    pub id: String,
    /// The file that is at fault, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

impl Skipped {
    /// Item `index` of `source`, which cannot be read for `error`.
    pub fn new(source: &dyn Source, index: usize, error: &Error) -> Self {
        Self {
            index,
            id: source.id(index),
            file: error.path().map(Path::to_path_buf),
            reason: error.message().into(),
            hint: error.hint().into(),
        }
    }
}

/// Notes which items of a run could not be read, and why, once each.
///
/// What a run noted before it was stopped says nothing of the files as they are now, so every start begins a new
/// list: [`SkipLog::retry`] reads the items of the old one again.
#[derive(Debug, Default)]
pub struct SkipLog {
    /// None for a log that is not kept.
    file: Option<PathBuf>,
    /// Why an item was left out, by its list and what it is called there.
    known: Mutex<HashMap<(String, String), String>>,
    /// What an earlier start noted.
    earlier: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// The list of the item.
    list: String,
    #[serde(flatten)]
    item: Skipped,
}

impl SkipLog {
    /// Begins the log of the run in `folder`, which is made if it is not there.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| Error::file("create", folder, e))?;
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file).unwrap_or_default();
        // A line that a kill has cut off is found again.
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let earlier = lines.collect();
        match fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("remove", &file, e))
            }
            _ => Ok(Self {
                file: Some(file),
                known: Mutex::default(),
                earlier,
            }),
        }
    }

    /// Reads the items of `source` again that an earlier start left out, and notes those that still cannot be read.
    pub fn retry<T: Send>(
        &self,
        source: &dyn Source,
        threads: usize,
        read: &(dyn Fn(usize) -> Result<T> + Sync),
    ) -> Result<()> {
        let (list, count) = (source.list(), source.count().unwrap_or(usize::MAX));
        let own = |line: &&Line| {
            let Skipped { index, id, .. } = &line.item;
            line.list == list && *index < count && *id == source.id(*index)
        };
        let indices = self.earlier.iter().filter(own).map(|line| line.item.index);
        let indices: Vec<usize> = indices.collect();
        let work = |n: usize| read(indices[n]).map(drop);
        std::thread::scope(|scope| {
            let again = Loader::start(scope, threads, 0..indices.len(), &work);
            for (index, result) in indices.iter().zip(again) {
                match result? {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                    Err(error) => self.note(&list, &Skipped::new(source, *index, &error))?,
                }
            }
            Ok(())
        })
    }

    /// Notes that an item of `list` cannot be read.
    pub fn note(&self, list: &str, item: &Skipped) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (list.to_string(), item.id.clone());
        if known.insert(key, item.reason.clone()).is_some() {
            return Ok(());
        }
        let Some(path) = &self.file else {
            return Ok(());
        };
        let line = Line {
            list: list.to_string(),
            item: item.clone(),
        };
        let line = serde_json::to_string(&line)
            .map_err(|e| Error::internal(format!("a log cannot be written ({e})")))?;
        let failed = |e| Error::file("write", path, e);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed)?;
        file.write_all(format!("{line}\n").as_bytes())
            .map_err(failed)
    }

    /// Why the item `id` of `list` could not be read, if it was noted.
    pub fn reason(&self, list: &str, id: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(list.to_string(), id.to_string())).cloned()
    }

    /// How many items could not be read.
    pub fn count(&self) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.len()
    }

    /// Says on standard error how many items were left out, if any were.
    pub fn report(&self) {
        if let (count @ 1.., Some(file)) = (self.count(), &self.file) {
            let (items, were) = match count {
                1 => ("item", "was"),
                _ => ("items", "were"),
            };
            eprintln!(
                "{count} {items} could not be read and {were} left out: see {}",
                file.display()
            );
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
    let list = source.list();
    let mut first = None;
    for index in candidates {
        if let Some(reason) = skipped.reason(&list, &source.id(index)) {
            first.get_or_insert(reason);
            continue;
        }
        match read(index) {
            Err(error) if error.kind() != ErrorKind::Internal => {
                skipped.note(&list, &Skipped::new(source, index, &error))?;
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
    let list = source.list();
    let all = 0..source.count().unwrap_or(usize::MAX);
    std::thread::scope(|scope| {
        let mut items = Vec::with_capacity(count);
        let mut first = None;
        for (index, item) in Loader::start(scope, threads, all, read).enumerate() {
            match item? {
                Ok(item) => items.push(item),
                Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                Err(error) => {
                    skipped.note(&list, &Skipped::new(source, index, &error))?;
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
    use crate::dataset::{
        Rendered, Split,
        material::{Material, MaterialConfig, tests::painted_only},
    };

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
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let noted: Vec<serde_json::Value> = lines.collect();
        assert_eq!(noted.len(), 2);
        assert_eq!(noted[1]["id"], source.id(4));
        assert_eq!(noted[1]["reason"], "a damaged file");
        assert_eq!(noted[1]["hint"], "get it again");
        let thirds = |index: usize| if index < 2 { read(1) } else { Ok(index) };
        let items = read_first(&source, &skipped, 2, 3, &thirds).unwrap();
        assert_eq!(items, [2, 3, 4]);
        // All of them broken; and a fault that is ours.
        let none = first_readable(&source, &skipped, [1, 7].into_iter(), read).unwrap_err();
        assert!(none.message().contains("none of the items") && none.message().contains("damaged"));
        let ours = first_readable(&source, &skipped, [2, 3].into_iter(), read).unwrap_err();
        assert_eq!(ours.kind(), ErrorKind::Internal);
    }

    #[test]
    fn every_start_reads_again_what_was_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let source = painted_only(Split::Test);
        let broken = |items: &'static [usize]| {
            move |index: usize| match items.contains(&index) {
                true => Err(Error::input("a damaged file", "get it again")),
                false => Ok(index),
            }
        };
        let log = SkipLog::open(folder.path()).unwrap();
        read_first(&source, &log, 2, 4, &broken(&[0, 2, 5])).unwrap();
        assert_eq!(log.count(), 3);
        // Item 2 was mended.
        let log = SkipLog::open(folder.path()).unwrap();
        assert_eq!(log.count(), 0);
        log.retry(&source, 2, &broken(&[0, 5])).unwrap();
        assert_eq!(log.count(), 2);
        let found = |index| log.reason(&source.list(), &source.id(index)).is_some();
        assert_eq!([0, 2, 5].map(found), [true, false, true]);
        // All of them were.
        let log = SkipLog::open(folder.path()).unwrap();
        log.retry(&source, 0, &broken(&[])).unwrap();
        assert_eq!(log.count(), 0);
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn items_of_two_lists_that_are_called_alike_are_two() {
        let folder = tempfile::tempdir().unwrap();
        let log = SkipLog::open(folder.path()).unwrap();
        let material = Material::open(&MaterialConfig::default(), 2.0).unwrap();
        let [one, other] = [16, 32].map(|size| Rendered::new(material.clone(), Split::Test, size));
        assert_eq!(one.id(1), other.id(1));
        let error = Error::input("a damaged file", "get it again");
        log.note(&one.list(), &Skipped::new(&one, 1, &error))
            .unwrap();
        let found = first_readable(&other, &log, [1].into_iter(), Ok);
        assert_eq!(found.unwrap(), 1);
        assert!(first_readable(&one, &log, [1].into_iter(), Ok).is_err());
    }
}
