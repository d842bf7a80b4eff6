//! Which kernels a device uses.
//!
//! GPUs want tiles that a workgroup shares; software adapters are ten times slower with them; and some adapters
//! compute wrongly. An adapter's name is no proof, so [`super::self_test`] tries the kernels. What was selected
//! belongs to the device, can be pinned, and is told with every piece: equal seeds give equal samples only with
//! equal kernels.

use burn::backend::wgpu::{WgpuDevice, WgpuRuntime};
use cubecl::{
    Runtime,
    features::Plane,
    ir::{ElemType, FloatKind},
};
use std::{
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use super::self_test::{SelfTest, TILED};
use crate::{Error, Fault, Result};

/// Kernels that compute the same in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// Each thread keeps a tile of the result in registers; nothing is shared.
    RegisterTiled,
    /// Each workgroup computes a tile of the result from inputs in workgroup memory.
    SharedMemoryTiled(Features),
}

/// Optional features of shared-memory-tiled kernels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// Tiles of products, convolutions and attention hold f16.
    pub f16: bool,
    /// Norms reduce by subgroup operations.
    pub subgroups: bool,
}

impl Features {
    /// What the device has. wgpu's web backend does not request subgroups, and cubecl does not report those of a
    /// software adapter.
    pub fn of(device: &WgpuDevice) -> Self {
        let client = WgpuRuntime::client(device);
        let properties = client.properties();
        Self {
            f16: properties.supports_type(ElemType::Float(FloatKind::F16)),
            subgroups: properties.features.plane.contains(Plane::Ops),
        }
    }
}

/// The operations that have kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Linear,
    /// Linear layers on packed panels; another kernel does them too.
    Panels,
    Convolution,
    /// Winograd convolutions of 3 by 3; the direct kernel does them too.
    Winograd,
    Depthwise,
    Transposed,
    Attention,
    GroupNorm,
    LayerNorm,
    /// The steps of a recurrent layer.
    Lstm,
}

impl Operation {
    const ALL: [Self; 10] = [
        Self::Linear,
        Self::Panels,
        Self::Convolution,
        Self::Winograd,
        Self::Depthwise,
        Self::Transposed,
        Self::Attention,
        Self::GroupNorm,
        Self::LayerNorm,
        Self::Lstm,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Panels => "panels",
            Self::Convolution => "conv",
            Self::Winograd => "winograd",
            Self::Depthwise => "depthwise-conv",
            Self::Transposed => "transposed-conv",
            Self::Attention => "attention",
            Self::GroupNorm => "group-norm",
            Self::LayerNorm => "layer-norm",
            Self::Lstm => "lstm",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }
}

/// The kernels that a device uses.
///
/// As text: `register-tiled` or `shared-memory-tiled`, the latter with `+f16` and `+subgroups` for optional features;
/// then ` ~NAME` for each operation that is register-tiled all the same, and ` -NAME` for each that is left to burn's
/// own kernels, or to a simpler kernel of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSelection {
    pub(super) variant: Variant,
    /// Operations that use register-tiled kernels whatever the variant is.
    pub(super) register_tiled: Vec<Operation>,
    /// Operations whose kernels are not used.
    pub(super) disabled: Vec<Operation>,
}

impl KernelSelection {
    /// The variant to use for an operation; none where it is left to burn.
    fn variant(&self, operation: Operation) -> Option<Variant> {
        if self.disabled.contains(&operation) {
            return None;
        }
        Some(if self.register_tiled.contains(&operation) {
            Variant::RegisterTiled
        } else {
            self.variant
        })
    }
}

impl Default for KernelSelection {
    /// What works everywhere.
    fn default() -> Self {
        Self {
            variant: Variant::RegisterTiled,
            register_tiled: Vec::new(),
            disabled: Vec::new(),
        }
    }
}

impl fmt::Display for KernelSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            Variant::RegisterTiled => f.write_str("register-tiled")?,
            Variant::SharedMemoryTiled(Features { f16, subgroups }) => {
                f.write_str("shared-memory-tiled")?;
                f.write_str(if f16 { "+f16" } else { "" })?;
                f.write_str(if subgroups { "+subgroups" } else { "" })?;
            }
        }
        for operation in &self.register_tiled {
            write!(f, " ~{}", operation.name())?;
        }
        for operation in &self.disabled {
            write!(f, " -{}", operation.name())?;
        }
        Ok(())
    }
}

