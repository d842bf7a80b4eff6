//! Turns a painting into music: ArtToMus on AudioLDM 2, natively and in a browser.
//!
//! An image encoder (ImageBind or CLIP) gives an embedding; the *image aligner* turns it into tokens;
//! GPT-2 translates them into the Language of Audio; a guided latent-diffusion UNet, a VAE and a
//! HiFi-GAN vocoder turn that into sound. No caption stands in between.
//!
//! ```no_run
//! # #[cfg(feature = "native")]
//! # fn main() -> art2mus::Result<()> {
//! use art2mus::{image, ops::Cpu, systems::{Request, Settings, System}, weights::{Bundle, Location}};
//!
//! let bytes = std::fs::read("painting.jpg").expect("a picture");
//! let picture = image::decode(&bytes)?;
//! let bundle = pollster::block_on(Bundle::open(Location::Folder("bundle".into())))?;
//! let system = System::<Cpu>::new(bundle, Default::default())?;
//! let request = Request::new(system.complete(&Settings::default(), 1)?);
//! let music = pollster::block_on(system.generate(&picture, &request, &mut ()))?;
//! println!("{} samples", music.pieces[0].samples.len());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "native"))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | gives |
//! |---|---|
//! | `native` (default) | files, checkpoint readers, bundles over HTTP, threads |
//! | `cli` (default) | the program; implies `native` |
//! | `wgpu` (default) | the GPU device, `ops::Gpu` |
//! | `web` | the JavaScript surface, when compiled to WebAssembly; with `wgpu` for WebGPU, without it a small module for the CPU |
//! | `bench` | measuring from JavaScript, with `web` |
//! | `train` | differentiation, training material, measuring |
//! | `cuda` | NVIDIA GPUs through CUDA, implies `train` |
//!
//! `ARCHITECTURE.md` shows the way of the data and what each module does.

pub mod audio;
#[cfg(any(feature = "cli", feature = "bench"))]
pub mod bench;
#[cfg(feature = "native")]
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "train")]
pub mod dataset;
#[cfg(feature = "native")]
pub mod device;
pub mod diffusion;
mod error;
#[cfg(feature = "train")]
pub mod evaluate;
#[cfg(feature = "native")]
mod files;
pub mod image;
#[cfg(feature = "native")]
pub mod metrics;
pub mod model;
pub mod ops;
pub mod pipeline;
pub mod protocol;
pub mod quant;
pub mod random;
#[cfg(feature = "train")]
pub mod scores;
pub mod systems;
mod task;
pub mod tensors;
pub mod text;
#[cfg(feature = "train")]
pub mod train;
#[cfg(all(feature = "web", target_family = "wasm"))]
pub mod web;
pub mod weights;

pub use error::{Error, ErrorKind, ErrorValues, Fault, Result};
