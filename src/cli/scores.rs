//! `art2mus scores`: FAD, KL and IBSc of any number of models.

use indicatif::ProgressBar;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    dataset::{
        imagebind::{ImageBind, ImageBindArguments, Kind},
        prepare_folder,
        stats::named,
    },
    generate::music_of,
    on_device::{Computation, on_device},
    print_line,
};
use crate::{
    Error, ErrorKind, Result,
    audio::{Sound, decode},
    checkpoint::Checkpoint,
    dataset::{
        ArtSound, Features, JsonLines, Source,
        embeddings::{EmbeddingNetwork, Preparation, Prepared},
        pairing::read_pairs,
    },
    device::{DeviceChoice, choose},
    files::write_file,
    image,
    model::{
        params::Params,
        vggish::{Vggish, VggishConfig},
    },
    ops::Kernels,
    scores::{Heard, ItemScores, LeftOut, ModelScores, Scores, vggish_embeddings},
};

/// What is written.
const FILES: [&str; 2] = ["scores.md", "scores.json"];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The pairs that models are scored on, such as the test.jsonl of art2mus dataset split: JSON lines, or with --pictures
    /// and --music ArtSound's list.
    #[arg(long)]
    pairs: PathBuf,
    /// The folder that ArtSound's pictures lie in.
    #[arg(long, requires = "music")]
    pictures: Option<PathBuf>,
    /// The folder that ArtSound's music lies in.
    #[arg(long, requires = "pictures")]
    music: Option<PathBuf>,
    /// Score the first so many pairs only.
    #[arg(long)]
    count: Option<usize>,
    /// A model, and the folder of the music that it made: each piece has its picture's name with .wav, as generate --list
    /// writes them. May be given for several.
    #[arg(long, required = true, value_name = "NAME=FOLDER", value_parser = named)]
    model: Vec<(String, PathBuf)>,
    /// VGGish with the names of torchvggish, for FAD: vggish-10086976.pth. FAD is left out without it.
    #[arg(long)]
    vggish: Option<PathBuf>,
    #[command(flatten)]
    imagebind: ImageBindArguments,
    /// The folder that scores.md and scores.json go to.
    #[arg(short, long)]
    output: PathBuf,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    prepare_folder(&arguments.output, &FILES)?;
    let source: Arc<dyn Source> = match (&arguments.pictures, &arguments.music) {
        (Some(pictures), Some(music)) => {
            Arc::new(ArtSound::open(&arguments.pairs, pictures, music)?)
        }
        _ => Arc::new(JsonLines::open(&arguments.pairs)?),
    };
    let mut names: Vec<String> = read_pairs(&arguments.pairs)?
        .pairs
        .into_iter()
        .map(|pair| pair.picture)
        .collect();
    names.truncate(arguments.count.unwrap_or(usize::MAX));
    if names.len() < 2 {
        return Err(Error::input(
            "one pair says nothing of a model",
            "score at least two",
        ));
    }
    let pieces = arguments
        .model
        .iter()
        .map(|(model, folder)| pieces_of(model, folder, &names));
    let pieces = pieces.collect::<Result<Vec<_>>>()?;
    let vggish = match &arguments.vggish {
        Some(file) => Some(Checkpoint::open(file)?),
        None => None,
    };
    let imagebind = match arguments.imagebind.given() {
        true => Some(arguments.imagebind.open()?),
        false => None,
    };
    let job = Job {
        arguments,
        source: source.as_ref(),
        count: names.len(),
        pieces,
        vggish: vggish.as_ref(),
        imagebind: imagebind.as_ref(),
    };
    let scores = on_device(&choose(arguments.device)?, job)?;
    let json = serde_json::to_vec_pretty(&scores)
        .map_err(|e| Error::internal(format!("scores cannot be written ({e})")))?;
    write_file(&arguments.output.join("scores.json"), &json)?;
    let text = scores.markdown();
    write_file(&arguments.output.join("scores.md"), text.as_bytes())?;
    if !scores.left_out.is_empty() {
        let (count, place) = (scores.left_out.len(), arguments.output.display());
        eprintln!(
            "{count} pairs could not be read for some model and were left out for all: see {place}/scores.json"
        );
    }
    print_line(text.trim_end())
}

/// The files of a model's pieces, one for each picture; all of them must be there.
fn pieces_of(model: &str, folder: &Path, pictures: &[String]) -> Result<Vec<PathBuf>> {
    let file = |picture: &String| {
        let music = music_of(Path::new(picture));
        folder.join(music.file_name().unwrap_or_default())
    };
    let files: Vec<PathBuf> = pictures.iter().map(file).collect();
    let missing: Vec<&PathBuf> = files.iter().filter(|file| !file.is_file()).collect();
    match missing.first() {
        None => Ok(files),
        Some(first) => Err(Error::input(
            format!(
                "{model} has no music for {} of {} pictures, the first is {}",
                missing.len(),
                files.len(),
                first.display()
            ),
            "make it with art2mus generate --list, or score fewer pairs with --count",
        )),
    }
}

