//! `art2mus exhibit`: whether a museum's exhibit can be put on a server or a machine, before it is.

mod address;
mod check;
mod fields;
mod init;
mod manifest;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::{
    check::{Place, check},
    fields::{Fault, Faults},
    manifest::Manifest,
};
use super::print_line;
use crate::{Error, Result, weights::read_limited};

/// The most bytes of an `exhibit.json`.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that holds exhibit.json.
    folder: PathBuf,
    /// Where there is no exhibit.json yet, write one that lists the folder's pictures in the order of their names.
    #[arg(long)]
    init: bool,
    /// The folder that the server shows as /, for addresses that begin with a slash [default: the working folder, if
    /// the exhibit lies in it].
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = arguments.folder.join("exhibit.json");
    if arguments.init {
        if file.exists() {
            let message = format!("{} is already there", file.display());
            return Err(Error::input(message, "leave --init out to check it"));
        }
        init::write(&arguments.folder, &file)?;
        print_line(&format!("wrote {}", file.display()))?;
    }
    let place = Place::new(&arguments.folder, arguments.root.as_deref())?;
    let json = read_limited(&file, MOST_BYTES).map_err(|e| match e.path() {
        Some(path) if !path.exists() => Error::input(
            format!("there is no {}", path.display()),
            "write one, or have --init list the folder's pictures in it",
        ),
        _ => e,
    })?;
    let faults = Faults::default();
    let manifest = manifest::parse(&json, &faults);
    let remarks = check(&manifest, &place, &faults);
    for remark in remarks.0 {
        print_line(&format!("remark: {}: {remark}.", file.display()))?;
    }
    let faults = faults.into_vec();
    report(&file, &faults)?;
    print_line(&summary(&manifest))?;
    let address = place.page_address();
    let address = address.unwrap_or_else(|| "ADDRESS-OF-THIS-FOLDER/".into());
    print_line(&format!(
        "Open it with ?exhibit={address} behind the page's address, such as http://127.0.0.1:8080/?exhibit={address}"
    ))
}

/// Prints each fault; they are this command's failure.
fn report(file: &Path, faults: &[Fault]) -> Result<()> {
    for fault in faults {
        print_line(&format!("{}: {fault}", file.display()))?;
    }
    let count = match faults.len() {
        0 => return Ok(()),
        1 => "one problem".into(),
        count => format!("{count} problems"),
    };
    Err(Error::input(
        format!("{} has {count}", file.display()),
        "correct what is said above and run the command again",
    ))
}

/// How much there is, and how long it plays.
fn summary(manifest: &Manifest) -> String {
    let pictures = manifest.pictures.len();
    let noun = if pictures == 1 { "picture" } else { "pictures" };
    let seconds: f64 = manifest
        .pictures
        .iter()
        .map(|picture| picture.seconds)
        .sum();
    let languages = manifest.languages.join(", ");
    format!(
        "sound: {pictures} {noun}, {} until the first comes again; languages: {languages}",
        time(seconds)
    )
}

/// `3725.0` as "1 h 2 min 5 s", without what is zero.
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let parts = [
        (whole / 3600, "h"),
        (whole / 60 % 60, "min"),
        (whole % 60, "s"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    parts.join(" ")
}
