//! Families of held tones: every onset is a new, soft articulation.

use super::{
    super::{
        harmony::nearest,
        score::{FIRST, Step},
        voices::{Envelope, Note, Wavetable},
    },
    Part,
};

/// An attack that is soft, but short enough to be an onset.
fn soft(step: &Step, longest: f32) -> Envelope {
    Envelope {
        attack: (0.3 * step.gap).clamp(0.02, longest),
        decay: 0.5 * step.gap,
        sustain: 0.4,
        release: (0.2 * step.gap).clamp(0.03, 0.15),
    }
}

/// Two detuned wavetables for each note, with overlaps.
pub fn pad(part: &Part, sound: &mut [f32]) {
    let mut voice = Wavetable::new(part.factors.brightness, 1.5, |partial, _| {
        if partial % 2 == 0 { 1.4 } else { 1.0 }
    });
    for (index, step) in part.steps.iter().enumerate() {
        let envelope = soft(step, 0.09);
        for (place, midi) in step.notes().enumerate() {
            // Fast music spreads its chords over the onsets.
            if part.factors.rate > 3.0 && place > 1 && index % 2 != place % 2 {
                continue;
            }
            let note = Note {
                at: step.at,
                held: 0.95 * step.gap,
                midi: midi as f32,
                gain: step.accent * if place == 0 { 0.9 } else { 0.6 },
            };
            voice.play(sound, note, envelope);
            voice.play(sound, note.detuned(7.0).louder(0.4), envelope);
        }
    }
}

/// Soprano, alto, tenor and bass around the register, in the number that the harmony asks for.
pub fn chorale(part: &Part, sound: &mut [f32]) {
    // Two broad formants, as of an open vowel.
    let formant = |hz: f32, centre: f32| (-((hz / centre).ln() / 0.35).powi(2)).exp();
    let mut voice = Wavetable::new(part.factors.brightness, 2.0, |partial, hz| {
        let even = if partial % 2 == 0 { 0.8 } else { 1.0 };
        even * (0.5 + 0.9 * formant(hz, 750.0) + 0.7 * formant(hz, 2600.0))
    })
    .with_vibrato(12.0);
    let register = part.factors.register;
    for step in part.steps {
        let envelope = soft(step, 0.06);
        let [root, third, fifth] = step.chord.classes;
        let others = [(root, -6.0), (third, 0.0), (fifth, -3.0)]
            .map(|(class, offset)| nearest(class, register + offset));
        let lower = others.into_iter().take(step.inner.len());
        for (place, midi) in std::iter::once(step.melody).chain(lower).enumerate() {
            let note = Note {
                at: step.at,
                held: 0.93 * step.gap,
                midi: midi as f32,
                gain: step.accent * if place == 0 { 0.8 } else { 0.6 },
            };
            voice.play(sound, note.detuned(2.0 * place as f32 - 3.0), envelope);
        }
    }
}

/// The tonic, with its fifth in fuller harmony, held and pulsing under the melody.
pub fn drone(part: &Part, sound: &mut [f32]) {
    let mut voice = Wavetable::new(part.factors.brightness, 3.0, |partial, _| {
        1.0 / (1.0 + 0.15 * (partial as f32 - 1.0))
    });
    let factors = part.factors;
    let tonic = nearest(factors.tonic, factors.register - 3.0);
    let fifth = nearest((factors.tonic + 7) % 12, factors.register - 1.0);
    let length: f32 = part.steps.iter().map(|step| step.gap).sum();
    let held = Envelope {
        attack: 0.08,
        decay: 1.0,
        sustain: 0.8,
        release: 0.1,
    };
    for (midi, gain) in [(tonic, 0.18), (fifth, 0.1)] {
        let note = Note {
            at: FIRST,
            held: length,
            midi: midi as f32,
            gain,
        };
        voice.play(sound, note, held);
        voice.play(sound, note.detuned(5.0).louder(0.3), held);
    }
    for step in part.steps {
        let envelope = soft(step, 0.06);
        let pulse = std::iter::once(tonic).chain(step.inner.iter().copied());
        let note = |midi: i32, gain: f32| Note {
            at: step.at,
            held: 0.9 * step.gap,
            midi: midi as f32,
            gain: gain * step.accent,
        };
        voice.play(sound, note(step.melody, 0.8), envelope);
        for midi in pulse {
            voice.play(sound, note(midi, 0.45), envelope);
        }
    }
}
