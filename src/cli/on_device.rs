//! Computing on whatever device was chosen.

use crate::{Result, device::Device, ops::Kernels};

/// Something to compute.
pub(super) trait Computation {
    /// What comes out.
    type Output;

    fn run<B: Kernels>(self, device: B::Device) -> Result<Self::Output>;
}

/// Does `job` on the device `device`.
pub(super) fn on_device<C: Computation>(device: &Device, job: C) -> Result<C::Output> {
    match device {
        Device::Cpu => job.run::<crate::ops::Cpu>(Default::default()),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => job.run::<crate::ops::Gpu>(Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda => job.run::<burn::backend::Cuda>(Default::default()),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => job.run::<burn::backend::LibTorch>(Default::default()),
    }
}
