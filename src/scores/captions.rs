//! Scores of captions: ICScore of pictures, ACScore of music.

use burn::tensor::Tensor;
use serde::Serialize;

use crate::{
    Result,
    metrics::rouge::rouge_1,
    model::{
        bert::Bert,
        clip::{ClipText, ClipVision},
        layers::l2_normalise,
        trace::Trace,
    },
    ops::Kernels,
    tensors::{cosine, read, tensor},
    text::{ClipTokenizer, WordPiece},
};

/// Captions below this are to be refined.
pub const THRESHOLD: f64 = 0.8;
/// How often a caption is refined at most.
pub const ROUNDS: u8 = 3;

/// The shares of CLIP-Score and PAC-Score in ICScore, and what cosines are multiplied with in each.
const IMAGE_SHARES: [f64; 2] = [0.35, 0.65];
const IMAGE_SCALES: [f64; 2] = [2.5, 2.0];
/// The shares of ROUGE-1 and BERT-Score in ACScore.
const AUDIO_SHARES: [f64; 2] = [0.30, 0.70];

/// What a score is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ScoreParts {
    /// ICScore.
    Picture {
        /// `2.5 max(cos, 0)` of CLIP's embeddings: Hessel et al., "CLIPScore", 2021.
        clip_score: f64,
        /// `2 max(cos, 0)` of those of a CLIP that was trained on to score captions: Sarto et al., "Positive-augmented
        /// contrastive learning for image and video captioning evaluation", 2023.
        pac_score: f64,
    },
    /// ACScore.
    Music {
        /// Words that both captions share.
        rouge_1: f64,
        /// Tokens that both captions share by what they mean.
        bert_score: f64,
    },
}

impl ScoreParts {
    /// The score: ICScore `0.35 CLIP-Score + 0.65 PAC-Score`, at most 1, or ACScore `0.30 ROUGE-1 + 0.70 BERT-Score`.
    pub fn score(self) -> f64 {
        let (shares, parts) = match self {
            Self::Picture {
                clip_score,
                pac_score,
            } => (IMAGE_SHARES, [clip_score, pac_score]),
            Self::Music {
                rouge_1,
                bert_score,
            } => (AUDIO_SHARES, [rouge_1, bert_score]),
        };
        (shares[0] * parts[0] + shares[1] * parts[1]).min(1.0)
    }
}

/// A CLIP with both towers, in which pictures and captions are compared.
#[derive(Debug)]
pub struct CaptionJudge<B: Kernels> {
    /// The tower of pictures.
    pub vision: ClipVision<B>,
    /// The tower of texts.
    pub text: ClipText<B>,
    /// What makes texts into ids.
    pub tokenizer: ClipTokenizer,
    /// The side of a picture in pixels.
    pub image_size: usize,
}

impl<B: Kernels> CaptionJudge<B> {
    /// The cosine of a picture, `pixels [3, size, size]`, and a caption.
    fn cosine(&self, pixels: &[f32], caption: &str, device: &B::Device) -> Result<f64> {
        let size = self.image_size;
        let pixels: Tensor<B, 4> = tensor(pixels.to_vec(), [1, 3, size, size], device);
        let picture = self.vision.forward(pixels, &mut Trace::off());
        let text = self
            .text
            .forward(&self.tokenizer.encode(caption), &mut Trace::off())?;
        let [picture, text] = [picture, text].map(|vector| pollster::block_on(read(vector)));
        Ok(f64::from(cosine(&picture?, &text?)))
    }
}

/// ICScore's parts of a caption, with `[CLIP, PAC]` and the picture as each takes it. `prefix` stands in front of the
/// caption; both scores are published with `A photo depicts `.
pub fn picture_score<B: Kernels>(
    judges: &[CaptionJudge<B>; 2],
    pixels: [&[f32]; 2],
    prefix: &str,
    caption: &str,
    device: &B::Device,
) -> Result<ScoreParts> {
    let caption = format!("{prefix}{caption}");
    let part = |i: usize| -> Result<f64> {
        let cosine = judges[i].cosine(pixels[i], &caption, device)?;
        Ok(IMAGE_SCALES[i] * cosine.max(0.0))
    };
    Ok(ScoreParts::Picture {
        clip_score: part(0)?,
        pac_score: part(1)?,
    })
}

