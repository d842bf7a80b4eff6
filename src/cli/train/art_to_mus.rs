//! The image aligner, on the frozen networks of a bundle.

use super::{
    super::{
        DEFAULT_CONFIG, config_path,
        pretrain::{OnDevice, with_device},
        print_line,
    },
    Arguments,
    plan::Planning,
};
use crate::{
    Error, Result,
    dataset::{BundleNetworks, SkipLog, material::MaterialConfig},
    files::check_free,
    systems::art_to_mus::replace_aligner,
    train::{
        Description, RunFolder, TrainingBackend, aligner::AlignerTask, config::AlignerTraining,
        data::Sources, run as train,
    },
    weights::{Bundle, Location},
};

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut config =
        AlignerTraining::read(&config_path(arguments.config.as_deref(), DEFAULT_CONFIG)?)?;
    if let Some(tokens) = arguments.tokens {
        config.aligner.network.tokens = tokens;
    }
    let Some(bundle) = &arguments.bundle else {
        return Err(Error::input("there is no --bundle", "name it"));
    };
    let bundle = pollster::block_on(Bundle::open(Location::Folder(bundle.clone())))?;
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
    let output = arguments.output()?;
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
    print_line(&format!("{} is ready", target.display()))
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
        train("aligner", &task, &part.run, folder, data.threads, &device)?;
        data.skipped.report();
        Ok(())
    }
}
