//! The launcher of `kernels/attention.wgsl` and `kernels/attention_tiled.wgsl`.

use burn::{backend::wgpu::into_contiguous, tensor::Tensor};

use super::{
    launch::{Kernel, Primitive, TILE_SIDE, contiguous},
    select::{Features, Variant},
};
use crate::ops::{Gpu, plain};

/// The largest head dimension: a row is held in registers.
const MAX_DIM: usize = 128;

/// The workgroup size of register-tiled kernels: a head may have few queries.
const WORKGROUP_SIZE: usize = 8;

/// The most vec4s of a query's row per thread, beside as many of the result.
const SHARE: usize = 8;
/// Bytes of keys and values in workgroup memory; partial scores take as many again.
const TILE_BYTES: usize = 8 << 10;
/// The most keys in workgroup memory: beyond that barriers cost little.
const TILE_KEYS: usize = 64;
/// Keys per iteration.
const CHUNK: usize = 8;

/// What is bound beside the queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyValues {
    /// Nothing: queries, keys and values share one buffer.
    Joint,
    /// Keys and values.
    Separate,
    /// Keys, values and a bias.
    SeparateWithBias,
}

pub(super) fn kernel(variant: Variant, dim: usize, key_values: KeyValues) -> Kernel {
    let (separate, bias, result) = match key_values {
        KeyValues::Joint => (0, 0, 1),
        KeyValues::Separate => (1, 0, 3),
        KeyValues::SeparateWithBias => (1, 1, 4),
    };
    let mut values = vec![("QUADS", dim / 4), ("SEPARATE_KV", separate)];
    values.extend([("BIAS", bias), ("AT_Y", result)]);
    match variant {
        Variant::RegisterTiled => {
            let (queries, chunk) = (queries(dim), if dim <= 32 { 4 } else { 2 });
            values.extend([
                ("QUERIES", queries),
                ("CHUNK", chunk),
                ("WORKGROUP_SIZE", WORKGROUP_SIZE),
            ]);
            Kernel {
                name: "attention",
                values,
                workgroup_size: WORKGROUP_SIZE,
            }
        }
        Variant::SharedMemoryTiled(Features { f16, .. }) => {
            let parts = (dim / 4).div_ceil(SHARE).next_power_of_two();
            let share = (dim / 4).div_ceil(parts);
            // A vec4 of a key and one of its value.
            let vec4 = if f16 { 2 * 8 } else { 2 * 16 };
            let keys = TILE_BYTES / (vec4 * parts * share);
            let keys = (keys / CHUNK * CHUNK).min(TILE_KEYS);
            let workgroup_size = TILE_SIDE * parts;
            values.extend([("PARTS", parts), ("SPLIT", usize::from(parts > 1))]);
            values.extend([("SHARE", share), ("KEYS", keys), ("CHUNK", CHUNK)]);
            values.extend([
                ("WORKGROUP_SIZE", workgroup_size),
                ("F16_TILES", f16.into()),
            ]);
            Kernel {
                name: "attention_tiled",
                values,
                workgroup_size,
            }
        }
    }
}

/// Queries per thread: more are faster, but longer kernels take longer to compile.
fn queries(dim: usize) -> usize {
    if dim <= 48 { 8 } else { 4 }
}

/// See [`crate::ops::Kernels::attention`].
pub(super) fn attention(
    variant: Variant,
    q: Tensor<Gpu, 4>,
    k: Tensor<Gpu, 4>,
    v: Tensor<Gpu, 4>,
    bias: Option<Tensor<Gpu, 4>>,
    scale: f64,
) -> Tensor<Gpu, 4> {
    let [batch, heads, length, dim] = q.dims();
    let keys = k.dims()[2];
    if !dim.is_multiple_of(4) || dim > MAX_DIM || v.dims()[3] != dim || keys == 0 {
        return plain::attention(q, k, v, bias, scale);
    }
    let mut tensors = Vec::with_capacity(4);
    let mut strides = Vec::with_capacity(13);
    for tensor in [q, k, v] {
        let (tensor, steps) = with_contiguous_rows(tensor);
        strides.extend(steps);
        tensors.push(tensor);
    }
    let mut steps = [0; 4];
    let key_values = if bias.is_some() {
        KeyValues::SeparateWithBias
    } else {
        KeyValues::Separate
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
    // The offsets of keys and values in their buffers.
    strides.extend([0, 0, 0]);
    let launch = Launch {
        batch,
        heads,
        queries: length,
        keys,
        dim,
        scale,
        strides,
    };
    launch.run(variant, key_values, tensors).swap_dims(1, 2)
}

/// See [`crate::ops::Kernels::self_attention`].
pub(super) fn self_attention(
    variant: Variant,
    qkv: Tensor<Gpu, 3>,
    heads: usize,
    scale: f64,
) -> Tensor<Gpu, 3> {
    let [batch, length, width] = qkv.dims();
    let dim = width / 3 / heads;
    if !dim.is_multiple_of(4) || dim > MAX_DIM || length == 0 {
        return plain::self_attention(qkv, heads, scale);
    }
    let [item, row, part] = [length * width, width, width / 3].map(|step| (step / 4) as u32);
    let mut strides = [[item, (dim / 4) as u32, row]; 3].concat();
    strides.extend([0; 4]);
    strides.extend([part, 2 * part, 0]);
    let launch = Launch {
        batch,
        heads,
        queries: length,
        keys: length,
        dim,
        scale,
        strides,
    };
    let y = launch.run(variant, KeyValues::Joint, vec![contiguous(qkv)]);
    y.flatten(2, 3)
}

/// The sizes of a launch.
struct Launch {
    batch: usize,
    heads: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    scale: f64,
    /// Of queries, keys and values: item, head and row strides in units of vec4; of the bias: item, head, query and
    /// key strides; the offsets of keys and values in units of vec4; an unused number.
    strides: Vec<u32>,
}

impl Launch {
    /// Gives `[batch, queries, heads, dim]`.
    fn run(
        self,
        variant: Variant,
        key_values: KeyValues,
        tensors: Vec<Primitive>,
    ) -> Tensor<Gpu, 4> {
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
        let groups = match variant {
            Variant::RegisterTiled => length.div_ceil(queries(dim)).div_ceil(WORKGROUP_SIZE),
            Variant::SharedMemoryTiled(_) => length.div_ceil(TILE_SIDE),
        };
        let groups = [groups, batch * heads, 1];
        kernel(variant, dim, key_values).run(tensors, [batch, length, heads, dim], &sizes, groups)
    }
}

/// A tensor with contiguous rows, and its strides of items, heads and rows in units of vec4. Heads that were split
/// off a row are not copied.
fn with_contiguous_rows(tensor: Tensor<Gpu, 4>) -> (Primitive, [u32; 3]) {
    let mut tensor = tensor.into_primitive().tensor();
    let strides = tensor.meta.strides();
    if strides[3] != 1 || (0..3).any(|axis| !strides[axis].is_multiple_of(4)) {
        tensor = into_contiguous(tensor);
    }
    let strides = tensor.meta.strides();
    let strides = std::array::from_fn(|axis| (strides[axis] / 4) as u32);
    (tensor, strides)
}
