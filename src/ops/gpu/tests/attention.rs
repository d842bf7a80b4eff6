//! Attention, in both variants.

use burn::tensor::{Tensor, TensorData};

use super::{
    super::attention, BOUND, RegisterTiled, TILED, TILED_F16, agree, agree_within, both, bound,
    gpu, possible,
};
use crate::ops::{Cpu, Gpu, plain};

/// More than networks have: scores of up to 20, whose sums need the running maximum.
const SCALE: f64 = 3.0;
/// What keys of 16 bits do to scores of that size grows in the exponential.
const F16_BOUND: f32 = 5.0 * super::F16_BOUND;

#[test]
fn attention_agrees() {
    if !gpu() {
        return;
    }
    let variants = possible(&[RegisterTiled, TILED, TILED_F16]);
    for (batch, heads, queries, keys, dim) in [
        (1, 1, 1, 1, 8),
        (2, 4, 33, 9, 16),
        (1, 8, 130, 130, 16),
        (1, 2, 31, 64, 32),
        (1, 1, 17, 40, 64),
        (2, 2, 5, 7, 80),
        (1, 2, 5, 7, 128),
        (1, 2, 5, 7, 6),
        // Tiles of queries and of keys and one more or less; threads whose share of a row is not full; a trunk.
        (1, 1, 65, 63, 4),
        (1, 2, 64, 65, 12),
        (1, 1, 63, 33, 36),
        (2, 1, 66, 25, 68),
        (1, 1, 65, 17, 128),
        (1, 2, 257, 257, 80),
    ] {
        let (q, q_cpu) = both([batch, heads, queries, dim], 1);
        let (k, k_cpu) = both([batch, heads, keys, dim], 2);
        let (v, v_cpu) = both([batch, heads, keys, dim], 3);
        // A bias for every item and key, and one for everything; the last keys are masked out.
        let mask: Vec<f32> = (0..keys)
            .map(|s| if s > keys / 2 { -1e9 } else { 0.0 })
            .collect();
        let mask = TensorData::new(mask, [1, 1, 1, keys]);
        let masked = |shape: [usize; 4]| {
            let (bias, bias_cpu) = both(shape, 4);
            let mask_cpu = Tensor::from_data(mask.clone(), &Default::default());
            let mask = Tensor::from_data(mask.clone(), &Default::default());
            (bias + mask, bias_cpu + mask_cpu)
        };
        let (bias, bias_cpu) = masked([batch, 1, 1, keys]);
        let (full, full_cpu) = masked([batch, heads, queries, keys]);
        let plainly = |bias: Option<&Tensor<Cpu, 4>>| {
            let (q, k, v) = (q_cpu.clone(), k_cpu.clone(), v_cpu.clone());
            plain::attention(q, k, v, bias.cloned(), SCALE)
        };
        let (with, with_full, without) = (
            plainly(Some(&bias_cpu)),
            plainly(Some(&full_cpu)),
            plainly(None),
        );
        // Heads that were split off rows, as the networks have them.
        let split = |x: &Tensor<Gpu, 4>| (x.clone().swap_dims(1, 2) * 1.0).swap_dims(1, 2);
        for &variant in &variants {
            let what = format!("[{batch}, {heads}, {queries}, {dim}] on {keys} keys, {variant:?}");
            let bound = if variant == TILED_F16 {
                F16_BOUND
            } else {
                BOUND
            };
            let run = |bias: Option<&Tensor<Gpu, 4>>| {
                let (q, k, v) = (q.clone(), k.clone(), v.clone());
                attention::attention(variant, q, k, v, bias.cloned(), SCALE)
            };
            agree_within(bound, run(Some(&bias)), with.clone(), &what);
            agree_within(bound, run(Some(&full)), with_full.clone(), &what);
            agree_within(bound, run(None), without.clone(), &what);
            let (q, k, v) = (split(&q), split(&k), split(&v));
            let found = attention::attention(variant, q, k, v, None, SCALE);
            agree_within(bound, found, without.clone(), &what);
        }
    }
}

#[test]
fn attention_to_itself_agrees() {
    if !gpu() {
        return;
    }
    for (batch, heads, tokens, dim) in [
        (1, 1, 1, 8),
        (2, 4, 33, 16),
        (1, 3, 65, 20),
        (2, 2, 70, 80),
        (1, 2, 5, 6),
    ] {
        let (qkv, qkv_cpu) = both([batch, tokens, 3 * heads * dim], 1);
        let expected = plain::self_attention(qkv_cpu, heads, 0.25);
        for variant in possible(&[RegisterTiled, TILED, TILED_F16]) {
            let found = attention::self_attention(variant, qkv.clone(), heads, 0.25);
            let what = format!("{batch} x {tokens} tokens, {heads} heads of {dim}, {variant:?}");
            agree_within(bound(variant), found, expected.clone(), &what);
        }
    }
}

#[test]
fn queries_whose_keys_are_all_masked_attend_equally() {
    if !gpu() {
        return;
    }
    let (q, _) = both([1, 1, 3, 16], 1);
    let (k, _) = both([1, 1, 70, 16], 2);
    let (v, v_cpu) = both([1, 1, 70, 16], 3);
    let bias = Tensor::<Gpu, 4>::full([1, 1, 1, 70], f32::MIN, &Default::default());
    let expected = v_cpu.mean_dim(2).repeat_dim(2, 3);
    for variant in [RegisterTiled, TILED] {
        let (q, k, v) = (q.clone(), k.clone(), v.clone());
        let found = attention::attention(variant, q, k, v, Some(bias.clone()), 0.25);
        agree(found, expected.clone(), &format!("{variant:?}"));
    }
}
