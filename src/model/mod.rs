//! The networks, one file each: configuration, checkpoint names and shapes beside the code.
//!
//! Nothing here knows of files, JavaScript or the pipeline. Every network is generic over
//! [`crate::ops::Kernels`] and is built by a `load` function from a [`params::TensorSource`].

pub mod aligner;
pub mod clap;
pub mod clip;
pub mod gpt2;
pub mod hifigan;
pub mod imagebind;
pub mod layers;
pub mod mask;
pub mod params;
pub mod projection;
mod resnet;
pub mod t5;
pub mod trace;
pub mod unet;
pub mod vae;
