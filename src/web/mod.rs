//! The JavaScript surface: converts values and errors, nothing else.

#[cfg(feature = "bench")]
mod bench;
mod device;
mod engine;
mod fetcher;
mod helpers;
mod values;

#[cfg(feature = "bench")]
pub use bench::{bench, bench_cases};
#[cfg(feature = "wgpu")]
pub use device::{device_trouble, gpu_device, launch_cost_ms};
pub use engine::Engine;
pub use fetcher::{ShardStore, StoreFetcher};
pub use helpers::JsHelpers;
