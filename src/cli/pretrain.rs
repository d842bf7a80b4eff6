//! `art2mus pretrain`: the parts that the paper takes as given, for the small model.

use burn::backend::Autodiff;
use std::path::{Path, PathBuf};

use super::data::DataArguments;
use crate::{
    Error, Result,
    device::{Device, DeviceChoice, choose},
    quant::Encoding,
    train::{
        TrainingBackend,
        config::{RunConfig, SmallModel},
        export, finished,
        imagebind::ImageBindTask,
        latents::PieceEncoders,
        prior::PriorTask,
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
    /// Pictures and sounds to one space.
    Imagebind,
    /// GPT-2 and the UNet.
    Prior,
}

impl Part {
    const ALL: [Self; 4] = [Self::Vae, Self::Vocoder, Self::Imagebind, Self::Prior];

    fn name(self) -> &'static str {
        match self {
            Self::Vae => "vae",
            Self::Vocoder => "vocoder",
            Self::Imagebind => "imagebind",
            Self::Prior => "prior",
        }
    }
}

impl Part {
    fn run(self, config: &SmallModel) -> &RunConfig {
        match self {
            Self::Vae => &config.vae.run,
            Self::Vocoder => &config.vocoder.run,
            Self::Imagebind => &config.imagebind.run,
            Self::Prior => &config.prior.run,
        }
    }
}

pub(super) fn run_command(arguments: &Arguments) -> Result<()> {
    let config = SmallModel::read(&super::config_path(arguments.config.as_deref())?)?;
    let folder = &arguments.output;
    let parts = match arguments.part {
        Some(part) => vec![part],
        None => Part::ALL.to_vec(),
    };
    for part in parts {
        let own = folder.join(part.name());
        if finished(&own) {
            eprintln!("The part {} is finished: {}", part.name(), own.display());
            continue;
        }
        let job = Training {
            part,
            arguments,
            config: &config,
            own: &own,
        };
        with_device(arguments.device, part.run(&config), job)?;
    }
    let bundle = folder.join("bundle");
    if arguments.part.is_some() || bundle.is_dir() {
        return Ok(());
    }
    let job = Export {
        arguments,
        config: &config,
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
    arguments: &'a Arguments,
    config: &'a SmallModel,
    own: &'a Path,
}

impl OnDevice for Training<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let (config, own) = (self.config, self.own);
        let folder = &self.arguments.output;
        let data = &open_data(self.arguments, config, own)?;
        let (name, to) = (self.part.name(), self.part.run(config));
        match self.part {
            Part::Vae => {
                let task = VaeTask::<B>::new(config, data, device.clone())?;
                run(name, &task, to, own, data.threads, &device)
            }
            Part::Vocoder => {
                let task = VocoderTask::<B>::new(config, data, device.clone())?;
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
    bundle: &'a Path,
}

impl OnDevice for Export<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let folder = &self.arguments.output;
        let data = open_data(self.arguments, self.config, &folder.join("prior"))?;
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

/// The items of the part in `own`; caches are shared by all parts.
fn open_data(
    arguments: &Arguments,
    config: &SmallModel,
    own: &Path,
) -> Result<crate::train::data::Data> {
    let size = config.imagebind.network.vision.image_size;
    let cache = arguments.output.join("cache");
    arguments.data.open(own, &cache, (size, config.seconds()))
}
