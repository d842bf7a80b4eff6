use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{candidates::dot, *};

fn random(
    count: usize,
    width: usize,
    seed: u64,
    value: &dyn Fn(&mut ChaCha8Rng) -> f32,
) -> Embeddings {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let names = (0..count).map(|i| format!("{i:05}")).collect();
    let values = (0..count * width).map(|_| value(&mut rng)).collect();
    Embeddings::new(names, values).unwrap()
}

/// All pairs, sorted.
fn brute_force(tracks: &Embeddings, pictures: &Embeddings) -> Vec<SimilarPair> {
    let (width, a, b) = (
        tracks.width(),
        tracks.unit_vectors().unwrap(),
        pictures.unit_vectors().unwrap(),
    );
    let mut all = Vec::new();
    for (track, a) in a.chunks(width).enumerate() {
        for (picture, b) in b.chunks(width).enumerate() {
            let similarity = dot(a, b);
            all.push(SimilarPair {
                track,
                picture,
                similarity,
            });
        }
    }
    // The sort keeps the order of equal ones: by track, then by picture.
    all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    let mut taken = (vec![false; tracks.len()], vec![false; pictures.len()]);
    all.retain(|pair| {
        let free = !taken.0[pair.track] && !taken.1[pair.picture];
        if free {
            (taken.0[pair.track], taken.1[pair.picture]) = (true, true);
        }
        free
    });
    all.sort_by_key(|pair| pair.track);
    all
}

const SMALL: Sizes = Sizes {
    candidates: 3,
    rows: 16,
    rows_again: 4,
};

#[test]
fn greedy_pairs_are_those_of_brute_force() {
    let signs = |rng: &mut ChaCha8Rng| if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let uniform = |rng: &mut ChaCha8Rng| rng.random_range(-1.0f32..1.0);
    // A few pictures that are close to all tracks.
    let positive = |rng: &mut ChaCha8Rng| rng.random_range(0.0f32..1.0).powi(6) + 0.2;
    for seed in 0..4 {
        for (tracks, pictures) in [(1, 1), (40, 40), (60, 75)] {
            // Vectors of four signs have five similarities: nearly all of them are ties.
            for (width, value) in [
                (4, &signs as &dyn Fn(&mut ChaCha8Rng) -> f32),
                (16, &signs),
                (9, &uniform),
                (32, &positive),
            ] {
                let a = random(tracks, width, 2 * seed, value);
                let b = random(pictures, width, 2 * seed + 1, value);
                let expected = brute_force(&a, &b);
                assert_eq!(expected.len(), tracks);
                let found = pair_with(&a, &b, &|_, _, _| {}, SMALL).unwrap();
                assert_eq!(found, expected, "{tracks} x {pictures} x {width}");
                assert_eq!(pair(&a, &b, &|_, _, _| {}).unwrap(), expected);
            }
        }
    }
}

/// Several blocks of pictures, and searches that are repeated.
#[test]
fn blocks_do_not_change_the_pairs() {
    let uniform = |rng: &mut ChaCha8Rng| rng.random_range(-0.5f32..1.0);
    let (a, b) = (random(700, 8, 1, &uniform), random(4500, 8, 2, &uniform));
    let expected = brute_force(&a, &b);
    assert_eq!(pair_with(&a, &b, &|_, _, _| {}, SMALL).unwrap(), expected);
    assert_eq!(pair(&a, &b, &|_, _, _| {}).unwrap(), expected);
}

#[test]
fn what_cannot_be_paired_is_refused() {
    let one = |_: &mut ChaCha8Rng| 1.0;
    let (few, many) = (random(2, 4, 0, &one), random(3, 4, 0, &one));
    let error = pair(&many, &few, &|_, _, _| {}).unwrap_err();
    assert!(error.message().contains("2 pictures for 3 tracks"));
    assert!(pair(&few, &random(3, 5, 0, &one), &|_, _, _| {}).is_err());
    assert!(pair(&few, &random(3, 4, 0, &|_| 0.0), &|_, _, _| {}).is_err());
}
