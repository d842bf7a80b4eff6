//! The launcher of `kernels/attention.wgsl` and `kernels/attention_tiled.wgsl`.

use burn::tensor::Tensor;

use burn::backend::wgpu::into_contiguous;

use super::{Extras, Family, Gpu, Kernel, Primitive, TILE, contiguous, plain};

/// The largest width of a head: its numbers are held in registers.
const LARGEST: usize = 128;

/// Threads of a workgroup: a head may have few.
const WIDTH: usize = 8;

/// Fours of a query's row that one of its threads holds at most, beside as many of the result.
const SHARE: usize = 8;
/// Bytes of keys and values in workgroup memory; parts of scores take as many again.
const TILE_BYTES: usize = 8 << 10;
/// Keys in workgroup memory at most: beyond that barriers cost little.
const TILE_KEYS: usize = 64;
/// Keys whose scores a thread holds.
const CHUNK: usize = 8;

/// What is bound beside the queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// Nothing: keys and values lie behind the queries.
    None,
    /// Keys and values.
    Bound,
    /// Keys, values and a bias.
    AndBias,
}

pub(super) fn kernel(family: Family, dim: usize, others: Others) -> Kernel {
    let (others, bias, result) = match others {
        Others::None => (0, 0, 1),
        Others::Bound => (1, 0, 3),
        Others::AndBias => (1, 1, 4),
    };
    let mut values = vec![("QUADS", dim / 4), ("OTHERS", others)];
    values.extend([("BIAS", bias), ("AT_Y", result)]);
    match family {
        Family::Registers => {
            let (queries, chunk) = (queries(dim), if dim <= 32 { 4 } else { 2 });
            values.extend([("QUERIES", queries), ("CHUNK", chunk), ("WIDTH", WIDTH)]);
            Kernel {
                name: "attention",
                text: concat!(
                    include_str!("../../../kernels/attention.wgsl"),
                    include_str!("../../../kernels/heads.wgsl")
                ),
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
                    include_str!("../../../kernels/heads.wgsl"),
                    include_str!("../../../kernels/tile.wgsl")
                ),
                values,
                width,
            }
        }
    }
}

/// Queries of a thread: the more of them the faster, but the longer a kernel the longer it takes to compile.
fn queries(dim: usize) -> usize {
    if dim <= 48 { 8 } else { 4 }
}

/// See [`super::super::Kernels::attention`].
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
    let mut tensors = Vec::with_capacity(4);
    let mut strides = Vec::with_capacity(13);
    for tensor in [q, k, v] {
        let (tensor, steps) = with_whole_rows(tensor);
        strides.extend(steps);
        tensors.push(tensor);
    }
    let mut steps = [0; 4];
    let others = if bias.is_some() {
        Others::AndBias
    } else {
        Others::Bound
    };
    if let Some(bias) = bias {
        let dims = bias.dims();
        let mut step = 1;
        for axis in (0..4).rev() {
            steps[axis] = if dims[axis] == 1 { 0 } else { step as u32 };
            step *= dims[axis];
        }
        tensors.push(contiguous(bias));
    }
    strides.extend(steps);
    // Keys and values begin where they are bound.
    strides.extend([0, 0, 0]);
    let call = Call {
        batch,
        heads,
        queries: length,
        keys,
        dim,
        scale,
        strides,
    };
    call.run(family, others, tensors).swap_dims(1, 2)
}

/// See [`super::super::Kernels::self_attention`].
pub(super) fn self_attention(
    family: Family,
    qkv: Tensor<Gpu, 3>,
    heads: usize,
    scale: f64,
) -> Tensor<Gpu, 3> {
    let [batch, length, width] = qkv.dims();
    let dim = width / 3 / heads;
    if !dim.is_multiple_of(4) || dim > LARGEST || length == 0 {
        return plain::self_attention(qkv, heads, scale);
    }
    let [item, row, part] = [length * width, width, width / 3].map(|step| (step / 4) as u32);
    let mut strides = [[item, (dim / 4) as u32, row]; 3].concat();
    strides.extend([0; 4]);
    strides.extend([part, 2 * part, 0]);
    let call = Call {
        batch,
        heads,
        queries: length,
        keys: length,
        dim,
        scale,
        strides,
    };
    let y = call.run(family, Others::None, vec![contiguous(qkv)]);
    y.flatten(2, 3)
}

/// What the kernel is told.
struct Call {
    batch: usize,
    heads: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    scale: f64,
    /// Of queries, keys and values, in fours: from one item, head and row to the next; of the bias: from one item,
    /// head, query and key to the next; where keys and values begin, in fours; nothing.
    strides: Vec<u32>,
}

impl Call {
    /// Gives `[batch, queries, heads, dim]`.
    fn run(self, family: Family, others: Others, tensors: Vec<Primitive>) -> Tensor<Gpu, 4> {
        let Self {
            batch,
            heads,
            queries: length,
            keys,
            dim,
            ..
        } = self;
        let mut sizes = [heads, length, keys].map(|size| size as u32).to_vec();
        sizes.push((self.scale as f32).to_bits());
        sizes.extend(self.strides);
        let groups = match family {
            Family::Registers => length.div_ceil(queries(dim)).div_ceil(WIDTH),
            Family::Tiles(_) => length.div_ceil(TILE),
        };
        let groups = [groups, batch * heads, 1];
        kernel(family, dim, others).run(tensors, [batch, length, heads, dim], &sizes, groups)
    }
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
