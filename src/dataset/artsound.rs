//! ArtSound: paintings of ArtGraph paired with tracks of the Free Music Archive.
//!
//! The published list is one JSON object of columns,
//! `{"Image": {"0": "name.jpg", …}, "Audio": {"0": "fma-dataset/fma_large/010/010425.mp3", …}}`. Pictures
//! and music lie in folders of their own.

use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Captions, Labels, Source,
    json_lines::{fingerprint, pair_id, read_music, read_picture},
    labels::STYLE,
    material::Pair,
};
use crate::{Error, Result, audio::Sound, image::Picture};

/// The pairs of a list in ArtSound's form.
#[derive(Debug, Clone)]
pub struct ArtSound {
    list: PathBuf,
    pictures: PathBuf,
    music: PathBuf,
    pairs: Vec<(PathBuf, PathBuf)>,
}

#[derive(serde::Deserialize)]
struct Columns {
    #[serde(rename = "Image")]
    images: HashMap<String, PathBuf>,
    #[serde(rename = "Audio")]
    audio: HashMap<String, PathBuf>,
}

impl ArtSound {
    /// Reads `list`; its paths begin in the folders `pictures` and `music`. Folders that a path of the
    /// list begins with may be missing on this disk.
    pub fn open(list: &Path, pictures: &Path, music: &Path) -> Result<Self> {
        let bytes = fs::read(list).map_err(|e| Error::file("read", list, e))?;
        let wrong = |what: String| {
            Error::format(
                format!("{} is no list of ArtSound's pairs ({what})", list.display()),
                "give {\"Image\": {\"0\": \"a.jpg\"}, \"Audio\": {\"0\": \"a.mp3\"}}",
            )
        };
        let mut columns: Columns =
            serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        let mut rows = Vec::with_capacity(columns.images.len());
        for (row, picture) in columns.images {
            let number = row
                .parse::<u64>()
                .map_err(|_| wrong(format!("row {row}")))?;
            let audio = columns.audio.remove(&row);
            let audio = audio.ok_or_else(|| wrong(format!("row {row} has no music")))?;
            rows.push((number, picture, audio));
        }
        if rows.is_empty() || !columns.audio.is_empty() {
            return Err(wrong("its columns differ in length, or are empty".into()));
        }
        rows.sort_unstable();
        Ok(Self {
            list: list.to_path_buf(),
            pictures: pictures.to_path_buf(),
            music: music.to_path_buf(),
            pairs: rows.into_iter().map(|(_, a, b)| (a, b)).collect(),
        })
    }

    /// The styles of all pictures, from a table as [`Labels`] reads it; nothing for a picture that is not listed there.
    pub fn styles(&self, table: &Path) -> Result<Vec<Option<String>>> {
        let labels = Labels::open(table, STYLE)?;
        let pictures = self.pairs.iter().map(|(picture, _)| picture);
        let style = |name: &PathBuf| labels.of(&name.to_string_lossy()).map(str::to_string);
        Ok(pictures.map(style).collect())
    }

    /// Where the picture and the music of item `index` lie on this disk, or would lie.
    pub fn files(&self, index: usize) -> Result<[PathBuf; 2]> {
        let (picture, music) = self.pair(index)?;
        Ok([find(&self.pictures, picture), find(&self.music, music)])
    }

    fn pair(&self, index: usize) -> Result<&(PathBuf, PathBuf)> {
        self.pairs
            .get(index)
            .ok_or_else(|| Error::internal(format!("the list has no item {index}")))
    }
}

/// `path` in `root`, without as many of its leading folders as it takes to find it.
fn find(root: &Path, path: &Path) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    let without = |skip: usize| root.join(parts[skip..].iter().collect::<PathBuf>());
    (0..parts.len())
        .map(without)
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| root.join(path))
}

impl Source for ArtSound {
    fn count(&self) -> Option<usize> {
        Some(self.pairs.len())
    }

    fn id(&self, index: usize) -> String {
        let pair = self.pairs.get(index);
        pair.map_or_else(String::new, |(picture, music)| pair_id(picture, music))
    }

    fn list(&self) -> String {
        self.list.display().to_string()
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        let [picture, _] = self.files(index)?;
        read_picture(&picture)
    }

