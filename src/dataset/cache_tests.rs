//! Tests of the cache: it must end with the same bytes, however often it was stopped.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{audio::Sound, image::Picture};

/// A source of numbers, of which every seventeenth is broken, and number 40 cannot be encoded.
#[derive(Debug)]
struct Numbers(usize);

impl Source for Numbers {
    fn count(&self) -> Option<usize> {
        Some(self.0)
    }

    fn id(&self, index: usize) -> String {
        format!("number {index}")
    }

    fn picture(&self, _index: usize) -> Result<Picture> {
        Err(Error::internal("numbers have no pictures"))
    }

    fn music(&self, _index: usize) -> Result<Sound> {
        Err(Error::internal("numbers have no music"))
    }

    fn fingerprint(&self) -> String {
        "numbers".into()
    }
}

fn prepare(index: usize) -> Result<usize> {
    if index % 17 == 3 {
        return Err(Error::input(format!("{index} is broken"), "give another"));
    }
    Ok(index)
}

/// The number, and the numbers that it was encoded with.
fn encode(items: Vec<usize>) -> Result<Vec<Record>> {
    let sum: usize = items.iter().map(|index| index % 97).sum();
    let record = |index: usize| {
        // Number 40 gives what no half-precision float holds.
        let value = if index == 40 { 1e9 } else { index as f32 };
        vec![
            ("number".to_string(), vec![value, -value]),
            ("sum".to_string(), vec![sum as f32]),
        ]
    };
    Ok(items.into_iter().map(record).collect())
}

fn recipe(threads: usize) -> Recipe<'static> {
    Recipe {
        name: "numbers",
        key: serde_json::json!({"weights": "abc"}),
        items: None,
        threads,
        progress: &|_, _| {},
    }
}

fn open(folder: &Path, threads: usize) -> Result<(Cache, SkipLog)> {
    let skipped = SkipLog::open(&folder.join("run"))?;
    let source = Numbers(300);
    let place = folder.join("cache");
    let cache = Cache::open(
        &place,
        &recipe(threads),
        &source,
        &skipped,
        &prepare,
        &mut encode,
    )?;
    Ok((cache, skipped))
}

/// All files of a cache.
fn bytes(cache: &Cache) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(cache.folder()).unwrap();
    files
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn records_are_those_of_the_readable_items() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, skipped) = open(folder.path(), 3).unwrap();
    let readable: Vec<usize> = (0..300).filter(|i| i % 17 != 3 && *i != 40).collect();
    assert_eq!(cache.items(), readable.len());
    assert_eq!(skipped.count(), 300 - readable.len());
    for (item, number) in readable.iter().enumerate() {
        let number = *number as f32;
        assert_eq!(cache.gather(&[item], "number").unwrap(), [number, -number]);
    }
    assert_eq!(cache.width("sum").unwrap(), 1);
    assert!(cache.gather(&[0], "nothing").is_err());
    assert!(cache.gather(&[readable.len()], "sum").is_err());
    let log = fs::read_to_string(folder.path().join("run/skipped.jsonl")).unwrap();
    assert!(
        log.contains("number 20") && log.contains("20 is broken") && log.contains("give another"),
        "{log}"
    );
    assert!(log.contains("number 40") && log.contains("finite"), "{log}");
}

#[test]
fn a_cache_that_was_stopped_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = bytes(&open(folder.path(), 2).unwrap().0);
    assert_eq!(whole.len(), 3 + 2, "three shards, the index and the lock");
    for (stop, threads) in [(1, 0), (17, 1), (18, 4), (33, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let skipped = SkipLog::open(folder.path()).unwrap();
        let calls = Cell::new(0);
        let mut failing = |items| {
            calls.set(calls.get() + 1);
            if calls.get() == stop {
                return Err(Error::internal("the program was stopped"));
            }
            encode(items)
        };
        let place = folder.path().join("cache");
        let source = Numbers(300);
        let recipe = recipe(threads);
        let stopped = Cache::open(&place, &recipe, &source, &skipped, &prepare, &mut failing);
        assert!(stopped.is_err());
        // And what a kill leaves of a file that was being written.
        let own = fs::read_dir(&place)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        fs::write(own.join(".art2mus-unfinished-x"), "half").unwrap();
        let (resumed, _) = open(folder.path(), threads).unwrap();
        assert!(bytes(&resumed) == whole, "stopped at batch {stop}");
    }
}

#[test]
fn a_complete_cache_encodes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = bytes(&open(folder.path(), 2).unwrap().0);
    let read = AtomicUsize::new(0);
    let skipped = SkipLog::open(&folder.path().join("other run")).unwrap();
    let place = folder.path().join("cache");
    let again = Cache::open(
        &place,
        &recipe(1),
        &Numbers(300),
        &skipped,
        &|index| {
            read.fetch_add(1, Ordering::SeqCst);
            prepare(index)
        },
        &mut encode,
    );
    assert_eq!(bytes(&again.unwrap()), first);
    // What was left out, and nothing else.
    assert_eq!(read.load(Ordering::SeqCst), 19);
    assert_eq!(skipped.count(), 19);
}

