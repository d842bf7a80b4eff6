//! Texts that a person asks for in place of the bundle's own.

use std::sync::{Arc, Mutex, PoisonError};

use super::{networks::Networks, request::Settings};
use crate::{Fault, Result, text::EncodedTexts};

/// A prompt and a negative prompt that are not the bundle's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pub prompt: String,
    pub negative: String,
}

impl Texts {
    /// The texts that `settings` ask for; none where the bundle's own will do. Others need its text networks.
    pub fn asked(networks: &Networks, settings: &Settings) -> Result<Option<Self>> {
        let (prompt, negative) = (&settings.prompt, &settings.negative);
        if prompt.is_none() && negative.is_none() {
            return Ok(None);
        }
        let own = networks.prompts.as_ref().ok_or(Fault::NoTexts {})?;
        let prompt = prompt.as_ref().unwrap_or(&own.prompt);
        let negative = negative.as_ref().unwrap_or(&own.negative_prompt);
        if *prompt == own.prompt && *negative == own.negative_prompt {
            return Ok(None);
        }
        if networks.text.is_none() {
            return Err(Fault::NoTexts {}.into());
        }
        Ok(Some(Self {
            prompt: prompt.clone(),
            negative: negative.clone(),
        }))
    }
}

/// Where the texts of a run come from.
pub(super) enum Wanted {
    /// The bundle's constants.
    Own,
    /// The run before had the same.
    Known(Arc<EncodedTexts>),
    /// The stage `text` has to encode them.
    New(Texts),
}

/// The last texts with what was made of them: a few hundred kilobytes, so that the next piece of the same texts
/// needs no text networks, which are too large to stay for that.
#[derive(Debug, Clone, Default)]
pub(super) struct LastTexts(Arc<Mutex<Option<Last>>>);

#[derive(Debug)]
struct Last {
    texts: Texts,
    encoded: Arc<EncodedTexts>,
}

impl LastTexts {
    /// Where the texts come from that a person asked for.
    pub fn find(&self, asked: Option<Texts>) -> Wanted {
        let Some(asked) = asked else {
            return Wanted::Own;
        };
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(last) if last.texts == asked => Wanted::Known(last.encoded.clone()),
            _ => Wanted::New(asked),
        }
    }

    /// Keeps what was made of `texts`.
    pub fn keep(&self, texts: Texts, encoded: EncodedTexts) -> Arc<EncodedTexts> {
        let encoded = Arc::new(encoded);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Last {
            texts,
            encoded: encoded.clone(),
        });
        encoded
    }
}
