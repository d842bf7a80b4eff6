//! What all tables are made from.

use burn::tensor::Tensor;
use std::time::Instant;

use super::Extent;
use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, fbank, mel::HOP},
    dataset::{
        items::{ItemEncoder, Source},
        synth::{Pair, Split},
    },
    image::Picture,
    model::{
        imagebind::AudioTrunk,
        params::{FreshInit, Params},
        trace::Trace,
        vae::VaeDecoder,
        vocoder::Vocoder,
    },
    ops::Kernels,
    quant::Encoding,
    systems::art_to_mus::{
        ArtToMus, Defaults, Networks, Request, Settings, Source as MusicSource, kind,
        replace_aligner, stage, vocoder_kind,
    },
    tensors::{HostTensor, read, tensor},
    weights::{Bundle, Location},
};

/// Side of the pictures in pixels: those of the gallery.
const PICTURE: u32 = 512;
/// Pieces of real music that generated ones are compared with; other pairs than the pictures'.
const REFERENCE: u64 = 256;
/// The first of them.
const FIRST_REFERENCE: u64 = 10_000;
/// Sounds that are embedded at once.
const TOGETHER: usize = 8;

/// Sounds and their embeddings.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    pub samples: Vec<Vec<f32>>,
    /// Unit vectors.
    pub embeddings: Vec<Vec<f32>>,
}

/// Held-out pairs and what the bundle makes of them.
pub(super) struct Material {
    pub pairs: Vec<Pair>,
    /// Unit vectors of the pictures.
    pub pictures: Vec<Vec<f32>>,
    /// The music that belongs to the pictures.
    pub paired: Sounds,
    /// The music that the bundle makes of them.
    pub made: Sounds,
    /// What it makes without a picture: from the embedding of the paired music itself. Empty when the
    /// bundle cannot translate that.
    pub retold: Vec<Vec<f32>>,
    /// The same with an aligner that was never trained, for the first pictures.
    pub untrained: Sounds,
    /// Other music of the same kind.
    pub reference: Sounds,
    /// The paired music through the VAE and the vocoder.
    pub resynthesised: Sounds,
    /// Embeddings of white noise and of silence.
    pub noise: Vec<Vec<f32>>,
    pub silence: Vec<Vec<f32>>,
    pub milliseconds: f64,
}

impl Material {
    pub fn make<B: Kernels>(
        bundle: &Bundle,
        device: &B::Device,
        extent: Extent,
        note: &dyn Fn(&str),
    ) -> Result<Self> {
        let networks = Networks::from_manifest(bundle.manifest())?;
        let seconds = Defaults::from_manifest(bundle.manifest())?.seconds;
        let encoder = ItemEncoder::<B>::load(
            bundle,
            &networks,
            Source::Synthetic(Split::Test),
            ItemEncoder::<B>::can_translate(bundle, &networks),
            device,
        )?;
        let listener = Listener::<B>::load(bundle, &networks, device)?;
        let pairs: Vec<Pair> = (0..extent.pictures as u64)
            .map(|index| Pair::draw(Split::Test, index))
            .collect();
        note("Painting and composing");
        let painted = pairs.iter().map(paint).collect::<Result<Vec<_>>>()?;
        let mut pictures = Vec::new();
        for some in painted.chunks(TOGETHER) {
            pictures.extend(rows(encoder.see(some), some.len())?);
        }
        let compose = |pair: &Pair| pair.compose(seconds);
        let paired = listener.sounds(pairs.iter().map(compose).collect())?;
        let others = FIRST_REFERENCE..FIRST_REFERENCE + REFERENCE;
        let others = others.map(|index| compose(&Pair::draw(Split::Test, index)));
        let reference = listener.sounds(others.collect())?;

        note("Resynthesising");
        let resynthesised =
            resynthesise::<B>(bundle, &networks, &encoder, &paired.samples, device)?;
        let resynthesised = listener.sounds(resynthesised)?;

        note("Making music of the pictures");
        let (made, milliseconds) = generate::<B>(bundle, &painted, None, device)?;
        let made = listener.sounds(made)?;
        note("Making music of music");
        let retold = match translations(&encoder, &paired.samples)? {
            Some(tokens) => generate::<B>(bundle, &painted, Some(&tokens), device)?.0,
            None => Vec::new(),
        };
        note("Making music with an untrained aligner");
        let folder = tempfile::tempdir()
            .map_err(|e| Error::file("create a folder in", &std::env::temp_dir(), e))?;
        let place = folder.path().join("untrained");
        let fresh = FreshInit::new(1);
        let aligner = (&networks.aligner, &fresh as _);
        replace_aligner(bundle, aligner, &place, Encoding::F32, None)?;
        let untrained = pollster::block_on(Bundle::open(Location::Folder(place)))?;
        let some = &painted[..extent.untrained.min(painted.len())];
        let untrained = listener.sounds(generate::<B>(&untrained, some, None, device)?.0)?;

        let length = (seconds * f64::from(SAMPLE_RATE)) as usize;
        let noise = (0..32).map(|seed| {
            let draws = crate::random::standard_normal(seed, 9, length);
            draws.into_iter().map(|x| 0.1 * x).collect()
        });
        Ok(Self {
            noise: listener.sounds(noise.collect())?.embeddings,
            silence: listener.sounds(vec![vec![0.0; length]; 2])?.embeddings,
            pairs,
            pictures,
            paired,
            made,
            retold,
            untrained,
            reference,
            resynthesised,
            milliseconds,
        })
    }
}

