//! Scores of music that models made of pictures, any number of models side by side, of captions, and
//! of listening studies.
//!
//! The scores of the paper: the Fréchet audio distance on VGGish's embeddings, the Kullback-Leibler divergence of
//! spectra, and ImageBind's score (IBSc), which is the cosine of two embeddings.

mod captions;
mod sounds;
mod study;
mod table;

pub use captions::{
    CaptionJudge, ROUNDS, Refinement, ScoreParts, ScoredCaption, THRESHOLD, bert_score,
    music_score, picture_score,
};
pub use sounds::{Heard, ItemScores, ModelScores, vggish_embeddings};
pub use study::{Agreement, Answers, Preference, Rating, StudyReport};
pub use table::{LeftOut, Scores};
