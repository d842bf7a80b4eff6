//! Splits of material, and of lists by style.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

use crate::{Error, Result};

/// What an item is for: none belongs to two splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// To learn from.
    Training,
    /// To watch training with.
    Validation,
    /// To measure with while a model is worked on.
    Test,
    /// To measure with once, when a model is finished.
    Final,
}

/// Where the validation, test and final splits begin, in hundredths.
const BOUNDS: [u64; 3] = [79, 86, 93];

impl Split {
    /// Every split.
    pub const ALL: [Self; 4] = [Self::Training, Self::Validation, Self::Test, Self::Final];

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Final => "final",
        }
    }

    /// The split of all that one person made, from the hash of the name: 79, 7, 7 and 7 of a hundred.
    pub fn of(person: &str) -> Self {
        let digest = Sha256::digest(person.as_bytes());
        let number = digest
            .iter()
            .take(8)
            .fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let place = BOUNDS
            .iter()
            .filter(|bound| number % 100 >= **bound)
            .count();
        Self::ALL[place]
    }
}

/// The share of ArtSound that is tested on, and how many items of that validate training.
const TEST_SHARE: f64 = 0.1;
const VALIDATION_ITEMS: usize = 100;

/// The places of a list's items by what they are for; none is in two parts, and each part is in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// To learn from.
    pub training: Vec<usize>,
    /// To watch training with: of the tenth that is not learnt from, of each style as much as it has of that.
    pub validation: Vec<usize>,
    /// To measure with: the rest of it.
    pub test: Vec<usize>,
}

impl Parts {
    /// Splits items as ArtSound is: a tenth of every style is kept back, and of that a hundred validate training, or
    /// half of it where it has less than two hundred.
    ///
    /// Fails for fewer than twenty items.
    pub fn of_styles(styles: &[Option<String>], seed: u64) -> Result<Self> {
        let (training, kept) = stratified_split(styles, TEST_SHARE, seed);
        if kept.len() < 2 {
            return Err(Error::input(
                format!("{} pairs are too few to be split", styles.len()),
                "give at least twenty",
            ));
        }
        let wanted = VALIDATION_ITEMS.min(kept.len() / 2);
        let own: Vec<_> = kept.iter().map(|item| styles[*item].clone()).collect();
        let (test, validation) = stratified_split(&own, wanted as f64 / kept.len() as f64, seed);
        let [test, validation] =
            [test, validation].map(|places| places.into_iter().map(|at| kept[at]).collect());
        Ok(Self {
            training,
            validation,
            test,
        })
    }
}

/// Splits items into a training and a test part, of which the latter has `share` of every style: rounded
/// down, and the styles with the largest remainders get one more, so that the total is right.
///
/// Which items of a style are tested is drawn from `seed`. Both parts are in ascending order.
pub fn stratified_split(
    styles: &[Option<String>],
    share: f64,
    seed: u64,
) -> (Vec<usize>, Vec<usize>) {
    let mut strata: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (index, style) in styles.iter().enumerate() {
        strata.entry(style.as_deref()).or_default().push(index);
    }
    let wanted = (styles.len() as f64 * share).round() as usize;
    let exact = |items: &Vec<usize>| items.len() as f64 * share;
    let mut sizes: Vec<usize> = strata.values().map(|items| exact(items) as usize).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    let remainders: Vec<f64> = strata.values().map(|items| exact(items).fract()).collect();
    order.sort_by(|a, b| remainders[*b].total_cmp(&remainders[*a]));
    let missing = wanted.saturating_sub(sizes.iter().sum());
    for stratum in order.into_iter().take(missing) {
        sizes[stratum] += 1;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut training, mut test) = (Vec::new(), Vec::new());
    for (mut items, size) in strata.into_values().zip(sizes) {
        items.shuffle(&mut rng);
        let size = size.min(items.len());
        test.extend(&items[..size]);
        training.extend(&items[size..]);
    }
    training.sort_unstable();
    test.sort_unstable();
    (training, test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_in_one_split_and_most_are_trained_on() {
        assert_eq!(Split::of("fanny hensel"), Split::of("fanny hensel"));
        let mut counts = [0; 4];
        for number in 0..2000 {
            counts[Split::of(&format!("person {number}")) as usize] += 1;
        }
        assert!((1500..1660).contains(&counts[0]), "{counts:?}");
        assert!(
            counts[1..].iter().all(|count| (100..190).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn every_style_is_split_by_largest_remainder() {
        // 17, 14 and 9 items: a tenth is 1.7, 1.4 and 0.9, together 4.
        let styles: Vec<_> = [("a", 17), ("b", 14), ("c", 9)]
            .into_iter()
            .flat_map(|(style, count)| vec![Some(style.to_string()); count])
            .collect();
        let (training, test) = stratified_split(&styles, 0.1, 0);
        let count = |style: &str| {
            let of = |index: &&usize| styles[**index].as_deref() == Some(style);
            test.iter().filter(of).count()
        };
        assert_eq!(["a", "b", "c"].map(count), [2, 1, 1]);
        let mut all = [training.clone(), test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
        assert_eq!(stratified_split(&styles, 0.1, 0), (training, test.clone()));
        assert_ne!(stratified_split(&styles, 0.1, 1).1, test);
    }

    #[test]
    fn a_hundred_of_the_tenth_validate_and_every_style_is_among_them() {
        let styles: Vec<_> = [("a", 9000), ("b", 1500), ("c", 333)]
            .into_iter()
            .flat_map(|(style, count)| vec![Some(style.to_string()); count])
            .collect();
        let parts = Parts::of_styles(&styles, 0).unwrap();
        assert_eq!(
            (
                parts.training.len(),
                parts.validation.len(),
                parts.test.len()
            ),
            (9750, 100, 983)
        );
        let of = |items: &[usize], style: &str| {
            let own = |item: &&usize| styles[**item].as_deref() == Some(style);
            items.iter().filter(own).count()
        };
        assert_eq!(
            ["a", "b", "c"].map(|style| of(&parts.validation, style)),
            [83, 14, 3]
        );
        let mut all = [
            parts.training.clone(),
            parts.validation.clone(),
            parts.test.clone(),
        ]
        .concat();
        all.sort_unstable();
        assert_eq!(all, (0..styles.len()).collect::<Vec<_>>());
        let few = Parts::of_styles(&styles[..20], 0).unwrap();
        assert_eq!((few.validation.len(), few.test.len()), (1, 1));
        assert!(Parts::of_styles(&styles[..14], 0).is_err());
    }
}
