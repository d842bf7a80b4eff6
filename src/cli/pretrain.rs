//! `art2mus pretrain`: the parts that the paper takes as given, for the small model.

use burn::backend::Autodiff;
use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

use super::data::DataArguments;
use crate::{
    Error, Result,
    dataset::{SkipLog, material::MaterialConfig},
    device::{Device, DeviceChoice, choose},
    quant::Encoding,
    train::{
        Description, RunFolder, TrainingBackend, Weights,
        config::{RunConfig, SmallModel},
        data::Sources,
        export,
        imagebind::ImageBindTask,
        latents::PieceEncoders,
        prior::PriorTask,
        refinement::RefinementTask,
        run,
        vae::VaeTask,
        vocoder::VocoderTask,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to train, and how; the default model's configs/small.toml when left out.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The folder of all runs; each part has its own inside.
    #[arg(short, long, default_value = "runs/small")]
    output: PathBuf,
    /// Train only this part; the parts that it builds on must be there.
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// Train nothing and make the bundle of finished parts, which may have learnt from different pairs; --pairs are the
    /// prior's.
    #[arg(long, conflicts_with = "part")]
    export: bool,
    #[command(flatten)]
    data: DataArguments,
    /// What to compute on.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
}

/// The parts, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Spectrograms to latents and back.
    Vae,
    /// Spectrograms to sound.
    Vocoder,
    /// The vocoder on decoded spectrograms, against discriminators.
    Refinement,
    /// Pictures and sounds to one space.
    Imagebind,
    /// GPT-2 and the UNet.
    Prior,
}

impl Part {
    const ALL: [Self; 5] = [
        Self::Vae,
        Self::Vocoder,
        Self::Refinement,
        Self::Imagebind,
        Self::Prior,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Vae => "vae",
            Self::Vocoder => "vocoder",
            Self::Refinement => "refinement",
            Self::Imagebind => "imagebind",
            Self::Prior => "prior",
        }
    }

    /// The finished parts that it builds on.
    fn builds_on(self) -> &'static [Self] {
        match self {
            Self::Vae | Self::Vocoder | Self::Imagebind => &[],
            Self::Refinement => &[Self::Vae, Self::Vocoder],
            Self::Prior => &[Self::Vae, Self::Imagebind],
        }
    }

    /// How it is trained; nothing for a part that the configuration leaves out.
    fn run(self, config: &SmallModel) -> Option<&RunConfig> {
        match self {
            Self::Vae => Some(&config.vae.run),
            Self::Vocoder => Some(&config.vocoder.run),
            Self::Refinement => config.refinement.as_ref().map(|part| &part.run),
            Self::Imagebind => Some(&config.imagebind.run),
            Self::Prior => Some(&config.prior.run),
        }
    }
}

pub(super) fn run_command(arguments: &Arguments) -> Result<()> {
    let config = SmallModel::read(&super::config_path(
        arguments.config.as_deref(),
        super::DEFAULT_CONFIG,
    )?)?;
    let folder = &arguments.output;
    let parts = match arguments.part {
        Some(part) if part.run(&config).is_none() => {
            return Err(Error::input(
                format!("the configuration has no part {}", part.name()),
                format!("add a table [{}] to it", part.name()),
            ));
        }
        Some(part) => vec![part],
        None => Part::ALL.to_vec(),
    };
    let items = Items {
        arguments,
        config: &config,
        general: OnceCell::new(),
        of_prior: OnceCell::new(),
    };
    for part in parts {
        let Some(run) = part.run(&config) else {
            continue;
        };
        if arguments.export {
            let name = part.name();
            Weights::of(folder, name).check_network(&config.of_part(name, &[name])?)?;
            continue;
        }
        let sources = items.of(part)?;
        let own = open_folder(part, arguments, &config, &sources)?;
        if own.is_finished() {
            let place = own.path().display();
            eprintln!("The part {} is finished: {place}", part.name());
            continue;
        }
        let job = Training {
            part,
            run,
            arguments,
            config: &config,
            sources,
            own: &own,
        };
        with_device(arguments.device, run, job)?;
    }
    let bundle = folder.join("bundle");
    if arguments.part.is_some() {
        return Ok(());
    }
    if bundle.is_dir() {
        let place = bundle.display();
        eprintln!("The bundle is there already; remove it to have it made again: {place}");
        return Ok(());
    }
    let job = Export {
        arguments,
        config: &config,
        sources: items.of(Part::Prior)?,
        bundle: &bundle,
    };
    with_device(arguments.device, &config.prior.run, job)?;
    super::print_line(&format!(
        "{} is ready for art2mus train --bundle {0}",
        bundle.display()
    ))
}

/// Something to do on a device that can train.
pub(super) trait OnDevice {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()>;
}

