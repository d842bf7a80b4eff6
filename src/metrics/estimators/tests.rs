use super::*;

/// Tones of ten harmonics that decay, at their times in seconds, in a sound of so many seconds.
fn tones(notes: &[(f32, f32)], tilt: f32, seconds: f32) -> Vec<f32> {
    let mut sound = vec![0.0; (seconds * RATE) as usize];
    for (at, note) in notes {
        let frequency = 440.0 * ((note - 69.0) / 12.0).exp2();
        let start = (at * RATE) as usize;
        for (n, x) in sound[start..].iter_mut().enumerate() {
            let t = n as f32 / RATE;
            let phase = std::f32::consts::TAU * (frequency * t).fract();
            let wave: f32 = (1..=10)
                .map(|h| (h as f32).powf(-tilt) * (phase * h as f32).sin())
                .sum();
            *x += 0.1 * (t / 0.01).min(1.0) * (-4.0 * t).exp() * wave;
        }
    }
    sound
}

fn chords(progression: [[f32; 3]; 4]) -> Vec<f32> {
    let notes = progression
        .iter()
        .enumerate()
        .flat_map(|(at, chord)| chord.map(|note| (at as f32, note)));
    tones(&notes.collect::<Vec<_>>(), 1.0, 4.0)
}

fn with_noise(mut sound: Vec<f32>, amplitude: f32) -> Vec<f32> {
    let mut state = 1u32;
    for x in &mut sound {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *x += amplitude * (state as f32 / 2f32.powi(31) - 1.0);
    }
    sound
}

#[test]
fn silence_has_the_values_of_the_documentation() {
    for silence in [vec![], vec![0.0; 10], vec![0.0; 20_000]] {
        assert_eq!(note_rate(&silence), 0.0);
        assert_eq!(brightness(&silence), 0.0);
        assert_eq!(register(&silence), 60.0);
        assert_eq!(majorness(&silence), 0.0);
        assert_eq!(pitch_classes(&silence), [0.0; 12]);
        assert!(onset_envelope(&silence).iter().all(|rise| *rise == 0.0));
    }
}

#[test]
fn onsets_are_counted_at_any_level_and_in_noise() {
    for count in [4, 16] {
        let notes: Vec<(f32, f32)> = (0..count)
            .map(|n| (4.0 * n as f32 / count as f32, 60.0 + (n % 4) as f32))
            .collect();
        let sound = tones(&notes, 1.0, 4.0);
        let quiet: Vec<f32> = sound.iter().map(|x| 0.01 * x).collect();
        for sound in [with_noise(sound.clone(), 0.001), sound, quiet] {
            let found = 4.0 * note_rate(&sound);
            assert!((found - count as f32).abs() < 1.01, "{found} of {count}");
        }
    }
}

#[test]
fn brightness_follows_the_timbre_more_than_the_pitch() {
    let of = |note, tilt| brightness(&tones(&[(0.0, note)], tilt, 1.0));
    for note in [45.0, 60.0, 75.0] {
        assert!(of(note, 0.5) > of(note, 1.5) + 0.5);
        assert!(of(note, 1.5) > of(note, 3.0) + 0.5);
    }
    assert!((of(72.0, 1.0) - of(60.0, 1.0)).abs() < 0.7);
}

#[test]
fn registers_are_those_of_the_notes() {
    for note in [40.0, 52.0, 64.0, 76.0, 88.0] {
        for tilt in [0.7, 2.0] {
            let found = register(&tones(&[(0.0, note)], tilt, 1.0));
            assert!((found - note).abs() < 2.5, "{found} for {note}");
        }
    }
    let chord = [(0.0, 60.0), (0.0, 64.0), (0.0, 67.0)];
    let found = register(&with_noise(tones(&chord, 1.0, 1.0), 0.003));
    assert!((found - 63.7).abs() < 2.5, "{found}");
}

#[test]
fn modes_are_told_apart_in_every_key() {
    for tonic in [48.0, 53.0, 58.0] {
        let on = |chord: [f32; 3]| chord.map(|note| tonic + note);
        let major = [
            [0.0, 4.0, 7.0],
            [5.0, 9.0, 12.0],
            [7.0, 11.0, 14.0],
            [0.0, 4.0, 7.0],
        ];
        let minor = [
            [0.0, 3.0, 7.0],
            [5.0, 8.0, 12.0],
            [7.0, 10.0, 14.0],
            [0.0, 3.0, 7.0],
        ];
        assert!(majorness(&chords(major.map(on))) > 0.1);
        assert!(majorness(&chords(minor.map(on))) < -0.1);
    }
}

#[test]
fn pitch_classes_give_the_key_and_envelopes_the_rhythm() {
    let cadence = [
        [62.0, 65.0, 69.0],
        [67.0, 71.0, 74.0],
        [60.0, 64.0, 67.0],
        [60.0, 64.0, 72.0],
    ];
    let key = crate::metrics::key::estimate_key(&pitch_classes(&chords(cadence)));
    assert_eq!((key.tonic, key.correlation > 0.8), (0, true), "{key:?}");

    let rise = |notes: &[(f32, f32)]| -> Vec<f64> {
        let envelope = onset_envelope(&tones(notes, 1.0, 2.0));
        envelope.into_iter().map(f64::from).collect()
    };
    let (even, other_pitch) = ([0.2, 0.7, 1.2, 1.7], [61.0, 66.0, 58.0, 70.0]);
    let [first, second, off_beat] = [
        rise(&even.map(|at| (at, 60.0))),
        rise(&std::array::from_fn::<_, 4, _>(|i| {
            (even[i], other_pitch[i])
        })),
        rise(&even.map(|at| (at + 0.2, 60.0))),
    ];
    let pearson = crate::metrics::rank::pearson;
    assert!(pearson(&first, &second) > 0.7);
    assert!(pearson(&first, &off_beat) < 0.3);
}
