//! Computing on the device that a person asks for.

use crate::{
    Result,
    device::{Device, DeviceChoice, choose},
    ops::Kernels,
};

/// Something to compute.
pub(super) trait Computation {
    /// What comes out.
    type Output;

    fn run<B: Kernels>(self, device: B::Device) -> Result<Self::Output>;
}

/// Does `job` on the device that `choice` names.
pub(super) fn on_device<C: Computation>(choice: DeviceChoice, job: C) -> Result<C::Output> {
    match choose(choice)? {
        Device::Cpu => job.run::<crate::ops::Cpu>(Default::default()),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => job.run::<crate::ops::Gpu>(Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda => job.run::<burn::backend::Cuda>(Default::default()),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => job.run::<burn::backend::LibTorch>(Default::default()),
    }
}
