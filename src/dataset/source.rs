//! What all sources of items have in common.

use std::fmt::Debug;

use super::{Comment, material::Pair};
use crate::{Result, audio::Sound, image::Picture};

/// What is said of an item in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captions {
    /// Of the picture.
    pub picture: Option<String>,
    /// Of the music.
    pub music: Option<String>,
    /// What a person says of the picture.
    pub comment: Option<Comment>,
}

/// A picture and the music that belongs to it.
#[derive(Debug, Clone)]
pub struct Item {
    /// The picture.
    pub picture: Picture,
    /// The music: all channels mixed down, at the file's own sample rate.
    pub music: Sound,
    /// What is said of both.
    pub captions: Captions,
    /// What both are like, where it is known.
    pub factors: Option<Pair>,
}

/// Pairs of pictures and music, by number.
///
/// Any part of an item can be read alone: what trains a vocoder needs no pictures. Reading the same item
/// again gives the same.
pub trait Source: Debug + Send + Sync {
    /// How many items there are; `None` for a source that never ends.
    fn count(&self) -> Option<usize>;

    /// What a person calls item `index`: its files or a number. No two items of a source that differ have one name.
    fn id(&self, index: usize) -> String;

    /// What a person calls the list of items: items of two lists are two, however they are called.
    fn list(&self) -> String {
        self.fingerprint()
    }

    /// The picture of item `index`.
    fn picture(&self, index: usize) -> Result<Picture>;

    /// The music of item `index`: all channels mixed down, at the file's own sample rate.
    fn music(&self, index: usize) -> Result<Sound>;

    /// What is said of item `index`.
    fn captions(&self, _index: usize) -> Captions {
        Captions::default()
    }

    /// The factors of item `index`, where they are known.
    fn factors(&self, _index: usize) -> Option<Pair> {
        None
    }

    /// Tells this source from others that hold other items. Files that are exchanged under their old
    /// names do not change it.
    fn fingerprint(&self) -> String;

    /// The same for a list that was moved together with its files: what a run notes of the items that it
    /// learns from.
    fn content(&self) -> String {
        self.fingerprint()
    }

    /// All of item `index`.
    fn item(&self, index: usize) -> Result<Item> {
        Ok(Item {
            picture: self.picture(index)?,
            music: self.music(index)?,
            captions: self.captions(index),
            factors: self.factors(index),
        })
    }
}
