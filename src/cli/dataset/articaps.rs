//! `art2mus dataset articaps`.

use indicatif::ProgressBar;
use std::{num::NonZeroUsize, path::PathBuf};

use super::super::{print_json, print_line};
use crate::{
    Error, Result,
    dataset::articaps::{Files, Limits, Statistics, Tables, Vectors},
    device::{self, Device, DeviceChoice},
    files::{check_free, write_file},
    model::{clip::ClipText, params::Params, trace::Trace},
    ops::Kernels,
    systems::art2music::{self, Networks, kind, stage},
    tensors::read,
    text::ClipTokenizer,
    weights::{Bundle, Location, Manifest},
};

/// Texts that go through the network at once.
const BATCH: usize = 32;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// ArtEmis's table: art_style, painting, emotion, utterance, repetition.
    #[arg(long)]
    artemis: PathBuf,
    /// MusicCaps's table: ytid, start_s, end_s, audioset_positive_labels, aspect_list, caption, ….
    #[arg(long)]
    musiccaps: PathBuf,
    /// The bundle of art2music whose text tower compares descriptions.
    #[arg(long)]
    encoder: String,
    /// The list that is written: JSON lines of picture, comment, music and what belongs to them.
    #[arg(short, long)]
    output: PathBuf,
    /// The folder of the paintings; those that are not there are left out. Without it names are written as they are,
    /// relative to the list.
    #[arg(long)]
    pictures: Option<PathBuf>,
    /// A painting's file, with columns of ArtEmis in braces.
    #[arg(long, default_value = "{art_style}/{painting}.jpg")]
    picture_name: String,
    /// The folder of the music; clips that are not there are left out. Without it names are written as they are,
    /// relative to the list.
    #[arg(long)]
    music: Option<PathBuf>,
    /// A clip's file, with columns of MusicCaps in braces.
    #[arg(long, default_value = "{ytid}.wav")]
    music_name: String,
    /// The most comments of a painting, the first ones; all of them when left out.
    #[arg(long)]
    per_painting: Option<NonZeroUsize>,
    /// How often a clip may be used; any number of times when left out.
    #[arg(long)]
    reuse: Option<NonZeroUsize>,
    /// The least similarity of a pair, a cosine.
    #[arg(long, default_value_t = -1.0, allow_negative_numbers = true)]
    threshold: f32,
    /// What to compute on.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
    /// Print the statistics as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if !(-1.0..=1.0).contains(&arguments.threshold) {
        return Err(Error::input(
            format!("no cosine is above {} in all cases", arguments.threshold),
            "give --threshold a number from -1 to 1",
        ));
    }
    check_free(&arguments.output)?;
    let files = |folder: &Option<PathBuf>, name: &str| Files {
        folder: folder.clone(),
        name: name.into(),
    };
    let pictures = files(&arguments.pictures, &arguments.picture_name);
    let music = files(&arguments.music, &arguments.music_name);
    let tables = Tables::open(
        (&arguments.artemis, &pictures),
        (&arguments.musiccaps, &music),
        arguments.per_painting.map(usize::from),
    )?;
    let location = Location::parse(&arguments.encoder)?;
    let bundle = pollster::block_on(Bundle::open(location))?;
    let job = Job {
        arguments,
        tables: &tables,
        bundle: &bundle,
    };
    match device::choose(arguments.device)? {
        Device::Cpu => job.run::<crate::ops::Cpu>(),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => job.run::<crate::ops::Gpu>(),
        #[cfg(feature = "cuda")]
        Device::Cuda => job.run::<burn::backend::Cuda>(),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => job.run::<burn::backend::LibTorch>(),
    }
}

/// What is to be matched, on whatever device.
struct Job<'a> {
    arguments: &'a Arguments,
    tables: &'a Tables,
    bundle: &'a Bundle,
}

