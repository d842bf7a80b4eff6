//! `art2mus dataset captions`: ICScore and ACScore of captions.

use indicatif::ProgressBar;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{prepare_folder, summary_table};
use crate::{
    Error, Result,
    checkpoint::{Checkpoint, names},
    cli::{
        convert::{ClipHints, ClipTowers, ConfigReader, has_config},
        on_device::{Computation, on_device},
        print_line,
    },
    dataset::{pairing::write_lines, read_captions, read_picture},
    device::{DeviceChoice, choose},
    files::write_file,
    image,
    metrics::summary::Summary,
    model::{
        bert::{Bert, BertConfig},
        clip::{ClipText, ClipVision},
        params::Params,
    },
    ops::{Activation, Kernels},
    scores::{
        CaptionJudge, ROUNDS, Refinement, ScoreParts, ScoredCaption, THRESHOLD, music_score,
        picture_score,
    },
    text::{ClipTokenizer, WordPiece},
};

/// What is written.
const FILES: [&str; 4] = ["scores.jsonl", "scores.md", "scores.json", "refine.jsonl"];
/// A file of CLIP without a configuration is a ViT-B/32 by OpenAI, on which both scores are defined.
const PLAIN: (usize, usize) = (768, 12);

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("against").required(true).args(["pictures", "references"])))]
pub(in crate::cli) struct Arguments {
    /// The captions: {"a.jpg": "A quiet lake"}, or lines of {"name": "a.jpg", "caption": "A quiet lake"}.
    #[arg(long)]
    captions: PathBuf,
    /// Score captions of the pictures beneath this folder, which they are named by.
    #[arg(long, requires_all = ["clip", "pac"])]
    pictures: Option<PathBuf>,
    /// CLIP, with both towers: a folder, or a file that is taken for OpenAI's ViT-B/32 without a configuration beside it.
    #[arg(long)]
    clip: Option<PathBuf>,
    /// The CLIP of PAC-Score, in the same forms.
    #[arg(long)]
    pac: Option<PathBuf>,
    /// CLIP's vocabulary, where it does not lie beside both: bpe_simple_vocab_16e6.txt (or .gz), merges.txt or
    /// tokenizer.json.
    #[arg(long)]
    clip_vocabulary: Option<PathBuf>,
    /// What stands in front of a caption for CLIP.
    #[arg(long, default_value = "A photo depicts ")]
    prefix: String,
    /// Score captions of music against these, which have the same names: what its parts are described as.
    #[arg(long, requires = "bert")]
    references: Option<PathBuf>,
    /// BERT for BERT-Score: a folder with config.json, vocab.txt and weights, such as bert-base-uncased.
    #[arg(long)]
    bert: Option<PathBuf>,
    /// Compare BERT's states behind this layer [default: 9 of 12, 18 of 24].
    #[arg(long)]
    layer: Option<usize>,
    /// How often these captions have been refined. Behind the third time no more are listed.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=3))]
    round: u8,
    /// The folder that scores.jsonl (a caption a line), scores.md, scores.json and refine.jsonl (captions below 0.80, each
    /// with a prompt for a better one) go to.
    #[arg(short, long)]
    output: PathBuf,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
}

#[derive(Serialize)]
struct Report {
    round: u8,
    threshold: f64,
    below: usize,
    scores: Vec<(&'static str, Summary)>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    prepare_folder(&arguments.output, &FILES)?;
    let captions = read_captions(&arguments.captions)?;
    let scored = on_device(
        &choose(arguments.device)?,
        Job {
            arguments,
            captions: &captions,
        },
    )?;
    let place = |file: &str| arguments.output.join(file);
    let report = report(arguments.round, &scored)?;
    let refinements = Refinement::of(&scored, arguments.round);
    write_lines(&place("scores.jsonl"), &scored)?;
    write_lines(&place("refine.jsonl"), &refinements)?;
    let json = serde_json::to_vec_pretty(&report)
        .map_err(|e| Error::internal(format!("scores cannot be written ({e})")))?;
    write_file(&place("scores.json"), &json)?;
    let text = markdown(&report);
    write_file(&place("scores.md"), text.as_bytes())?;
    print_line(text.trim_end())?;
    print_line(&match arguments.round {
        ROUNDS => format!(
            "{} below {THRESHOLD:.2}, which stay as they are",
            report.below
        ),
        round => format!(
            "{} below {THRESHOLD:.2}, to be refined for the {} time: {}",
            report.below,
            ["first", "second", "third"][usize::from(round)],
            place("refine.jsonl").display()
        ),
    })
}

fn report(round: u8, scored: &[ScoredCaption]) -> Result<Report> {
    let summary = |value: &dyn Fn(&ScoredCaption) -> f64| {
        let values: Vec<f64> = scored.iter().map(value).collect();
        Summary::of(&values).ok_or_else(|| Error::internal("no caption was scored"))
    };
    type Part = (&'static str, fn(&ScoredCaption) -> f64);
    let parts: [Part; 3] = match scored.first().map(|first| first.parts) {
        Some(ScoreParts::Music { .. }) => [
            ("ACScore", |caption| caption.score),
            ("ROUGE-1", |caption| match caption.parts {
                ScoreParts::Music { rouge_1, .. } => rouge_1,
                ScoreParts::Picture { .. } => 0.0,
            }),
            ("BERT-Score", |caption| match caption.parts {
                ScoreParts::Music { bert_score, .. } => bert_score,
                ScoreParts::Picture { .. } => 0.0,
            }),
        ],
        _ => [
            ("ICScore", |caption| caption.score),
            ("CLIP-Score", |caption| match caption.parts {
                ScoreParts::Picture { clip_score, .. } => clip_score,
                ScoreParts::Music { .. } => 0.0,
            }),
            ("PAC-Score", |caption| match caption.parts {
                ScoreParts::Picture { pac_score, .. } => pac_score,
                ScoreParts::Music { .. } => 0.0,
            }),
        ],
    };
    let scores = parts
        .into_iter()
        .map(|(name, value)| Ok((name, summary(&value)?)));
    Ok(Report {
        round,
        threshold: THRESHOLD,
        below: scored
            .iter()
            .filter(|caption| caption.score < THRESHOLD)
            .count(),
        scores: scores.collect::<Result<_>>()?,
    })
}

fn markdown(report: &Report) -> String {
    let rows = report
        .scores
        .iter()
        .map(|(name, summary)| (&**name, summary));
    summary_table(["score", "captions"], rows)
}

struct Job<'a> {
    arguments: &'a Arguments,
    captions: &'a BTreeMap<String, String>,
}

impl Computation for Job<'_> {
    type Output = Vec<ScoredCaption>;

