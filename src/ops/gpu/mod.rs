//! The operations of the GPU device: WGSL kernels where there is one, burn's own operations elsewhere.
//!
//! Kernels lie in `kernels/`. Shapes reach them as numbers, never as text: a kernel is compiled once for
//! each of its template values, and these are few.

mod attention;
mod conv2d;
mod linear;
mod norm;
mod template;

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

use super::{Activation, Conv1dGeometry, Conv2dGeometry, Gpu, Kernels, plain};

/// The invocations of a workgroup.
///
/// A software adapter spreads workgroups over the processor's cores, and small ones over all of them; a
/// GPU leaves half of its lanes idle below 32 or 64. 32 is what both can live with.
const WIDTH: usize = 32;

/// A kernel with its template values.
#[derive(Debug)]
struct Kernel {
    /// The file's name, which tells kernels apart.
    name: &'static str,
    text: &'static str,
    values: Vec<(&'static str, usize)>,
}

impl Kernel {
    /// The kernel written out.
    fn wgsl(&self) -> String {
        template::expand(self.text, &self.values)
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
        let handle = client.empty(shape.num_elements() * size_of::<f32>());
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
        let kernel = SourceKernel::new(self, CubeDim::new_1d(WIDTH as u32));
        client.launch(Box::new(kernel), CubeCount::Static(x, y, z), arguments);
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

impl Kernels for Gpu {
    fn project<const D: usize>(
        x: Tensor<Self, D>,
        weight: Tensor<Self, 2>,
        bias: Option<Tensor<Self, 1>>,
    ) -> Tensor<Self, D> {
        linear::linear(x, weight, bias)
    }

    fn attend(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 4>>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        attention::attention(q, k, v, bias, scale)
    }

    fn convolve_2d(
        x: Tensor<Self, 4>,
        weight: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Self, 4> {
        conv2d::conv2d(x, weight, bias, geometry)
    }

    fn convolve_1d(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 3>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        conv2d::conv1d(x, weight, bias, geometry)
    }

    fn normalise_groups(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Self, 4> {
        norm::groups(x, groups, scale, shift, eps, activation)
    }

    fn normalise_rows<const D: usize>(
        x: Tensor<Self, D>,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, D> {
        norm::rows(x, scale, shift, eps)
    }
}

// In a browser, tests/wasm_networks.rs compares the devices.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
