//! Releasing memory in a browser.
//!
//! There a dropped buffer stays on the GPU until it is garbage-collected, which may be never: the collector does not
//! see how large it is. So the buffers of a network's parameters, nearly all of its memory, are destroyed explicitly.

use burn::{
    backend::wgpu::{CubeTensor, WgpuDevice, WgpuRuntime},
    module::{Module, ModuleVisitor, Param},
    tensor::{Int, Tensor},
};
use cubecl::{Runtime, client::ComputeClient};

use crate::ops::Gpu;

/// See [`crate::ops::Kernels::release`]. Nothing of the network may be waiting to be computed.
pub(super) fn release<M: Module<Gpu>>(network: M, device: &WgpuDevice) {
    let client = WgpuRuntime::client(device);
    let mut parameters = Parameters {
        client: client.clone(),
        buffers: Vec::new(),
        bytes: 0,
    };
    network.visit(&mut parameters);
    let before = in_use(&client);
    drop(network);
    let given_back = before.saturating_sub(in_use(&client));
    // From here on no new tensor gets one of these buffers.
    client.memory_cleanup();
    // A parameter that somebody holds still must not lose its memory.
    if given_back >= parameters.bytes {
        parameters.buffers.iter().for_each(wgpu::Buffer::destroy);
    }
}

fn in_use(client: &ComputeClient<WgpuRuntime>) -> u64 {
    client.memory_usage().map_or(0, |usage| usage.bytes_in_use)
}

/// The buffers of a network's parameters.
struct Parameters {
    client: ComputeClient<WgpuRuntime>,
    buffers: Vec<wgpu::Buffer>,
    bytes: u64,
}

impl Parameters {
    fn add(&mut self, tensor: CubeTensor<WgpuRuntime>) {
        if let Ok(found) = self.client.get_resource(tensor.handle) {
            let found = found.resource();
            self.bytes += found.size;
            self.buffers.push(found.buffer.clone());
        }
    }
}

impl ModuleVisitor<Gpu> for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Gpu, D>>) {
        self.add(param.val().into_primitive().tensor());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<Gpu, D, Int>>) {
        self.add(param.val().into_primitive());
    }
}
