//! Pairs of files, listed as JSON lines.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Captions, Comment, Source, material::Pair};
use crate::{
    Error, Result,
    audio::{Sound, decode},
    image::{self, Picture},
};

/// A list of pairs.
///
/// Every line has the paths `picture` and `music`, relative to the list, and may have `picture_caption`,
/// `music_caption`, `comment` and `factors`, as `art2mus synth` writes them, and beside a comment `emotion`, `labels` and
/// `keywords`, as `art2mus dataset articaps` does. Other keys are not read.
#[derive(Debug, Clone)]
pub struct JsonLines {
    path: PathBuf,
    folder: PathBuf,
    lines: Vec<Line>,
    /// The SHA-256 of the lines.
    content: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Line {
    picture: PathBuf,
    music: PathBuf,
    picture_caption: Option<String>,
    music_caption: Option<String>,
    comment: Option<String>,
    emotion: Option<String>,
    labels: Option<String>,
    keywords: Option<String>,
    factors: Option<Box<Pair>>,
}

impl JsonLines {
    /// Reads the list `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
        // Some editors begin a file with a byte-order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        let mut digest = Sha256::new();
        let lines = lines.map(|(i, line)| {
            digest.update(format!("{}\n", line.trim()));
            serde_json::from_str(line).map_err(|e| {
                Error::format(
                    format!("line {} of {} is no pair ({e})", i + 1, path.display()),
                    "write {\"picture\": \"a.jpg\", \"music\": \"a.mp3\"} a line",
                )
            })
        });
        let lines = lines.collect::<Result<Vec<Line>>>()?;
        if lines.is_empty() {
            return Err(Error::input(
                format!("{} has no pairs", path.display()),
                "write one pair a line",
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            folder: path.parent().unwrap_or(Path::new("")).to_path_buf(),
            lines,
            content: crate::files::hex(&digest.finalize()),
        })
    }

    fn line(&self, index: usize) -> Result<&Line> {
        self.lines
            .get(index)
            .ok_or_else(|| Error::internal(format!("a list has no item {index}")))
    }
}

impl Source for JsonLines {
    fn count(&self) -> Option<usize> {
        Some(self.lines.len())
    }

    fn id(&self, index: usize) -> String {
        let line = self.lines.get(index);
        line.map_or_else(String::new, |line| pair_id(&line.picture, &line.music))
    }

    fn list(&self) -> String {
        self.path.display().to_string()
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        read_picture(&self.folder.join(&self.line(index)?.picture))
    }

    fn music(&self, index: usize) -> Result<Sound> {
        read_music(&self.folder.join(&self.line(index)?.music))
    }

    fn captions(&self, index: usize) -> Captions {
        self.lines
            .get(index)
            .map_or_else(Captions::default, |line| Captions {
                picture: line.picture_caption.clone(),
                music: line.music_caption.clone(),
                comment: line.comment.as_ref().map(|text| Comment {
                    text: text.clone(),
                    emotion: line.emotion.clone(),
                    labels: line.labels.clone(),
                    keywords: line.keywords.clone(),
                }),
            })
    }

    fn factors(&self, index: usize) -> Option<Pair> {
        self.lines.get(index)?.factors.as_deref().cloned()
    }

    fn fingerprint(&self) -> String {
        let pairs = self.lines.iter().map(|line| (&line.picture, &line.music));
        fingerprint(&self.folder, pairs)
    }

