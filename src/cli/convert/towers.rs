//! CLIP's two towers with their vocabulary, from a published checkpoint.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    configs::{self, ClipHints},
    json::ConfigReader,
};
use crate::{
    Error, ErrorKind, Result,
    checkpoint::{Checkpoint, names, placeholder},
    model::clip::{ClipConfig, ClipTextConfig},
    text::merges_of,
    weights::MAX_ASSET_BYTES,
};

/// What a vocabulary is called that lies beside CLIP's weights.
const VOCABULARIES: [&str; 4] = [
    "tokenizer.json",
    "merges.txt",
    "bpe_simple_vocab_16e6.txt.gz",
    "bpe_simple_vocab_16e6.txt",
];
/// The first bytes of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Both towers of a checkpoint, whose embeddings are not normalised.
pub(in crate::cli) struct ClipTowers {
    pub checkpoint: Checkpoint,
    pub vision: ClipConfig,
    pub text: ClipTextConfig,
    pub merges: String,
}

impl ClipTowers {
    /// Opens the file or folder `place`; the vocabulary lies beside it, or is named.
    pub fn open(
        reader: &ConfigReader,
        place: &Path,
        vocabulary: Option<&Path>,
        hints: ClipHints,
    ) -> Result<Self> {
        let checkpoint = Checkpoint::open(place)?.with_names(names::clip);
        let vision = ClipConfig {
            normalise: false,
            ..configs::clip(reader, place, &checkpoint, hints)?
        };
        let text = configs::clip_text(reader, place, &checkpoint, vision.hidden_act)?;
        let path = match vocabulary {
            Some(path) => path.to_path_buf(),
            None => vocabulary_beside(place)?,
        };
        let merges = read_merges(&path, text.vocab_size)?;
        Ok(Self {
            checkpoint,
            vision,
            text,
            merges,
        })
    }
}

/// The vocabulary that lies beside weights.
fn vocabulary_beside(place: &Path) -> Result<PathBuf> {
    let folder = configs::folder_of(place);
    let mut files = VOCABULARIES.iter().map(|name| folder.join(name));
    files.find(|file| file.is_file()).ok_or_else(|| {
        Error::input(
            format!("there is no vocabulary beside {}", place.display()),
            format!(
                "put one of {} there, or name it with --clip-vocabulary",
                VOCABULARIES.join(", ")
            ),
        )
    })
}

/// The merges in a file of CLIP's vocabulary, which may be packed, for a table of `vocabulary` ids.
pub(in crate::cli) fn read_merges(path: &Path, vocabulary: usize) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::file("read", path, e))?;
    if let Some(error) = placeholder(&bytes, path) {
        return Err(error);
    }
    let bytes = unpacked(bytes, path)?;
    merges_of(&bytes, vocabulary).map_err(|e| e.in_file(path))
}

/// What is in a gzip file; others as they are.
fn unpacked(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>> {
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(bytes.as_slice()).take(MAX_ASSET_BYTES + 1);
    reader
        .read_to_end(&mut unpacked)
        .map_err(|e| Error::file("unpack", path, e))?;
    if unpacked.len() as u64 > MAX_ASSET_BYTES {
        return Err(Error::new(
            ErrorKind::Limits,
            format!("{} unpacks to too much", path.display()),
            "use the vocabulary that belongs to the checkpoint",
        ));
    }
    Ok(unpacked)
}