/// ACScore's parts of a caption and its reference.
pub fn music_score<B: Kernels>(
    encoder: &Bert<B>,
    tokenizer: &WordPiece,
    caption: &str,
    reference: &str,
) -> Result<ScoreParts> {
    let states = |text: &str| {
        let ids = tokenizer.encode(text, encoder.longest());
        encoder.forward(&ids, &mut Trace::off())
    };
    Ok(ScoreParts::Music {
        rouge_1: rouge_1(caption, reference),
        bert_score: bert_score(states(caption)?, states(reference)?)?,
    })
}

/// BERT-Score: the harmonic mean of precision and recall of greedily matched tokens, from states `[1, tokens, width]` of a
/// caption and of its reference; 0 if a side has no tokens but its marks.
///
/// ```text
/// P = mean over tokens of the caption of max over tokens of the reference of cos,    R the other way round
/// ```
///
/// The first and the last token, which mark start and end, may be matched and have no weight of their own; rare tokens
/// count no more than others, and values are not rescaled. Zhang et al., "BERTScore: Evaluating text generation with BERT",
/// 2020.
pub fn bert_score<B: Kernels>(caption: Tensor<B, 3>, reference: Tensor<B, 3>) -> Result<f64> {
    let [rows, columns] = [caption.dims()[1], reference.dims()[1]];
    if rows < 3 || columns < 3 {
        return Ok(0.0);
    }
    let [caption, reference] = [caption, reference].map(l2_normalise);
    let cosines = caption.matmul(reference.swap_dims(1, 2));
    let cosines = pollster::block_on(read(cosines))?;
    let at = |row: usize, column: usize| f64::from(cosines[row * columns + column]);
    let best = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
    let precision = (1..rows - 1).map(|row| best(&mut (0..columns).map(|column| at(row, column))));
    let recall = (1..columns - 1).map(|column| best(&mut (0..rows).map(|row| at(row, column))));
    let precision = precision.sum::<f64>() / (rows - 2) as f64;
    let recall = recall.sum::<f64>() / (columns - 2) as f64;
    let sum = precision + recall;
    Ok(if sum > 0.0 {
        2.0 * precision * recall / sum
    } else {
        0.0
    })
}

/// A caption with its score.
#[derive(Debug, Clone, Serialize)]
pub struct ScoredCaption {
    /// What is described.
    pub name: String,
    /// The caption.
    pub caption: String,
    /// ICScore or ACScore.
    pub score: f64,
    /// What the score is made of.
    #[serde(flatten)]
    pub parts: ScoreParts,
}

/// A caption that is to be made anew.
#[derive(Debug, Clone, Serialize)]
pub struct Refinement {
    /// What is described.
    pub name: String,
    /// The caption so far.
    pub caption: String,
    /// Its score.
    pub score: f64,
    /// Which refinement it will be, from 1.
    pub round: u8,
    /// What to ask the model that writes captions.
    pub prompt: String,
}

impl Refinement {
    /// What is to be refined of `captions` behind `round` refinements: those below [`THRESHOLD`], and none when there have
    /// been [`ROUNDS`].
    pub fn of(captions: &[ScoredCaption], round: u8) -> Vec<Self> {
        let below = captions
            .iter()
            .filter(|caption| caption.score < THRESHOLD && round < ROUNDS);
        below
            .map(|scored| Self {
                name: scored.name.clone(),
                caption: scored.caption.clone(),
                score: scored.score,
                round: round + 1,
                prompt: prompt(scored),
            })
            .collect()
    }
}

