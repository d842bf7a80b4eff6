//! `art2mus dataset stats`: what lists of pairs are like.

use serde::Serialize;
use std::path::PathBuf;

use super::{prepare_folder, summary_table};
use crate::{
    Error, Result,
    cli::print_line,
    dataset::{
        FmaTracks, GENRE, Labels, STYLE, bars, histogram,
        pairing::{ListedPair, read_pairs},
    },
    files::write_file,
    metrics::summary::Summary,
};

/// What may be written.
const FILES: [&str; 7] = [
    "stats.md",
    "stats.json",
    "similarities.svg",
    "styles.svg",
    "genres.svg",
    "music-top-genres.svg",
    "music-genres.svg",
];

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// A list of pairs with similarities, and what it is called in the table: picture-music=pairs.json. May be given for
    /// several; pictures and tracks are counted in the first.
    #[arg(long, required = true, value_name = "NAME=FILE", value_parser = named)]
    pairs: Vec<(String, PathBuf)>,
    /// The folder that stats.md, stats.json and figures go to.
    #[arg(short, long)]
    output: PathBuf,
    /// Styles of the pictures: a JSON object of file names and styles, or CSV with the columns file and style.
    #[arg(long)]
    styles: Option<PathBuf>,
    /// Genres of the pictures, in the same form; one table may have both.
    #[arg(long)]
    genres: Option<PathBuf>,
    /// The Free Music Archive's tracks.csv.
    #[arg(long)]
    fma: Option<PathBuf>,
    /// The Free Music Archive's genres.csv, for the names of genres.
    #[arg(long, requires = "fma")]
    fma_genres: Option<PathBuf>,
}

/// A name and a file, `NAME=FILE`.
pub(in crate::cli) fn named(text: &str) -> std::result::Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.into(), file.into()))
        }
        _ => Err("give a name and a file: picture-music=pairs.json".into()),
    }
}

/// A figure and the table beside it.
#[derive(Serialize)]
struct Counts {
    title: &'static str,
    #[serde(skip)]
    file: &'static str,
    counts: Vec<(String, usize)>,
}

#[derive(Serialize)]
struct Report {
    similarities: Vec<(String, Summary)>,
    counts: Vec<Counts>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    prepare_folder(&arguments.output, &FILES)?;
    let mut lists: Vec<(&str, Vec<ListedPair>)> = Vec::new();
    for (name, file) in &arguments.pairs {
        lists.push((name, read_pairs(file)?.pairs));
    }
    let mut series = Vec::new();
    let mut similarities = Vec::new();
    for ((name, list), (_, file)) in lists.iter().zip(&arguments.pairs) {
        let values = list.iter().map(|pair| pair.similarity.map(f64::from));
        let values: Option<Vec<f64>> = values.collect();
        let summary = values.as_deref().and_then(Summary::of);
        let (Some(values), Some(summary)) = (values, summary) else {
            return Err(Error::input(
                format!("{} has pairs without similarities", file.display()),
                "give a list that art2mus dataset pair made",
            ));
        };
        similarities.push((name.to_string(), summary));
        series.push((name.to_string(), values));
    }
    let report = Report {
        similarities,
        counts: arguments.counts(&lists[0].1)?,
    };
    let place = |file: &str| arguments.output.join(file);
    let figure = histogram("Similarities of pairs", "cosine similarity", &series)?;
    write_file(&place("similarities.svg"), figure.as_bytes())?;
    for counts in &report.counts {
        write_file(
            &place(counts.file),
            bars(counts.title, &counts.counts)?.as_bytes(),
        )?;
    }
    let json = serde_json::to_vec_pretty(&report)
        .map_err(|e| Error::internal(format!("the statistics cannot be written ({e})")))?;
    write_file(&place("stats.json"), &json)?;
    let text = markdown(&report);
    write_file(&place("stats.md"), text.as_bytes())?;
    print_line(text.trim_end())
}

impl Arguments {
    fn counts(&self, pairs: &[ListedPair]) -> Result<Vec<Counts>> {
        let pictures = || pairs.iter().map(|pair| pair.picture.as_str());
        let tracks = || pairs.iter().map(|pair| pair.music.as_str());
        let mut all = Vec::new();
        let mut add = |title, file, counts| {
            all.push(Counts {
                title,
                file,
                counts,
            })
        };
        if let Some(table) = &self.styles {
            add(
                "Styles of pictures",
                "styles.svg",
                Labels::open(table, STYLE)?.counts(pictures()),
            );
        }
        if let Some(table) = &self.genres {
            add(
                "Genres of pictures",
                "genres.svg",
                Labels::open(table, GENRE)?.counts(pictures()),
            );
        }
        if let Some(tracks_file) = &self.fma {
            let fma = FmaTracks::open(tracks_file, self.fma_genres.as_deref())?;
            add(
                "Top genres of music",
                "music-top-genres.svg",
                fma.top_genres(tracks()),
            );
            add(
                "Genres of music",
                "music-genres.svg",
                fma.all_genres(tracks()),
            );
        }
        Ok(all)
    }
}

fn markdown(report: &Report) -> String {
    let rows = report
        .similarities
        .iter()
        .map(|(name, summary)| (&**name, summary));
    let mut text = summary_table(["pairs by", "count"], rows);
    for counts in &report.counts {
        let all: usize = counts.counts.iter().map(|(_, count)| count).sum();
        text += &format!(
            "\n| {} | count | share |\n|---|---|---|\n",
            counts.title.to_lowercase()
        );
        for (label, count) in &counts.counts {
            let share = 100.0 * *count as f64 / all.max(1) as f64;
            text += &format!(
                "| {} | {count} | {share:.1} % |\n",
                label.replace('|', "\\|")
            );
        }
    }
    text
}
