//! `art2mus train`: what a system's own paper trains, on frozen networks.

mod art2music;
mod art_to_mus;
mod plan;

use std::path::{Path, PathBuf};

use super::{SystemName, data::DataArguments};
use crate::{Error, Result, device::DeviceChoice, quant::Encoding};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What is trained: the image aligner, or for art2music all behind CLIP [default: art-to-mus].
    #[arg(long, value_enum)]
    system: Option<SystemName>,
    /// The bundle whose networks are frozen. The aligner needs one with a VAE encoder (convert --training, or pretrain),
    /// art2music one of its own system, unless it trains towers of its own.
    #[arg(
        long,
        required_unless_present = "system",
        required_if_eq("system", "art-to-mus")
    )]
    bundle: Option<PathBuf>,
    /// What to train, and how. When left out, the part `aligner` of the default model's configs/small.toml, or
    /// configs/art2music.toml.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    /// Another number of tokens than the configuration's; of the aligner alone.
    #[arg(long)]
    tokens: Option<usize>,
    /// Of art2music: the bundle, of any system, whose vocoder plays; that of --bundle, or the default model, when left out.
    #[arg(long, requires = "system")]
    vocoder: Option<String>,
    /// Of art2music: train only this part; the parts that it builds on must be there.
    #[arg(long, value_enum, requires = "system", conflicts_with = "export")]
    part: Option<art2music::Part>,
    /// The folder of the run: final.safetensors there is the aligner; art2music's parts have folders of their own, and
    /// checkpoints has what they are published as.
    #[arg(short, long, required_unless_present = "plan")]
    output: Option<PathBuf>,
    /// Of the aligner: train nothing, but encode a batch of items, take a few steps, and tell how much memory and time the
    /// whole run takes.
    #[arg(long, conflicts_with_all = ["output", "export"])]
    plan: bool,
    /// Also write a bundle with what was trained here.
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

impl Arguments {
    /// The folder of the run.
    fn output(&self) -> Result<&Path> {
        let output = self.output.as_deref();
        output.ok_or_else(|| Error::internal("the command line names no run"))
    }
}

pub(super) fn run_command(arguments: &Arguments) -> Result<()> {
    match arguments.system {
        Some(SystemName::Art2Music) => {
            refuse(arguments.tokens.is_some(), "--tokens", "art2music")?;
            refuse(arguments.plan, "--plan", "art2music")?;
            art2music::run(arguments)
        }
        Some(SystemName::ArtToMus) | None => {
            refuse(arguments.vocoder.is_some(), "--vocoder", "art-to-mus")?;
            refuse(arguments.part.is_some(), "--part", "art-to-mus")?;
            art_to_mus::run(arguments)
        }
    }
}

/// Refuses an argument that means nothing for a system.
fn refuse(given: bool, argument: &str, system: &str) -> Result<()> {
    if !given {
        return Ok(());
    }
    Err(Error::input(
        format!("training {system} has no {argument}"),
        "leave it out",
    ))
}
