use super::*;
use crate::dataset::score::NoteStatistics;

fn brief(number: u32) -> Brief {
    Brief {
        mode: if number.is_multiple_of(2) {
            Mode::Major
        } else {
            Mode::Minor
        },
        tonic: (5 * number % 12) as u8,
        rate: 8f32.powf((number % 7) as f32 / 6.0),
        register: 52.0 + (number * 11 % 28) as f32,
        regularity: (number % 5) as f32 / 4.0,
        sustained: number.is_multiple_of(3),
        pulse: None,
    }
}

fn measured(brief: &Brief, seed: u64) -> NoteStatistics {
    let score = compose(brief, 9.96, seed);
    NoteStatistics::measure(&score.notes_in(10.24), 10.24)
}

#[test]
fn pieces_are_in_their_key_and_register() {
    let mut wrong = 0;
    for number in 0..210 {
        let brief = brief(number);
        let found = measured(&brief, number.into());
        wrong += u32::from((found.key.tonic, found.key.mode) != (brief.tonic, brief.mode));
        assert!(
            (found.mean_pitch - brief.register).abs() < 5.0,
            "{brief:?} {found:?}"
        );
        assert!((2.0..7.5).contains(&found.voices), "{brief:?} {found:?}");
        assert!(found.longest_rest < 1.0, "{brief:?} {found:?}");
    }
    assert!(wrong < 21, "{wrong} of 210 are heard in another key");
}

#[test]
fn rate_and_regularity_follow_the_brief() {
    let mut sums = [[0.0; 2]; 2];
    for number in 0..210 {
        let brief = brief(number);
        let found = measured(&brief, 1000 + u64::from(number));
        let ratio = found.onset_rate / brief.rate;
        assert!((0.55..1.5).contains(&ratio), "{ratio} {brief:?} {found:?}");
        let sum = &mut sums[usize::from(brief.regularity > 0.5)];
        sum[0] += 1.0;
        sum[1] += found.regularity;
    }
    let [free, strict] = sums.map(|[count, sum]| sum / count);
    assert!(strict > free + 0.1, "{free} {strict}");
}

#[test]
fn pieces_on_a_pulse_fill_phrases_of_it() {
    for number in 0..60 {
        let brief = Brief {
            pulse: Some(0.512),
            ..brief(number)
        };
        let score = compose(&brief, 9.96, number.into());
        let notes = score.notes_until(10.24);
        assert!(score.bars.len().is_multiple_of(4));
        let ends = notes.iter().map(|note| note.start + note.duration);
        let end = ends.fold(0.0, f64::max);
        assert!((end - 10.24).abs() < 0.02, "{end} {brief:?}");
        for note in &notes {
            let beats = 12.0 * (note.start - 0.03) / 0.512;
            assert!((beats - beats.round()).abs() < 1e-6, "{note:?} {brief:?}");
        }
        let found = NoteStatistics::measure(&notes, 10.24);
        assert!(
            (0.5..1.6).contains(&(found.onset_rate / brief.rate)),
            "{found:?} {brief:?}"
        );
    }
}

#[test]
fn a_piece_is_a_function_of_its_brief_and_seed() {
    let brief = brief(3);
    assert_eq!(compose(&brief, 10.0, 1), compose(&brief, 10.0, 1));
    assert_ne!(
        compose(&brief, 10.0, 1).notes,
        compose(&brief, 10.0, 2).notes
    );
    for seconds in [1.0, 2.5, 5.12, 60.0] {
        let score = compose(&brief, seconds, 7);
        let last = score.bars.last().unwrap();
        assert!((score.clock().seconds(last.start + last.length) - seconds).abs() < 1e-6);
        assert!(
            score
                .notes
                .iter()
                .all(|note| note.onset + note.duration <= score.end() + 1e-9)
        );
    }
}

#[test]
fn phrases_end_with_cadences() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for mode in [Mode::Major, Mode::Minor] {
        let key = Key::new(9, mode);
        for _ in 0..50 {
            let chords = progression(key, 8, true, &mut rng);
            let degrees: Vec<usize> = chords.iter().map(|chord| chord.degree).collect();
            assert_eq!((degrees[0], degrees[6], degrees[7]), (0, 4, 0));
            assert_eq!(progression(key, 8, false, &mut rng)[7].degree, 4);
            // The leading tone is raised: G sharp.
            assert_eq!(chords[6].member(1, 56.0) % 12, 8);
        }
    }
}
