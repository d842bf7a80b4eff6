//! What a person says of a picture: as lists have it, and as material makes it up from what was measured.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    captions::{level, music_shares},
    material::Pair,
    score::Mode,
};
use crate::{Error, Result};

/// The stream of random numbers that choose words.
const WORD_STREAM: u64 = 7;

/// What a person says of a picture, and what is known beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comment {
    /// Their words.
    pub text: String,
    /// The emotion that they name.
    pub emotion: Option<String>,
    /// The classes of sounds in the music.
    pub labels: Option<String>,
    /// Keywords of the music.
    pub keywords: Option<String>,
}

/// What of a comment a text network reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommentForm {
    /// The person's words alone.
    #[default]
    Comment,
    /// With the emotion, and with labels and keywords of the music that is to be made, which nobody knows before it is: the
    /// public code of Hong et al., 2025.
    Authors,
}

impl CommentForm {
    /// The text; an error where a part of it is not known.
    pub fn text(self, comment: &Comment) -> Result<String> {
        let text = comment.text.trim();
        if text.is_empty() {
            return Err(Error::input(
                "its comment is empty",
                "write what a person says of it",
            ));
        }
        if self == Self::Comment {
            return Ok(text.into());
        }
        let known = |name: &str, part: &Option<String>| {
            part.clone().ok_or_else(|| {
                Error::input(
                    format!("it has a comment without {name}"),
                    "give emotion, labels and keywords, or read comments alone",
                )
            })
        };
        let emotion = known("emotion", &comment.emotion)?;
        let labels = known("labels", &comment.labels)?;
        let keywords = known("keywords", &comment.keywords)?;
        Ok(format!(
            "\"{text}\". Painting Emotion: {emotion}. Audio: {labels}. Audio keywords: {keywords}."
        ))
    }
}

/// What somebody could say of a picture and of the music that follows it: how light and how full the picture is, how fast
/// and how high the notes, and what both make one feel. `seed` chooses among words that mean the same.
pub fn of_pair(pair: &Pair, seed: u64) -> Comment {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(WORD_STREAM);
    let mut pick = |words: &[&'static str]| words[rng.random_range(0..words.len())];
    let (ranks, music) = (&pair.picture.ranks, &pair.music);
    let shares = music_shares(music);
    let light = level(
        ranks.lightness,
        [
            &["black", "very dark"],
            &["dark", "dim"],
            &["half-lit", "shaded"],
            &["light", "bright"],
            &["radiant", "very bright"],
        ],
    );
    let detail = level(
        ranks.edges,
        [
            &["empty", "very still"],
            &["plain", "still"],
            &["calm", "easy"],
            &["busy", "lively"],
            &["crowded", "restless"],
        ],
    );
    let speed = level(
        shares.rate,
        [
            &["very slow", "lingering"],
            &["slow", "unhurried"],
            &["steady", "walking"],
            &["quick", "running"],
            &["very quick", "rushing"],
        ],
    );
    let height = level(
        shares.register,
        [
            &["very deep", "rumbling"],
            &["deep", "low"],
            &["warm", "middle"],
            &["high", "clear"],
            &["very high", "piercing"],
        ],
    );
    // From calm to excited, by speed and loudness.
    let excited = (shares.rate + shares.loudness) / 2.0;
    let feelings = match music.mode {
        Mode::Major => [
            ["peaceful", "serene"],
            ["content", "hopeful"],
            ["glad", "cheerful"],
            ["merry", "playful"],
            ["joyful", "triumphant"],
        ],
        Mode::Minor => [
            ["lonely", "sorrowful"],
            ["sad", "wistful"],
            ["uneasy", "melancholy"],
            ["troubled", "tense"],
            ["angry", "afraid"],
        ],
    };
    let [light, detail, speed, height] = [light, detail, speed, height].map(|words| pick(words));
    let feeling = pick(&level(excited, feelings));
    let text = match rng.random_range(0..4) {
        0 => format!("{light} and {detail}; the {speed} notes make me feel {feeling}."),
        1 => format!(
            "I feel {feeling}: a {light} picture, {detail}, with {speed} and {height} notes."
        ),
        2 => format!(
            "This {detail} and {light} scene makes me {feeling}, like {height} notes, {speed} ones."
        ),
        _ => format!(
            "How {feeling}! I hear {speed}, {height} notes where it is {light} and {detail}."
        ),
    };
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    Comment {
        text: first.chain(letters).collect(),
        emotion: Some(feeling.into()),
        labels: None,
        keywords: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Source, Split, material::tests::painted_only};
    use std::collections::BTreeSet;

    #[test]
    fn comments_say_what_was_measured_in_words_of_their_own() {
        let source = painted_only(Split::Test);
        let pair = source.pair(2).unwrap();
        let texts: BTreeSet<String> = (0..40).map(|seed| of_pair(&pair, seed).text).collect();
        assert!(texts.len() > 20, "{texts:?}");
        assert_eq!(source.captions(2).comment, Some(of_pair(&pair, 2)));
        let mut bright = pair;
        bright.picture.ranks.lightness = 0.7;
        bright.picture.ranks.edges = 0.7;
        bright.music.mode = Mode::Major;
        bright.music.rate = 7.9;
        bright.music.loudness = -26.0;
        for seed in 0..20 {
            let text = of_pair(&bright, seed).text.to_lowercase();
            let has = |words: [&str; 2]| words.iter().any(|word| text.contains(word));
            assert!(
                has(["light", "bright"]) && has(["busy", "lively"]),
                "{text}"
            );
            assert!(
                has(["very quick", "rushing"]) && has(["glad", "cheerful"]),
                "{text}"
            );
        }
    }

    #[test]
    fn the_authors_form_needs_all_of_its_parts() {
        let mut comment = Comment {
            text: " The lake is calm. ".into(),
            emotion: Some("awe".into()),
            labels: Some("Piano".into()),
            keywords: None,
        };
        assert_eq!(
            CommentForm::Comment.text(&comment).unwrap(),
            "The lake is calm."
        );
        let error = CommentForm::Authors.text(&comment).unwrap_err();
        assert!(error.message().contains("without keywords"), "{error}");
        comment.keywords = Some("slow, soft".into());
        assert_eq!(
            CommentForm::Authors.text(&comment).unwrap(),
            "\"The lake is calm.\". Painting Emotion: awe. Audio: Piano. Audio keywords: slow, soft."
        );
        comment.text = " ".into();
        assert!(CommentForm::Comment.text(&comment).is_err());
    }
}
