//! Art2Music: towers where there are none, fusion and decoder, and the vocoder.

use std::{fs, path::Path};

use super::{
    super::{
        bundle_location, config_path,
        pretrain::{OnDevice, with_device},
        print_line,
    },
    Arguments,
};
use crate::{
    Error, Result,
    audio::spectrogram::SpectrogramConfig,
    dataset::SkipLog,
    files::{check_free, write_file},
    systems::art2music::Networks,
    train::{
        Description, RunFolder, TrainingBackend, Weights,
        art2music::{
            Art2MusicConfig, ComposerTask, Frozen, TowersTask, VocoderTask, export::Finished,
            learn_vocabulary, part,
        },
        config::RunConfig,
        data::Sources,
        run as train,
    },
    weights::{Bundle, Location},
};

/// The configuration with the paper's values.
const CONFIG: &str = "configs/art2music.toml";
/// The vocabulary of towers of our own, in their folder.
const MERGES: &str = "merges.txt";
/// What is published, in the run's folder.
const CHECKPOINTS: &str = "checkpoints";

/// The parts, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// Pictures and comments to one space, where the configuration has towers.
    Towers,
    /// Both embeddings to spectrograms.
    Composer,
    /// Spectrograms to sound, where the configuration trains the vocoder on.
    Vocoder,
}

impl Part {
    const ALL: [Self; 3] = [Self::Towers, Self::Composer, Self::Vocoder];

    fn name(self) -> &'static str {
        match self {
            Self::Towers => part::TOWERS,
            Self::Composer => part::COMPOSER,
            Self::Vocoder => part::VOCODER,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let config = Art2MusicConfig::read(&config_path(arguments.config.as_deref(), CONFIG)?)?;
    if let Some(target) = &arguments.export {
        check_free(target)?;
    }
    let parts = match arguments.part {
        Some(part) if config.run(part.name()).is_none() => {
            return Err(Error::input(
                format!("the configuration has no part {}", part.name()),
                format!("add a table [{}] to it", part.name()),
            ));
        }
        Some(part) => vec![part],
        None => Part::ALL.to_vec(),
    };
    let work = Work::open(arguments, &config)?;
    for part in parts {
        if let Some(run) = config.run(part.name()) {
            work.train(part, run)?;
        }
    }
    if arguments.part.is_some() {
        return Ok(());
    }
    let frozen = work.frozen()?;
    let finished = Finished::open(&config, &frozen, arguments.output()?)?;
    let checkpoints = arguments.output()?.join(CHECKPOINTS);
    if !checkpoints.is_dir() {
        finished.checkpoints(&checkpoints)?;
    }
    print_line(&format!(
        "{} has what was trained, for art2mus convert --system art2music",
        checkpoints.display()
    ))?;
    let Some(target) = &arguments.export else {
        return Ok(());
    };
    finished.bundle(target, arguments.dtype, arguments.name.clone())?;
    print_line(&format!("{} is ready", target.display()))
}

/// What the parts have in common.
struct Work<'a> {
    arguments: &'a Arguments,
    config: &'a Art2MusicConfig,
    /// Whose towers are used, unless there are some of our own.
    bundle: Option<Bundle>,
    /// Whose vocoder is used; that of `bundle` when there is none.
    vocoder: Option<Bundle>,
    sources: Sources,
}

impl<'a> Work<'a> {
    fn open(arguments: &'a Arguments, config: &'a Art2MusicConfig) -> Result<Self> {
        let open = |location| pollster::block_on(Bundle::open(location));
        let bundle = match (&arguments.bundle, &config.towers) {
            (Some(folder), None) => Some(open(Location::Folder(folder.clone()))?),
            (None, Some(_)) => None,
            (Some(_), Some(_)) => {
                return Err(Error::input(
                    "the configuration trains towers of its own",
                    "leave --bundle out, or the table [towers]; --vocoder names another vocoder",
                ));
            }
            (None, None) => {
                return Err(Error::input(
                    "there are no towers for pictures and comments",
                    "give a bundle with them (--bundle; convert --system art2music makes one without --decoder), or the \
                     table [towers]",
                ));
            }
        };
        let vocoder = match (&arguments.vocoder, &bundle) {
            (None, Some(_)) => None,
            (given, _) => Some(open(bundle_location(given.as_deref())?)?),
        };
        let both = [vocoder.as_ref(), bundle.as_ref()];
        let (sizes, spectrogram) = match both.into_iter().flatten().next() {
            Some(player) => {
                let (vocoder, _) = crate::systems::vocoder_of(player)?;
                (vocoder.hop(), Networks::spectrogram(&vocoder))
            }
            None => return Err(Error::internal("there is no vocoder")),
        };
        let seconds = seconds(config.frames, sizes, &spectrogram);
        let size = match (&config.towers, &bundle) {
            (Some(towers), _) => towers.network.vision.image_size,
            (None, Some(bundle)) => {
                Networks::from_manifest(bundle.manifest())?
                    .vision
                    .image_size
            }
            (None, None) => return Err(Error::internal("there are no towers")),
        };
        let sources = arguments.data.sources(&config.material, (size, seconds))?;
        Ok(Self {
            arguments,
            config,
            bundle,
            vocoder,
            sources,
        })
    }

