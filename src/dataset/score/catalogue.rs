//! Excerpts of scores that can be heard alone.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Bar, Clock, Library, Mode, NoteStatistics, Score, Sounding};
use crate::dataset::Split;

/// How many times its own tempo an excerpt is played at: the ones that are tried. Between the second and
/// the fourth are the free 20 %; the others are for wishes that no excerpt meets otherwise.
const TEMPI: [f64; 5] = [0.64, 0.82, 1.0, 1.2, 1.55];
/// How many times its own tempo an excerpt may be played at so that its beats have a given length.
const PULSE_TEMPI: std::ops::Range<f64> = 0.55..1.8;
/// What a tempo outside the free range costs, in the units of the distance, per doubling.
const STRETCH_COST: f32 = 1.0;
/// The least number of notes.
const NOTES: u32 = 8;
/// The latest first note and the longest rest, in seconds.
const FIRST_ONSET: f32 = 0.25;
const LONGEST_REST: f32 = 1.0;
/// The least correlation with a key, and the least margin between the modes.
const CORRELATION: f32 = 0.75;
const MODE_MARGIN: f32 = 0.08;
/// The most and fewest onsets per second.
const RATES: [f32; 2] = [0.5, 12.0];
/// Excerpts around the wanted rate that are compared in other ways, and how many of the best are drawn from.
const AROUND: usize = 400;
const BEST: usize = 12;

/// When the first note begins, and what is left at the end for the last ones to die away, in seconds.
pub(super) const LEAD: f64 = 0.03;
const TAIL: f64 = 0.25;

/// Whole bars of a score that fill a length, or as many beats of one pulse as do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excerpt {
    /// The place of the score in the library.
    pub score: u32,
    /// The first bar.
    pub bar: u32,
    /// How many bars. Of the last one on a pulse, only what the length has room for sounds.
    pub bars: u32,
    /// How many times the score's tempo it is played at, so that the bars fill the length.
    pub tempo: f32,
    /// Seconds of every quarter note where there is one pulse: the score's own changes of tempo are not played then.
    pub quarter: Option<f64>,
    /// What is measured on it at that tempo.
    pub statistics: NoteStatistics,
}

/// What an excerpt is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The mode; an excerpt of the other one is not given.
    pub mode: Mode,
    /// Onsets per second.
    pub rate: f32,
    /// The share of excerpts that are less regular, from 0 to 1.
    pub regularity: f32,
    /// The tonic that it will be transposed to.
    pub tonic: u8,
    /// The mean pitch that it will be brought near, as a MIDI note number.
    pub register: f32,
}

/// The excerpts of a library.
#[derive(Debug)]
pub struct Catalogue {
    /// The length of every excerpt in seconds.
    pub seconds: f64,
    /// All excerpts.
    pub excerpts: Vec<Excerpt>,
    /// The share of excerpts that are less regular than each.
    regularity: Vec<f32>,
    /// Places in `excerpts` by split and mode, in the order of their rates.
    pools: Vec<[Vec<u32>; 2]>,
}

impl Catalogue {
    /// Lists the excerpts of `library` that fill `seconds`: with notes enough, with little silence, and in a
    /// clear key. With a `pulse`, in seconds, all of them have beats of that length, from the first note on.
    pub fn new(library: &Library, seconds: f64, pulse: Option<f64>) -> Self {
        let numbered: Vec<(usize, &Score)> = library.scores.iter().enumerate().collect();
        let excerpts: Vec<Excerpt> = numbered
            .par_iter()
            .flat_map_iter(|(number, score)| match pulse {
                Some(pulse) => on_pulse(*number, score, seconds, pulse),
                None => of_score(*number, score, seconds),
            })
            .collect();
        let mut order: Vec<usize> = (0..excerpts.len()).collect();
        order.sort_by(|a, b| {
            let regularity = |i: usize| excerpts[i].statistics.regularity;
            regularity(*a).total_cmp(&regularity(*b))
        });
        let mut regularity = vec![0.0; excerpts.len()];
        for (place, excerpt) in order.iter().enumerate() {
            regularity[*excerpt] = place as f32 / order.len() as f32;
        }
        let mut pools = vec![[Vec::new(), Vec::new()]; Split::ALL.len()];
        for (place, excerpt) in excerpts.iter().enumerate() {
            let split = library.splits[excerpt.score as usize];
            pools[split as usize][excerpt.statistics.key.mode as usize].push(place as u32);
        }
        let rate = |place: u32| excerpts[place as usize].statistics.onset_rate;
        for pool in pools.iter_mut().flatten() {
            pool.sort_by(|a, b| rate(*a).total_cmp(&rate(*b)));
        }
        Self {
            seconds,
            excerpts,
            regularity,
            pools,
        }
    }

    /// How many excerpts of a mode a split has.
    pub fn count(&self, split: Split, mode: Mode) -> usize {
        self.pools[split as usize][mode as usize].len()
    }

