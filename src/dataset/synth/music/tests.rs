use super::*;

const FACTORS: MusicFactors = MusicFactors {
    genre: Genre::Piano,
    mode: Mode::Major,
    rate: 3.0,
    register: 60.0,
    brightness: 0.5,
    loudness: -20.0,
    dynamics: 0.5,
    regularity: 0.5,
    harmony: 0.6,
    tonic: 2,
};

fn level(sound: &[f32]) -> f32 {
    let power: f32 = sound.iter().map(|x| x * x).sum();
    10.0 * (power / sound.len() as f32).log10()
}

#[test]
fn a_piece_repeats_and_families_and_seeds_differ() {
    let pieces = Genre::ALL.map(|genre| compose(&MusicFactors { genre, ..FACTORS }, 3, 1.5));
    for (index, piece) in pieces.iter().enumerate() {
        let factors = MusicFactors {
            genre: Genre::ALL[index],
            ..FACTORS
        };
        assert_eq!(*piece, compose(&factors, 3, 1.5));
        assert_ne!(*piece, compose(&factors, 4, 1.5));
        assert_eq!(piece.len(), 24_000);
        for other in &pieces[..index] {
            let same: f32 = piece.iter().zip(other).map(|(a, b)| a * b).sum();
            let scale = 24_000.0 * 10f32.powf((level(piece) + level(other)) / 20.0);
            let name = Genre::ALL[index].name();
            assert!(same.abs() / scale < 0.95, "{name} {}", same / scale);
        }
    }
}

#[test]
fn every_piece_has_its_level() {
    for (index, genre) in Genre::ALL.into_iter().enumerate() {
        for loudness in [-34.0, -14.0] {
            let factors = MusicFactors {
                genre,
                loudness,
                // The sparsest music has the highest peaks for its level.
                rate: if index % 2 == 0 { 0.8 } else { 8.0 },
                dynamics: 1.0,
                ..FACTORS
            };
            let piece = compose(&factors, 5, 2.0);
            let name = genre.name();
            assert!((level(&piece) - loudness).abs() < 0.3, "{name} {loudness}");
            assert!(piece.iter().all(|x| x.abs() <= 0.98), "{name}");
            let mean = piece.iter().sum::<f32>() / piece.len() as f32;
            assert!(mean.abs() < 1e-3 * 10f32.powf(loudness / 20.0), "{name}");
        }
    }
}

#[test]
fn any_length_and_any_numbers_are_taken() {
    assert!(compose(&FACTORS, 0, 0.0).is_empty());
    assert!(compose(&FACTORS, 0, -1.0).is_empty());
    assert!(compose(&FACTORS, 0, f64::NAN).is_empty());
    for genre in Genre::ALL {
        let odd = MusicFactors {
            genre,
            rate: f32::NAN,
            register: 500.0,
            tonic: 255,
            ..FACTORS
        };
        assert_eq!(compose(&odd, 0, 0.3).len(), 4800);
        for seconds in [0.01, 0.1] {
            let piece = compose(&MusicFactors { genre, ..FACTORS }, 0, seconds);
            assert!(piece.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn onsets_come_at_the_rate() {
    for regularity in [0.0, 1.0] {
        for rate in [0.8, 2.0, 8.0] {
            let factors = MusicFactors {
                rate,
                regularity,
                ..FACTORS
            };
            let steps = score::write(&factors, 20.0, &mut Dice::new(1));
            let count = steps.len() as f32;
            assert!((count / 20.0 / rate - 1.0).abs() < 0.1, "{rate} {count}");
            let gaps = steps.windows(2).map(|pair| pair[1].at - pair[0].at);
            let uneven = gaps.map(|gap| (gap * rate - 1.0).abs()).fold(0.0, f32::max);
            assert_eq!(uneven < 1e-3, regularity == 1.0, "{uneven}");
        }
    }
}

#[test]
fn pieces_begin_and_end_on_the_tonic_chord_and_stay_in_the_register() {
    for seed in 0..20 {
        for (mode, third) in [(Mode::Major, 6), (Mode::Minor, 5)] {
            let factors = MusicFactors { mode, ..FACTORS };
            let steps = score::write(&factors, 10.0, &mut Dice::new(seed));
            let first = &steps[0];
            assert_eq!(first.chord.classes, [2, third, 9]);
            assert_eq!(steps[steps.len() - 1].chord, first.chord);
            assert_eq!(first.melody.rem_euclid(12), 2);
            let notes: Vec<i32> = steps.iter().flat_map(|step| step.notes()).collect();
            assert!(notes.iter().all(|note| (50..=70).contains(note)));
            assert!(notes.iter().any(|note| note.rem_euclid(12) == third as i32));
        }
    }
}

#[test]
fn fuller_harmony_has_more_notes() {
    let notes = |harmony| {
        let factors = MusicFactors { harmony, ..FACTORS };
        let steps = score::write(&factors, 10.0, &mut Dice::new(0));
        steps.iter().map(|step| step.notes().count()).sum::<usize>() as f32 / steps.len() as f32
    };
    assert_eq!(notes(0.0), 1.0);
    assert!(notes(1.0) > 2.9);
}