/// Does `job` on the device that `choice` names, in the way that `config` asks for.
pub(super) fn with_device(
    choice: DeviceChoice,
    config: &RunConfig,
    job: impl OnDevice,
) -> Result<()> {
    let device = choose(choice)?;
    if config.activation_checkpointing {
        return recomputing(&device, job);
    }
    match device {
        Device::Cpu => job.run::<Autodiff<crate::ops::Cpu>>(Default::default()),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => job.run::<Autodiff<crate::ops::Gpu>>(Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda => job.run::<Autodiff<burn::backend::Cuda>>(Default::default()),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => job.run::<Autodiff<burn::backend::LibTorch>>(Default::default()),
    }
}

/// The same with activations computed again on the way back: a backend of its own, which is built only for
/// devices that train networks of the published sizes.
#[cfg_attr(
    not(any(feature = "cuda", feature = "libtorch")),
    expect(unused_variables, reason = "no such device in this build")
)]
fn recomputing(device: &Device, job: impl OnDevice) -> Result<()> {
    #[cfg(any(feature = "cuda", feature = "libtorch"))]
    use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda => {
            job.run::<Autodiff<burn::backend::Cuda, BalancedCheckpointing>>(Default::default())
        }
        #[cfg(feature = "libtorch")]
        Device::Libtorch => {
            job.run::<Autodiff<burn::backend::LibTorch, BalancedCheckpointing>>(Default::default())
        }
        other => Err(Error::unsupported(
            format!("activation checkpointing is not there on the device {other}"),
            "leave activation_checkpointing out of the configuration, or train on CUDA",
        )),
    }
}

/// One part to be trained.
struct Training<'a> {
    part: Part,
    run: &'a RunConfig,
    arguments: &'a Arguments,
    config: &'a SmallModel,
    sources: Sources,
    own: &'a RunFolder,
}

impl OnDevice for Training<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let (config, own) = (self.config, self.own);
        let folder = &self.arguments.output;
        let skipped = SkipLog::open(own.path())?;
        let data = &self
            .arguments
            .data
            .open(self.sources, skipped, &folder.join("cache"));
        let (name, to) = (self.part.name(), self.run);
        match self.part {
            Part::Vae => {
                let task = VaeTask::<B>::new(config, data, device.clone())?;
                run(name, &task, to, own, data.threads, &device)
            }
            Part::Vocoder => {
                let task = VocoderTask::<B>::new(config, data, device.clone())?;
                run(name, &task, to, own, data.threads, &device)
            }
            Part::Refinement => {
                let Some(part) = &config.refinement else {
                    return Err(Error::internal("a part that is not configured"));
                };
                let task = RefinementTask::<B>::new(config, part, folder, data, device.clone())?;
                run(name, &task, to, own, data.threads, &device)
            }
            Part::Imagebind => {
                let task = ImageBindTask::<B>::new(config, data, device.clone())?;
                run(name, &task, to, own, data.threads, &device)
            }
            Part::Prior => {
                let task = PriorTask::<B>::new(config, folder, data, device.clone())?;
                run(name, &task, to, own, data.threads, &device)
            }
        }?;
        data.skipped.report();
        Ok(())
    }
}

/// The finished parts to be made a bundle.
struct Export<'a> {
    arguments: &'a Arguments,
    config: &'a SmallModel,
    sources: Sources,
    bundle: &'a Path,
}

impl OnDevice for Export<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let folder = &self.arguments.output;
        // What could not be read was said when the parts were trained.
        let data =
            self.arguments
                .data
                .open(self.sources, SkipLog::default(), &folder.join("cache"));
        let encoders = PieceEncoders::<B::InnerBackend>::load(self.config, folder, &device)?;
        let pieces = encoders.training(&data)?;
        export::bundle(
            self.config,
            folder,
            pieces.scaling_factor,
            self.bundle,
            Encoding::F32,
        )?;
        Ok(())
    }
}

/// Where the items of parts come from. Lists and material are opened when a part asks for them, and once for all.
struct Items<'a> {
    arguments: &'a Arguments,
    config: &'a SmallModel,
    general: OnceCell<Sources>,
    of_prior: OnceCell<Sources>,
}

impl Items<'_> {
    /// Those of `part`: what comes before the prior hears all keys and tempi.
    fn of(&self, part: Part) -> Result<Sources> {
        let config = self.config;
        let tonic = config.tonic.filter(|_| part == Part::Prior);
        let pulse = config.pulse.filter(|_| part == Part::Prior);
        let opened = match (tonic, pulse) {
            (None, None) => &self.general,
            _ => &self.of_prior,
        };
        if let Some(sources) = opened.get() {
            return Ok(sources.clone());
        }
        let material = MaterialConfig {
            tonic: tonic.or(config.material.tonic),
            pulse: pulse.or(config.material.pulse),
            ..config.material.clone()
        };
        let size = config.imagebind.network.vision.image_size;
        let sizes = (size, config.seconds());
        let sources = self.arguments.data.sources(&material, sizes)?;
        Ok(opened.get_or_init(|| sources).clone())
    }
}

/// The folder of a part.
fn open_folder(
    part: Part,
    arguments: &Arguments,
    config: &SmallModel,
    sources: &Sources,
) -> Result<RunFolder> {
    let folder = &arguments.output;
    let earlier: Vec<&str> = part.builds_on().iter().map(|part| part.name()).collect();
    let frozen = earlier.iter().map(|name| {
        let weights = Weights::of(folder, name);
        weights.check_network(&config.of_part(name, &[name])?)?;
        Ok((format!("the part {name}"), weights.digest()?))
    });
    let frozen = frozen.collect::<Result<_>>()?;
    let configuration = config.of_part(part.name(), &earlier)?;
    let description = Description::new(configuration, sources, frozen);
    RunFolder::open(&folder.join(part.name()), description)
}