    /// One of the excerpts of `split` that are nearest to what is wanted, drawn at random; nothing where the
    /// split has none of the mode.
    pub fn choose(&self, split: Split, wanted: &Wanted, rng: &mut ChaCha8Rng) -> Option<&Excerpt> {
        let pool = &self.pools[split as usize][wanted.mode as usize];
        let rate = |place: &u32| self.excerpts[*place as usize].statistics.onset_rate;
        let middle = pool.partition_point(|place| rate(place) < wanted.rate);
        let first = middle
            .saturating_sub(AROUND / 2)
            .min(pool.len().saturating_sub(AROUND));
        let near = &pool[first..(first + AROUND).min(pool.len())];
        let mut costs: Vec<(f32, u32)> = near
            .iter()
            .map(|place| (self.cost(*place, wanted), *place))
            .collect();
        costs.sort_by(|a, b| a.0.total_cmp(&b.0));
        costs.truncate(BEST);
        if costs.is_empty() {
            return None;
        }
        let (_, place) = costs[rng.random_range(0..costs.len())];
        self.excerpts.get(place as usize)
    }

    /// How far an excerpt is from what is wanted.
    fn cost(&self, place: u32, wanted: &Wanted) -> f32 {
        let excerpt = &self.excerpts[place as usize];
        let statistics = &excerpt.statistics;
        let rate = (statistics.onset_rate / wanted.rate).log2();
        let regularity = self.regularity[place as usize] - wanted.regularity;
        // What is left between the wanted register and the nearest octave of the wanted tonic.
        let shift = f32::from(wanted.tonic) - f32::from(statistics.key.tonic);
        let octave = (wanted.register - statistics.mean_pitch - shift) / 12.0;
        let register = 12.0 * (octave - octave.round());
        let stretch = (excerpt.tempo.log2().abs() - 0.27).max(0.0);
        let unclear = (0.9 - statistics.key.correlation).max(0.0)
            + (0.2 - statistics.key.mode_margin).max(0.0);
        (rate / 0.25).powi(2)
            + (regularity / 0.2).powi(2)
            + (register / 2.5).powi(2)
            + STRETCH_COST * stretch
            + 6.0 * unclear
    }
}

/// The excerpts of a score: from every bar on, and at several tempi.
fn of_score(number: usize, score: &Score, seconds: f64) -> Vec<Excerpt> {
    let clock = score.clock();
    let bounds: Vec<f64> = score
        .bars
        .iter()
        .map(|bar| clock.seconds(bar.start))
        .chain(
            score
                .bars
                .last()
                .map(|bar| clock.seconds(bar.start + bar.length)),
        )
        .collect();
    let room = filled(seconds);
    let mut found = Vec::new();
    for bar in 0..score.bars.len() {
        let mut tried = 0;
        for tempo in TEMPI {
            // The bar line that is nearest to the end at this tempo.
            let end = bounds[bar] + room * tempo;
            let after = bounds.partition_point(|bound| *bound < end);
            let near = [after.saturating_sub(1), after];
            let distance =
                |line: &usize| bounds.get(*line).map_or(f64::INFINITY, |b| (b - end).abs());
            let line = near
                .into_iter()
                .min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let Some(line) = line.filter(|line| *line > bar && *line < bounds.len()) else {
                continue;
            };
            let exact = (bounds[line] - bounds[bar]) / room;
            let bars = line - bar;
            if bars <= tried || !(0.88..1.14).contains(&(exact / tempo)) {
                continue;
            }
            tried = bars;
            let excerpt = Excerpt {
                score: number as u32,
                bar: bar as u32,
                bars: bars as u32,
                tempo: exact as f32,
                quarter: None,
                statistics: NoteStatistics::measure(&[], seconds),
            };
            found.extend(fit(excerpt, score, &clock, seconds));
        }
    }
    found
}

/// The quarter notes of a beat as it is felt: three eighths in compound metres.
fn beat_of(metre: [u8; 2]) -> f64 {
    let unit = 4.0 / f64::from(metre[1].max(1));
    match metre {
        [beats, 8 | 16] if beats > 3 && beats % 3 == 0 => 3.0 * unit,
        _ => unit,
    }
}

/// The excerpts of a score whose beats, or halves of them, or two of them, last `pulse` seconds: from every bar on,
/// as far as its metre does not change.
fn on_pulse(number: usize, score: &Score, seconds: f64, pulse: f64) -> Vec<Excerpt> {
    let clock = score.clock();
    let mut found = Vec::new();
    for (place, bar) in score.bars.iter().enumerate() {
        for beats in [0.5, 1.0, 2.0] {
            let felt = beats * beat_of(bar.metre);
            let quarter = pulse / felt;
            let end = bar.start + (seconds - LEAD) / quarter;
            let on_grid = |other: &&Bar| {
                let beats = other.length / felt;
                other.metre == bar.metre && (beats - beats.round()).abs() < 1e-3
            };
            let inside = score.bars[place..]
                .iter()
                .take_while(|bar| bar.start < end - 1e-3);
            let bars = inside.take_while(on_grid).count();
            let Some(last) = score.bars[place..place + bars].last() else {
                continue;
            };
            let until = (last.start + last.length).min(end);
            let own = clock.seconds(until) - clock.seconds(bar.start);
            let tempo = own / ((until - bar.start) * quarter);
            if end - until > 1e-3 || !PULSE_TEMPI.contains(&tempo) {
                continue;
            }
            let excerpt = Excerpt {
                score: number as u32,
                bar: place as u32,
                bars: bars as u32,
                tempo: tempo as f32,
                quarter: Some(quarter),
                statistics: NoteStatistics::measure(&[], seconds),
            };
            found.extend(fit(excerpt, score, &clock, seconds));
        }
    }
    found
}

