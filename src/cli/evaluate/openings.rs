//! How often the final split was opened.

use serde::Serialize;
use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Error, Result, evaluate::Extent, weights::Bundle};

/// One opening.
#[derive(Serialize)]
struct Opening<'a> {
    /// Which it is, from 1.
    number: usize,
    /// Seconds since 1970.
    time: u64,
    /// The name of the model that was measured.
    model: &'a str,
    /// What tells its weights from others: see [`crate::weights::Bundle::weights_hash`].
    weights: String,
    extent: Extent,
}

/// Adds an opening to `file` and says how many there are now. Nothing is measured when that fails.
pub(super) fn note(file: &Path, bundle: &Bundle, extent: Extent) -> Result<usize> {
    let mut handle = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(file)
        .map_err(|e| Error::file("write", file, e))?;
    let mut before = 0;
    for line in BufReader::new(&handle).lines() {
        let line = line.map_err(|e| Error::file("read", file, e))?;
        before += usize::from(!line.trim().is_empty());
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let opening = Opening {
        number: before + 1,
        time: time.map_or(0, |time| time.as_secs()),
        model: &bundle.manifest().model.name,
        weights: bundle.weights_hash(),
        extent,
    };
    let line = serde_json::to_string(&opening)
        .map_err(|e| Error::internal(format!("an opening cannot be written ({e})")))?;
    writeln!(handle, "{line}").map_err(|e| Error::file("write", file, e))?;
    Ok(opening.number)
}
