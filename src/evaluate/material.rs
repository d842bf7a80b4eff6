//! What all tables are made from.

use burn::tensor::Tensor;
use std::time::Instant;

use super::{Extent, Listener};
use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, spectrogram::SpectrogramConfig},
    dataset::{
        BATCH_SIZE, BundleNetworks, FrozenNetworks, Loader, Rendered, Source, Wanted, cores,
        material::Pair,
    },
    image::{self, Picture},
    model::params::FreshInit,
    ops::Kernels,
    quant::Encoding,
    systems::{
        Request, Source as MusicSource,
        art_to_mus::{ArtToMus, Settings, replace_aligner},
    },
    tensors::{HostTensor, read},
    weights::{Bundle, Location},
};

/// Side of pictures that are painted for measuring, in pixels: those of the gallery.
pub const PICTURE: usize = 512;
/// The first item of the music that all sets of pieces are compared with; other pairs than the pictures'.
const FIRST_REFERENCE: usize = 10_000;

/// Sounds and their embeddings.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    pub samples: Vec<Vec<f32>>,
    /// Unit vectors.
    pub embeddings: Vec<Vec<f32>>,
}

/// Pairs and what the bundle makes of them.
pub(super) struct Material {
    pub pairs: Vec<Pair>,
    /// The pictures.
    pub painted: Vec<Picture>,
    /// Unit vectors of the pictures.
    pub pictures: Vec<Vec<f32>>,
    /// The music that belongs to the pictures.
    pub paired: Sounds,
    /// What the composer makes of the pictures by rule, without a network: their measured statistics decide everything,
    /// and the same instruments play.
    pub ruled: Sounds,
    /// The music that the bundle makes of them.
    pub made: Sounds,
    /// What it makes without a picture: from the embedding of the paired music itself. Empty when the
    /// bundle cannot translate that.
    pub retold: Vec<Vec<f32>>,
    /// The same with an aligner that was never trained, for the first pictures.
    pub untrained: Sounds,
    /// Other music of the same kind, as many pieces.
    pub reference: Sounds,
    /// The paired music through the VAE and the vocoder.
    pub resynthesised: Sounds,
    /// Embeddings of as many pieces of white noise and of silence.
    pub noise: Vec<Vec<f32>>,
    pub silence: Vec<Vec<f32>>,
    pub milliseconds: f64,
    /// What the VAE and the vocoder pass to each other.
    pub spectrogram: SpectrogramConfig,
}

impl Material {
    pub fn make<B: Kernels>(
        bundle: &Bundle,
        source: &Rendered,
        device: &B::Device,
        extent: Extent,
        listener: &dyn Listener,
    ) -> Result<Self> {
        let networks = BundleNetworks::new(bundle)?;
        let seconds = networks.seconds();
        let wanted = Wanted {
            pictures: true,
            latents: true,
            sounds: true,
            tokens: networks.can_translate(),
        };
        let encoders = networks.encoders::<B>(wanted, device)?;
        listener.note("Preparing pictures and music");
        let pairs = in_order(0..extent.pictures, &|index| source.pair(index))?;
        let painted = in_order(0..extent.pictures, &|index| source.picture(index))?;
        let pictures = embed_images(&encoders, &painted)?;
        let compose = |index: usize| encoders.preprocessor.music(source, index);
        let paired = embed_sounds(&encoders, in_order(0..extent.pictures, &compose)?)?;
        let others = FIRST_REFERENCE..FIRST_REFERENCE + extent.pictures;
        let reference = embed_sounds(&encoders, in_order(others, &compose)?)?;

        let rule = source.composed_only();
        let ruled = in_order(0..extent.pictures, &|index| {
            encoders.preprocessor.music(&rule, index)
        })?;
        let ruled = embed_sounds(&encoders, ruled)?;

        listener.note("Resynthesising");
        let decoder = networks.decoder::<B>(device)?;
        let resynthesised = paired.samples.iter().map(|samples| {
            let mel = encoders.preprocessor.log_mel(samples)?;
            let [mean, _] = encoders.encode_latents(mel, 1)?;
            decoder.sound(mean, samples.len())
        });
        let resynthesised = embed_sounds(&encoders, resynthesised.collect::<Result<_>>()?)?;
        drop(decoder);

        listener.note("Making music of the pictures");
        let (made, milliseconds) = generate::<B>(bundle, &painted, None, 0, device)?;
        let made = embed_sounds(&encoders, made)?;
        listener.note("Making music of music");
        let retold = match translations(&encoders, &paired.samples)? {
            Some(tokens) => generate::<B>(bundle, &painted, Some(&tokens), 0, device)?.0,
            None => Vec::new(),
        };
        listener.note("Making music with an untrained aligner");
        let folder = tempfile::tempdir()
            .map_err(|e| Error::file("create a folder in", &std::env::temp_dir(), e))?;
        let place = folder.path().join("untrained");
        let fresh = FreshInit::new(1);
        let aligner = (networks.aligner(), &fresh as _);
        replace_aligner(bundle, aligner, &place, Encoding::F32, None)?;
        let untrained = pollster::block_on(Bundle::open(Location::Folder(place)))?;
        let some = &painted[..extent.untrained.min(painted.len())];
        let untrained = embed_sounds(
            &encoders,
            generate::<B>(&untrained, some, None, 0, device)?.0,
        )?;

        let length = (seconds * f64::from(SAMPLE_RATE)) as usize;
        let noise = (0..extent.pictures as u64).map(|seed| {
            let draws = crate::random::standard_normal(seed, 9, length);
            draws.into_iter().map(|x| 0.1 * x).collect()
        });
        let silence = embed_sounds(&encoders, vec![vec![0.0; length]])?;
        let silence = silence.embeddings.into_iter().next().unwrap_or_default();
        Ok(Self {
            noise: embed_sounds(&encoders, noise.collect())?.embeddings,
            silence: vec![silence; extent.pictures],
            pairs,
            painted,
            pictures,
            paired,
            ruled,
            made,
            retold,
            untrained,
            reference,
            resynthesised,
            milliseconds,
            spectrogram: encoders.preprocessor.spectrogram().clone(),
        })
    }

