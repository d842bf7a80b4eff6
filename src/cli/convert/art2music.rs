//! OpenCLIP, a decoder and HiFi-GAN become a bundle of Art2Music.

use std::path::{Path, PathBuf};

use super::{
    Arguments, configs, file_name, json, json::ConfigReader, known_keys, provenance, required,
    towers::ClipTowers, unread_phrase, unread_tensors,
};
use crate::{
    Error, Result,
    checkpoint::{Checkpoint, names},
    model::{
        fusion::FusionConfig, hifigan::HifiGanConfig, mel_decoder::MelDecoderConfig,
        params::FreshInit, vocoder::VocoderConfig,
    },
    systems::art2music::{self, Defaults, Networks, Parts},
    tensors::TensorSource,
    weights::{BundleWriter, Manifest},
};

/// The paper's length of a piece in seconds.
const SECONDS: f64 = 10.0;
/// Hidden width of the paper's fusion.
const FUSION_HIDDEN: usize = 512;
const LICENCE: &str = "see the checkpoints that it was made of";
/// What original checkpoints of HiFi-GAN's generator begin with.
const GENERATORS: [&str; 2] = ["generator", "g_"];

/// Converts the checkpoints; the manifest, and what nothing has read.
pub(super) fn convert(arguments: &Arguments) -> Result<(Manifest, Vec<String>)> {
    let mut writer = BundleWriter::create(&arguments.output)?;
    let sources = Sources::open(arguments)?;
    let networks = &sources.networks;
    let fresh = FreshInit::new(0);
    let fusion: &dyn TensorSource = match &sources.fusion {
        Some(checkpoint) => checkpoint,
        None => {
            eprintln!(
                "No --fusion: writing a freshly initialised one (seed 0), so picture and comment are mixed at random."
            );
            &fresh
        }
    };
    let decoder: &dyn TensorSource = match &sources.decoder {
        Some(checkpoint) => checkpoint,
        None => {
            eprintln!(
                "No --decoder: writing a freshly initialised one of the paper's sizes (seed 0), to be trained."
            );
            &fresh
        }
    };
    if arguments.mel_scale.is_none() && arguments.mel_mean.is_none() {
        eprintln!(
            "No --mel-scale and --mel-mean: values of -1 to 1 are taken for mel levels of ln 1e-5 to 2."
        );
    }
    let note = |stage: &str| {
        if !arguments.json {
            eprintln!("Writing the stage {stage}");
        }
    };
    let parts = Parts {
        networks,
        vision: &sources.clip,
        text: &sources.clip,
        merges: &sources.merges,
        fusion,
        decoder,
        vocoder: &sources.vocoder,
    };
    parts.write(&mut writer, arguments.dtype, &note)?;

    let longest = *networks.seconds().end();
    let defaults = Defaults {
        seconds: arguments.seconds.unwrap_or(SECONDS.min(longest)),
    };
    let complete = sources.fusion.is_some() && sources.decoder.is_some();
    let model = arguments.model("Art2Music".into(), LICENCE, complete);
    let unread = sources.unread();
    arguments.refuse(&unread)?;
    let provenance = provenance(sources.names());
    // Parts that do not belong together give no bundle.
    let fits = |manifest: &Manifest| art2music::check(manifest).map(drop);
    let manifest = writer.finish(art2music::NAME, model, &defaults, provenance, fits)?;
    Ok((manifest, unread))
}

/// The opened checkpoints and their configurations.
struct Sources {
    configs: ConfigReader,
    clip: Checkpoint,
    merges: String,
    fusion: Option<Checkpoint>,
    decoder: Option<Checkpoint>,
    vocoder: Checkpoint,
    networks: Networks,
}

impl Sources {
    fn open(arguments: &Arguments) -> Result<Self> {
        let configs = ConfigReader::default();
        let place = required("clip", &arguments.clip)?;
        let ClipTowers {
            checkpoint: clip,
            vision,
            text,
            merges,
        } = ClipTowers::open(
            &configs,
            place,
            arguments.clip_vocabulary.as_deref(),
            arguments.clip_hints(),
        )?;
        let place = generator(required("vocoder", &arguments.vocoder)?)?;
        let hifigan = hifigan(&configs, &place)?;
        let default = MelDecoderConfig {
            mel_bins: hifigan.model_in_dim,
            ..MelDecoderConfig::default()
        };
        let decoder = match &arguments.decoder {
            Some(file) => Some(Checkpoint::open(file)?),
            None => None,
        };
        let decoder_config = MelDecoderConfig {
            scale: arguments.mel_scale.unwrap_or(default.scale),
            mean: arguments.mel_mean.unwrap_or(default.mean),
            ..match &decoder {
                Some(file) => decoder_shapes(file)?,
                None => default,
            }
        };
        let fusion = match &arguments.fusion {
            Some(file) => Some(Checkpoint::open(file)?),
            None => None,
        };
        let fusion_config = match &fusion {
            Some(file) => fusion_shapes(file)?,
            None => FusionConfig {
                embedding: vision.projection_dim,
                hidden: FUSION_HIDDEN,
                features: decoder_config.features,
            },
        };
        Ok(Self {
            vocoder: Checkpoint::open(&place)?.with_names(names::hifigan),
            networks: Networks {
                vision,
                text,
                fusion: fusion_config,
                decoder: decoder_config,
                vocoder: VocoderConfig::HifiGan(hifigan),
            },
            configs,
            clip,
            merges,
            fusion,
            decoder,
        })
    }

