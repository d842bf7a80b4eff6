//! `art2mus convert`: published checkpoints become a bundle.
//!
//! Tensors go from the mapped checkpoint to the bundle one at a time.

mod art2music;
mod art_to_mus;
mod configs;
mod json;
mod known_keys;
mod pipeline;
mod towers;

use std::path::{Path, PathBuf};

#[cfg(feature = "train")]
pub(super) use self::{
    configs::{ClipHints, has_config, imagebind_audio, imagebind_text, imagebind_vision},
    json::ConfigReader,
    towers::{ClipTowers, read_merges},
};

#[cfg(not(feature = "train"))]
use self::configs::ClipHints;
use super::{SystemName, human_bytes, print_json, print_line};
use crate::{
    Error, Result,
    checkpoint::{Checkpoint, names},
    diffusion::SchedulerKind,
    ops::Activation,
    quant::Encoding,
    text,
    weights::{Manifest, ModelInfo, NegativePrefix, Provenance},
};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("encoder").required(true)))]
pub(super) struct Arguments {
    /// What the bundle's stages are [default: art-to-mus].
    #[arg(long, value_enum)]
    system: Option<SystemName>,
    /// A folder of AudioLDM 2 as diffusers writes it.
    #[arg(
        long,
        required_unless_present = "system",
        required_if_eq("system", "art-to-mus")
    )]
    audioldm2: Option<PathBuf>,
    /// ImageBind's imagebind_huge.pth.
    #[arg(long, group = "encoder")]
    imagebind: Option<PathBuf>,
    /// A folder or file of a CLIP vision tower with projection; for art2music, of both towers of OpenCLIP's ViT-H-14.
    #[arg(long, group = "encoder")]
    clip: Option<PathBuf>,
    /// Heads of a CLIP that has no configuration beside it.
    #[arg(long, requires = "clip")]
    clip_heads: Option<usize>,
    /// Activation of a CLIP that has no configuration beside it.
    #[arg(long, requires = "clip", value_parser = ["gelu", "quick_gelu"])]
    clip_activation: Option<String>,
    /// The vocabulary of CLIP, where it does not lie beside its weights: bpe_simple_vocab_16e6.txt (or .gz), merges.txt or
    /// tokenizer.json.
    #[arg(long, requires = "vocoder")]
    clip_vocabulary: Option<PathBuf>,
    /// The decoder of art2music (.pt or safetensors); freshly initialised, to be trained, when left out.
    #[arg(long, requires = "vocoder")]
    decoder: Option<PathBuf>,
    /// The fusion of art2music (.pt or safetensors); freshly initialised when left out.
    #[arg(long, requires = "vocoder")]
    fusion: Option<PathBuf>,
    /// The vocoder of art2music: HiFi-GAN's generator with its config.json beside it.
    #[arg(
        long,
        requires = "system",
        required_if_eq("system", "art2music"),
        conflicts_with_all = [
            "audioldm2", "imagebind", "aligner", "text", "training", "prompt", "negative", "negative_prefix", "tokens",
            "steps", "scheduler", "guidance",
        ]
    )]
    vocoder: Option<PathBuf>,
    /// What the decoder's values are multiplied by, to be natural logarithms of mel values [default: 6.76].
    #[arg(long, requires = "vocoder")]
    mel_scale: Option<f64>,
    /// What is added then [default: -4.76].
    #[arg(long, requires = "vocoder", allow_negative_numbers = true)]
    mel_mean: Option<f64>,
    /// The image aligner (.pt or safetensors); freshly initialised when left out.
    #[arg(long)]
    aligner: Option<PathBuf>,
    /// The folder that will be the bundle.
    #[arg(short, long)]
    output: PathBuf,
    /// How weights are stored; vectors and constants always stay f32.
    #[arg(long, value_enum, default_value = "f16")]
    dtype: Encoding,
    /// Also put the text encoders into the bundle, for other prompts (about 0.9 GB at full size).
    #[arg(long)]
    text: bool,
    /// Also put the VAE's encoder into the bundle, to train an aligner on it.
    #[arg(long)]
    training: bool,
    /// The support prompt.
    #[arg(long, default_value = text::PROMPT)]
    prompt: String,
    /// The negative prompt.
    #[arg(long, default_value = text::NEGATIVE_PROMPT)]
    negative: String,
    /// T5's part of the negative prompt for the language model.
    #[arg(long, value_enum, default_value = "single")]
    negative_prefix: NegativePrefix,
    /// Tokens of a freshly initialised aligner.
    #[arg(long, default_value_t = 16)]
    tokens: usize,
    /// The model's name, as the page shows it.
    #[arg(long)]
    name: Option<String>,
    /// The licence of the weights [default: that of the published ones, where it is known].
    #[arg(long)]
    licence: Option<String>,
    /// Whom the weights are owed to; may be given several times.
    #[arg(long)]
    credit: Vec<String>,
    /// Mark the model as untrained: what it makes is noise.
    #[arg(long)]
    untrained: bool,
    /// Length in seconds that the bundle suggests [default: 10, or the longest that its networks make].
    #[arg(long)]
    seconds: Option<f64>,
    /// Steps that the bundle suggests.
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Sampler that the bundle suggests.
    #[arg(long, value_enum, default_value = "ddim")]
    scheduler: SchedulerKind,
    /// Guidance scale that the bundle suggests.
    #[arg(long, default_value_t = 3.5)]
    guidance: f64,
    /// Refuse checkpoints with tensors or configuration keys that nothing reads.
    #[arg(long)]
    strict: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// What is said of a CLIP that has no configuration.
    fn clip_hints(&self) -> ClipHints {
        let activation = self.clip_activation.as_deref();
        ClipHints {
            heads: self.clip_heads,
            activation: activation.map(|name| match name {
                "gelu" => Activation::Gelu,
                _ => Activation::QuickGelu,
            }),
        }
    }

    /// Name, licence and credits, where they are not given `name` and `licence`.
    fn model(&self, name: String, licence: &str, trained: bool) -> ModelInfo {
        ModelInfo {
            name: self.name.clone().unwrap_or(name),
            licence: self.licence.clone().unwrap_or_else(|| licence.into()),
            credits: self.credit.clone(),
            trained: trained && !self.untrained,
        }
    }

    /// With `--strict`, what nothing has read is refused.
    fn refuse(&self, unread: &[String]) -> Result<()> {
        if !self.strict || unread.is_empty() {
            return Ok(());
        }
        Err(Error::unsupported(
            format!("nothing reads {}", unread.join("; ")),
            "use checkpoints without them, or leave --strict out",
        ))
    }
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    if let (Some(SystemName::ArtToMus), Some(_)) = (arguments.system, &arguments.vocoder) {
        return Err(Error::input(
            "a vocoder of its own is a part of art2music alone",
            "leave --vocoder out, or give --system art2music",
        ));
    }
    let (manifest, unread) = match arguments.system {
        Some(SystemName::Art2Music) => art2music::convert(&arguments)?,
        Some(SystemName::ArtToMus) | None => art_to_mus::convert(&arguments)?,
    };
    report(&arguments, &manifest, &unread)
}

