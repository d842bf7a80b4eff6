//! The operations of the GPU device: WGSL kernels where there is one, burn's own operations elsewhere.
//!
//! Kernels lie in `kernels/`. Shapes reach them as numbers, never as text: a kernel is compiled once for
//! each of its template values, and these are few.

mod attention;
mod conv1d;
mod conv2d;
mod family;
mod linear;
mod norm;
#[cfg(target_family = "wasm")]
mod release;
mod template;
mod winograd;

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

use family::{Extras, Family, Operation, family, trusted};
pub use family::{chosen_kernels, try_kernels};

use super::{
    Activation, Conv1dGeometry, Conv2dGeometry, Encoding, Epilogue, Gpu, Kernels, Packed,
    WeightRef, plain,
};

/// The invocations of a workgroup.
///
/// A software adapter spreads workgroups over the processor's cores, and small ones over all of them; a
/// GPU leaves half of its lanes idle below 32 or 64. 32 is what both can live with.
const WIDTH: usize = 32;
/// The same, of kernels that share tiles in workgroup memory.
const TILE_WIDTH: usize = 256;
/// The side of such a tile of the result.
const TILE: usize = 64;

/// Bytes of results since launches were last handed to the device. Until then they wait for each other, and
/// none gives its memory back.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// The most that wait.
const MOST_WAITING: usize = 32 << 20;

/// A kernel with its template values.
#[derive(Debug)]
struct Kernel {
    /// The file's name, which tells kernels apart.
    name: &'static str,
    text: &'static str,
    values: Vec<(&'static str, usize)>,
    /// Invocations of a workgroup.
    width: usize,
}

impl Kernel {
    /// The kernel written out, with the extensions of WGSL that it uses.
    fn wgsl(&self) -> String {
        let mut text = String::new();
        if self.has("HALF") {
            text.push_str("enable f16;\n");
        }
        // naga knows subgroups without being told, and refuses to be told.
        if self.has("SUBGROUPS") && cfg!(target_family = "wasm") {
            text.push_str("enable subgroups;\n");
        }
        text.push_str(&template::expand(self.text, &self.values));
        text
    }

    /// Whether a template value is there and not 0.
    fn has(&self, name: &str) -> bool {
        let mut values = self.values.iter();
        values.any(|(other, value)| *other == name && *value != 0)
    }

    /// Runs the kernel: reads `inputs`, which are contiguous, and fills a tensor of `shape`.
    /// `sizes` are 32-bit numbers of the kernel's uniform buffer, an even number of them.
    fn run<const D: usize>(
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
        let width = CubeDim::new_1d(self.width as u32);
        let kernel = SourceKernel::new(self, width);
        client.launch(Box::new(kernel), CubeCount::Static(x, y, z), arguments);
        if WAITING.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_WAITING {
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
type Primitive = CubeTensor<WgpuRuntime>;

/// The tensor's contiguous form.
fn contiguous<const D: usize>(tensor: Tensor<Gpu, D>) -> Primitive {
    into_contiguous(tensor.into_primitive().tensor())
}

/// A tensor that is bound only where there is one: the template value that says so, the one that says
/// where, and whether there is one.
type Optional = (&'static str, &'static str, bool);

/// The template values of a layer: how its weight is packed, and where its tensors are bound. The input
/// comes first, then the weight with its scales, then what is optional, then the result.
fn places(encoding: Encoding, optional: &[Optional]) -> Vec<(&'static str, usize)> {
    let mut values = packings(encoding);
    values.extend(bindings(2 + usize::from(encoding.has_scales()), optional));
    values
}

/// How a weight is packed.
fn packings(encoding: Encoding) -> Vec<(&'static str, usize)> {
    vec![
        ("F16", usize::from(encoding == Encoding::F16)),
        ("Q8", usize::from(encoding == Encoding::Q8)),
        ("Q4", usize::from(encoding == Encoding::Q4)),
        ("BLOCKS", usize::from(encoding.has_scales())),
    ]
}

/// Where what is optional is bound, the first at `next`, and then the result.
fn bindings(mut next: usize, optional: &[Optional]) -> Vec<(&'static str, usize)> {
    let mut values = Vec::new();
    for (switch, place, present) in optional {
        values.extend([(*switch, usize::from(*present)), (*place, next)]);
        next += usize::from(*present);
    }
    values.push(("AT_Y", next));
    values
}

/// The words of packed elements.
fn words(packed: &Packed<Gpu>) -> impl Iterator<Item = Primitive> {
    packed
        .words()
        .map(|words| words.into_primitive())
        .into_iter()
}

impl Kernels for Gpu {
    const PACKS: bool = true;

    #[cfg(target_family = "wasm")]
    fn release<M: burn::module::Module<Self>>(network: M, device: &Self::Device) {
        release::release(network, device);
    }

    fn linear<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        epilogue: Epilogue<Self, D>,
    ) -> Tensor<Self, D> {
        if !trusted(Operation::Linear) {
            return plain::linear(x, weight.unpack(), epilogue);
        }
        linear::linear(family(Operation::Linear), x, weight, epilogue)
    }

    fn linear_geglu<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
    ) -> Tensor<Self, D> {
        if !trusted(Operation::Linear) {
            return plain::geglu(x, weight.unpack(), bias);
        }
        linear::gated(family(Operation::Linear), x, weight, bias)
    }

    fn linear_to_channels(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
        residual: Tensor<Self, 4>,
    ) -> Tensor<Self, 4> {
        if !trusted(Operation::Linear) {
            return plain::onto_channels(x, weight.unpack(), bias, residual);
        }
        linear::onto_channels(family(Operation::Linear), x, weight, bias, residual)
    }

    fn attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 4>>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        if !trusted(Operation::Attention) {
            return plain::attention(q, k, v, bias, scale);
        }
        attention::attention(family(Operation::Attention), q, k, v, bias, scale)
    }