    fn run<B: Kernels>(self, device: B::Device) -> Result<Vec<ScoredCaption>> {
        let arguments = self.arguments;
        match (&arguments.pictures, &arguments.clip, &arguments.pac) {
            (Some(folder), Some(clip), Some(pac)) => {
                let judge =
                    |place: &Path| judge::<B>(place, arguments.clip_vocabulary.as_deref(), &device);
                let judges = [judge(clip)?, judge(pac)?];
                self.scored(|name, caption| {
                    let picture = read_picture(&folder.join(name))?;
                    let [a, b] = [&judges[0], &judges[1]]
                        .map(|judge| image::preprocess(&picture, judge.image_size));
                    picture_score(&judges, [&a, &b], &arguments.prefix, caption, &device)
                })
            }
            _ => {
                let (Some(references), Some(bert)) = (&arguments.references, &arguments.bert)
                else {
                    return Err(Error::internal(
                        "the command line names nothing to compare with",
                    ));
                };
                let references = read_captions(references)?;
                let (encoder, tokenizer) = bert_encoder::<B>(bert, arguments.layer, &device)?;
                self.scored(|name, caption| {
                    let reference = references.get(name).ok_or_else(|| {
                        Error::input(
                            format!("the references have no caption for {name}"),
                            "give both files the same names",
                        )
                    })?;
                    music_score(&encoder, &tokenizer, caption, reference)
                })
            }
        }
    }
}

impl Job<'_> {
    fn scored(
        &self,
        score: impl Fn(&str, &str) -> Result<ScoreParts>,
    ) -> Result<Vec<ScoredCaption>> {
        let bar = ProgressBar::new(self.captions.len() as u64);
        let scored = self.captions.iter().map(|(name, caption)| {
            bar.inc(1);
            let parts = score(name, caption)?;
            Ok(ScoredCaption {
                name: name.clone(),
                caption: caption.clone(),
                score: parts.score(),
                parts,
            })
        });
        let scored = scored.collect();
        bar.finish_and_clear();
        scored
    }
}

fn judge<B: Kernels>(
    place: &Path,
    vocabulary: Option<&Path>,
    device: &B::Device,
) -> Result<CaptionJudge<B>> {
    let (width, heads) = PLAIN;
    let hints = ClipHints {
        heads: Some(heads),
        activation: Some(Activation::QuickGelu),
    };
    let towers = ClipTowers::open(&ConfigReader::default(), place, vocabulary, hints)?;
    if !has_config(place) && towers.vision.hidden_size != width {
        return Err(Error::input(
            format!(
                "{} is no ViT-B/32, and no configuration says what it is",
                place.display()
            ),
            "put its config.json or open_clip_config.json beside it",
        ));
    }
    let params = Params::new(&towers.checkpoint, device);
    Ok(CaptionJudge {
        vision: ClipVision::load(&params, &towers.vision)?,
        text: ClipText::load(&params, &towers.text)?,
        tokenizer: ClipTokenizer::new(&towers.merges, towers.text.max_position_embeddings)?,
        image_size: towers.vision.image_size,
    })
}

fn bert_encoder<B: Kernels>(
    folder: &Path,
    layer: Option<usize>,
    device: &B::Device,
) -> Result<(Bert<B>, WordPiece)> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|e| Error::file("read", &path, e))
    };
    let wrong = |name: &str, what: String| {
        Error::format(
            format!("{} cannot be used ({what})", folder.join(name).display()),
            "use the whole folder of a BERT, such as bert-base-uncased",
        )
    };
    let config: BertConfig = serde_json::from_str(&read("config.json")?)
        .map_err(|e| wrong("config.json", e.to_string()))?;
    // What models that know capitals say of themselves.
    let tokenizer = folder.join("tokenizer_config.json");
    let lower_case = match tokenizer.is_file() {
        false => true,
        true => {
            let settings: serde_json::Value = serde_json::from_str(&read("tokenizer_config.json")?)
                .map_err(|e| wrong("tokenizer_config.json", e.to_string()))?;
            settings["do_lower_case"].as_bool().unwrap_or(true)
        }
    };
    let tokenizer = WordPiece::new(&read("vocab.txt")?, lower_case)?;
    let layers = layer.unwrap_or(config.num_hidden_layers * 3 / 4);
    let checkpoint = Checkpoint::open(folder)?.with_names(names::bert);
    let encoder = Bert::load(&Params::new(&checkpoint, device), &config, layers)?;
    Ok((encoder, tokenizer))
}
