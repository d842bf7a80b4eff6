//! The JavaScript surface: converts values and errors, nothing else.

mod device;
mod engine;
mod host;
mod values;

#[cfg(feature = "wgpu")]
pub use device::{gpu_device, launch_cost_ms};
pub use engine::Engine;
pub use host::{Host, ShardStore};
pub(crate) use host::{HostShard, next_task};
