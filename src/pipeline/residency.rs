//! Which networks stay on the device between two pieces.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
};

/// Networks that need no more than this together stay, unless a caller chooses another budget.
pub const DEFAULT_BUDGET: u64 = 256 << 20;

/// The networks of stages that stay.
pub(super) struct Residents {
    kept: HashSet<String>,
    networks: Mutex<HashMap<String, Box<dyn Any + Send>>>,
}

impl fmt::Debug for Residents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Residents({:?})", self.kept)
    }
}

impl Residents {
    /// Chooses which of the stages, given with their bytes on the device, stay within `budget`.
    pub fn new(stages: &[(String, u64)], budget: u64) -> Self {
        Self {
            kept: chosen(stages, budget),
            networks: Mutex::new(HashMap::new()),
        }
    }

    /// Whether the networks of `stage` are there.
    pub fn has(&self, stage: &str) -> bool {
        self.locked().contains_key(stage)
    }

    /// Takes the networks of `stage` out, if they are there. A run that takes them puts them back.
    pub fn take<N: Send + 'static>(&self, stage: &str) -> Option<N> {
        let found = self.locked().remove(stage)?;
        found.downcast().ok().map(|networks| *networks)
    }

    /// Keeps the networks of `stage`, or gives them back where they are not to stay.
    pub fn put<N: Send + 'static>(&self, stage: &str, networks: N) -> Option<N> {
        if !self.kept.contains(stage) {
            return Some(networks);
        }
        self.locked().insert(stage.to_string(), Box::new(networks));
        None
    }

    /// Drops all networks.
    pub fn clear(&self) {
        self.locked().clear();
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Box<dyn Any + Send>>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stages that stay: as many as possible, smallest first, so that together with the largest one that does not
/// stay they need no more than `budget`. Where that one alone needs more, nothing stays.
fn chosen(stages: &[(String, u64)], budget: u64) -> HashSet<String> {
    let mut sorted: Vec<&(String, u64)> = stages.iter().collect();
    sorted.sort_by_key(|(_, bytes)| *bytes);
    let mut kept = HashSet::new();
    let mut sum = 0;
    for (at, (name, bytes)) in sorted.iter().enumerate() {
        sum += bytes;
        let last = at + 1 == sorted.len();
        let largest = sorted.last().map_or(0, |(_, bytes)| *bytes);
        if sum + if last { 0 } else { largest } > budget {
            break;
        }
        kept.insert(name.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Residents, chosen};

    fn stages(bytes: &[u64]) -> Vec<(String, u64)> {
        let named = bytes.iter().enumerate();
        named.map(|(i, bytes)| (i.to_string(), *bytes)).collect()
    }

    fn kept(bytes: &[u64], budget: u64) -> Vec<String> {
        let mut kept: Vec<String> = chosen(&stages(bytes), budget).into_iter().collect();
        kept.sort();
        kept
    }

    #[test]
    fn what_fits_stays() {
        assert_eq!(kept(&[3, 1, 2], 6), ["0", "1", "2"]);
        // The smallest beside the largest, which comes and goes.
        assert_eq!(kept(&[3, 1, 2], 5), ["1"]);
        assert_eq!(kept(&[3, 1, 2], 4), ["1"]);
        assert_eq!(kept(&[3, 1, 2], 3), [] as [&str; 0]);
        assert_eq!(kept(&[], 3), [] as [&str; 0]);
    }

    #[test]
    fn networks_are_taken_and_put_back() {
        let residents = Residents::new(&stages(&[1, 9]), 5);
        assert_eq!(residents.take::<u8>("0"), None);
        // Too large to stay: neither is kept beside 9 of 5.
        assert_eq!(residents.put("1", 7u8), Some(7));
        let residents = Residents::new(&stages(&[1, 2]), 5);
        assert_eq!(residents.put("1", 7u8), None);
        assert!(residents.has("1"));
        // What is there under another type is dropped.
        assert_eq!(residents.take::<u16>("1"), None);
        assert_eq!(residents.put("1", 7u8), None);
        assert_eq!(residents.take::<u8>("1"), Some(7));
        assert!(!residents.has("1"));
        assert_eq!(residents.put("0", 1u8), None);
        residents.clear();
        assert!(!residents.has("0"));
    }
}
