//! Which device to compute on, natively.

use serde::Serialize;

use crate::{
    Error, Result,
    ops::{Cpu, Kernels},
};

/// What a person can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum DeviceChoice {
    /// A GPU if there is one, else the CPU.
    Auto,
    /// A GPU through Vulkan, Metal or DirectX; software Vulkan counts.
    Wgpu,
    /// An NVIDIA GPU through CUDA.
    Cuda,
    /// The CPU, with PyTorch's kernels; to train.
    Libtorch,
    /// The CPU.
    Cpu,
}

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "device", rename_all = "lowercase")]
pub enum Device {
    /// The CPU.
    Cpu,
    /// A GPU through wgpu.
    #[cfg(feature = "wgpu")]
    Wgpu {
        /// The adapter's name.
        adapter: String,
    },
    /// A GPU through CUDA.
    #[cfg(feature = "cuda")]
    Cuda,
    /// The CPU with PyTorch's kernels.
    #[cfg(feature = "libtorch")]
    Libtorch,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("CPU"),
            #[cfg(feature = "wgpu")]
            Self::Wgpu { adapter } => f.write_str(adapter),
            #[cfg(feature = "cuda")]
            Self::Cuda => f.write_str("CUDA"),
            #[cfg(feature = "libtorch")]
            Self::Libtorch => f.write_str("CPU with PyTorch"),
        }
    }
}

/// Finds the device for `choice`.
pub fn choose(choice: DeviceChoice) -> Result<Device> {
    choose_with_kernels(choice, None)
}

/// Finds the device for `choice` that computes with `kernels`, as a result names its own. On a GPU through wgpu a
/// self-test selects them where none are given; other devices have one kind.
pub fn choose_with_kernels(choice: DeviceChoice, kernels: Option<&str>) -> Result<Device> {
    let own = own_kernels(&Device::Cpu);
    let choice = match choice {
        // What the CPU has computed, it computes again.
        DeviceChoice::Auto if kernels.is_some() && kernels == own.as_deref() => DeviceChoice::Cpu,
        choice => choice,
    };
    let device = find(choice, kernels)?;
    match (kernels, own_kernels(&device)) {
        (Some(kernels), Some(own)) if kernels != own => Err(Error::unsupported(
            format!("the device {device} cannot use the kernels {kernels:?}"),
            format!("leave --kernels out, give its own ({own:?}), or use --device wgpu"),
        )),
        _ => Ok(device),
    }
}

/// The kernels of a device that has one kind of them.
fn own_kernels(device: &Device) -> Option<String> {
    match device {
        Device::Cpu => Some(Cpu::kernels(&Default::default())),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { .. } => None,
        #[cfg(feature = "cuda")]
        Device::Cuda => Some(burn::backend::Cuda::kernels(&Default::default())),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => Some(burn::backend::LibTorch::kernels(&Default::default())),
    }
}

fn find(choice: DeviceChoice, kernels: Option<&str>) -> Result<Device> {
    #[cfg(not(feature = "wgpu"))]
    let _ = kernels;
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        #[cfg(not(feature = "wgpu"))]
        DeviceChoice::Auto => Ok(Device::Cpu),
        #[cfg(not(feature = "wgpu"))]
        DeviceChoice::Wgpu => Err(Error::unsupported(
            "this program was built without GPUs",
            "build it with its default features, or use --device cpu",
        )),
        #[cfg(feature = "wgpu")]
        DeviceChoice::Auto => {
            let hardware = adapters().into_iter().find(|(_, software)| !software);
            hardware.map_or(Ok(Device::Cpu), |(adapter, _)| prepared(adapter, kernels))
        }
        #[cfg(feature = "wgpu")]
        DeviceChoice::Wgpu => match adapters().into_iter().min_by_key(|(_, software)| *software) {
            Some((adapter, _)) => prepared(adapter, kernels),
            None => Err(Error::unsupported(
                "no GPU answers on this machine",
                "install a graphics driver (mesa-vulkan-drivers has a software one) or use --device cpu",
            )),
        },
        #[cfg(feature = "libtorch")]
        DeviceChoice::Libtorch => Ok(Device::Libtorch),
        #[cfg(not(feature = "libtorch"))]
        DeviceChoice::Libtorch => Err(Error::unsupported(
            "this program was built without PyTorch",
            "build it with --features libtorch, or use --device cpu",
        )),
        #[cfg(feature = "cuda")]
        DeviceChoice::Cuda => Ok(Device::Cuda),
        #[cfg(not(feature = "cuda"))]
        DeviceChoice::Cuda => Err(Error::unsupported(
            "this program was built without CUDA",
            "build it with --features cuda, or use --device wgpu",
        )),
    }
}

/// The GPU device, once its kernels are selected.
#[cfg(feature = "wgpu")]
fn prepared(adapter: String, kernels: Option<&str>) -> Result<Device> {
    let pin = kernels.map(str::parse).transpose()?;
    pollster::block_on(crate::ops::select_kernels(
        &Default::default(),
        pin.as_ref(),
    ))?;
    Ok(Device::Wgpu { adapter })
}

#[cfg(feature = "wgpu")]
/// Names of the adapters, and whether they are software.
fn adapters() -> Vec<(String, bool)> {
    let backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let found = pollster::block_on(instance.enumerate_adapters(backends));
    found
        .iter()
        .map(|adapter| {
            let info = adapter.get_info();
            (info.name, info.device_type == wgpu::DeviceType::Cpu)
        })
        .collect()
}
