//! What is removed when a person stops the program.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn all() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file or folder that is removed when the program is stopped before this value is dropped.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Unfinished {
    pub fn new(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        all().insert(path.clone());
        Self(path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        all().remove(&self.0);
    }
}

/// From now on, Ctrl-C, a closed terminal and `kill` remove what is unfinished before they end the program.
#[cfg(all(feature = "cli", unix))]
pub fn remove_when_stopped() {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
        low_level::emulate_default_handler,
    };
    // What nohup and shells told us to ignore stays ignored.
    let heeded = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|&signal| !is_ignored(signal));
    let Ok(mut signals) = Signals::new(heeded) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            // Held to the end, so that nothing new is begun.
            let unfinished = all();
            for path in unfinished.iter() {
                // What another thread writes meanwhile may stand in the way once or twice.
                for _ in 0..10 {
                    let removed = match path.is_dir() {
                        true => std::fs::remove_dir_all(path),
                        false => std::fs::remove_file(path),
                    };
                    if removed.is_ok() || !path.exists() {
                        break;
                    }
                }
            }
            let _ = emulate_default_handler(signal);
        }
    });
}

/// There, the system ends the program at once; the next run removes what it left.
#[cfg(all(feature = "cli", not(unix)))]
pub fn remove_when_stopped() {}

/// Whether this program was started with `signal` ignored, where the system tells.
#[cfg(all(feature = "cli", unix))]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
