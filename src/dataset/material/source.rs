//! The items of material.

use image::imageops;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Crop, Material, MusicFactors, Pair, PictureFactors, painted,
    pair::{Wish, correspond},
};
use crate::{
    Result,
    audio::Sound,
    dataset::{
        Captions, Source, Split, captions, comments,
        compose::{Brief, compose},
        paint,
        render::{Stereo, Tone, render},
        score::{Performance, Wanted, Wishes, arrange, filled},
    },
    image::{
        Picture,
        statistics::{Statistics, VIEW},
    },
    systems::art_to_mus::tempo_of,
};

/// Drafts that are kept: an item's picture, music and factors are asked for one by one.
const KEPT: usize = 16;

/// Items of a split: as many as are asked for.
#[derive(Debug)]
pub struct Rendered {
    material: Arc<Material>,
    split: Split,
    size: usize,
    /// The share of music that is composed here.
    composed: f32,
    drafts: Mutex<VecDeque<(usize, Arc<Draft>)>>,
}

/// What an item shows and plays, in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subject {
    /// The painting's file, or the style of a picture that was painted here.
    pub picture: String,
    /// Who painted it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// The score's file, or nothing for music that was composed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// Who wrote it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composer: Option<String>,
}

/// Where a picture comes from.
#[derive(Debug, Clone)]
enum Canvas {
    Painting(Crop),
    /// What is painted here, its seed, and whether rows and columns change places: the painter likes
    /// horizons.
    Painted(paint::PictureFactors, u64, bool),
}

/// An item before anything is rendered.
#[derive(Debug)]
struct Draft {
    canvas: Canvas,
    performance: Performance,
    tone: Tone,
    pair: Pair,
    subject: Subject,
}

impl Rendered {
    /// The items of `split`; pictures that are painted here have `size` pixels a side.
    pub fn new(material: Arc<Material>, split: Split, size: usize) -> Self {
        Self {
            composed: material.config.composed,
            material,
            split,
            size,
            drafts: Mutex::default(),
        }
    }

    /// The same pictures with music that is composed here alone: what the correspondences of pictures and music make
    /// by rule, without anything learnt or found.
    pub fn composed_only(&self) -> Self {
        let mut composing = Self::new(self.material.clone(), self.split, self.size);
        composing.composed = 1.0;
        composing
    }

    /// What item `index` shows and plays.
    pub fn subject(&self, index: usize) -> Result<Subject> {
        Ok(self.draft(index)?.subject.clone())
    }

    /// What was measured on item `index`.
    pub fn pair(&self, index: usize) -> Result<Pair> {
        Ok(self.draft(index)?.pair)
    }

    /// The notes of item `index` and who plays them.
    pub fn performance(&self, index: usize) -> Result<Performance> {
        Ok(self.draft(index)?.performance.clone())
    }

    /// The music of item `index` in two channels at 48 kHz.
    pub fn stereo(&self, index: usize) -> Result<Stereo> {
        let draft = self.draft(index)?;
        render(self.material.font()?, &draft.performance, &draft.tone)
    }