    /// Gives all sets of sounds to `listener`.
    pub fn tell(&self, listener: &dyn Listener) -> Result<()> {
        for (set, sounds, has_seeds) in [
            ("generated", &self.made.samples, true),
            ("untrained", &self.untrained.samples, true),
            ("from-music", &self.retold, true),
            ("by-rule", &self.ruled.samples, false),
            ("paired", &self.paired.samples, false),
            ("resynthesised", &self.resynthesised.samples, false),
            ("other", &self.reference.samples, false),
        ] {
            for (number, samples) in sounds.iter().enumerate() {
                let seed = has_seeds.then_some(number as u64);
                listener.sound(set, number, seed, samples)?;
            }
        }
        Ok(())
    }
}

/// What `work` gives for some numbers, on all cores.
fn in_order<T: Send>(
    numbers: std::ops::Range<usize>,
    work: &(dyn Fn(usize) -> Result<T> + Sync),
) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let results = Loader::start(scope, cores(), numbers, work);
        results.map(Result::flatten).collect()
    })
}

/// Embeddings of pictures as unit vectors.
fn embed_images<B: Kernels>(
    encoders: &FrozenNetworks<B>,
    pictures: &[Picture],
) -> Result<Vec<Vec<f32>>> {
    let size = encoders.preprocessor.image_size.unwrap_or(PICTURE);
    let mut embeddings = Vec::with_capacity(pictures.len());
    for some in pictures.chunks(BATCH_SIZE) {
        let pixels = some.iter().map(|picture| image::preprocess(picture, size));
        let pixels = pixels.flatten().collect();
        embeddings.extend(rows(
            encoders.embed_images(pixels, some.len())?,
            some.len(),
        )?);
    }
    Ok(embeddings)
}

/// Sounds with their embeddings as unit vectors.
fn embed_sounds<B: Kernels>(
    encoders: &FrozenNetworks<B>,
    samples: Vec<Vec<f32>>,
) -> Result<Sounds> {
    let mut embeddings = Vec::with_capacity(samples.len());
    for some in samples.chunks(BATCH_SIZE) {
        let clips = in_order(0..some.len(), &|i| encoders.preprocessor.clips(&some[i]))?;
        let sounds = encoders.embed_sounds(clips.concat(), some.len())?;
        embeddings.extend(rows(sounds.embedding, some.len())?);
    }
    Ok(Sounds {
        samples,
        embeddings,
    })
}

/// GPT-2's translations of sounds; nothing when the bundle cannot make them.
fn translations<B: Kernels>(
    encoders: &FrozenNetworks<B>,
    sounds: &[Vec<f32>],
) -> Result<Option<Vec<HostTensor>>> {
    let each = sounds.iter().map(|samples| {
        let clips = encoders.preprocessor.clips(samples)?;
        let sounds = encoders.embed_sounds(clips, 1)?;
        let Some(tokens) = encoders.loa_tokens(&sounds)? else {
            return Ok(None);
        };
        pollster::block_on(HostTensor::read(tokens)).map(Some)
    });
    each.collect()
}

/// One piece for each picture with the settings that the bundle suggests and seeds from `first_seed` on, and the
/// mean time of all but the first. With `audio_tokens`, one for each piece, pictures decide nothing.
pub(super) fn generate<B: Kernels>(
    bundle: &Bundle,
    pictures: &[Picture],
    audio_tokens: Option<&[HostTensor]>,
    first_seed: u64,
    device: &B::Device,
) -> Result<(Vec<Vec<f32>>, f64)> {
    let system = ArtToMus::<B>::new(bundle.clone(), device.clone())?;
    let mut made = Vec::with_capacity(pictures.len());
    let mut started = Instant::now();
    for (i, picture) in pictures.iter().enumerate() {
        let request = Request::new(Settings::from_defaults(
            system.defaults(),
            first_seed + i as u64,
        ));
        let source = match audio_tokens.and_then(|tokens| tokens.get(i)) {
            Some(tokens) => MusicSource::Tokens(tokens),
            None => MusicSource::Picture(picture),
        };
        let output = pollster::block_on(system.generate(source, &request, &mut ()))?;
        made.extend(output.pieces.into_iter().next().map(|piece| piece.samples));
        if i == 0 {
            started = Instant::now();
        }
    }
    let count = pictures.len().saturating_sub(1).max(1);
    Ok((made, started.elapsed().as_secs_f64() * 1e3 / count as f64))
}

/// The rows of a matrix as unit vectors.
fn rows<B: Kernels>(matrix: Tensor<B, 2>, count: usize) -> Result<Vec<Vec<f32>>> {
    let values = pollster::block_on(read(crate::model::layers::l2_normalise(matrix)))?;
    let each = values.len() / count.max(1);
    Ok(values
        .chunks_exact(each.max(1))
        .map(<[f32]>::to_vec)
        .collect())
}
