//! `art2mus dataset split`: training, validation and test lists of pairs.

use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};

use super::prepare_folder;
use crate::{
    Error, ErrorKind, Result,
    cli::print_line,
    dataset::{
        ArtSound, JsonLines, Labels, Loader, Parts, STYLE, Skipped, Source, cores,
        pairing::{ListedPair, PairList, read_pairs, write_lines},
    },
};

/// The lists that are written, and that of broken files.
const LISTS: [&str; 3] = ["training.jsonl", "validation.jsonl", "test.jsonl"];
const BROKEN: &str = "broken.jsonl";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The pairs: ArtSound's list, or JSON lines.
    pairs: PathBuf,
    /// The folder that training.jsonl, validation.jsonl and test.jsonl go to, and with --check broken.jsonl.
    #[arg(short, long)]
    output: PathBuf,
    /// Styles of the pictures: a JSON object of file names and styles, or CSV with the columns file and style.
    #[arg(long)]
    styles: Option<PathBuf>,
    /// What decides which pairs of a style are tested on.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The folder that ArtSound's pictures lie in; without it the lists have ArtSound's own names of files.
    #[arg(long, requires = "music")]
    pictures: Option<PathBuf>,
    /// The folder that ArtSound's music lies in.
    #[arg(long, requires = "pictures")]
    music: Option<PathBuf>,
    /// Read every picture and every track first, and leave out pairs with a broken file.
    #[arg(long)]
    check: bool,
}

/// A line of a list.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    pair: &'a ListedPair,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<&'a str>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    prepare_folder(&arguments.output, &[&LISTS[..], &[BROKEN]].concat())?;
    let PairList { mut pairs, columns } = read_pairs(&arguments.pairs)?;
    let labels = match &arguments.styles {
        Some(table) => Some(Labels::open(table, STYLE)?),
        None => None,
    };
    let style = |pair: &ListedPair| labels.as_ref()?.of(&pair.picture).map(str::to_string);
    let mut styles: Vec<Option<String>> = pairs.iter().map(style).collect();
    let source: Option<Box<dyn Source>> = match (&arguments.pictures, &arguments.music) {
        (Some(pictures), Some(music)) => {
            let source = ArtSound::open(&arguments.pairs, pictures, music)?;
            for (index, pair) in pairs.iter_mut().enumerate() {
                let [picture, music] = source.files(index)?.map(|path| whole(&path));
                (pair.picture, pair.music) = (picture, music);
            }
            Some(Box::new(source))
        }
        _ if columns && arguments.check => {
            return Err(Error::input(
                "ArtSound's list does not say where its files lie",
                "name their folders with --pictures and --music",
            ));
        }
        _ if columns => None,
        _ => {
            let folder = arguments.pairs.parent().unwrap_or(Path::new(""));
            for pair in &mut pairs {
                pair.picture = whole(&folder.join(&pair.picture));
                pair.music = whole(&folder.join(&pair.music));
            }
            Some(Box::new(JsonLines::open(&arguments.pairs)?))
        }
    };
    let broken = match source.filter(|_| arguments.check) {
        Some(source) => broken(source.as_ref())?,
        None => Vec::new(),
    };
    // In descending order, so that places before them stay.
    for item in broken.iter().rev() {
        pairs.remove(item.index);
        styles.remove(item.index);
    }
    write(arguments, &pairs, &styles, &broken)
}

fn write(
    arguments: &Arguments,
    pairs: &[ListedPair],
    styles: &[Option<String>],
    broken: &[Skipped],
) -> Result<()> {
    let parts = Parts::of_styles(styles, arguments.seed)?;
    for (name, items) in LISTS
        .iter()
        .zip([&parts.training, &parts.validation, &parts.test])
    {
        let lines: Vec<Line> = items
            .iter()
            .map(|index| Line {
                pair: &pairs[*index],
                style: styles[*index].as_deref(),
            })
            .collect();
        write_lines(&arguments.output.join(name), &lines)?;
    }
    if arguments.check {
        write_lines(&arguments.output.join(BROKEN), broken)?;
    }
    let without = styles.iter().filter(|style| style.is_none()).count();
    if arguments.styles.is_some() && without > 0 {
        eprintln!("{without} pictures have no style in the table and were split as one more");
    }
    if !broken.is_empty() {
        let list = arguments.output.join(BROKEN);
        eprintln!(
            "{} pairs have a broken file and were left out: see {}",
            broken.len(),
            list.display()
        );
    }
    print_line(&format!(
        "{} pairs to train on, {} to validate, {} to test",
        parts.training.len(),
        parts.validation.len(),
        parts.test.len()
    ))
}

/// The pairs of which a file cannot be read, in order.
fn broken(source: &dyn Source) -> Result<Vec<Skipped>> {
    let count = source.count().unwrap_or(0);
    let bar = ProgressBar::new(count as u64);
    let read = |index: usize| {
        source
            .picture(index)
            .and_then(|_| source.music(index))
            .map(drop)
    };
    let mut broken = Vec::new();
    std::thread::scope(|scope| {
        for (index, result) in Loader::start(scope, cores(), 0..count, &read).enumerate() {
            bar.inc(1);
            match result? {
                Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                Err(error) => broken.push(Skipped::new(source, index, &error)),
                Ok(()) => {}
            }
        }
        bar.finish_and_clear();
        Ok(broken)
    })
}

/// The path from the root on, which means the same in every list.
fn whole(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    path.to_string_lossy().into_owned()
}