    fn draft(&self, index: usize) -> Result<Arc<Draft>> {
        let drafts = || self.drafts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, draft)) = drafts().iter().find(|(of, _)| *of == index) {
            return Ok(draft.clone());
        }
        let draft = Arc::new(self.make(index)?);
        let mut drafts = drafts();
        if drafts.len() == KEPT {
            drafts.pop_front();
        }
        drafts.push_back((index, draft.clone()));
        Ok(draft)
    }

    fn make(&self, index: usize) -> Result<Draft> {
        let mut rng = ChaCha8Rng::seed_from_u64(index as u64);
        rng.set_stream(self.split as u64 + 1);
        let canvas = self.canvas(&mut rng);
        let picture = self.view(&canvas, VIEW)?;
        let statistics = Statistics::measure(&picture);
        let ranks = statistics.ranks();
        let mut wish = correspond(&ranks, &mut rng);
        wish.tonic = self.material.config.tonic.unwrap_or(wish.tonic);
        if self.material.config.pulse.is_some() {
            // Music of one pulse is played at the picture's tempo later, and then has the rate that was wished for.
            wish.rate /= tempo_of(ranks.edges) as f32;
        }
        let (performance, score) = self.music(&wish, &mut rng);
        let found = performance.statistics;
        let music = MusicFactors {
            ensemble: wish.ensemble,
            mode: found.key.mode,
            tonic: found.key.tonic,
            key_correlation: found.key.correlation,
            mode_margin: found.key.mode_margin,
            rate: found.onset_rate,
            register: found.mean_pitch,
            loudness: wish.loudness,
            brightness: wish.brightness,
            regularity: found.regularity,
            voices: found.voices,
        };
        let known = |text: &str| Some(text.to_string()).filter(|text| !text.is_empty());
        let (picture, artist) = match (&canvas, &self.material.paintings) {
            (Canvas::Painting(crop), Some(paintings)) => {
                let painting = &paintings.all[crop.painting];
                (painting.file.clone(), known(&painting.artist))
            }
            (Canvas::Painting(_), None) => (String::new(), None),
            (Canvas::Painted(factors, ..), _) => (factors.style.name().to_string(), None),
        };
        let library = self.material.scores.as_ref().map(|(library, _)| library);
        let (score, composer) = match library.zip(score) {
            Some((library, score)) => (
                known(&library.names[score]),
                known(&library.scores[score].composer),
            ),
            None => (None, None),
        };
        Ok(Draft {
            canvas,
            performance,
            tone: Tone {
                brightness: wish.brightness,
                loudness_db: wish.loudness,
            },
            pair: Pair {
                picture: PictureFactors { statistics, ranks },
                music,
            },
            subject: Subject {
                picture,
                artist,
                score,
                composer,
            },
        })
    }

    /// A painting, or what is to be painted.
    fn canvas(&self, rng: &mut ChaCha8Rng) -> Canvas {
        let painted = rng.random_range(0.0..1.0f32) < self.material.config.painted;
        let paintings = self.material.paintings.as_ref().filter(|_| !painted);
        if let Some(crop) = paintings.and_then(|paintings| paintings.draw(self.split, rng)) {
            return Canvas::Painting(crop);
        }
        let factors = painted::draw(rng);
        Canvas::Painted(factors, rng.random(), rng.random_range(0..5) < 2)
    }

    /// A picture; what is painted here has `size` pixels a side.
    fn view(&self, canvas: &Canvas, size: usize) -> Result<Picture> {
        match (canvas, &self.material.paintings) {
            (Canvas::Painting(crop), Some(paintings)) => paintings.picture(crop),
            (Canvas::Painting(_), None) => Err(crate::Error::internal("a crop without paintings")),
            (Canvas::Painted(factors, seed, turned), _) => {
                let mut painted = paint::paint(factors, *seed, size as u32);
                if *turned {
                    painted = imageops::rotate90(&painted);
                }
                let painted = painted.into_raw();
                Picture::from_rgb(painted, size, size)
            }
        }
    }

    /// An arrangement of an excerpt that is near to the wish, with the place of its score, or of a composition.
    fn music(&self, wish: &Wish, rng: &mut ChaCha8Rng) -> (Performance, Option<usize>) {
        let seconds = self.material.seconds;
        let wishes = Wishes {
            tonic: wish.tonic,
            register: wish.register,
            ensemble: wish.ensemble,
            regularity: wish.regularity,
        };
        let composed = rng.random_range(0.0..1.0f32) < self.composed;
        if let Some((library, catalogue)) = self.material.scores.as_ref().filter(|_| !composed) {
            let wanted = Wanted {
                mode: wish.mode,
                rate: wish.rate,
                regularity: wish.regularity,
                tonic: wish.tonic,
                register: wish.register,
            };
            if let Some(excerpt) = catalogue.choose(self.split, &wanted, rng) {
                let notes = excerpt.notes(library, seconds);
                let tonic = excerpt.statistics.key.tonic;
                let performance = arrange(notes, tonic, seconds, &wishes, rng);
                return (performance, Some(excerpt.score as usize));
            }
        }
        let brief = Brief {
            mode: wish.mode,
            tonic: wish.tonic,
            rate: wish.rate,
            register: wish.register,
            regularity: wish.regularity,
            sustained: wish.ensemble.is_sustained(),
            pulse: self.material.config.pulse,
        };
        let score = compose(&brief, filled(seconds), rng.random());
        let notes = match brief.pulse {
            Some(_) => score.notes_until(seconds),
            None => score.notes_in(seconds),
        };
        (arrange(notes, wish.tonic, seconds, &wishes, rng), None)
    }
}

impl Source for Rendered {
    fn count(&self) -> Option<usize> {
        None
    }

    fn id(&self, index: usize) -> String {
        format!("{} item {index}", self.split.name())
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        let draft = self.draft(index)?;
        self.view(&draft.canvas, self.size)
    }

    fn music(&self, index: usize) -> Result<Sound> {
        Ok(self.stereo(index)?.mono())
    }

    fn captions(&self, index: usize) -> Captions {
        self.draft(index).map_or_else(
            |_| Captions::default(),
            |draft| Captions {
                picture: Some(captions::of_picture(&draft.pair.picture.ranks)),
                music: Some(captions::of_music(&draft.pair.music)),
                comment: Some(comments::of_pair(&draft.pair, index as u64)),
            },
        )
    }

    fn factors(&self, index: usize) -> Option<Pair> {
        self.draft(index).ok().map(|draft| draft.pair)
    }

    fn fingerprint(&self) -> String {
        let material = self.material.fingerprint();
        let (split, size, composed) = (self.split.name(), self.size, self.composed);
        format!("rendered {split} {size} {composed} {material}")
    }
}
