//! `art2mus compare`: models of any system side by side, on pairs of pictures and music.

use std::path::PathBuf;

use super::{bundle_location, print_json, print_line};
use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, Sound},
    dataset::{
        BundleNetworks, FrozenNetworks, JsonLines, SkipLog, Source, Wanted, cores, read_first,
    },
    device::{self, Device, DeviceChoice},
    evaluate::{Comparison, Sounds, markdown},
    image::Picture,
    ops::Kernels,
    systems::{Request, Settings, System},
    tensors::read,
    weights::{Bundle, Location},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A model: a folder or address; may be given several times.
    #[arg(long, required = true)]
    bundle: Vec<String>,
    /// Pairs that none of them has learnt from: JSON lines of picture and music, with a comment where models read one.
    #[arg(long)]
    pairs: PathBuf,
    /// How many pairs, the first ones that can be read.
    #[arg(long, default_value_t = 64)]
    count: usize,
    /// The bundle whose audio network makes the embeddings of Fréchet distance and cosine; the default model when left out.
    #[arg(long)]
    judge: Option<String>,
    /// What to compute on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: DeviceChoice,
    /// Print the figures as JSON, in place of a table in Markdown.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.count < 2 {
        return Err(Error::input(
            "so few pieces say nothing",
            "give --count 2 or more",
        ));
    }
    match device::choose(arguments.device)? {
        Device::Cpu => compare::<crate::ops::Cpu>(arguments),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => compare::<crate::ops::Gpu>(arguments),
        #[cfg(feature = "cuda")]
        Device::Cuda => compare::<burn::backend::Cuda>(arguments),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => compare::<burn::backend::LibTorch>(arguments),
    }
}

/// A picture, what is said of it, and its music.
struct Pair {
    picture: Picture,
    comment: Option<String>,
    music: Vec<f32>,
}

fn compare<B: Kernels>(arguments: &Arguments) -> Result<()> {
    let device = Default::default();
    let judge = bundle_location(arguments.judge.as_deref())?;
    let judge = pollster::block_on(Bundle::open(judge))?;
    let judge = BundleNetworks::new(&judge)?;
    let sounds = Wanted {
        pictures: false,
        latents: false,
        sounds: true,
        tokens: false,
    };
    let judge = judge.encoders::<B>(sounds, &device)?;
    let list = JsonLines::open(&arguments.pairs)?;
    let skipped = SkipLog::default();
    let pair = |index: usize| -> Result<Pair> {
        Ok(Pair {
            picture: list.picture(index)?,
            comment: list.captions(index).comment.map(|comment| comment.text),
            music: list.music(index)?.resampled(SAMPLE_RATE)?,
        })
    };
    let pairs = read_first(&list, &skipped, cores(), arguments.count, &pair)?;
    if skipped.count() > 0 {
        eprintln!(
            "{} pairs could not be read and were left out",
            skipped.count()
        );
    }
    let music = embedded(
        &judge,
        pairs.iter().map(|pair| pair.music.clone()).collect(),
    )?;
    let mut rows = Vec::with_capacity(arguments.bundle.len());
    for place in &arguments.bundle {
        let bundle = pollster::block_on(Bundle::open(Location::parse(place)?))?;
        let name = bundle.manifest().model.name.clone();
        if !arguments.json {
            eprintln!("{name}");
        }
        let made = make::<B>(bundle, &pairs, &device)?;
        rows.push(Comparison::measure(
            &name,
            &music,
            &embedded(&judge, made)?,
        )?);
    }
    match arguments.json {
        true => print_json(&rows),
        false => print_line(&markdown(&rows)),
    }
}

/// What a model makes of all pictures, at 16 kHz, with the settings that its bundle suggests and the number of the pair as
/// seed, where it has one.
fn make<B: Kernels>(bundle: Bundle, pairs: &[Pair], device: &B::Device) -> Result<Vec<Vec<f32>>> {
    let system = System::<B>::new(bundle, device.clone())?;
    let abilities = system.abilities();
    let each = pairs.iter().enumerate().map(|(number, pair)| {
        let settings = Settings {
            comment: pair.comment.clone().filter(|_| abilities.takes_comment),
            ..Settings::default()
        };
        let request = Request::new(system.complete(&settings, number as u64)?);
        let output = pollster::block_on(system.generate(&pair.picture, &request, &mut ()))?;
        let rate = u32::try_from(output.sample_rate)
            .map_err(|_| Error::internal("a sample rate is too large"))?;
        let first = output.pieces.into_iter().next();
        let samples = first.map(|piece| piece.samples).unwrap_or_default();
        let sound = Sound {
            samples,
            sample_rate: rate,
        };
        sound.resampled(SAMPLE_RATE)
    });
    each.collect()
}

/// Sounds at 16 kHz with their embeddings.
fn embedded<B: Kernels>(judge: &FrozenNetworks<B>, samples: Vec<Vec<f32>>) -> Result<Sounds> {
    let rate = judge.preprocessor.spectrogram().sample_rate;
    let embed = |samples: &Vec<f32>| -> Result<Vec<f32>> {
        let sound = Sound {
            samples: samples.clone(),
            sample_rate: SAMPLE_RATE,
        };
        let clips = judge.preprocessor.clips(&sound.resampled(rate)?)?;
        let features = judge.embed_sounds(clips, 1)?;
        pollster::block_on(read(features.embedding))
    };
    Ok(Sounds {
        embeddings: samples.iter().map(embed).collect::<Result<_>>()?,
        samples,
    })
}
