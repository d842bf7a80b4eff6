//! `art2mus pretrain`: the parts that the paper takes as given, for the small model.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

use crate::{
    Error, Result,
    device::{Device, DeviceChoice, choose},
    quant::Encoding,
    train::{
        TrainingBackend, Weights,
        config::SmallModel,
        export, finished,
        imagebind::ImageBindTask,
        pool::{PieceEncoder, Pool},
        prior::PriorTask,
        run,
        vae::VaeTask,
        vocoder::VocoderTask,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to train, and how.
    #[arg(long, default_value = "configs/small.toml")]
    config: PathBuf,
    /// The folder of all runs; each part has its own inside.
    #[arg(short, long, default_value = "runs/small")]
    output: PathBuf,
    /// Train only this part; the parts that it builds on must be there.
    #[arg(long, value_enum)]
    part: Option<Part>,
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

pub(super) fn run_command(arguments: &Arguments) -> Result<()> {
    let config = SmallModel::read(&arguments.config)?;
    with_device(
        arguments.device,
        Pretraining {
            arguments,
            config: &config,
        },
    )
}

/// Something to do on a device that can train.
pub(super) trait OnDevice {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()>;
}

/// Does `job` on the device that `choice` names.
pub(super) fn with_device(choice: DeviceChoice, job: impl OnDevice) -> Result<()> {
    use burn::backend::Autodiff;
    match choose(choice)? {
        Device::Cpu => job.run::<Autodiff<crate::ops::Cpu>>(Default::default()),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => job.run::<Autodiff<crate::ops::Gpu>>(Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda => job.run::<Autodiff<burn::backend::Cuda>>(Default::default()),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => job.run::<Autodiff<burn::backend::LibTorch>>(Default::default()),
    }
}

struct Pretraining<'a> {
    arguments: &'a Arguments,
    config: &'a SmallModel,
}

impl OnDevice for Pretraining<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let folder = &self.arguments.output;
        let parts = match self.arguments.part {
            Some(part) => vec![part],
            None => Part::ALL.to_vec(),
        };
        for part in parts {
            let own = folder.join(part.name());
            if finished(&own) {
                eprintln!("The part {} is finished: {}", part.name(), own.display());
                continue;
            }
            train_part::<B>(part, self.config, folder, &own, &device)?;
        }
        let bundle = folder.join("bundle");
        if self.arguments.part.is_some() || bundle.is_dir() {
            return Ok(());
        }
        let encoder = PieceEncoder::<B::InnerBackend>::load(self.config, folder, &device)?;
        let pool = open_pool(self.config, folder, &encoder)?;
        export::bundle(
            self.config,
            folder,
            pool.scaling_factor,
            &bundle,
            Encoding::F32,
        )?;
        super::print_line(&format!(
            "{} is ready for art2mus train --bundle {0}",
            bundle.display()
        ))
    }
}

fn train_part<B: TrainingBackend>(
    part: Part,
    config: &SmallModel,
    folder: &Path,
    own: &Path,
    device: &B::Device,
) -> Result<()> {
    let name = part.name();
    match part {
        Part::Vae => {
            let task = VaeTask::<B>::new(config, device.clone());
            run(name, &task, &config.vae.run, own, device)
        }
        Part::Vocoder => {
            let task = VocoderTask::<B>::new(config, device.clone());
            run(name, &task, &config.vocoder.run, own, device)
        }
        Part::Imagebind => {
            let task = ImageBindTask::<B>::new(config, device.clone());
            run(name, &task, &config.imagebind.run, own, device)
        }
        Part::Prior => {
            let encoder = PieceEncoder::<B::InnerBackend>::load(config, folder, device)?;
            let pool = open_pool(config, folder, &encoder)?;
            let task = PriorTask::<B>::new(config, pool, &encoder, device.clone())?;
            run(name, &task, &config.prior.run, own, device)
        }
    }
}

/// The pool of encoded pieces, made by the finished VAE and ImageBind in `folder`.
pub(super) fn open_pool<B: crate::ops::Kernels>(
    config: &SmallModel,
    folder: &Path,
    encoder: &PieceEncoder<B>,
) -> Result<Pool> {
    let own = folder.join("prior");
    std::fs::create_dir_all(&own).map_err(|e| Error::file("create", &own, e))?;
    let count = config.prior.network.pool;
    // Another VAE or another length makes other latents.
    let mut digest = Sha256::new();
    for part in ["vae", "imagebind"] {
        let weights = Weights::of(folder, part);
        let path = weights.path();
        digest.update(std::fs::read(path).map_err(|e| Error::file("read", path, e))?);
    }
    digest.update(format!("{count} {}", config.frames));
    let origin: String = digest
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Pool::open(encoder, &own.join("pool.safetensors"), count, &origin)
}