    /// The bundle whose vocoder plays.
    fn player(&self) -> Result<&Bundle> {
        let players = [self.vocoder.as_ref(), self.bundle.as_ref()];
        let player = players.into_iter().flatten().next();
        player.ok_or_else(|| Error::internal("there is no vocoder"))
    }

    /// The networks that stay as they are, once the towers are there.
    fn frozen(&self) -> Result<Frozen> {
        let player = self.player()?;
        let Some(towers) = &self.config.towers else {
            let bundle = self.bundle.as_ref();
            let bundle = bundle.ok_or_else(|| Error::internal("there are no towers"))?;
            return Frozen::of_bundle(bundle, player);
        };
        let folder = self.arguments.output()?;
        let weights = Weights::of(folder, part::TOWERS);
        let file = weights.open()?;
        let path = folder.join(part::TOWERS).join(MERGES);
        let merges = fs::read_to_string(&path).map_err(|e| Error::file("read", &path, e))?;
        let network = &towers.network;
        let sizes = (network.vision.clone(), network.text.clone());
        Frozen::of_run(sizes, merges, (file, weights.digest()?), player)
    }

    /// Trains `part`, unless it is finished.
    fn train(&self, part: Part, run: &RunConfig) -> Result<()> {
        let config = self.config;
        let name = part.name();
        let frozen = match part {
            Part::Towers => None,
            Part::Composer | Part::Vocoder => Some(self.frozen()?),
        };
        let digests = match (part, &frozen) {
            (Part::Composer, Some(frozen)) => frozen.tower_digests(),
            (Part::Vocoder, Some(frozen)) => frozen.vocoder_digests(),
            _ => Default::default(),
        };
        let table = match part {
            Part::Towers => serde_json::to_value(&config.towers),
            Part::Composer => serde_json::to_value(&config.composer),
            Part::Vocoder => serde_json::to_value(&config.vocoder),
        };
        let table = table
            .map_err(|e| Error::internal(format!("a configuration cannot be written ({e})")))?;
        let mut configuration = serde_json::json!({ name: table });
        if let Some(frozen) = &frozen {
            configuration["frames"] = config.frames.into();
            let spectrogram = Networks::spectrogram(&frozen.vocoder);
            configuration["spectrogram"] = serde_json::json!(spectrogram);
        }
        if part != Part::Vocoder {
            configuration["comment"] = serde_json::json!(config.comment);
        }
        let description = Description::new(configuration, &self.sources, digests);
        let own = RunFolder::open(&self.arguments.output()?.join(name), description)?;
        if own.is_finished() {
            eprintln!("The part {name} is finished: {}", own.path().display());
            return Ok(());
        }
        let job = Training {
            work: self,
            part,
            run,
            frozen: frozen.as_ref(),
            own: &own,
        };
        with_device(self.arguments.device, run, job)
    }

    /// Learns the vocabulary of towers of our own, the same at every start, and keeps it in `folder`.
    fn merges(&self, folder: &Path) -> Result<String> {
        let Some(towers) = &self.config.towers else {
            return Err(Error::internal("there are no towers"));
        };
        let source = self.sources.training.as_ref();
        let vocabulary = towers.network.text.vocab_size;
        let merges = learn_vocabulary(source, self.config.comment, vocabulary)?;
        write_file(&folder.join(MERGES), merges.as_bytes())?;
        Ok(merges)
    }
}

/// Seconds of so many frames.
fn seconds(frames: usize, hop: usize, spectrogram: &SpectrogramConfig) -> f64 {
    (frames * hop) as f64 / f64::from(spectrogram.sample_rate)
}

/// One part to be trained.
struct Training<'a> {
    work: &'a Work<'a>,
    part: Part,
    run: &'a RunConfig,
    frozen: Option<&'a Frozen>,
    own: &'a RunFolder,
}

impl OnDevice for Training<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let (work, own) = (self.work, self.own);
        let config = work.config;
        let skipped = SkipLog::open(own.path())?;
        let cache = work.arguments.output()?.join("cache");
        let data = &work.arguments.data;
        let data = &data.open(work.sources.clone(), skipped, &cache);
        let (name, to, threads) = (self.part.name(), self.run, data.threads);
        let unset = || Error::internal("a part that is not configured");
        match (self.part, self.frozen) {
            (Part::Towers, _) => {
                let part = config.towers.as_ref().ok_or_else(unset)?;
                let merges = work.merges(own.path())?;
                let task = TowersTask::<B>::new(config, part, &merges, data, device.clone())?;
                train(name, &task, to, own, threads, &device)
            }
            (Part::Composer, Some(frozen)) => {
                let task = ComposerTask::<B>::new(config, frozen, data, device.clone())?;
                train(name, &task, to, own, threads, &device)
            }
            (Part::Vocoder, Some(frozen)) => {
                let part = config.vocoder.as_ref().ok_or_else(unset)?;
                let task = VocoderTask::<B>::new(config, part, frozen, data, device.clone())?;
                train(name, &task, to, own, threads, &device)
            }
            (_, None) => Err(unset()),
        }?;
        data.skipped.report();
        Ok(())
    }
}
