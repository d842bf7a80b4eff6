//! `art2mus train`: the image aligner, on the frozen networks of a bundle.

use std::path::{Path, PathBuf};

use super::pretrain::{OnDevice, with_device};
use crate::{
    Result,
    audio::mel::MEL_BINS,
    checkpoint::Checkpoint,
    dataset::{
        items::{ItemEncoder, Source},
        synth::Split,
    },
    device::DeviceChoice,
    model::{gpt2::Gpt2, params::Params, unet::Unet},
    quant::Encoding,
    systems::art_to_mus::{Defaults, Networks, TextConditions, kind, replace_aligner, stage},
    train::{
        TrainingBackend,
        aligner::{AlignerTask, Frozen},
        config::AlignerTraining,
        finished, run,
    },
    weights::{Bundle, Location},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle whose networks are frozen; it needs a VAE encoder (convert --training, or pretrain).
    #[arg(long)]
    bundle: PathBuf,
    /// The part `aligner` of this file says what to train, and how.
    #[arg(long, default_value = "configs/small.toml")]
    config: PathBuf,
    /// Pairs to learn from: JSON lines with `picture` and `music`. Synthetic pairs when left out.
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// Pairs to validate on; synthetic ones when left out.
    #[arg(long)]
    held_out: Option<PathBuf>,
    /// Another number of tokens than the configuration's.
    #[arg(long)]
    tokens: Option<usize>,
    /// The folder of the run; final.safetensors there is the aligner.
    #[arg(short, long)]
    output: PathBuf,
    /// Also write a bundle with the trained aligner here.
    #[arg(long)]
    export: Option<PathBuf>,
    /// How the exported bundle's weights are stored.
    #[arg(long, value_enum, default_value = "q8")]
    dtype: Encoding,
    /// The exported model's name.
    #[arg(long)]
    name: Option<String>,
    /// What to compute on.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
}

pub(super) fn run_command(arguments: &Arguments) -> Result<()> {
    let mut config = AlignerTraining::read(&arguments.config)?;
    if let Some(tokens) = arguments.tokens {
        config.aligner.network.tokens = tokens;
    }
    let location = Location::Folder(arguments.bundle.clone());
    let bundle = pollster::block_on(Bundle::open(location))?;
    if !finished(&arguments.output) {
        with_device(
            arguments.device,
            Training {
                arguments,
                config: &config,
                bundle: &bundle,
            },
        )?;
    }
    let Some(target) = &arguments.export else {
        return Ok(());
    };
    let networks = Networks::from_manifest(bundle.manifest())?;
    let sizes = sizes(&config, &networks);
    let weights = Checkpoint::open(&arguments.output.join("final.safetensors"))?;
    let encoding = arguments.dtype;
    let name = arguments.name.clone();
    replace_aligner(&bundle, (&sizes, &weights), target, encoding, name)?;
    super::print_line(&format!("{} is ready", target.display()))
}

fn sizes(config: &AlignerTraining, networks: &Networks) -> crate::model::aligner::AlignerConfig {
    let network = &config.aligner.network;
    network.config(networks.embedding_width(), networks.gpt2.n_embd)
}

struct Training<'a> {
    arguments: &'a Arguments,
    config: &'a AlignerTraining,
    bundle: &'a Bundle,
}

impl OnDevice for Training<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let networks = Networks::from_manifest(self.bundle.manifest())?;
        let part = &self.config.aligner;
        let source = |path: &Option<PathBuf>, split| match path {
            Some(path) => Source::read(path),
            None => Ok(Source::Synthetic(split)),
        };
        let encoder = |source| {
            let translate = part.loss.tokens > 0.0;
            ItemEncoder::<B::InnerBackend>::load(self.bundle, &networks, source, translate, &device)
        };
        let training = encoder(source(&self.arguments.pairs, Split::Training)?)?;
        let held_out = encoder(source(&self.arguments.held_out, Split::Validation)?)?;
        let frozen = frozen::<B>(self.bundle, &networks, &device)?;
        let sizes = sizes(self.config, &networks);
        let task = AlignerTask::new(part, sizes, frozen, training, &held_out, device.clone())?;
        let folder: &Path = &self.arguments.output;
        run("aligner", &task, &part.run, folder, &device)
    }
}

/// The networks that the gradient passes.
fn frozen<B: TrainingBackend>(
    bundle: &Bundle,
    networks: &Networks,
    device: &B::Device,
) -> Result<Frozen<B>> {
    let load = |name| pollster::block_on(bundle.load(name, &mut |_| ()));
    let condition = load(stage::CONDITION)?;
    let denoise = load(stage::DENOISE)?;
    let gpt2 = Params::new(&condition, device).at(kind::GPT2);
    let unet = Params::new(&denoise, device).at(kind::UNET);
    let lengths = networks.lengths(Defaults::from_manifest(bundle.manifest())?.seconds);
    let text = TextConditions::of_stage(&condition)?;
    Ok(Frozen {
        gpt2: Gpt2::load(&gpt2, &networks.gpt2)?,
        unet: Unet::load(&unet, &networks.unet)?,
        schedule: networks.schedule.clone(),
        text,
        shape: [
            networks.vae.latent_channels,
            lengths.rows,
            MEL_BINS / networks.vae.factor(),
        ],
    })
}
