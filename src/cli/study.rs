//! `art2mus study`: what the answers of a listening study say.

use std::path::PathBuf;

use super::{print_json, print_line};
use crate::{Result, scores::Answers};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Answers as the study's page saves them, CSV; one file for each participant, or for all.
    #[arg(required = true)]
    answers: Vec<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let report = Answers::open(&arguments.answers)?.report();
    match arguments.json {
        true => print_json(&report),
        false => print_line(report.markdown().trim_end()),
    }
}