/// Asks for a better caption, in the direction that the weaker part of the score tells.
fn prompt(scored: &ScoredCaption) -> String {
    let caption = &scored.caption;
    match scored.parts {
        ScoreParts::Picture { .. } => format!(
            "This caption of the picture does not fit it well enough: \"{caption}\" Look at the picture again and write one \
             caption of at most 50 words. Name what can be seen: the subject, where it is, colours and light, and the mood. \
             Leave out what cannot be seen, such as names, dates and opinions."
        ),
        ScoreParts::Music {
            rouge_1,
            bert_score,
        } => {
            let weakness = match rouge_1 < bert_score {
                true => {
                    "Keep the words that the descriptions of its parts use for instruments, genre, tempo and mood."
                }
                false => {
                    "Keep what the descriptions of its parts mean: instruments, genre, tempo, mood, and how they change."
                }
            };
            format!(
                "This caption of the music does not say what its parts are described as: \"{caption}\" Write one caption of \
                 the whole track of at most 50 words. {weakness} Add nothing that no description says."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Cpu;

    #[test]
    fn scores_mix_their_parts() {
        let parts = ScoreParts::Picture {
            clip_score: 0.8,
            pac_score: 0.6,
        };
        assert!((parts.score() - (0.35 * 0.8 + 0.65 * 0.6)).abs() < 1e-12);
        let most = ScoreParts::Picture {
            clip_score: 2.5,
            pac_score: 2.0,
        };
        assert_eq!(most.score(), 1.0);
        let music = ScoreParts::Music {
            rouge_1: 0.5,
            bert_score: 0.9,
        };
        assert!((music.score() - (0.15 + 0.63)).abs() < 1e-12);
    }

    #[test]
    fn three_rounds_refine_what_is_below_the_threshold() {
        let scored = |name: &str, rouge_1: f64| {
            let parts = ScoreParts::Music {
                rouge_1,
                bert_score: 0.9,
            };
            ScoredCaption {
                name: name.into(),
                caption: format!("{name} plays"),
                score: parts.score(),
                parts,
            }
        };
        let captions = [scored("a.mp3", 0.2), scored("b.mp3", 0.9)];
        for round in 0..3 {
            let refinements = Refinement::of(&captions, round);
            assert_eq!((refinements.len(), refinements[0].round), (1, round + 1));
            assert!(refinements[0].prompt.contains("\"a.mp3 plays\""));
        }
        assert!(Refinement::of(&captions, 3).is_empty());
    }

    /// The states of each layer, and the scores that PyTorch makes of them.
    #[test]
    fn greedy_matches_are_those_of_the_reference() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/trace-scores.safetensors"
        );
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let settings = &header.metadata().as_ref().unwrap()["settings"];
        let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let device = Default::default();
        let states = |text: &str, layer: usize| {
            let view = file.tensor(&format!("bert.{text}.{layer}")).unwrap();
            let values = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|x| f32::from_le_bytes(*x));
            let shape: [usize; 3] = view.shape().try_into().unwrap();
            tensor::<Cpu, 3>(values.collect(), shape, &device)
        };
        for layer in 0..4 {
            let found = bert_score(states("first", layer), states("second", layer)).unwrap();
            let expected = settings["f1"][layer].as_f64().unwrap();
            assert!(
                (found - expected).abs() < 1e-5,
                "{layer}: {found} {expected}"
            );
        }
    }

    #[test]
    fn equal_states_match_entirely() {
        let device = Default::default();
        let states = |seed: u64, tokens: usize| {
            let values = crate::random::standard_normal(seed, 0, tokens * 6);
            tensor::<Cpu, 3>(values, [1, tokens, 6], &device)
        };
        assert!((bert_score(states(1, 5), states(1, 5)).unwrap() - 1.0).abs() < 1e-6);
        let (there, back) = (
            bert_score(states(1, 5), states(2, 7)).unwrap(),
            bert_score(states(2, 7), states(1, 5)).unwrap(),
        );
        assert!(there < 1.0 && (there - back).abs() < 1e-6);
        assert_eq!(bert_score(states(1, 2), states(2, 7)).unwrap(), 0.0);
    }
}
