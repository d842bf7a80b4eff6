//! `art2mus dataset embed`: embeddings of pictures, tracks and captions.

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

use super::imagebind::{ImageBind, ImageBindArguments, Kind};
use crate::{
    Result,
    cli::{
        on_device::{Computation, on_device},
        print_line,
    },
    dataset::{
        cores,
        embeddings::{EmbeddedItems, EmbeddingFolder, Recipe, Shard},
    },
    device::{DeviceChoice, choose},
    files::hex,
    ops::Kernels,
};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("items").required(true).args(["pictures", "music", "captions"])))]
pub(in crate::cli) struct Arguments {
    /// Embed the pictures beneath this folder.
    #[arg(long)]
    pictures: Option<PathBuf>,
    /// Embed the music beneath this folder: MP3, FLAC, Ogg Vorbis and WAV.
    #[arg(long)]
    music: Option<PathBuf>,
    /// Embed the captions of this file: {"a.jpg": "A quiet lake"}, or lines of {"name": "a.jpg", "caption": "A quiet lake"}.
    #[arg(long)]
    captions: Option<PathBuf>,
    #[command(flatten)]
    imagebind: ImageBindArguments,
    /// The folder that the embeddings go to. The same command goes on where an earlier one was stopped.
    #[arg(short, long)]
    output: PathBuf,
    /// Do one part of the work, such as 2/4. Shards may share a folder, or be copied together afterwards: then the same
    /// command without this flag makes the index.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// Threads that read items; as many as cores when left out.
    #[arg(long, value_parser = clap::value_parser!(u16).range(..=1024))]
    threads: Option<u16>,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let (kind, items, place) = arguments.items()?;
    let imagebind = arguments.imagebind.open()?;
    let content = match &items {
        EmbeddedItems::Captions(captions) => {
            let mut digest = Sha256::new();
            captions
                .iter()
                .for_each(|(_, caption)| digest.update(format!("{caption}\n")));
            hex(&digest.finalize())
        }
        _ => place
            .canonicalize()
            .unwrap_or(place)
            .to_string_lossy()
            .into_owned(),
    };
    let recipe = Recipe {
        names: items.names(),
        content: serde_json::json!([format!("{kind:?}"), imagebind.digest(kind)?, content]),
    };
    let folder = EmbeddingFolder::open(&arguments.output, &recipe)?;
    let job = Job {
        arguments,
        kind,
        items: &items,
        imagebind: &imagebind,
        folder: &folder,
    };
    on_device(&choose(arguments.device)?, job)?;
    let place = arguments.output.display();
    match folder.finish()? {
        None => print_line(&format!(
            "This shard is done; others of {place} are not there yet"
        )),
        Some(finished) if finished.skipped > 0 => {
            let skipped = finished.skipped;
            eprintln!("{skipped} could not be read and were left out: see {place}/skipped.jsonl");
            print_line(&format!("{} embeddings in {place}", finished.items))
        }
        Some(finished) => print_line(&format!("{} embeddings in {place}", finished.items)),
    }
}

impl Arguments {
    fn items(&self) -> Result<(Kind, EmbeddedItems, PathBuf)> {
        let own = |path: &Path| path.to_path_buf();
        match (&self.pictures, &self.music, &self.captions) {
            (Some(folder), ..) => Ok((
                Kind::Pictures,
                EmbeddedItems::pictures(folder)?,
                own(folder),
            )),
            (_, Some(folder), _) => Ok((Kind::Tracks, EmbeddedItems::tracks(folder)?, own(folder))),
            (.., Some(file)) => Ok((Kind::Captions, EmbeddedItems::captions(file)?, own(file))),
            _ => Err(crate::Error::internal("the command line names no items")),
        }
    }
}

struct Job<'a> {
    arguments: &'a Arguments,
    kind: Kind,
    items: &'a EmbeddedItems,
    imagebind: &'a ImageBind,
    folder: &'a EmbeddingFolder,
}

impl Computation for Job<'_> {
    type Output = ();

    fn run<B: Kernels>(self, device: B::Device) -> Result<()> {
        let (preparation, network) = self.imagebind.load::<B>(self.kind, &device)?;
        let bar = ProgressBar::new(0);
        let prepare = |index: usize| self.items.prepare(&preparation, index);
        self.folder.fill(
            self.arguments.shard,
            self.arguments.threads.map_or_else(cores, usize::from),
            &prepare,
            &mut |items| network.encode(items),
            &|done, count| {
                bar.set_length(count as u64);
                bar.set_position(done as u64);
            },
        )?;
        bar.finish_and_clear();
        Ok(())
    }
}