impl FromStr for KernelSelection {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let kernels = text.into();
            Error::from(Fault::NoKernels { kernels })
        };
        let mut words = text.split_whitespace();
        let mut features = words.next().ok_or_else(wrong)?.split('+');
        let variant = match features.next() {
            Some("register-tiled") => Variant::RegisterTiled,
            Some("shared-memory-tiled") => Variant::SharedMemoryTiled(Features::default()),
            _ => return Err(wrong()),
        };
        let mut selection = Self {
            variant,
            ..Self::default()
        };
        for feature in features {
            let Variant::SharedMemoryTiled(has) = &mut selection.variant else {
                return Err(wrong());
            };
            match feature {
                "f16" => has.f16 = true,
                "subgroups" => has.subgroups = true,
                _ => return Err(wrong()),
            }
        }
        for word in words {
            let (list, name) = match (word.strip_prefix('~'), word.strip_prefix('-')) {
                (Some(name), _) => (&mut selection.register_tiled, name),
                (_, Some(name)) => (&mut selection.disabled, name),
                _ => return Err(wrong()),
            };
            list.push(Operation::from_name(name).ok_or_else(wrong)?);
        }
        Ok(selection)
    }
}

/// What was selected, by device. There are few of them.
static SELECTED: RwLock<Vec<(WgpuDevice, Arc<KernelSelection>)>> = RwLock::new(Vec::new());

fn find(device: &WgpuDevice) -> Option<Arc<KernelSelection>> {
    let selected = SELECTED.read().unwrap_or_else(PoisonError::into_inner);
    let found = selected.iter().find(|(other, _)| other == device);
    found.map(|(_, selection)| selection.clone())
}

fn set(device: &WgpuDevice, selection: KernelSelection) {
    let mut selected = SELECTED.write().unwrap_or_else(PoisonError::into_inner);
    selected.retain(|(other, _)| other != device);
    selected.push((device.clone(), Arc::new(selection)));
}

/// The variant to use for an operation on a device; none where it is left to burn. Before anything was selected,
/// register-tiled kernels.
pub(super) fn variant(device: &WgpuDevice, operation: Operation) -> Option<Variant> {
    match find(device) {
        Some(selection) => selection.variant(operation),
        None => Some(Variant::RegisterTiled),
    }
}

/// The kernels that `device` uses.
pub fn selected_kernels(device: &WgpuDevice) -> KernelSelection {
    find(device).map_or_else(KernelSelection::default, |found| (*found).clone())
}

/// Selects the kernels of `device`: those of `pin`, or else by a self-test, which runs once for a device and takes
/// the fastest kernels that compute correctly.
///
/// Fails where the device lacks a feature that `pin` names, or computes wrongly with its kernels.
pub async fn select_kernels(
    device: &WgpuDevice,
    pin: Option<&KernelSelection>,
) -> Result<KernelSelection> {
    let selection = match pin {
        Some(pin) => {
            check(device, pin).await?;
            pin.clone()
        }
        None => match find(device) {
            Some(found) => return Ok((*found).clone()),
            None => SelfTest { device }.select().await?,
        },
    };
    set(device, selection.clone());
    Ok(selection)
}

/// A pinned selection must be possible and compute correctly.
async fn check(device: &WgpuDevice, pin: &KernelSelection) -> Result<()> {
    let refused = |reason: String| Err(Fault::KernelsRefused { reason }.into());
    if let Variant::SharedMemoryTiled(wanted) = pin.variant {
        let has = Features::of(device);
        if (wanted.f16 && !has.f16) || (wanted.subgroups && !has.subgroups) {
            return refused(format!("this device cannot run the kernels {pin}"));
        }
    }
    let test = SelfTest { device };
    let mut failed = test.failures(Variant::RegisterTiled).await?;
    failed.retain(|operation| {
        let tiled = TILED.contains(operation) && pin.variant != Variant::RegisterTiled;
        !tiled || pin.register_tiled.contains(operation)
    });
    if pin.variant != Variant::RegisterTiled {
        let mut tiled = test.failures(pin.variant).await?;
        tiled.retain(|operation| !pin.register_tiled.contains(operation));
        failed.extend(tiled);
    }
    failed.retain(|operation| !pin.disabled.contains(operation));
    match failed.first() {
        Some(operation) => refused(format!(
            "this device computes {} wrongly with the kernels {pin}",
            operation.name()
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read_as_they_are_written() {
        for text in [
            "register-tiled",
            "register-tiled -winograd -panels",
            "shared-memory-tiled",
            "shared-memory-tiled+f16+subgroups ~attention -depthwise-conv",
        ] {
            let selection: KernelSelection = text.parse().unwrap();
            assert_eq!(selection.to_string(), text);
        }
        for text in [
            "",
            "tiled",
            "register-tiled+f16",
            "register-tiled ~x",
            "register-tiled conv",
        ] {
            let error = text.parse::<KernelSelection>().unwrap_err();
            assert!(error.to_string().contains("no kernels"), "{error}");
        }
    }

    #[test]
    fn operations_are_disabled_one_by_one() {
        let selection: KernelSelection = "shared-memory-tiled ~attention -conv".parse().unwrap();
        let tiled = Variant::SharedMemoryTiled(Features::default());
        assert_eq!(selection.variant(Operation::Linear), Some(tiled));
        assert_eq!(
            selection.variant(Operation::Attention),
            Some(Variant::RegisterTiled)
        );
        assert_eq!(selection.variant(Operation::Convolution), None);
    }
}
