//! Synthetic pairs as a source.

use super::{
    Captions, Source,
    synth::{Pair, Split, captions},
};
use crate::{
    Result,
    audio::{SAMPLE_RATE, Sound},
    image::Picture,
};

/// The pairs of a split: as many as are asked for.
#[derive(Debug, Clone)]
pub struct Synthetic {
    /// Which pairs.
    pub split: Split,
    /// Side of a picture in pixels.
    pub size: usize,
    /// Length of the music in seconds.
    pub seconds: f64,
}

impl Synthetic {
    fn pair(&self, index: usize) -> Pair {
        Pair::draw(self.split, index as u64)
    }
}

impl Source for Synthetic {
    fn count(&self) -> Option<usize> {
        None
    }

    fn id(&self, index: usize) -> String {
        format!("synthetic pair {index}")
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        let painted = self.pair(index).paint(self.size as u32).into_raw();
        Picture::from_rgb(painted, self.size, self.size)
    }

    fn music(&self, index: usize) -> Result<Sound> {
        Ok(Sound {
            sample_rate: SAMPLE_RATE,
            samples: self.pair(index).compose(self.seconds),
        })
    }

    fn captions(&self, index: usize) -> Captions {
        let pair = self.pair(index);
        Captions {
            picture: Some(captions::picture_caption(&pair.picture)),
            music: Some(captions::music_caption(&pair.music)),
        }
    }

    fn factors(&self, index: usize) -> Option<Pair> {
        Some(self.pair(index))
    }

    fn fingerprint(&self) -> String {
        format!("synthetic {:?} {} {}", self.split, self.size, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_those_of_the_generator() {
        let source = Synthetic {
            split: Split::Validation,
            size: 32,
            seconds: 0.5,
        };
        let item = source.item(3).unwrap();
        let pair = Pair::draw(Split::Validation, 3);
        assert_eq!(item.music.samples, pair.compose(0.5));
        assert_eq!((item.picture.width(), item.picture.height()), (32, 32));
        assert_eq!(item.factors, Some(pair));
        assert!(item.captions.picture.is_some() && item.captions.music.is_some());
        assert_ne!(
            source.fingerprint(),
            Synthetic { size: 64, ..source }.fingerprint()
        );
    }
}