    fn music(&self, index: usize) -> Result<Sound> {
        let [_, music] = self.files(index)?;
        read_music(&music)
    }

    fn fingerprint(&self) -> String {
        fingerprint(&self.pictures, self.pairs.iter().map(|(a, b)| (a, b)))
    }

    fn content(&self) -> String {
        let mut digest = Sha256::new();
        for (picture, music) in &self.pairs {
            digest.update(format!("{}\n", pair_id(picture, music)));
        }
        crate::files::hex(&digest.finalize())
    }
}

/// Some items of another source.
#[derive(Debug, Clone)]
pub struct Subset {
    source: Arc<dyn Source>,
    indices: Vec<usize>,
}

impl Subset {
    /// The items `indices` of `source`, in that order.
    pub fn new(source: Arc<dyn Source>, indices: Vec<usize>) -> Self {
        Self { source, indices }
    }

    fn inner(&self, index: usize) -> Result<usize> {
        let inner = self.indices.get(index).copied();
        inner.ok_or_else(|| Error::internal(format!("a subset has no item {index}")))
    }

    /// The SHA-256 of what tells the whole source from others, and of the items of this part.
    fn digest(&self, whole: String) -> String {
        let mut digest = Sha256::new();
        digest.update(whole);
        for index in &self.indices {
            digest.update((*index as u64).to_le_bytes());
        }
        crate::files::hex(&digest.finalize())
    }
}

impl Source for Subset {
    fn count(&self) -> Option<usize> {
        Some(self.indices.len())
    }

    fn id(&self, index: usize) -> String {
        let inner = self.indices.get(index);
        inner.map_or_else(String::new, |inner| self.source.id(*inner))
    }

    fn list(&self) -> String {
        self.source.list()
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        self.source.picture(self.inner(index)?)
    }

    fn music(&self, index: usize) -> Result<Sound> {
        self.source.music(self.inner(index)?)
    }

    fn captions(&self, index: usize) -> Captions {
        let inner = self.indices.get(index);
        inner.map_or_else(Captions::default, |inner| self.source.captions(*inner))
    }

    fn factors(&self, index: usize) -> Option<Pair> {
        self.source.factors(*self.indices.get(index)?)
    }

    fn fingerprint(&self) -> String {
        self.digest(self.source.fingerprint())
    }

    fn content(&self) -> String {
        self.digest(self.source.content())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_layout_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        fs::create_dir_all(root.join("pictures")).unwrap();
        fs::create_dir_all(root.join("music/010")).unwrap();
        fs::copy(fixtures.join("picture.png"), root.join("pictures/b.png")).unwrap();
        let sound = fixtures.join("sounds/stereo.mp3");
        fs::copy(sound, root.join("music/010/010425.mp3")).unwrap();
        let list = root.join("pairs.json");
        // Ten comes behind two, and the first folder of the paths is not on this disk.
        let text = r#"{"Image": {"10": "c.png", "2": "b.png"},
            "Audio": {"2": "fma_large/010/010425.mp3", "10": "fma_large/010/missing.mp3"}}"#;
        fs::write(&list, text).unwrap();
        let open = || ArtSound::open(&list, &root.join("pictures"), &root.join("music"));
        let source = open().unwrap();
        assert_eq!(source.count(), Some(2));
        assert_eq!(source.item(0).unwrap().music.samples.len(), 8820);
        assert!(source.picture(1).is_err() && source.music(1).is_err());
        assert_eq!(source.id(1), "c.png + fma_large/010/missing.mp3");

        let table = root.join("styles.json");
        fs::write(&table, r#"{"c.png": "Cubism"}"#).unwrap();
        assert_eq!(
            source.styles(&table).unwrap(),
            [None, Some("Cubism".into())]
        );

        let (content, source) = (source.content(), Arc::new(source));
        let last = Subset::new(source.clone(), vec![1]);
        assert_eq!((last.count(), last.id(0)), (Some(1), source.id(1)));
        assert_eq!(last.list(), source.list());
        assert_ne!(last.content(), content);
        fs::write(&list, r#"{"Image": {"0": "c.png"}, "Audio": {}}"#).unwrap();
        assert!(open().unwrap_err().message().contains("row 0 has no music"));
    }
}