    fn self_attention(qkv: Tensor<Self, 3>, heads: usize, scale: f64) -> Tensor<Self, 3> {
        if !trusted(Operation::Attention) {
            return plain::self_attention(qkv, heads, scale);
        }
        attention::self_attention(family(Operation::Attention), qkv, heads, scale)
    }

    fn conv2d(
        x: Tensor<Self, 4>,
        weight: WeightRef<'_, Self, 4>,
        epilogue: Epilogue<Self, 4>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Self, 4> {
        if !trusted(Operation::Convolution) {
            return plain::conv2d(x, weight.unpack(), epilogue, geometry);
        }
        conv2d::conv2d(
            family(Operation::Convolution),
            x,
            weight,
            epilogue,
            geometry,
        )
    }

    fn conv1d(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 3>,
        epilogue: Epilogue<Self, 3>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        if !trusted(Operation::Convolution) {
            return plain::conv1d(x, weight.unpack(), epilogue, geometry);
        }
        conv2d::conv1d(
            family(Operation::Convolution),
            x,
            weight,
            epilogue,
            geometry,
        )
    }

    fn depthwise_conv1d(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 3>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        if !trusted(Operation::Depthwise) {
            return plain::depthwise_conv1d(x, weight, bias, geometry);
        }
        conv1d::depthwise(x, weight, bias, geometry)
    }

    fn conv_transpose1d(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 3>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        if !trusted(Operation::Transposed) {
            return plain::conv_transpose1d(x, weight.unpack(), bias, geometry);
        }
        conv1d::transposed(x, weight, bias, geometry)
    }

    fn group_norm(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Self, 4> {
        if !trusted(Operation::GroupNorm) {
            return plain::group_norm(x, groups, scale, shift, eps, activation);
        }
        norm::groups(
            family(Operation::GroupNorm),
            x,
            groups,
            scale,
            shift,
            eps,
            activation,
        )
    }

    fn group_norm_to_tokens(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, 3> {
        if !trusted(Operation::GroupNorm) {
            return plain::group_norm_to_tokens(x, groups, scale, shift, eps);
        }
        norm::groups_to_tokens(family(Operation::GroupNorm), x, groups, scale, shift, eps)
    }

    fn layer_norm<const D: usize>(
        x: Tensor<Self, D>,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, D> {
        if !trusted(Operation::LayerNorm) {
            return plain::layer_norm(x, scale, shift, eps);
        }
        norm::rows(family(Operation::LayerNorm), x, scale, shift, eps)
    }
}

// In a browser, tests/wasm_networks.rs compares the devices.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
