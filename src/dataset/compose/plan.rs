//! Metre, bars and rhythm.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Brief;

/// Metres: beats and note value as written, beats as felt, and into how many cells a bar can be divided.
const METRES: [([u8; 2], usize, &[usize]); 3] = [
    ([4, 4], 4, &[2, 4, 8, 16]),
    ([3, 4], 3, &[3, 6, 12]),
    ([6, 8], 2, &[2, 6, 12]),
];
/// Bars of a piece, and of a phrase.
const BARS: [usize; 8] = [1, 2, 4, 6, 8, 12, 16, 24];
const PHRASE: usize = 4;
/// The shortest and the longest bar in seconds.
const BAR_SECONDS: [f64; 2] = [0.7, 3.4];
/// Bars are rather not shorter than this, in seconds.
const SHORT_BAR: f64 = 1.2;
/// The bar from which on it can have two chords, in seconds.
const TWO_CHORDS: f64 = 1.9;

/// How a piece is laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The length in seconds.
    pub seconds: f64,
    /// As written.
    pub metre: [u8; 2],
    /// Beats that are felt.
    beats: usize,
    /// How many bars there are.
    pub bars: usize,
    /// Bars of a phrase.
    pub phrase: usize,
    /// Chords of a bar.
    pub chords: usize,
    /// Cells of a bar: where notes can begin.
    cells: usize,
    /// In how many cells of a bar one does.
    onsets: usize,
}

impl Plan {
    /// The layout that is nearest to what the brief asks for: as many onsets, and as many cells as onsets for
    /// the strictest rhythm, twice as many for the freest.
    pub fn draw(brief: &Brief, seconds: f64, rng: &mut ChaCha8Rng) -> Self {
        let dense = brief.rate * (2.0 - brief.regularity.clamp(0.0, 1.0));
        let mut best: Option<(f32, Self)> = None;
        for (metre, beats, divisions) in METRES {
            for bars in BARS {
                let bar = match brief.pulse {
                    Some(pulse) => {
                        let bar = pulse * beats as f64;
                        let needed = (seconds / bar).ceil() as usize;
                        if bars != needed.next_multiple_of(PHRASE) {
                            continue;
                        }
                        bar
                    }
                    None => seconds / bars as f64,
                };
                if !(BAR_SECONDS[0]..=BAR_SECONDS[1]).contains(&bar) {
                    continue;
                }
                for cells in divisions {
                    let onsets = (f64::from(brief.rate) * bar).round() as usize;
                    let onsets = onsets.clamp(1, *cells);
                    let octaves =
                        |count: usize, rate: f32| (count as f32 / bar as f32 / rate).log2();
                    let rate = octaves(onsets, brief.rate).abs();
                    let grid = octaves(*cells, dense).abs();
                    // Phrases of four bars, and bars that are not short.
                    let odd = if bars % PHRASE == 0 { 0.0 } else { 0.15 }
                        + (SHORT_BAR - bar).max(0.0) as f32;
                    let cost = 3.0 * rate + grid + odd + rng.random_range(0.0..0.3);
                    if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                        let chords = match bar > TWO_CHORDS && rng.random_range(0..3) > 0 {
                            true => 2,
                            false => 1,
                        };
                        let plan = Self {
                            seconds: bar * bars as f64,
                            metre,
                            beats,
                            bars,
                            phrase: if bars % PHRASE == 0 { PHRASE } else { 2 },
                            // Two chords do not halve a bar of three beats.
                            chords: if beats == 3 { 1 } else { chords },
                            cells: *cells,
                            onsets,
                        };
                        best = Some((cost, plan));
                    }
                }
            }
        }
        best.map(|(_, plan)| plan).unwrap_or(Self {
            seconds,
            metre: [4, 4],
            beats: 4,
            bars: 1,
            phrase: 1,
            chords: 2,
            cells: 8,
            onsets: 4,
        })
    }

    /// The length of a bar in quarter notes.
    pub fn bar_length(&self) -> f64 {
        4.0 * f64::from(self.metre[0]) / f64::from(self.metre[1])
    }

    /// The length of a beat in quarter notes.
    pub fn beat_length(&self) -> f64 {
        self.bar_length() / self.beats as f64
    }

    /// The length of the piece in quarter notes.
    pub fn quarters(&self) -> f64 {
        self.bar_length() * self.bars as f64
    }

    /// All times at which something begins, in quarter notes; every bar begins with one.
    ///
    /// The first bar's rhythm comes back, the more often the more regular the piece is. In the second half of the
    /// last bar nothing begins any more, but for its chord.
    pub fn onsets(&self, brief: &Brief, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let first = self.pattern(self.onsets, rng);
        let cell = self.bar_length() / self.cells as f64;
        let mut onsets = Vec::new();
        // What a bar has too few or too many, the next ones make up for.
        let mut owed = self.onsets as f32;
        for bar in 0..self.bars {
            let own;
            let pattern = match bar % 2 == 0 || rng.random_range(0.0..1.0f32) < brief.regularity {
                true if bar == 0
                    || rng.random_range(0.0..1.0f32) < 0.3 + 0.7 * brief.regularity =>
                {
                    &first
                }
                _ => {
                    let count = owed + rng.random_range(-0.9..0.9f32);
                    own = self.pattern(count.round() as usize, rng);
                    &own
                }
            };
            let end = match bar + 1 == self.bars && self.bars > 1 {
                true if self.chords == 2 => self.cells / 2 + 1,
                true => self.cells.div_ceil(2),
                false => self.cells,
            };
            owed += self.onsets as f32 - pattern.len() as f32;
            let inside = pattern.iter().filter(|place| **place < end);
            let start = bar as f64 * self.bar_length();
            onsets.extend(inside.map(|place| start + *place as f64 * cell));
        }
        onsets
    }

    /// `count` cells of a bar in which something begins: those of its chords, then others, beats before what lies
    /// between.
    fn pattern(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let chords = (0..self.chords).map(|chord| chord * self.cells / self.chords);
        let chords: Vec<usize> = chords.collect();
        let mut order: Vec<(f32, usize)> = (0..self.cells)
            .filter(|cell| !chords.contains(cell))
            .map(|cell| {
                let on_beat = (cell * self.beats).is_multiple_of(self.cells);
                let weight = if on_beat { 0.55 } else { 0.0 };
                (weight + rng.random_range(0.0..1.0f32), cell)
            })
            .collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let chosen = order.into_iter().take(count.saturating_sub(chords.len()));
        let mut cells: Vec<usize> = chosen.map(|(_, cell)| cell).chain(chords).collect();
        cells.sort_unstable();
        cells
    }

    /// Whether a time is the beginning of a beat.
    pub fn on_beat(&self, at: f64) -> bool {
        let phase = (at / self.beat_length()).fract();
        !(1e-6..1.0 - 1e-6).contains(&phase)
    }

    /// The bar of a time.
    pub fn bar_of(&self, at: f64) -> usize {
        (at / self.bar_length() + 1e-6) as usize
    }
}