impl Job<'_> {
    fn run<B: Kernels>(&self) -> Result<()> {
        let (arguments, tables) = (self.arguments, self.tables);
        let device = Default::default();
        let encoder = Encoder::<B>::load(self.bundle, &device)?;
        let comments = encoder.embed("comments", &tables.comments()?)?;
        let captions = encoder.embed("descriptions", &tables.captions()?)?;
        B::release(encoder.tower, &device);
        let limits = Limits {
            reuse: arguments.reuse.map(usize::from),
            threshold: arguments.threshold,
        };
        let bar = ProgressBar::new(comments.len() as u64).with_prefix("matches");
        let progress = |done: usize| bar.set_position(done as u64);
        let both = [&comments, &captions];
        let matches = tables.matches::<B>(both, limits, &device, &progress)?;
        bar.finish_and_clear();
        if matches.is_empty() {
            return Err(Error::input(
                "no comment has music that is as similar",
                "lower --threshold",
            ));
        }
        let mut list = String::new();
        for found in &matches {
            list += &serde_json::to_string(&tables.line(found)?)
                .map_err(|e| Error::internal(format!("a pair cannot be written ({e})")))?;
            list.push('\n');
        }
        write_file(&arguments.output, list.as_bytes())?;
        let statistics = tables.statistics(&matches);
        match arguments.json {
            true => print_json(&statistics),
            false => print_line(&described(&statistics)),
        }
    }
}

/// The text tower of a bundle with its tokenizer.
struct Encoder<B: Kernels> {
    tower: ClipText<B>,
    tokenizer: ClipTokenizer,
    width: usize,
}

impl<B: Kernels> Encoder<B> {
    fn load(bundle: &Bundle, device: &B::Device) -> Result<Self> {
        let manifest: &Manifest = bundle.manifest();
        if manifest.system != art2music::NAME {
            return Err(Error::input(
                format!(
                    "a bundle of the system {} has no text tower of CLIP",
                    manifest.system
                ),
                "give a bundle of art2music (convert --system art2music)",
            ));
        }
        let config = Networks::from_manifest(manifest)?.text;
        let (context, vocabulary) = (config.max_position_embeddings, config.vocab_size);
        let tokenizer = ClipTokenizer::of_bundle(bundle, context, vocabulary);
        let weights = pollster::block_on(bundle.load(stage::TEXT, &mut |_| ()))?;
        Ok(Self {
            tokenizer: pollster::block_on(tokenizer)?,
            tower: ClipText::load(&Params::new(&weights, device).at(kind::CLIP_TEXT), &config)?,
            width: config.projection_dim,
        })
    }

    /// The embeddings of texts, of unit length.
    fn embed(&self, what: &'static str, texts: &[&str]) -> Result<Vectors> {
        let bar = ProgressBar::new(texts.len() as u64).with_prefix(what);
        let mut values = Vec::with_capacity(texts.len() * self.width);
        for texts in texts.chunks(BATCH) {
            let ids: Vec<Vec<u32>> = texts
                .iter()
                .map(|text| self.tokenizer.encode(text))
                .collect();
            let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
            let embeddings = self.tower.forward_batch(&ids, &mut Trace::off())?;
            values.extend(pollster::block_on(read(embeddings))?);
            bar.inc(texts.len() as u64);
        }
        bar.finish_and_clear();
        Ok(Vectors::normalised(values, self.width))
    }
}

/// The statistics as a person reads them.
fn described(statistics: &Statistics) -> String {
    let mut lines = vec![
        format!(
            "{} pairs of {} comments and {} clips",
            statistics.pairs, statistics.comments, statistics.clips
        ),
        format!(
            "similarity: mean {:.4}, deviation {:.4}, from {:.4} to {:.4}",
            statistics.mean, statistics.deviation, statistics.least, statistics.largest
        ),
        format!(
            "{} clips are used, {:.1} times on average, {} times at most",
            statistics.used, statistics.mean_uses, statistics.most_used
        ),
    ];
    let missing = statistics.missing;
    if missing.comments + missing.clips > 0 {
        lines.push(format!(
            "{} comments and {} clips have no file",
            missing.comments, missing.clips
        ));
    }
    lines.join("\n")
}
