//! The networks, one file each: configuration, checkpoint names and shapes beside the code.
//!
//! Nothing here knows of files, JavaScript or the pipeline. Every network is generic over
//! [`crate::ops::Kernels`] and is built by a `load` function from a [`crate::tensors::TensorSource`].

use crate::{Error, Result};

pub mod aligner;
#[cfg(feature = "native")]
pub mod bert;
pub mod clap;
pub mod clip;
pub mod fusion;
pub mod gpt2;
pub mod hifigan;
pub mod imagebind;
pub mod istft;
pub mod layers;
pub mod lstm;
pub mod mask;
pub mod mel_decoder;
pub mod params;
mod post_norm;
pub mod projection;
mod resnet;
pub mod t5;
pub mod trace;
pub mod unet;
pub mod vae;
#[cfg(feature = "native")]
pub mod vggish;
pub mod vocoder;

/// Refuses a configuration with a size outside `1..=most`; entries are key, value and `most`.
///
/// Configurations come from files: whatever they say must end in a sentence, never in a panic or in
/// memory that no machine has.
fn check_sizes(network: &str, sizes: &[(&str, usize, usize)]) -> Result<()> {
    for &(key, value, most) in sizes {
        if !(1..=most).contains(&value) {
            return Err(unusable(network, format!("{key} {value}")));
        }
    }
    Ok(())
}

/// Refuses a configuration in which `whole` is no multiple of `part`.
fn check_multiple(network: &str, whole: (&str, usize), part: (&str, usize)) -> Result<()> {
    if part.1 > 0 && whole.1.is_multiple_of(part.1) {
        return Ok(());
    }
    let what = format!("{} {} and {} {}", whole.0, whole.1, part.0, part.1);
    Err(unusable(network, what))
}

fn unusable(network: &str, what: String) -> Error {
    Error::format(
        format!("the configuration of {network} has {what}, which cannot be used"),
        "use the config.json that belongs to the checkpoint",
    )
}

/// The largest width, number of blocks and table of a network.
const MAX_WIDTH: usize = 1 << 15;
const MAX_DEPTH: usize = 256;
/// The largest side of a picture or spectrogram that a network takes.
const MAX_IMAGE: usize = 2048;
const MAX_TABLE: usize = 1 << 20;