/// The picture of a pair.
pub(super) fn paint(pair: &Pair) -> Result<Picture> {
    let painted = pair.paint(PICTURE).into_raw();
    Picture::from_rgb(painted, PICTURE as usize, PICTURE as usize)
}

/// GPT-2's translations of sounds; nothing when the bundle cannot make them.
fn translations<B: Kernels>(
    encoder: &ItemEncoder<B>,
    sounds: &[Vec<f32>],
) -> Result<Option<Vec<HostTensor>>> {
    let each = sounds.iter().map(|samples| {
        let Some(tokens) = encoder.translate(samples)? else {
            return Ok(None);
        };
        let shape = tokens.dims().to_vec();
        let values = pollster::block_on(read(tokens))?;
        Ok(Some(HostTensor { shape, values }))
    });
    each.collect()
}

/// One piece for each picture with the settings that the bundle suggests, and the mean time of all
/// but the first. With `audio_tokens`, one for each piece, pictures decide nothing.
pub(super) fn generate<B: Kernels>(
    bundle: &Bundle,
    pictures: &[Picture],
    audio_tokens: Option<&[HostTensor]>,
    device: &B::Device,
) -> Result<(Vec<Vec<f32>>, f64)> {
    let system = ArtToMus::<B>::new(bundle.clone(), device.clone())?;
    let mut made = Vec::with_capacity(pictures.len());
    let mut started = Instant::now();
    for (i, picture) in pictures.iter().enumerate() {
        let request = Request::new(Settings::from_defaults(system.defaults(), i as u64));
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

/// Sounds through the VAE (means of latents) and the vocoder.
fn resynthesise<B: Kernels>(
    bundle: &Bundle,
    networks: &Networks,
    encoder: &ItemEncoder<B>,
    sounds: &[Vec<f32>],
    device: &B::Device,
) -> Result<Vec<Vec<f32>>> {
    let load = |name| pollster::block_on(bundle.load(name, &mut |_| ()));
    let decode = load(stage::DECODE)?;
    let vocode = load(stage::VOCODE)?;
    let decoder = Params::<B>::new(&decode, device).at(kind::VAE_DECODER);
    let decoder = VaeDecoder::load(&decoder, &networks.vae)?;
    let vocoder = Params::<B>::new(&vocode, device).at(vocoder_kind(&networks.vocoder));
    let vocoder = Vocoder::load(&vocoder, &networks.vocoder)?;
    let each = sounds.iter().map(|samples| {
        let [mean, _] = encoder.encode(encoder.log_mel(samples)?, 1);
        let latents = mean / networks.vae.scaling_factor;
        let mel = decoder.decode(latents, &mut Trace::off());
        let wave = vocoder.forward(mel.squeeze_dim(1), &mut Trace::off());
        let mut wave = pollster::block_on(read(wave))?;
        wave.truncate(samples.len() / HOP * HOP);
        Ok(wave)
    });
    each.collect()
}

/// The audio trunk of a bundle.
struct Listener<B: Kernels> {
    trunk: AudioTrunk<B>,
    device: B::Device,
}

impl<B: Kernels> Listener<B> {
    fn load(bundle: &Bundle, networks: &Networks, device: &B::Device) -> Result<Self> {
        let Some(config) = &networks.ranking else {
            return Err(Error::input(
                "the bundle has no audio trunk, which measuring needs",
                "convert the checkpoint with ImageBind",
            ));
        };
        let rank = pollster::block_on(bundle.load(stage::RANK, &mut |_| ()))?;
        let params = Params::new(&rank, device).at(kind::IMAGEBIND_AUDIO);
        Ok(Self {
            trunk: AudioTrunk::load(&params, config)?,
            device: device.clone(),
        })
    }

    fn sounds(&self, samples: Vec<Vec<f32>>) -> Result<Sounds> {
        let mut embeddings = Vec::with_capacity(samples.len());
        for some in samples.chunks(TOGETHER) {
            let mut clips = Vec::new();
            for sound in some {
                clips.extend(fbank::clips(sound, SAMPLE_RATE)?);
            }
            let shape = [some.len() * fbank::CLIPS, 1, fbank::MEL_BINS, fbank::FRAMES];
            let clips = tensor(clips, shape, &self.device);
            let heard = self.trunk.forward_with_tokens(clips, fbank::CLIPS, &mut Trace::off());
            embeddings.extend(rows(heard.embedding, some.len())?);
        }
        Ok(Sounds {
            samples,
            embeddings,
        })
    }
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
