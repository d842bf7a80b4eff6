//! Runs stages one after the other: work, progress, cancelling, and which networks stay.
//!
//! What the stages are, a system says (`crate::systems`); the bundle names the system. A stage loads its weights,
//! runs, and then either stays for the next piece or gives its memory back before the next stage begins.

mod helpers;
mod progress;
mod residency;
mod run;

use std::sync::Arc;

pub use helpers::{Helpers, Part};
pub use progress::{Event, Observer};
pub use residency::DEFAULT_BUDGET;
pub use run::{Finished, Run, Timing};

use crate::{
    ops::Kernels,
    weights::{Bundle, StageEntry},
};
use residency::Residents;

/// A stage that a run goes through, and its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageWork {
    /// The name of the stage in the bundle.
    pub stage: &'static str,
    /// Floating-point operations, a product and a sum being two.
    pub flops: u64,
    /// Into how many parts it falls that can be computed at the same time.
    pub parts: usize,
}

/// An opened bundle on a device, with the networks that stay there.
#[derive(Debug, Clone)]
pub struct Model<B: Kernels> {
    bundle: Bundle,
    device: B::Device,
    residents: Arc<Residents>,
    helpers: Option<Arc<dyn Helpers>>,
}

impl<B: Kernels> Model<B> {
    /// No weights are read yet. Networks of `stages` stay between runs as far as they fit into `budget` bytes; see
    /// [`DEFAULT_BUDGET`].
    pub fn new(bundle: Bundle, device: B::Device, stages: &[&str], budget: u64) -> Self {
        let manifest = bundle.manifest();
        let sizes: Vec<(String, u64)> = stages
            .iter()
            .filter_map(|name| manifest.find_stage(name))
            .map(|stage| (stage.name.clone(), device_bytes::<B>(stage)))
            .collect();
        Self {
            residents: Arc::new(Residents::new(&sizes, budget)),
            bundle,
            device,
            helpers: None,
        }
    }

    /// Has `helpers` compute parts of the work from now on.
    pub fn set_helpers(&mut self, helpers: Arc<dyn Helpers>) {
        self.helpers = Some(helpers);
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The device.
    pub fn device(&self) -> &B::Device {
        &self.device
    }

    /// How many engines compute work of so many parts, this one among them.
    pub fn engines(&self, parts: usize) -> usize {
        let helpers = self.helpers.as_ref();
        1 + helpers.map_or(0, |helpers| helpers.expected(parts))
    }

    /// Whether the networks of `stage` are on the device already.
    pub fn is_resident(&self, stage: &str) -> bool {
        self.residents.has(stage)
    }

    /// Drops the networks that stayed.
    pub fn release(&self) {
        self.residents.clear();
        B::memory_cleanup(&self.device);
    }

    fn residents(&self) -> &Residents {
        &self.residents
    }
}

/// Bytes of the tensors of `stage` on a device: packed where its kernels read packed weights.
fn device_bytes<B: Kernels>(stage: &StageEntry) -> u64 {
    let bytes = stage.tensors.iter().map(|tensor| {
        let elements: u64 = tensor.shape.iter().map(|&n| n as u64).product();
        let packed = tensor.encoding.bytes(&tensor.shape);
        packed.filter(|_| B::PACKS).unwrap_or(4 * elements)
    });
    bytes.sum()
}
