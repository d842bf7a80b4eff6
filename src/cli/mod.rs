//! The command line.

mod bench;
#[cfg(feature = "train")]
mod compare;
mod convert;
#[cfg(feature = "train")]
mod data;
#[cfg(feature = "train")]
mod dataset;
#[cfg(feature = "train")]
mod evaluate;
mod exhibit;
mod generate;
mod inspect;
#[cfg(feature = "train")]
mod material;
mod on_device;
#[cfg(feature = "train")]
mod pretrain;
#[cfg(feature = "train")]
mod scores;
#[cfg(feature = "train")]
mod study;
#[cfg(feature = "train")]
mod synth;
#[cfg(feature = "train")]
mod train;
mod verify;

use clap::{Parser, Subcommand};
use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{Error, Result, weights::Location};

/// The systems, as the command line calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SystemName {
    /// A picture's embedding conditions a latent diffusion of sound.
    ArtToMus,
    /// A picture and a comment become a spectrogram in one pass.
    #[value(name = "art2music")]
    Art2Music,
}

/// Turns a painting into music, from the picture itself.
#[derive(Debug, Parser)]
#[command(name = "art2mus", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make music from a picture.
    Generate(generate::Arguments),
    /// Turn published checkpoints into a bundle.
    Convert(convert::Arguments),
    /// Show what is in a bundle.
    Inspect(inspect::Arguments),
    /// Check every byte of a bundle.
    Verify(verify::Arguments),
    /// Check an exhibit before it is put on a server.
    Exhibit(exhibit::Arguments),
    /// Train the parts that the aligner builds on, for the small model.
    #[cfg(feature = "train")]
    Pretrain(pretrain::Arguments),
    /// Train an image aligner, or Art2Music, on frozen networks.
    #[cfg(feature = "train")]
    Train(train::Arguments),
    /// Write pictures and music that follows them, as training takes them.
    #[cfg(feature = "train")]
    Synth(synth::Arguments),
    /// Pair pictures with music as ArtSound does, and split and describe such lists.
    #[cfg(feature = "train")]
    #[command(subcommand)]
    Dataset(dataset::Dataset),
    /// Measure a bundle on pairs that no training has seen.
    #[cfg(feature = "train")]
    Evaluate(evaluate::Arguments),
    /// Measure models of any system side by side, by music that belongs to pictures.
    #[cfg(feature = "train")]
    Compare(compare::Arguments),
    /// Score music that models made of pictures, any number of models side by side.
    #[cfg(feature = "train")]
    Scores(scores::Arguments),
    /// Tell what the answers of a listening study say: means, preferences, agreement.
    #[cfg(feature = "train")]
    Study(study::Arguments),
    /// Measure what this machine can do.
    Bench(bench::Arguments),
}

/// Runs the program: 0 when the job is done, 1 when it failed, 2 when the command line was wrong.
pub fn run() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => {
            // Help and version are no faults; clap prints them to standard output.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    crate::files::remove_when_stopped();
    // A fault of this program, or of a driver, is told in one sentence too.
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(|| match command {
        Command::Generate(arguments) => generate::run(arguments),
        Command::Convert(arguments) => convert::run(arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Exhibit(arguments) => exhibit::run(&arguments),
        #[cfg(feature = "train")]
        Command::Pretrain(arguments) => pretrain::run_command(&arguments),
        #[cfg(feature = "train")]
        Command::Train(arguments) => train::run_command(&arguments),
        #[cfg(feature = "train")]
        Command::Synth(arguments) => synth::run(&arguments),
        #[cfg(feature = "train")]
        Command::Dataset(command) => dataset::run(&command),
        #[cfg(feature = "train")]
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        #[cfg(feature = "train")]
        Command::Compare(arguments) => compare::run(&arguments),
        #[cfg(feature = "train")]
        Command::Scores(arguments) => scores::run(&arguments),
        #[cfg(feature = "train")]
        Command::Study(arguments) => study::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    }));
    match result.unwrap_or_else(|fault| Err(unexpected(fault.as_ref()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("art2mus: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a caught panic says.
fn unexpected(fault: &(dyn std::any::Any + Send)) -> Error {
    let text = fault.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| fault.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("no reason given").replace('\n', " ");
    Error::internal(format!("something went wrong inside ({text})"))
}

/// The bundle that `--bundle` names, or the default model.
fn bundle_location(bundle: Option<&str>) -> Result<Location> {
    if let Some(bundle) = bundle {
        return Location::parse(bundle);
    }
    let manifest = shipped_file(
        "web/models/default/manifest.json",
        "models/default/manifest.json",
    );
    let folder = manifest.and_then(|manifest| Some(manifest.parent()?.to_path_buf()));
    folder.map(Location::Folder).ok_or_else(|| {
        Error::input(
            "the default model is not here",
            "run pkg-scripts/build to make it, or name a bundle with --bundle",
        )
    })
}

/// The configuration of the default model.
#[cfg(feature = "train")]
const DEFAULT_CONFIG: &str = "configs/small.toml";

/// The file that `--config` names, or the configuration `default` that comes with this program.
#[cfg(feature = "train")]
fn config_path(config: Option<&Path>, default: &str) -> Result<PathBuf> {
    if let Some(config) = config {
        return Ok(config.to_path_buf());
    }
    shipped_file(default, default).ok_or_else(|| {
        Error::input(
            format!("the configuration {default} is not here"),
            "name a configuration with --config: those of this program lie in its repository's folder configs",
        )
    })
}

/// A file that comes with this program: `beneath` the working folder, `beside` the program, or where it was built.
fn shipped_file(beneath: &str, beside: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.and_then(|program| Some(program.parent()?.join(beside)));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(beneath);
    let places = [Some(PathBuf::from(beneath)), beside, Some(source)];
    places.into_iter().flatten().find(|place| place.is_file())
}

/// Prints a line of JSON on standard output.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value)
        .map_err(|e| Error::internal(format!("a result cannot be printed ({e})")))?;
    print_line(&text)
}

/// Prints a line. A reader that went away is no fault of ours, but there is no point in going on.
fn print_line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|e| Error::file("write to", Path::new("standard output"), e))
}

/// A number of bytes as a person reads it.
fn human_bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// The largest amount of memory that this process has had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
