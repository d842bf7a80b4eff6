//! ImageBind's networks, from its checkpoint or from a bundle.

use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    Error, Result,
    audio::spectrogram::SpectrogramConfig,
    checkpoint::Checkpoint,
    cli::convert::{imagebind_audio, imagebind_text, imagebind_vision, read_merges},
    dataset::{
        BundleNetworks, FrozenNetworks, MelRecipe, Preprocessor, Wanted,
        embeddings::{EmbeddingNetwork, Preparation},
    },
    files::hex,
    model::{
        imagebind::{AudioTrunk, SoundInput, TextTrunk, VisionTrunk},
        params::Params,
    },
    ops::Kernels,
    systems::art_to_mus::PictureEncoder,
    text::ClipTokenizer,
    weights::{Bundle, Location},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ImageBindArguments {
    /// ImageBind's imagebind_huge.pth.
    #[arg(long)]
    imagebind: Option<PathBuf>,
    /// A bundle whose networks to take instead, a folder or an address; it has none for captions.
    #[arg(long, conflicts_with = "imagebind")]
    bundle: Option<String>,
    /// CLIP's vocabulary, for captions: bpe_simple_vocab_16e6.txt (or .gz), merges.txt or tokenizer.json.
    #[arg(long)]
    vocabulary: Option<PathBuf>,
}

/// What is to be embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    Pictures,
    Tracks,
    Captions,
}

/// Opened weights.
pub(in crate::cli) enum ImageBind {
    Checkpoint(Box<Checkpoint>, Option<PathBuf>),
    Bundle(Box<Bundle>),
}

impl ImageBindArguments {
    /// Whether weights are named.
    pub fn given(&self) -> bool {
        self.imagebind.is_some() || self.bundle.is_some()
    }

    pub fn open(&self) -> Result<ImageBind> {
        match (&self.imagebind, &self.bundle) {
            (Some(file), _) => {
                let checkpoint = Checkpoint::open(file)?;
                Ok(ImageBind::Checkpoint(
                    Box::new(checkpoint),
                    self.vocabulary.clone(),
                ))
            }
            (None, Some(bundle)) => {
                let bundle = pollster::block_on(Bundle::open(Location::parse(bundle)?))?;
                Ok(ImageBind::Bundle(Box::new(bundle)))
            }
            (None, None) => Err(Error::input(
                "no weights are named",
                "name imagebind_huge.pth with --imagebind, or a bundle with --bundle",
            )),
        }
    }
}

impl ImageBind {
    /// Tells these weights from others, for what `kind` needs of them.
    pub fn digest(&self, kind: Kind) -> Result<serde_json::Value> {
        Ok(match self {
            Self::Checkpoint(checkpoint, vocabulary) => {
                let vocabulary = vocabulary.as_deref().filter(|_| kind == Kind::Captions);
                serde_json::json!([
                    file_digest(checkpoint.place())?,
                    vocabulary.map(file_digest).transpose()?,
                ])
            }
            Self::Bundle(bundle) => {
                serde_json::json!(BundleNetworks::new(bundle)?.digests(wanted(kind)))
            }
        })
    }

    /// Loads the network for `kind`, with what makes items into what it takes.
    pub fn load<B: Kernels>(
        &self,
        kind: Kind,
        device: &B::Device,
    ) -> Result<(Preparation, EmbeddingNetwork<B>)> {
        match (self, kind) {
            (Self::Checkpoint(checkpoint, vocabulary), Kind::Captions) => {
                text_trunk(checkpoint, vocabulary.as_deref(), device)
            }
            (Self::Bundle(_), Kind::Captions) => Err(Error::input(
                "bundles have no network for captions",
                "name imagebind_huge.pth with --imagebind",
            )),
            _ => {
                let networks = self.networks(kind, device)?;
                let preparation = Preparation::Files(Box::new(networks.preprocessor.clone()));
                Ok((preparation, EmbeddingNetwork::Frozen(networks)))
            }
        }
    }

    /// The network for pictures or for tracks.
    fn networks<B: Kernels>(&self, kind: Kind, device: &B::Device) -> Result<FrozenNetworks<B>> {
        let checkpoint = match self {
            Self::Bundle(bundle) => {
                return BundleNetworks::new(bundle)?.encoders(wanted(kind), device);
            }
            Self::Checkpoint(checkpoint, _) => checkpoint.as_ref(),
        };
        let spectrogram = SpectrogramConfig::audioldm();
        let mut preprocessor = Preprocessor::new(1, MelRecipe::Normalised, &spectrogram)?;
        let params = Params::new(checkpoint, device);
        let (mut pictures, mut sounds) = (None, None);
        if kind == Kind::Pictures {
            let config = imagebind_vision(checkpoint)?;
            preprocessor.image_size = Some(config.image_size);
            pictures = Some(PictureEncoder::ImageBind(VisionTrunk::load(
                &params, &config,
            )?));
        } else {
            let config = imagebind_audio(checkpoint)?.ok_or_else(|| lacks(checkpoint, "audio"))?;
            preprocessor.clips = Some(SoundInput::new(&config, &spectrogram)?);
            sounds = Some(AudioTrunk::load(&params, &config)?);
        }
        Ok(FrozenNetworks {
            texts: None,
            mels: false,
            pictures,
            latents: None,
            sounds,
            tokens: None,
            preprocessor,
            device: device.clone(),
        })
    }
}

fn wanted(kind: Kind) -> Wanted {
    Wanted {
        pictures: kind == Kind::Pictures,
        latents: false,
        sounds: kind == Kind::Tracks,
        tokens: false,
    }
}

fn text_trunk<B: Kernels>(
    checkpoint: &Checkpoint,
    vocabulary: Option<&Path>,
    device: &B::Device,
) -> Result<(Preparation, EmbeddingNetwork<B>)> {
    let config = imagebind_text(checkpoint)?.ok_or_else(|| lacks(checkpoint, "text"))?;
    let vocabulary = vocabulary.ok_or_else(|| {
        Error::input(
            "captions need CLIP's vocabulary",
            "name bpe_simple_vocab_16e6.txt.gz, which comes with ImageBind, with --vocabulary",
        )
    })?;
    let merges = read_merges(vocabulary, config.vocabulary)?;
    let tokenizer = ClipTokenizer::new(&merges, config.context)?;
    let trunk = TextTrunk::load(&Params::<B>::new(checkpoint, device), &config)?;
    let preparation = Preparation::Captions(tokenizer, config.context);
    Ok((preparation, EmbeddingNetwork::Text(trunk)))
}

fn lacks(checkpoint: &Checkpoint, trunk: &str) -> Error {
    Error::format(
        format!("{} has no {trunk} trunk", checkpoint.place().display()),
        "use imagebind_huge.pth",
    )
}

/// The SHA-256 of a file.
fn file_digest(path: &Path) -> Result<String> {
    let failed = |e| Error::file("read", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let (mut digest, mut part) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut part).map_err(failed)? {
            0 => return Ok(hex(&digest.finalize())),
            count => digest.update(&part[..count]),
        }
    }
}