#[test]
fn mended_items_get_their_records_and_others_their_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("cache");
    let source = Numbers(300);
    let open = |prepare: &(dyn Fn(usize) -> Result<usize> + Sync), all: bool| {
        let skipped = SkipLog::open(&folder.path().join("run")).unwrap();
        let batches = Cell::new(0);
        let mut encode = |items: Vec<usize>| {
            batches.set(batches.get() + 1);
            let mut records = encode(items)?;
            let numbers = records.iter_mut().map(|record| &mut record[0].1);
            numbers
                .filter(|number| all && number[0] == 1e9)
                .for_each(|number| number.fill(40.0));
            Ok(records)
        };
        let cache = Cache::open(&place, &recipe(2), &source, &skipped, prepare, &mut encode);
        (cache.unwrap(), skipped, batches.get())
    };
    let whole = |index: usize| match index {
        20 => Err(Error::input("20 is missing", "look for it")),
        _ => Ok(index),
    };
    let (before, skipped, _) = open(&prepare, false);
    assert_eq!((before.items(), skipped.count()), (281, 19));
    // Number 40 still gives no numbers; one of the others is broken in another way.
    let (after, skipped, _) = open(&whole, false);
    assert_eq!((after.items(), skipped.count()), (298, 2));
    let reason = |id| skipped.reason("numbers", id).unwrap();
    assert_eq!(reason("number 20"), "20 is missing");
    assert!(reason("number 40").contains("finite"));
    // A cache that was opened before goes on with the shards that it knows.
    assert_eq!(before.gather(&[280], "number").unwrap(), [299.0, -299.0]);
    // It is what a fresh one would be, and only the shard of number 40 is made again when that is mended.
    let (all, _, batches) = open(&Ok, true);
    assert_eq!((all.items(), batches), (300, 2 + 128 / BATCH_SIZE));
    let (ready, _, batches) = open(&Ok, true);
    assert_eq!((ready.items(), batches), (300, 0));
    let made = bytes(&ready);
    fs::remove_dir_all(&place).unwrap();
    assert!(bytes(&open(&Ok, true).0) == made);
}

#[test]
fn a_changed_index_is_told_with_what_to_remove() {
    let folder = tempfile::tempdir().unwrap();
    let path = open(folder.path(), 1)
        .unwrap()
        .0
        .folder()
        .join("index.json");
    let sound = fs::read_to_string(&path).unwrap();
    let half = &sound[..sound.len() / 2];
    let changes = [
        half.to_string(),
        sound.replace("\"sum\"", "\"summe\""),
        sound.replace("\"values\": 2", "\"values\": 99999999999999"),
        sound.replacen("\"items\": ", "\"items\": 1", 2),
        sound.replace("\"abc\"", "\"abd\""),
    ];
    for (number, changed) in changes.iter().enumerate() {
        assert_ne!(*changed, sound, "{number}");
        fs::write(&path, changed).unwrap();
        let error = open(folder.path(), 1).map(drop);
        // What the key says is in the folder's name as well: nothing else reads it.
        if number == 4 {
            error.unwrap();
            continue;
        }
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format, "{error}");
        assert!(error.hint().contains("remove the folder"), "{error}");
    }
}

#[test]
fn other_weights_and_other_counts_have_other_folders() {
    let folder = tempfile::tempdir().unwrap();
    let (first, skipped) = open(folder.path(), 1).unwrap();
    let place = folder.path().join("cache");
    for (key, items) in [("abd", None), ("abc", Some(299))] {
        let other = Recipe {
            key: serde_json::json!({ "weights": key }),
            items,
            ..recipe(1)
        };
        let other = Cache::open(
            &place,
            &other,
            &Numbers(300),
            &skipped,
            &prepare,
            &mut encode,
        );
        assert_ne!(other.unwrap().folder(), first.folder());
    }
}

#[test]
fn damage_is_told_and_missing_shards_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, _) = open(folder.path(), 1).unwrap();
    let whole = bytes(&cache);
    let shard = shard_path(cache.folder(), 1);
    drop(cache);
    let mut wrong = fs::read(&shard).unwrap();
    wrong[5] ^= 1;
    fs::write(&shard, &wrong).unwrap();
    let (cache, _) = open(folder.path(), 1).unwrap();
    assert!(cache.gather(&[0], "sum").is_ok());
    let error = cache.gather(&[150], "sum").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    fs::write(&shard, &wrong[..10]).unwrap();
    assert!(bytes(&open(folder.path(), 1).unwrap().0) == whole);
}

#[test]
fn a_source_without_a_readable_item_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let skipped = SkipLog::open(folder.path()).unwrap();
    let broken = |index: usize| -> Result<usize> {
        Err(Error::input(format!("{index} is broken"), "give another"))
    };
    let source = Numbers(20);
    let error = Cache::open(
        folder.path(),
        &recipe(2),
        &source,
        &skipped,
        &broken,
        &mut encode,
    )
    .unwrap_err();
    assert!(
        error
            .message()
            .contains("none of the items can be read (0 is broken)"),
        "{error}"
    );
}