    fn checkpoints(&self) -> impl Iterator<Item = (&'static str, &Checkpoint)> {
        let fusion = self.fusion.iter().map(|fusion| ("fusion", fusion));
        let decoder = self.decoder.iter().map(|decoder| ("decoder", decoder));
        let clip = std::iter::once(("clip-towers", &self.clip));
        let vocoder = std::iter::once(("vocoder", &self.vocoder));
        clip.chain(fusion).chain(decoder).chain(vocoder)
    }

    /// What nothing has read of checkpoints and configurations, a phrase for each place.
    fn unread(&self) -> Vec<String> {
        let mut unread = self.configs.unread();
        unread.extend(self.checkpoints().filter_map(|(network, checkpoint)| {
            unread_phrase(&unread_tensors(network, checkpoint), checkpoint)
        }));
        unread
    }

    /// What the bundle is made of.
    fn names(&self) -> Vec<String> {
        let files = self.checkpoints().map(|(_, file)| file_name(file.place()));
        let mut names: Vec<String> = files.collect();
        if self.fusion.is_none() {
            names.push("freshly initialised fusion".into());
        }
        if self.decoder.is_none() {
            names.push("freshly initialised decoder".into());
        }
        names
    }
}

/// What shapes tell of a decoder.
fn decoder_shapes(checkpoint: &Checkpoint) -> Result<MelDecoderConfig> {
    let shape = |name: &str| configs::shape(checkpoint, name);
    let projection = shape("feat_proj.weight")?;
    let positions = shape("pos_emb")?;
    let recurrent = shape("lstm.weight_hh_l0")?;
    let out = shape("out_proj.weight")?;
    // A layer of one direction has other sizes everywhere behind it.
    shape("lstm.weight_hh_l0_reverse")?;
    Ok(MelDecoderConfig {
        features: projection[1],
        width: projection[0],
        positions: positions[positions.len() - 2],
        hidden: recurrent[1],
        layers: configs::count(checkpoint, "lstm.bias_ih_l"),
        mel_bins: out[0],
        ..MelDecoderConfig::default()
    })
}

/// What shapes tell of a fusion.
fn fusion_shapes(checkpoint: &Checkpoint) -> Result<FusionConfig> {
    let residual = configs::shape(checkpoint, "residual.weight")?;
    let first = configs::shape(checkpoint, "linear.0.weight")?;
    Ok(FusionConfig {
        embedding: residual[1],
        hidden: first[0],
        features: residual[0],
    })
}

/// The generator's file: `place`, or the one in that folder.
fn generator(place: &Path) -> Result<PathBuf> {
    if !place.is_dir() {
        return Ok(place.to_path_buf());
    }
    let entries = std::fs::read_dir(place).map_err(|e| Error::file("read", place, e))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::file("read", place, e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if GENERATORS.iter().any(|start| name.starts_with(start)) {
            files.push(entry.path());
        }
    }
    match files.as_slice() {
        [one] => Ok(one.clone()),
        // Transformers' names, or a sentence that says which names there can be.
        [] => Ok(place.to_path_buf()),
        _ => Err(Error::input(
            format!("{} has several generators", place.display()),
            "name one of them",
        )),
    }
}

/// The configuration beside a generator: the original one, or that of transformers.
fn hifigan(reader: &ConfigReader, place: &Path) -> Result<HifiGanConfig> {
    let path = configs::folder_of(place).join("config.json");
    let mut whole = json::object(&path)?;
    let Some(bands) = whole.remove("num_mels") else {
        return reader.apply(&path.display().to_string(), whole, &known_keys::HIFIGAN);
    };
    whole.insert("model_in_dim".into(), bands);
    for key in [
        "sampling_rate",
        "upsample_rates",
        "upsample_kernel_sizes",
        "upsample_initial_channel",
        "resblock_kernel_sizes",
        "resblock_dilation_sizes",
    ] {
        if !whole.contains_key(key) {
            return Err(Error::format(
                format!("{} has no {key}", path.display()),
                "use the config.json that belongs to the generator",
            ));
        }
    }
    let hop = whole.get("hop_size").and_then(serde_json::Value::as_u64);
    let place = path.display().to_string();
    let config: HifiGanConfig = reader.apply(&place, whole, &known_keys::HIFIGAN_ORIGINAL)?;
    config.check()?;
    if let Some(hop) = hop.filter(|hop| *hop != config.hop() as u64) {
        return Err(Error::format(
            format!(
                "{place} has frames of {hop} samples, of which its upsample_rates make {}",
                config.hop()
            ),
            "use the config.json that belongs to the generator",
        ));
    }
    Ok(config)
}
