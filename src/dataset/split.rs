//! Splits of material.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
}
