//! Lists of pairs with their similarities.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

use crate::{Error, Result, files::write_file};

/// A pair as lists name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedPair {
    /// The picture's file.
    pub picture: String,
    /// The track's file.
    pub music: String,
    /// The cosine of their embeddings, where the list has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f32>,
}

/// A list of pairs that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct PairList {
    /// The pairs, in order.
    pub pairs: Vec<ListedPair>,
    /// Whether it is an object of columns, which does not say in which folders its files lie. Lines have paths that begin
    /// in the folder of the list.
    pub columns: bool,
}

/// ArtSound's list: an object of columns, each by the number of the row.
#[derive(Default, Serialize, Deserialize)]
struct Columns {
    #[serde(rename = "Image")]
    images: BTreeMap<u64, String>,
    #[serde(rename = "Audio")]
    audio: BTreeMap<u64, String>,
    #[serde(
        rename = "Similarity",
        default,
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    similarities: BTreeMap<u64, f32>,
}

/// Writes `pairs` in the form of ArtSound's own list, with a column `Similarity` beside `Image` and `Audio`.
pub fn write_columns(path: &Path, pairs: &[ListedPair]) -> Result<()> {
    let mut columns = Columns::default();
    for (row, pair) in (0..).zip(pairs) {
        columns.images.insert(row, pair.picture.clone());
        columns.audio.insert(row, pair.music.clone());
        if let Some(similarity) = pair.similarity {
            columns.similarities.insert(row, similarity);
        }
    }
    let text = serde_json::to_vec(&columns).map_err(unwritable)?;
    write_file(path, &text)
}

/// Writes `pairs` as JSON lines with `picture`, `music` and `similarity`, as `art2mus train --pairs` reads them.
pub fn write_lines(path: &Path, pairs: &[impl Serialize]) -> Result<()> {
    let mut text = Vec::new();
    for pair in pairs {
        serde_json::to_writer(&mut text, pair).map_err(unwritable)?;
        text.push(b'\n');
    }
    write_file(path, &text)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::internal(format!("a list of pairs cannot be written ({error})"))
}

/// Reads a list of either form: an object of columns, or JSON lines.
pub fn read_pairs(path: &Path) -> Result<PairList> {
    let text = fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let wrong = |what: String| {
        Error::format(
            format!("{} is no list of pairs ({what})", path.display()),
            "give ArtSound's {\"Image\": {\"0\": \"a.jpg\"}, \"Audio\": {\"0\": \"a.mp3\"}}, or lines of \
             {\"picture\": \"a.jpg\", \"music\": \"a.mp3\"}",
        )
    };
    let columns = serde_json::from_str::<Columns>(text);
    let by_columns = columns.is_ok();
    let pairs = match columns {
        Ok(columns) => {
            let Columns {
                images,
                audio,
                similarities,
            } = columns;
            if images.len() != audio.len() || !images.keys().eq(audio.keys()) {
                return Err(wrong("its columns have different rows".into()));
            }
            let rows = images.into_iter().zip(audio.into_values());
            rows.map(|((row, picture), music)| ListedPair {
                picture,
                music,
                similarity: similarities.get(&row).copied(),
            })
            .collect::<Vec<_>>()
        }
        Err(columns) => {
            let lines = text.lines().enumerate();
            let lines = lines.filter(|(_, line)| !line.trim().is_empty());
            let one_object = text.contains("\"Image\"");
            lines
                .map(|(number, line)| {
                    serde_json::from_str(line).map_err(|e| match one_object {
                        true => wrong(columns.to_string()),
                        false => wrong(format!("line {}: {e}", number + 1)),
                    })
                })
                .collect::<Result<_>>()?
        }
    };
    if pairs.is_empty() {
        return Err(wrong("it is empty".into()));
    }
    Ok(PairList {
        pairs,
        columns: by_columns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let pairs: Vec<ListedPair> = (0..12)
            .map(|i| ListedPair {
                picture: format!("{i}.jpg"),
                music: format!("{}.mp3", 11 - i),
                similarity: (i != 3).then_some(i as f32 / 7.0),
            })
            .collect();
        write_columns(&place("pairs.json"), &pairs).unwrap();
        write_lines(&place("pairs.jsonl"), &pairs).unwrap();
        assert_eq!(read_pairs(&place("pairs.json")).unwrap().pairs, pairs);
        assert_eq!(read_pairs(&place("pairs.jsonl")).unwrap().pairs, pairs);
        // What trains reads both.
        let lines = crate::dataset::JsonLines::open(&place("pairs.jsonl")).unwrap();
        let columns =
            crate::dataset::ArtSound::open(&place("pairs.json"), Path::new("a"), Path::new("b"));
        for (i, pair) in pairs.iter().enumerate() {
            let id = format!("{} + {}", pair.picture, pair.music);
            assert_eq!(crate::dataset::Source::id(&lines, i), id);
            assert_eq!(crate::dataset::Source::id(columns.as_ref().unwrap(), i), id);
        }
        let published =
            r#"{"Image": {"1": "b.jpg", "0": "a.jpg"}, "Audio": {"0": "a.mp3", "1": "b.mp3"}}"#;
        fs::write(place("published.json"), published).unwrap();
        let list = read_pairs(&place("published.json")).unwrap();
        assert!(list.columns && !read_pairs(&place("pairs.jsonl")).unwrap().columns);
        assert_eq!(list.pairs[1].music, "b.mp3");
        for (text, expected) in [
            (
                r#"{"Image": {"0": "a.jpg"}, "Audio": {"1": "a.mp3"}}"#,
                "different rows",
            ),
            (r#"{"Image": {"0": "a.jpg"}}"#, "Audio"),
            (
                "{\"picture\": \"a.jpg\", \"music\": \"a.mp3\"}\n{}\n",
                "line 2",
            ),
            ("", "empty"),
        ] {
            fs::write(place("wrong"), text).unwrap();
            let error = read_pairs(&place("wrong")).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }
}
