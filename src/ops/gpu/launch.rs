//! Launching kernels: template values, bindings, buffers.

use burn::{
    backend::wgpu::{
        CubeDim, CubeTensor, KernelSource, SourceKernel, SourceTemplate, WgpuRuntime,
        into_contiguous,
    },
    tensor::{DType, Shape, Tensor, TensorPrimitive},
};
use cubecl::{
    CubeCount,
    prelude::KernelId,
    server::{KernelArguments, MetadataBindingInfo},
};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{sources, template};
use crate::{
    ops::{Gpu, Packed},
    quant::Encoding,
};

/// The usual workgroup size.
///
/// A software adapter distributes workgroups over the processor's cores, so they should be small; a GPU leaves
/// half of its lanes idle below 32 or 64. 32 suits both.
pub(super) const WORKGROUP_SIZE: usize = 32;
/// The workgroup size of kernels with tiles in workgroup memory.
pub(super) const TILED_WORKGROUP_SIZE: usize = 256;
/// The side of a tile of the result in those kernels.
pub(super) const TILE_SIDE: usize = 64;

/// Bytes of results since launches were last submitted to the device. Memory is only freed by launches that were
/// submitted.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Above this they are handed over.
const MAX_WAITING: usize = 32 << 20;

/// A kernel with its template values.
#[derive(Debug)]
pub(super) struct Kernel {
    /// The file's name without `.wgsl`.
    pub name: &'static str,
    pub values: Vec<(&'static str, usize)>,
    pub workgroup_size: usize,
}

impl Kernel {
    /// The kernel written out, with the extensions of WGSL that it uses.
    pub fn wgsl(&self) -> String {
        let mut text = String::new();
        if self.has("F16_TILES") {
            text.push_str("enable f16;\n");
        }
        // naga knows subgroups without being told, and refuses to be told.
        if self.has("SUBGROUPS") && cfg!(target_family = "wasm") {
            text.push_str("enable subgroups;\n");
        }
        text.push_str(&template::expand(sources::text(self.name), &self.values));
        text
    }

    /// Whether a template value is there and not 0.
    pub fn has(&self, name: &str) -> bool {
        let mut values = self.values.iter();
        values.any(|(other, value)| *other == name && *value != 0)
    }

    /// Runs the kernel: reads `inputs`, which are contiguous, and fills a tensor of `shape`.
    /// `sizes` are 32-bit numbers of the kernel's uniform buffer, an even number of them.
    pub fn run<const D: usize>(
        self,
        inputs: Vec<Primitive>,
        shape: [usize; D],
        sizes: &[u32],
        groups: [usize; 3],
    ) -> Tensor<Gpu, D> {
        let (client, device) = (inputs[0].client.clone(), inputs[0].device.clone());
        let shape = Shape::from(shape);
        let bytes = shape.num_elements() * size_of::<f32>();
        let handle = client.empty(bytes);
        let output = CubeTensor::new_contiguous(client.clone(), device, shape, handle, DType::F32);
        let buffers = inputs.into_iter().chain([output.clone()]);
        let buffers = buffers.map(|tensor| tensor.handle.binding()).collect();
        let sizes = sizes.as_chunks::<2>().0;
        let sizes = sizes
            .iter()
            .map(|[low, high]| u64::from(*low) | u64::from(*high) << 32);
        let arguments = KernelArguments::new()
            .with_buffers(buffers)
            .with_info(MetadataBindingInfo::custom(sizes.collect()));
        let [x, y, z] = groups.map(|count| count as u32);
        let size = CubeDim::new_1d(self.workgroup_size as u32);
        let kernel = SourceKernel::new(self, size);
        client.launch(Box::new(kernel), CubeCount::Static(x, y, z), arguments);
        if WAITING.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_WAITING {
            WAITING.store(0, Ordering::Relaxed);
            // What goes wrong is told to whoever reads a result.
            let _ = client.flush();
        }
        Tensor::from_primitive(TensorPrimitive::Float(output))
    }
}

impl KernelSource for Kernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.wgsl())
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info((self.name, self.values.clone()))
    }
}

/// What a tensor is on this device.
pub(super) type Primitive = CubeTensor<WgpuRuntime>;

/// The tensor's contiguous form.
pub(super) fn contiguous<const D: usize>(tensor: Tensor<Gpu, D>) -> Primitive {
    into_contiguous(tensor.into_primitive().tensor())
}

/// An optional tensor: the template value that says whether it is there, the one that holds its binding, and
/// whether it is there.
pub(super) type Optional = (&'static str, &'static str, bool);

/// The template values of a layer: its weight's encoding, and the bindings of its tensors. The input comes
/// first, then the weight with its scales, then optional tensors, then the result.
pub(super) fn layer_values(
    encoding: Encoding,
    optional: &[Optional],
) -> Vec<(&'static str, usize)> {
    let mut values = encoding_values(encoding);
    values.extend(bindings(2 + usize::from(encoding.has_scales()), optional));
    values
}

/// The template values of a weight's encoding.
pub(super) fn encoding_values(encoding: Encoding) -> Vec<(&'static str, usize)> {
    vec![
        ("F16", usize::from(encoding == Encoding::F16)),
        ("Q8", usize::from(encoding == Encoding::Q8)),
        ("Q4", usize::from(encoding == Encoding::Q4)),
        ("BLOCKS", usize::from(encoding.has_scales())),
    ]
}

/// The bindings of optional tensors, the first at `next`, and then of the result.
pub(super) fn bindings(mut next: usize, optional: &[Optional]) -> Vec<(&'static str, usize)> {
    let mut values = Vec::new();
    for (switch, binding, present) in optional {
        values.extend([(*switch, usize::from(*present)), (*binding, next)]);
        next += usize::from(*present);
    }
    values.push(("AT_Y", next));
    values
}

/// The words of packed elements.
pub(super) fn words(packed: &Packed<Gpu>) -> impl Iterator<Item = Primitive> {
    packed
        .words()
        .map(|words| words.into_primitive())
        .into_iter()
}
