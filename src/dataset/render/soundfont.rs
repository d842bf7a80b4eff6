//! SoundFont 2 files.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{BLOCK, RATE, synthesizer};
use crate::{Error, Result, audio::rms_db};

/// Where Debian's package `fluid-soundfont-gm` puts its file.
const DEBIAN: &str = "/usr/share/sounds/sf2/FluidR3_GM.sf2";

/// The note that instruments are compared by: pitches as MIDI note numbers, velocity, seconds.
const PITCHES: [i32; 2] = [55, 67];
const VELOCITY: i32 = 90;
const SECONDS: f32 = 0.6;
/// An instrument that hardly sounds there is not raised by more than this, in dB.
const QUIETEST: f32 = -45.0;

/// The instruments of a SoundFont 2 file. Threads share one.
pub struct SoundFont {
    samples: Arc<rustysynth::SoundFont>,
    path: PathBuf,
    bytes: u64,
    /// How loud each program is, as far as that was asked.
    levels: [OnceLock<f32>; 128],
}

impl std::fmt::Debug for SoundFont {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SoundFont({})", self.path.display())
    }
}

impl SoundFont {
    /// Reads the file `path`, or that of Debian's package where none is named.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let path = match path {
            Some(path) => path,
            None if Path::new(DEBIAN).is_file() => Path::new(DEBIAN),
            None => {
                return Err(Error::input(
                    format!("no SoundFont is named, and there is none at {DEBIAN}"),
                    "install the package fluid-soundfont-gm, or name an .sf2 file by material.soundfont or --soundfont",
                ));
            }
        };
        let failed = |e| Error::file("read", path, e);
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Self::read(&mut BufReader::with_capacity(1 << 20, file), path, bytes)
    }

    fn read(reader: &mut impl Read, path: &Path, bytes: u64) -> Result<Self> {
        let samples = rustysynth::SoundFont::new(reader).map_err(|e| {
            Error::format(
                format!("{} cannot be used as a SoundFont ({e})", path.display()),
                "give an .sf2 file; .sf3 files and others are not read",
            )
        })?;
        if samples.get_presets().is_empty() {
            return Err(Error::format(
                format!("{} has no instruments", path.display()),
                "give another .sf2 file",
            ));
        }
        Ok(Self {
            samples: Arc::new(samples),
            path: path.to_path_buf(),
            bytes,
            levels: [const { OnceLock::new() }; 128],
        })
    }

    /// Tells this SoundFont from others: its file name and its length.
    pub fn fingerprint(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        format!("{} {}", name.to_string_lossy(), self.bytes)
    }

    pub(super) fn samples(&self) -> &Arc<rustysynth::SoundFont> {
        &self.samples
    }

    /// How loud a program is compared with one whose notes have an RMS of -30 dBFS, in dB. Instruments of a
    /// SoundFont are not of one loudness; with this they are.
    pub(super) fn level_db(&self, program: u8) -> f32 {
        let level = || {
            let length = (SECONDS * RATE as f32) as usize / BLOCK * BLOCK;
            let mut sum = 0.0;
            for pitch in PITCHES {
                let (mut left, mut right) = (vec![0.0; length], vec![0.0; length]);
                if let Ok(mut synthesizer) = synthesizer(self, program) {
                    synthesizer.note_on(0, pitch, VELOCITY);
                    synthesizer.render(&mut left, &mut right);
                }
                left.append(&mut right);
                sum += rms_db(&left).max(QUIETEST);
            }
            sum / PITCHES.len() as f32 + 30.0
        };
        *self.levels[usize::from(program.min(127))].get_or_init(level)
    }
}