struct Job<'a> {
    arguments: &'a Arguments,
    source: &'a dyn Source,
    count: usize,
    /// For each model, a file for each pair.
    pieces: Vec<Vec<PathBuf>>,
    vggish: Option<&'a Checkpoint>,
    imagebind: Option<&'a ImageBind>,
}

impl Computation for Job<'_> {
    type Output = Scores;

    fn run<B: Kernels>(self, device: B::Device) -> Result<Scores> {
        let judges = Judges::<B>::load(&self, device)?;
        let bar = ProgressBar::new(self.count as u64);
        let mut items: Vec<Vec<ItemScores>> = vec![Vec::new(); self.pieces.len()];
        // The music of pairs, and the pieces of each model.
        let mut music = Vec::new();
        let mut made: Vec<Vec<Vec<Vec<f32>>>> = vec![Vec::new(); self.pieces.len()];
        let mut left_out = Vec::new();
        for index in 0..self.count {
            match self.score(&judges, index) {
                Ok((heard, pieces)) => {
                    music.extend(heard.patches);
                    for (model, (scores, piece)) in pieces.into_iter().enumerate() {
                        items[model].push(scores);
                        made[model].extend(piece.patches);
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Input | ErrorKind::Format | ErrorKind::File
                    ) =>
                {
                    left_out.push(LeftOut {
                        item: self.source.id(index),
                        reason: error.message().to_string(),
                    });
                }
                Err(error) => return Err(error),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        if items[0].len() < 2 {
            let first = left_out
                .first()
                .map_or("there are none", |item| item.reason.as_str());
            return Err(Error::input(
                format!("fewer than two pairs can be read for all models ({first})"),
                "check the list and the folders",
            ));
        }
        let models = self.arguments.model.iter().zip(&items).zip(&made);
        let models = models.map(|(((name, _), items), made)| {
            let patches = music
                .iter()
                .zip(made)
                .map(|(music, made)| [&music[..], &made[..]]);
            ModelScores::of(name, items, &patches.collect::<Vec<_>>())
        });
        Ok(Scores {
            models: models.collect::<Result<_>>()?,
            left_out,
        })
    }
}

impl Job<'_> {
    /// Hears a pair and every model's piece of it.
    fn score<B: Kernels>(
        &self,
        judges: &Judges<B>,
        index: usize,
    ) -> Result<(Heard, Vec<(ItemScores, Heard)>)> {
        let picture = judges.see(self.source, index)?;
        let music = judges.hear(self.source.music(index)?)?;
        let mut pieces = Vec::new();
        for files in &self.pieces {
            let path = &files[index];
            let bytes = fs::read(path).map_err(|e| Error::file("read", path, e))?;
            let made = decode::decode(&bytes).and_then(|sound| judges.hear(sound));
            let made = made.map_err(|e| e.in_file(path))?;
            let scores = ItemScores::of(picture.as_deref(), &music, &made);
            pieces.push((scores.map_err(|e| e.in_file(path))?, made));
        }
        Ok((music, pieces))
    }
}

/// The networks that are there.
struct Judges<B: Kernels> {
    vggish: Option<Vggish<B>>,
    pictures: Option<(Preparation, EmbeddingNetwork<B>)>,
    sounds: Option<(Preparation, EmbeddingNetwork<B>)>,
    device: B::Device,
}

impl<B: Kernels> Judges<B> {
    fn load(job: &Job, device: B::Device) -> Result<Self> {
        let vggish = match job.vggish {
            Some(checkpoint) => {
                let config = VggishConfig::infer(|name| checkpoint.shape(name))?;
                Some(Vggish::load(&Params::new(checkpoint, &device), &config)?)
            }
            None => None,
        };
        let load = |kind| {
            job.imagebind
                .map(|imagebind| imagebind.load::<B>(kind, &device))
                .transpose()
        };
        Ok(Self {
            vggish,
            pictures: load(Kind::Pictures)?,
            sounds: load(Kind::Tracks)?,
            device,
        })
    }

    fn see(&self, source: &dyn Source, index: usize) -> Result<Option<Vec<f32>>> {
        let Some((Preparation::Files(preprocessor), network)) = &self.pictures else {
            return Ok(None);
        };
        let size = preprocessor.image_size.unwrap_or(0);
        let features = Features {
            pixels: image::preprocess(&source.picture(index)?, size),
            ..Features::default()
        };
        Ok(network.encode(vec![Prepared::Features(features)])?.pop())
    }

    fn hear(&self, sound: Sound) -> Result<Heard> {
        let patches = match &self.vggish {
            Some(network) => Some(vggish_embeddings(network, &sound, &self.device)?),
            None => None,
        };
        let embedding = match &self.sounds {
            Some((Preparation::Files(preprocessor), network)) => {
                let samples = sound
                    .clone()
                    .resampled(preprocessor.spectrogram().sample_rate)?;
                let features = Features {
                    clips: preprocessor.clips(&samples)?,
                    ..Features::default()
                };
                network.encode(vec![Prepared::Features(features)])?.pop()
            }
            _ => None,
        };
        Ok(Heard {
            sound,
            patches,
            embedding,
        })
    }
}
