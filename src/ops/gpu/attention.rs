//! The launcher of `kernels/attention.wgsl` and `kernels/attention_tiled.wgsl`.

use burn::tensor::Tensor;

use burn::backend::wgpu::into_contiguous;

use super::{Extras, Family, Gpu, Kernel, Primitive, TILE, WIDTH, contiguous, plain};

/// The largest width of a head: its numbers are held in registers.
const LARGEST: usize = 128;

/// Fours of a query's row that one of its threads holds at most, beside as many of the result.
const SHARE: usize = 8;
/// Bytes of keys and values in workgroup memory; parts of scores take as many again.
const TILE_BYTES: usize = 8 << 10;
/// Keys in workgroup memory at most: beyond that barriers cost little.
const TILE_KEYS: usize = 64;
/// Keys whose scores a thread holds.
const CHUNK: usize = 8;

pub(super) fn kernel(family: Family, dim: usize, bias: bool) -> Kernel {
    let mut values = vec![("QUADS", dim / 4), ("BIAS", usize::from(bias))];
    match family {
        Family::Registers => {
            values.extend([("QUERIES", queries(dim)), ("WIDTH", WIDTH)]);
            Kernel {
                name: "attention",
                text: include_str!("../../../kernels/attention.wgsl"),
                values,
                width: WIDTH,
            }
        }
        Family::Tiles(Extras { half, .. }) => {
            let parts = (dim / 4).div_ceil(SHARE).next_power_of_two();
            let share = (dim / 4).div_ceil(parts);
            // A four of a key and one of its value.
            let four = if half { 2 * 8 } else { 2 * 16 };
            let keys = TILE_BYTES / (four * parts * share);
            let keys = (keys / CHUNK * CHUNK).min(TILE_KEYS);
            let width = TILE * parts;
            values.extend([("PARTS", parts), ("SPLIT", usize::from(parts > 1))]);
            values.extend([("SHARE", share), ("KEYS", keys), ("CHUNK", CHUNK)]);
            values.extend([("WIDTH", width), ("HALF", half.into())]);
            Kernel {
                name: "attention_tiled",
                text: concat!(
                    include_str!("../../../kernels/attention_tiled.wgsl"),
                    include_str!("../../../kernels/tile.wgsl")
                ),
                values,
                width,
            }
        }
    }
}

/// Queries of a thread: as many as registers have room for.
fn queries(dim: usize) -> usize {
    (64 / dim).clamp(1, 4)
}

/// See [`super::super::Kernels::attend`].
pub(super) fn attention(
    family: Family,
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
    let kernel = kernel(family, dim, bias.is_some());
    let mut sizes = [heads, length, keys].map(|size| size as u32).to_vec();
    sizes.push((scale as f32).to_bits());
    let mut tensors = Vec::with_capacity(4);
    for tensor in [q, k, v] {
        let (tensor, strides) = with_whole_rows(tensor);
        sizes.extend(strides);
        tensors.push(tensor);
    }
    let mut strides = [0; 4];
    if let Some(bias) = bias {
        let dims = bias.dims();
        let mut stride = 1;
        for axis in (0..4).rev() {
            strides[axis] = if dims[axis] == 1 { 0 } else { stride as u32 };
            stride *= dims[axis];
        }
        tensors.push(contiguous(bias));
    }
    sizes.extend(strides);
    sizes.push(0);
    let groups = match family {
        Family::Registers => length.div_ceil(queries(dim)).div_ceil(WIDTH),
        Family::Tiles(_) => length.div_ceil(TILE),
    };
    let groups = [groups, batch * heads, 1];
    let y = kernel.run(tensors, [batch, length, heads, dim], &sizes, groups);
    y.swap_dims(1, 2)
}

/// A tensor whose rows have no gaps, and its strides of items, heads and rows in fours. Heads that were
/// split off a row stay where they are.
fn with_whole_rows(tensor: Tensor<Gpu, 4>) -> (Primitive, [u32; 3]) {
    let mut tensor = tensor.into_primitive().tensor();
    let strides = tensor.meta.strides();
    if strides[3] != 1 || (0..3).any(|axis| !strides[axis].is_multiple_of(4)) {
        tensor = into_contiguous(tensor);
    }
    let strides = tensor.meta.strides();
    let fours = std::array::from_fn(|axis| (strides[axis] / 4) as u32);
    (tensor, fours)
}