/// The excerpt with what is measured on it, if it is fit to be heard alone.
fn fit(mut excerpt: Excerpt, score: &Score, clock: &Clock, seconds: f64) -> Option<Excerpt> {
    let notes = notes(score, clock, &excerpt, seconds);
    excerpt.statistics = NoteStatistics::measure(&notes, seconds);
    let statistics = &excerpt.statistics;
    let fit = statistics.notes >= NOTES
        && statistics.first_onset <= FIRST_ONSET
        && statistics.longest_rest <= LONGEST_REST
        && statistics.key.correlation >= CORRELATION
        && statistics.key.mode_margin >= MODE_MARGIN
        && (RATES[0]..RATES[1]).contains(&statistics.onset_rate);
    fit.then_some(excerpt)
}

/// The notes of an excerpt in seconds, without drums; their `voice` is their part.
///
/// What sounds on behind the last bar, or behind the length `seconds`, is cut there.
pub(super) fn notes(
    score: &Score,
    clock: &Clock,
    excerpt: &Excerpt,
    seconds: f64,
) -> Vec<Sounding> {
    let bars = &score.bars[excerpt.bar as usize..(excerpt.bar + excerpt.bars) as usize];
    let start = bars.first().map_or(0.0, |bar| bar.start);
    let mut end = bars.last().map_or(0.0, |bar| bar.start + bar.length);
    if let Some(quarter) = excerpt.quarter {
        end = end.min(start + (seconds - LEAD) / quarter);
    }
    let origin = clock.seconds(start);
    let time = |quarters: f64| {
        LEAD + match excerpt.quarter {
            Some(quarter) => (quarters - start) * quarter,
            None => (clock.seconds(quarters) - origin) / f64::from(excerpt.tempo),
        }
    };
    // Onsets of files are rounded to ticks.
    let first = score
        .notes
        .partition_point(|note| note.onset < start - 1e-3);
    score.notes[first..]
        .iter()
        .take_while(|note| note.onset < end - 1e-3)
        .filter(|note| !score.parts[usize::from(note.part)].percussion)
        .map(|note| {
            let onset = time(note.onset);
            Sounding {
                start: onset,
                duration: time((note.onset + note.duration).min(end)) - onset,
                pitch: note.pitch,
                velocity: note.velocity,
                voice: note.part,
            }
        })
        .collect()
}

impl Excerpt {
    /// The notes of the excerpt, which is one of `seconds`, without drums; their `voice` is their part. What sounds
    /// on behind the last bar is cut there.
    pub fn notes(&self, library: &Library, seconds: f64) -> Vec<Sounding> {
        let score = &library.scores[self.score as usize];
        notes(score, &score.clock(), self, seconds)
    }
}

impl Score {
    /// All notes in seconds, without drums, at a tempo at which the bars fill `seconds`; their `voice` is their
    /// part.
    pub fn notes_in(&self, seconds: f64) -> Vec<Sounding> {
        let clock = self.clock();
        let end = self
            .bars
            .last()
            .map_or(0.0, |bar| clock.seconds(bar.start + bar.length));
        let whole = self.whole((end / filled(seconds)) as f32, None);
        notes(self, &clock, &whole, seconds)
    }

    /// The notes of the first `seconds` at the tempo in which the score begins, without drums; their `voice` is
    /// their part. What sounds on then is cut there.
    pub fn notes_until(&self, seconds: f64) -> Vec<Sounding> {
        let quarter = self
            .tempi
            .first()
            .map_or(60.0 / super::DEFAULT_TEMPO, |tempo| {
                60.0 / tempo.quarters_per_minute
            });
        let whole = self.whole(1.0, Some(quarter));
        notes(self, &self.clock(), &whole, seconds)
    }

    /// All bars as one excerpt.
    fn whole(&self, tempo: f32, quarter: Option<f64>) -> Excerpt {
        Excerpt {
            score: 0,
            bar: 0,
            bars: self.bars.len() as u32,
            tempo,
            quarter,
            statistics: NoteStatistics::measure(&[], 1.0),
        }
    }
}

/// How much of so many seconds bars fill: there is a moment before the first note, and one for the last ones
/// to die away.
pub fn filled(seconds: f64) -> f64 {
    seconds - LEAD - TAIL
}
