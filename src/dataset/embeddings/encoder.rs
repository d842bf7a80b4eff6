//! The networks that make embeddings of pictures, tracks and captions.

use burn::tensor::backend::Backend;
use std::path::{Path, PathBuf};

use crate::{
    Error, Result,
    dataset::{
        Features, FrozenNetworks, Preprocessor, files_beneath,
        json_lines::{read_music, read_picture},
        read_captions,
    },
    image,
    model::{imagebind::TextTrunk, trace::Trace},
    ops::Kernels,
    tensors::read,
    text::ClipTokenizer,
};

/// Endings of the pictures and of the music that a folder is searched for.
const PICTURES: [&str; 9] = [
    "bmp", "gif", "jfif", "jpeg", "jpg", "png", "tif", "tiff", "webp",
];
const MUSIC: [&str; 4] = ["flac", "mp3", "ogg", "wav"];

/// What is embedded, in the order of names.
#[derive(Debug, Clone)]
pub enum EmbeddedItems {
    /// Files of pictures, by name.
    Pictures(Vec<(String, PathBuf)>),
    /// Files of music, by name.
    Tracks(Vec<(String, PathBuf)>),
    /// Captions, by the name of what they describe.
    Captions(Vec<(String, String)>),
}

/// An item as a network takes it.
#[derive(Debug)]
pub enum Prepared {
    /// Pixels or clips.
    Features(Features),
    /// Token ids, of the network's whole context.
    Ids(Vec<u32>),
}

/// Makes items into what networks take; on any thread.
#[derive(Debug, Clone)]
pub enum Preparation {
    /// Pictures or music.
    Files(Box<Preprocessor>),
    /// Captions, for a network of so many positions.
    Captions(ClipTokenizer, usize),
}

/// A network that makes embeddings.
// There is one of it, and the tensors behind it are far larger.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum EmbeddingNetwork<B: Backend> {
    /// Of pictures or of music.
    Frozen(FrozenNetworks<B>),
    /// Of captions.
    Text(TextTrunk<B>),
}

impl EmbeddedItems {
    /// The pictures beneath `folder`, by their paths from there.
    pub fn pictures(folder: &Path) -> Result<Self> {
        files_beneath(folder, &PICTURES).map(Self::Pictures)
    }

    /// The music beneath `folder`, by its paths from there.
    pub fn tracks(folder: &Path) -> Result<Self> {
        files_beneath(folder, &MUSIC).map(Self::Tracks)
    }

    /// The captions of a file.
    pub fn captions(file: &Path) -> Result<Self> {
        let captions = read_captions(file)?;
        Ok(Self::Captions(captions.into_iter().collect()))
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Pictures(files) | Self::Tracks(files) => {
                files.iter().map(|(name, _)| name.clone()).collect()
            }
            Self::Captions(captions) => captions.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    /// Reads item `index`.
    pub fn prepare(&self, preparation: &Preparation, index: usize) -> Result<Prepared> {
        match (self, preparation) {
            (Self::Pictures(files), Preparation::Files(preprocessor)) => {
                let Some(size) = preprocessor.image_size else {
                    return Err(mismatch());
                };
                let picture = read_picture(&files[index].1)?;
                Ok(Prepared::Features(Features {
                    pixels: image::preprocess(&picture, size),
                    ..Features::default()
                }))
            }
            (Self::Tracks(files), Preparation::Files(preprocessor)) => {
                let path = &files[index].1;
                let sound = read_music(path)?;
                let rate = preprocessor.spectrogram().sample_rate;
                let clips = sound
                    .resampled(rate)
                    .and_then(|samples| preprocessor.clips(&samples))
                    .map_err(|e| e.in_file(path))?;
                Ok(Prepared::Features(Features {
                    clips,
                    ..Features::default()
                }))
            }
            (Self::Captions(captions), Preparation::Captions(tokenizer, context)) => {
                let mut ids = tokenizer.encode(&captions[index].1);
                ids.resize(*context, 0);
                Ok(Prepared::Ids(ids))
            }
            _ => Err(mismatch()),
        }
    }
}

impl<B: Kernels> EmbeddingNetwork<B> {
    /// The embeddings of some items.
    pub fn encode(&self, items: Vec<Prepared>) -> Result<Vec<Vec<f32>>> {
        let count = items.len();
        let values = match self {
            Self::Frozen(networks) => {
                let (mut pixels, mut clips) = (Vec::new(), Vec::new());
                for item in items {
                    let Prepared::Features(features) = item else {
                        return Err(mismatch());
                    };
                    pixels.extend(features.pixels);
                    clips.extend(features.clips);
                }
                let vectors = match networks.pictures.is_some() {
                    true => networks.embed_images(pixels, count)?,
                    false => networks.embed_sounds(clips, count)?.embedding,
                };
                pollster::block_on(read(vectors))?
            }
            Self::Text(trunk) => {
                let mut values = Vec::new();
                for item in items {
                    let Prepared::Ids(ids) = item else {
                        return Err(mismatch());
                    };
                    let vector = trunk.forward(&ids, &mut Trace::off())?;
                    values.extend(pollster::block_on(read(vector))?);
                }
                values
            }
        };
        let width = values.len() / count.max(1);
        Ok(values
            .chunks_exact(width.max(1))
            .map(<[f32]>::to_vec)
            .collect())
    }
}

fn mismatch() -> Error {
    Error::internal("a network was given items of another kind")
}