/// The argument `flag`, without which the command line is refused.
fn required<'a, T>(flag: &str, given: &'a Option<T>) -> Result<&'a T> {
    given
        .as_ref()
        .ok_or_else(|| Error::input(format!("there is no --{flag}"), "name it"))
}

fn provenance(sources: Vec<String>) -> Provenance {
    Provenance {
        converter: concat!("art2mus ", env!("CARGO_PKG_VERSION")).into(),
        sources,
    }
}

/// The stored tensors of `network` that nothing has read, beside those that it is known to have too.
fn unread_tensors(network: &str, checkpoint: &Checkpoint) -> Vec<String> {
    let names = checkpoint.unread().into_iter();
    names
        .filter(|name| !names::is_known_extra(network, name))
        .collect()
}

/// A phrase for unread tensors of a checkpoint; none where there are none.
fn unread_phrase(names: &[String], checkpoint: &Checkpoint) -> Option<String> {
    let some: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = match names.len() - some.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let place = checkpoint.place().display();
    (!names.is_empty()).then(|| format!("{}{more} of {place}", some.join(", ")))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn report(arguments: &Arguments, manifest: &Manifest, unread: &[String]) -> Result<()> {
    let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    let output = arguments.output.display();
    if arguments.json {
        return print_json(&serde_json::json!({
            "type": "result",
            "bundle": arguments.output.to_string_lossy(),
            "bytes": bytes,
            "shards": manifest.shards.len(),
            "unread": unread,
        }));
    }
    for place in unread {
        eprintln!("Nothing reads {place}.");
    }
    let shards = manifest.shards.len();
    print_line(&format!(
        "{output}: {} in {shards} shards",
        human_bytes(bytes)
    ))
}
