//! Tables of scores.

use serde::Serialize;

use super::ModelScores;
use crate::metrics::summary::Interval;

/// An item that was not scored, for any model.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// Its picture and music.
    pub item: String,
    /// What is wrong.
    pub reason: String,
}

/// The scores of several models on the same items.
#[derive(Debug, Clone, Serialize)]
pub struct Scores {
    /// A row for each model.
    pub models: Vec<ModelScores>,
    /// Items that could not be read for one of them.
    pub left_out: Vec<LeftOut>,
}

impl Scores {
    /// Two tables in Markdown: how far the music is from that of the pairs, and how well it fits in ImageBind's space.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| model | pieces | FAD, sets | FAD, mean of pairs | KL, own rates | KL, 16 kHz |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.models {
            text += &format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                name(row),
                row.pieces,
                cell(row.frechet_of_sets, 3),
                cell(row.frechet_of_pairs, 3),
                cell(Some(row.divergence), 5),
                cell(Some(row.resampled_divergence), 5)
            );
        }
        text += "\n| model | pieces | IBSc, picture and piece | IBSc, music and piece |\n|---|---|---|---|\n";
        for row in &self.models {
            text += &format!(
                "| {} | {} | {} | {} |\n",
                name(row),
                row.pieces,
                cell(row.picture_cosine, 5),
                cell(row.music_cosine, 5)
            );
        }
        text
    }
}

fn name(row: &ModelScores) -> String {
    row.model.replace('|', "\\|")
}

fn cell(value: Option<Interval>, digits: usize) -> String {
    match value {
        None => "-".into(),
        Some(Interval { value, low, high }) => {
            format!("{value:.digits$} [{low:.digits$}, {high:.digits$}]")
        }
    }
}