    fn content(&self) -> String {
        self.content.clone()
    }
}

/// What a person calls a pair of files.
pub(super) fn pair_id(picture: &Path, music: &Path) -> String {
    format!("{} + {}", picture.display(), music.display())
}

/// Reads the picture `path`.
pub fn read_picture(path: &Path) -> Result<Picture> {
    let bytes = fs::read(path).map_err(|e| Error::file("read", path, e))?;
    image::decode(&bytes).map_err(|e| e.in_file(path))
}

/// Reads the music `path`.
pub(super) fn read_music(path: &Path) -> Result<Sound> {
    let bytes = fs::read(path).map_err(|e| Error::file("read", path, e))?;
    decode::decode(&bytes).map_err(|e| e.in_file(path))
}

/// The SHA-256 of the names of pairs of files, and of where they lie: two lists in two folders may name the same files.
pub(super) fn fingerprint<'a>(
    folder: &Path,
    pairs: impl Iterator<Item = (&'a PathBuf, &'a PathBuf)>,
) -> String {
    let mut digest = Sha256::new();
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let place = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    digest.update(place.to_string_lossy().as_bytes());
    for (picture, music) in pairs {
        digest.update(format!("\n{}\t{}", picture.display(), music.display()));
    }
    crate::files::hex(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Split, material::tests::painted_only};

    fn list(text: &str) -> (tempfile::TempDir, Result<JsonLines>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        fs::write(&path, text).unwrap();
        let list = JsonLines::open(&path);
        (folder, list)
    }

    #[test]
    fn pairs_are_read_with_all_that_is_said_of_them() {
        let pair = painted_only(Split::Test).pair(1).unwrap();
        let factors = serde_json::to_string(&pair).unwrap();
        let (folder, list) = list(&format!(
            "{{\"picture\": \"a.png\", \"music\": \"b.flac\", \"index\": 7}}\n\n\
             {{\"picture\": \"a.png\", \"music\": \"missing.mp3\", \"music_caption\": \"loud\", \"comment\": \"Hm.\", \
             \"emotion\": \"awe\", \"factors\": {factors}}}\n"
        ));
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        fs::copy(fixtures.join("picture.png"), folder.path().join("a.png")).unwrap();
        let music = fixtures.join("sounds/stereo.flac");
        fs::copy(music, folder.path().join("b.flac")).unwrap();
        let list = list.unwrap();
        assert_eq!(list.count(), Some(2));
        let item = list.item(0).unwrap();
        assert_eq!((item.picture.width(), item.picture.height()), (300, 260));
        assert_eq!(item.music.sample_rate, 44_100);
        assert_eq!(item.factors, None);
        assert_eq!(list.factors(1), Some(pair));
        let captions = list.captions(1);
        assert_eq!(captions.music.as_deref(), Some("loud"));
        let comment = captions.comment.unwrap();
        assert_eq!(
            (comment.text.as_str(), comment.emotion.as_deref()),
            ("Hm.", Some("awe"))
        );
        assert_eq!(list.captions(0).comment, None);
        assert_eq!(list.id(1), "a.png + missing.mp3");
        let error = list.music(1).unwrap_err();
        let missing = folder.path().join("missing.mp3");
        assert_eq!(error.path(), Some(missing.as_path()), "{error}");
        fs::write(&missing, "no music").unwrap();
        let error = list.music(1).unwrap_err();
        assert_eq!(error.path(), Some(missing.as_path()), "{error}");
    }

    #[test]
    fn lists_of_the_same_names_in_two_folders_are_two_lists() {
        // With the mark that some editors begin a file with.
        let text = "\u{feff}{\"picture\": \"a.png\", \"music\": \"b.wav\"}\n";
        let (folder, first) = list(text);
        let (_other, second) = list(text);
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_ne!(first.fingerprint(), second.fingerprint());
        assert_ne!(first.list(), second.list());
        // A list that was moved is the same to a run, and one that says something else is not.
        assert_eq!(first.content(), second.content());
        let (_third, third) = list(&text.replace("}", ", \"music_caption\": \"loud\"}"));
        assert_ne!(first.content(), third.unwrap().content());
        let round = JsonLines::open(&folder.path().join(".").join("pairs.jsonl")).unwrap();
        assert_eq!(round.fingerprint(), first.fingerprint());
    }

    #[test]
    fn a_wrong_line_is_named() {
        let (_folder, faulty) =
            list("{\"picture\": \"a.png\", \"music\": \"b.wav\"}\n{\"picture\": 1}\n");
        assert!(faulty.unwrap_err().message().starts_with("line 2"));
        let (_folder, empty) = list("\n\n");
        assert!(empty.unwrap_err().message().contains("no pairs"));
    }
}
