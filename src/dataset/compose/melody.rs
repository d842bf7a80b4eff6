//! Melodies: chord tones on beats, steps between them, and a motif that comes back.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Span, plan::Plan};

/// How far a melody goes from its middle, in semitones: a standard deviation.
const REACH: f32 = 4.0;
/// How much higher the middle of a phrase lies than its ends, in semitones.
const ARCH: f32 = 4.0;

/// The pitches of a melody at some times, which lie within `spans`; its middle is the pitch `centre`.
///
/// The motif is the first bar of a phrase: its steps come back in the third bar, and in the first of the next
/// phrase, from whatever chord tone is near. The piece ends on the tonic.
pub fn write(
    plan: &Plan,
    spans: &[Span],
    onsets: &[f64],
    centre: f32,
    rng: &mut ChaCha8Rng,
) -> Vec<i32> {
    let mut motif: Vec<i32> = Vec::new();
    let mut pitches = Vec::with_capacity(onsets.len());
    let (mut direction, mut place) = (1, 0);
    let mut last = centre;
    for (index, at) in onsets.iter().enumerate() {
        let chord = span_at(spans, *at).chord;
        let (bar, phrase) = (plan.bar_of(*at), plan.phrase as f64 * plan.bar_length());
        let opens = index == 0 || plan.bar_of(onsets[index - 1]) != bar;
        place = if opens { 0 } else { place + 1 };
        let arch = (std::f64::consts::PI * (at / phrase).fract()).sin() as f32;
        let middle = centre + ARCH * (arch - 0.5);
        let in_phrase = bar % plan.phrase;
        let repeats = in_phrase == 2 || (in_phrase == 0 && bar > 0);
        let recalled = motif.get(place).copied().filter(|_| repeats && !opens);
        let strong = opens || plan.on_beat(*at);
        let mut step = if index + 1 == onsets.len() {
            // The tonic that is nearest.
            let near = chord.nearest_step(last);
            near - (near + 3).rem_euclid(7) + 3
        } else if let Some(interval) = recalled {
            let moved = chord.nearest_step(last) + interval;
            if strong {
                chord.nearest_tone(chord.pitch(moved) as f32)
            } else {
                moved
            }
        } else if strong {
            let leap = direction as f32 * rng.random_range(0.0..5.0f32);
            let wanted = last + leap + 0.3 * (middle - last);
            let mut tone = chord.nearest_tone(wanted);
            if chord.pitch(tone) as f32 == last && rng.random_range(0..3) > 0 {
                tone = chord.nearest_tone(last + 4.0 * direction as f32);
            }
            tone
        } else {
            chord.nearest_step(last) + direction
        };
        // It turns back the sooner the farther it is.
        let pitch = chord.pitch(step);
        let away = (pitch as f32 - middle) / REACH;
        if away.abs() > 2.5 {
            step = chord.nearest_tone(middle);
        }
        let turn = 0.3 + 0.35 * away * direction as f32;
        if rng.random_range(0.0..1.0f32) < turn {
            direction = -direction;
        }
        if bar == 0 {
            let before = chord.nearest_step(last);
            motif.push(if opens { 0 } else { step - before });
        }
        last = chord.pitch(step) as f32;
        pitches.push(chord.pitch(step));
    }
    pitches
}

/// The chord that holds at a time.
pub fn span_at(spans: &[Span], at: f64) -> &Span {
    let place = spans.partition_point(|span| span.start <= at + 1e-6);
    &spans[place.saturating_sub(1)]
}
