//! `art2mus train`: the image aligner, on the frozen networks of a bundle.

mod plan;

use std::path::PathBuf;

use self::plan::Planning;
use super::{
    data::DataArguments,
    pretrain::{OnDevice, with_device},
};
use crate::{
    Error, Result,
    dataset::{BundleNetworks, SkipLog, material::MaterialConfig},
    device::DeviceChoice,
    files::check_free,
    quant::Encoding,
    systems::art_to_mus::replace_aligner,
    train::{
        Description, RunFolder, TrainingBackend, aligner::AlignerTask, config::AlignerTraining,
        data::Sources, run,
    },
    weights::{Bundle, Location},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle whose networks are frozen; it needs a VAE encoder (convert --training, or pretrain).
    #[arg(long)]
    bundle: PathBuf,
    /// The part `aligner` of this file says what to train, and how; the default model's configs/small.toml when left
    /// out.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    /// Another number of tokens than the configuration's.
    #[arg(long)]
    tokens: Option<usize>,
    /// The folder of the run; final.safetensors there is the aligner.
    #[arg(short, long, required_unless_present = "plan")]
    output: Option<PathBuf>,
    /// Train nothing: encode a batch of items, take a few steps, and tell how much memory and time the whole run takes.
    #[arg(long, conflicts_with_all = ["output", "export"])]
    plan: bool,
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
    let mut config = AlignerTraining::read(&super::config_path(arguments.config.as_deref())?)?;
    if let Some(tokens) = arguments.tokens {
        config.aligner.network.tokens = tokens;
    }
    let location = Location::Folder(arguments.bundle.clone());
    let bundle = pollster::block_on(Bundle::open(location))?;
    let networks = BundleNetworks::new(&bundle)?;
    if let Some(target) = &arguments.export {
        check_free(target)?;
    }
    let sizes = (networks.image_size(), networks.seconds());
    let material = MaterialConfig {
        tonic: networks.tonic(),
        pulse: networks.pulse().or(config.material.pulse),
        ..config.material.clone()
    };
    let sources = arguments.data.sources(&material, sizes)?;
    if arguments.plan {
        let job = Planning {
            arguments,
            config: &config,
            networks: &networks,
            sources,
        };
        return with_device(arguments.device, &config.aligner.run, job);
    }
    let Some(output) = &arguments.output else {
        return Err(Error::internal("the command line names no run"));
    };
    let configuration = serde_json::json!({
        "aligner": &config.aligner,
        "seconds": networks.seconds(),
    });
    let description = Description::new(configuration, &sources, networks.stage_digests());
    let folder = RunFolder::open(output, description)?;
    if folder.is_finished() {
        eprintln!("The aligner is finished: {}", output.display());
    } else {
        let job = Training {
            arguments,
            config: &config,
            networks: &networks,
            sources,
            folder: &folder,
        };
        with_device(arguments.device, &config.aligner.run, job)?;
    }
    let Some(target) = &arguments.export else {
        return Ok(());
    };
    let network = &config.aligner.network;
    let sizes = network.config(networks.embedding(), networks.token_width());
    let weights = folder.weights().open()?;
    let encoding = arguments.dtype;
    let name = arguments.name.clone();
    replace_aligner(&bundle, (&sizes, &weights), target, encoding, name)?;
    super::print_line(&format!("{} is ready", target.display()))
}

struct Training<'a> {
    arguments: &'a Arguments,
    config: &'a AlignerTraining,
    networks: &'a BundleNetworks<'a>,
    sources: Sources,
    folder: &'a RunFolder,
}

impl OnDevice for Training<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let (part, folder) = (&self.config.aligner, self.folder);
        let skipped = SkipLog::open(folder.path())?;
        let cache = folder.path().join("cache");
        let data = &self.arguments.data;
        let data = data.open(self.sources, skipped, &cache);
        let task = AlignerTask::<B>::new(part, self.networks, &data, device.clone())?;
        run("aligner", &task, &part.run, folder, data.threads, &device)?;
        data.skipped.report();
        Ok(())
    }
}
