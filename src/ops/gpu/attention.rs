//! The launcher of `kernels/attention.wgsl`.

use burn::tensor::Tensor;

use super::{Gpu, Kernel, WIDTH, contiguous, plain};

/// The largest width of a head: its numbers are held in registers.
const LARGEST: usize = 128;

pub(super) fn kernel(dim: usize, bias: bool) -> Kernel {
    Kernel {
        name: "attention",
        text: include_str!("../../../kernels/attention.wgsl"),
        values: vec![
            ("QUADS", dim / 4),
            ("QUERIES", queries(dim)),
            ("WIDTH", WIDTH),
            ("BIAS", usize::from(bias)),
        ],
    }
}

/// Queries of a thread: as many as registers have room for.
fn queries(dim: usize) -> usize {
    (64 / dim).clamp(1, 4)
}

/// See [`super::super::Kernels::attend`].
pub(super) fn attention(
    q: Tensor<Gpu, 4>,
    k: Tensor<Gpu, 4>,
    v: Tensor<Gpu, 4>,
    bias: Option<Tensor<Gpu, 4>>,
    scale: f64,
) -> Tensor<Gpu, 4> {
    let [batch, heads, length, dim] = q.dims();
    let keys = k.dims()[2];
    if !dim.is_multiple_of(4) || dim > LARGEST || v.dims()[3] != dim || keys == 0 {
        return plain::attention(q, k, v, bias, scale);
    }
    let kernel = kernel(dim, bias.is_some());
    let mut tensors = vec![contiguous(q), contiguous(k), contiguous(v)];
    let mut strides = [0; 4];
    if let Some(bias) = bias {
        let dims = bias.dims();
        let mut stride = 1;
        for axis in (0..4).rev() {
            strides[axis] = if dims[axis] == 1 { 0 } else { stride };
            stride *= dims[axis];
        }
        tensors.push(contiguous(bias));
    }
    let [item, head, query, key] = strides;
    let sizes = [batch * heads, length, keys, heads, item, head, query, key];
    let mut sizes = sizes.map(|size| size as u32).to_vec();
    sizes.extend([(scale as f32).to_bits(), 0, 0, 0]);
    let groups = [
        length.div_ceil(queries(dim)).div_ceil(WIDTH),
        batch * heads,
        1,
    ];
    kernel.run(tensors, [batch, heads, length, dim], &sizes, groups)
}
