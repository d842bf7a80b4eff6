//! Families with a beat.

use super::{
    super::{
        RATE,
        dice::Dice,
        harmony::nearest,
        voices::{Envelope, Note, Wavetable, hit, kick},
    },
    Part,
};

/// Pulse waves with crisp edges.
pub fn chiptune(part: &Part, dice: &mut Dice, sound: &mut [f32]) {
    let duty = [0.5, 0.25, 0.125][dice.index(3)];
    let crisp = Envelope {
        attack: 0.003,
        decay: 0.25,
        sustain: 0.45,
        release: 0.012,
    };
    let mut voice = Wavetable::new(part.factors.brightness, 0.4, |partial, _| {
        (std::f32::consts::PI * partial as f32 * duty).sin().abs()
    });
    for step in part.steps {
        for (place, midi) in step.notes().enumerate() {
            let note = Note {
                at: step.at,
                held: 0.8 * step.gap,
                midi: midi as f32,
                gain: step.accent * if place == 0 { 1.0 } else { 0.5 },
            };
            voice.play(sound, note, crisp);
        }
    }
}

/// Stabs over a bass, with drums on the same onsets.
pub fn groove(part: &Part, dice: &mut Dice, sound: &mut [f32]) {
    let brightness = part.factors.brightness;
    let stab = Envelope {
        attack: 0.004,
        decay: 0.22,
        sustain: 0.3,
        release: 0.04,
    };
    let mut voice = Wavetable::new(
        brightness,
        0.3,
        |partial, _| {
            if partial % 2 == 0 { 0.6 } else { 1.0 }
        },
    );
    let noise: Vec<f32> = (0..4096).map(|_| dice.between(-1.0, 1.0)).collect();
    for (index, step) in part.steps.iter().enumerate() {
        let note = |midi: i32, gain: f32| Note {
            at: step.at,
            held: 0.8 * step.gap,
            midi: midi as f32,
            gain: gain * step.accent,
        };
        for (place, midi) in step.notes().enumerate() {
            let gain = if place == 0 { 0.9 } else { 0.55 };
            voice.play(sound, note(midi, gain), stab);
        }
        if index % 2 == 0 || step.strong {
            let bass = nearest(step.chord.classes[0], part.factors.register - 9.0);
            voice.play(sound, note(bass, 0.5), stab);
        }
        let start = ((step.at * RATE) as usize).min(sound.len());
        let out = &mut sound[start..];
        match index % 4 {
            0 => kick(out, 0.45 * step.accent),
            2 => hit(out, &noise, brightness, 0.5 * step.accent, 0.07),
            _ => hit(out, &noise, brightness, 0.3 * step.accent, 0.025),
        }
    }
}
