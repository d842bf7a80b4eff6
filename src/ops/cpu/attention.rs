//! Attention in blocks of queries: products of matrices, and a softmax of four scores at once between
//! them. Only the scores of a block are ever there.

use burn::tensor::{Tensor, TensorData};
use std::{f64::consts::LOG2_E, ops::Range};
use wide::f32x4;

use super::{
    Cpu, map, owned,
    product::Matrices,
    vector::{self, LANES},
};

/// Scores of a block.
const SCORES: usize = 1 << 18;

/// See [`super::super::Kernels::attention`].
pub(super) fn attention(
    q: Tensor<Cpu, 4>,
    k: Tensor<Cpu, 4>,
    v: Tensor<Cpu, 4>,
    bias: Option<Tensor<Cpu, 4>>,
    scale: f64,
) -> Tensor<Cpu, 4> {
    let ([batch, heads, queries, _], [_, _, keys, dim]) = (q.dims(), v.dims());
    let device = q.device();
    // A power of two is quicker than one of e.
    let bias = bias.map(|bias| (bias * LOG2_E).expand([batch, heads, queries, keys]));
    let q = q * (scale * LOG2_E);
    let each = (SCORES / keys.max(1)).clamp(1, queries.max(1));
    let blocks: Vec<Block> = (0..batch * heads)
        .flat_map(|head| {
            let firsts = (0..queries).step_by(each);
            firsts.map(move |first| Block {
                head: [head / heads, head % heads],
                first,
            })
        })
        .collect();
    // Parts of tensors are not copied: products read them where they are.
    let part = |x: &Tensor<Cpu, 4>, [item, head]: [usize; 2], rows: Range<usize>| {
        let [.., width] = x.dims();
        let x = x.clone();
        let part = x.slice([item..item + 1, head..head + 1, rows, 0..width]);
        part.squeeze_dim::<3>(1)
    };
    let heads_of_items: Vec<[usize; 2]> = (0..batch * heads)
        .map(|head| [head / heads, head % heads])
        .collect();
    let matrices = map(&heads_of_items, |head| {
        let all = |x| part(x, *head, 0..keys);
        [Matrices::of_lines(all(&k)), Matrices::of_places(all(&v))]
    });
    let parts = map(&blocks, |block| {
        let rows = block.first..queries.min(block.first + each);
        let count = rows.len();
        let [k, v] = &matrices[block.head[0] * heads + block.head[1]];
        let mut scores = k.product(part(&q, block.head, rows.clone()));
        if let Some(bias) = &bias {
            let bias = owned(part(bias, block.head, rows));
            scores.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
        let lines = scores.chunks_exact_mut(keys.max(1));
        let sums: Vec<f32> = lines.map(powers).collect();
        let scores = TensorData::new(scores, [1, count, keys]);
        let mut attended = v.product(Tensor::from_data(scores, &device));
        for (attended, sum) in attended.chunks_exact_mut(dim.max(1)).zip(sums) {
            attended.iter_mut().for_each(|x| *x /= sum);
        }
        attended
    });
    // Heads of a query lie together, where they are wanted next.
    let mut y = vec![0.0; batch * queries * heads * dim];
    for (block, attended) in blocks.iter().zip(parts) {
        let [item, head] = block.head;
        let rows = y
            .chunks_exact_mut(heads * dim)
            .skip(item * queries + block.first);
        for (row, attended) in rows.zip(attended.chunks_exact(dim)) {
            row[head * dim..][..dim].copy_from_slice(attended);
        }
    }
    let y = TensorData::new(y, [batch, queries, heads, dim]);
    Tensor::<Cpu, 4>::from_data(y, &device).swap_dims(1, 2)
}

/// Some queries of a head.
struct Block {
    /// The item and its head.
    head: [usize; 2],
    first: usize,
}

/// Puts `2^(x - largest)` in the place of each `x`, and gives their sum.
fn powers(row: &mut [f32]) -> f32 {
    let (fours, rest) = row.as_chunks::<LANES>();
    let least = f32x4::from(f32::NEG_INFINITY);
    let (most, check) = fours
        .iter()
        .fold((least, f32x4::ZERO), |(most, check), four| {
            let four = f32x4::from(*four);
            (most.fast_max(four), check + four)
        });
    let most = most.to_array().into_iter().chain(rest.iter().copied());
    let largest = most.fold(f32::NEG_INFINITY, f32::max);
    if (check.reduce_add() + rest.iter().sum::<f32>()).is_nan() {
        return f32::NAN;
    }
    let mut sum = f32x4::ZERO;
    let (fours, rest) = row.as_chunks_mut::<LANES>();
    for four in fours {
        let power = vector::exp2(f32x4::from(*four) - largest);
        *four = power.to_array();
        sum += power;
    }
    let rest = rest.iter_mut().map(|x| {
        *x = (*x - largest).exp2();
        *x
    });
    sum.reduce_add() + rest.sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::numbers, *};
    use crate::ops::plain;

    #[test]
    fn equals_the_plain_form() {
        // One query, a few, several blocks; keys that are no whole fours; other keys than queries.
        for (shape, keys) in [
            ([1, 1, 1, 8], 1),
            ([2, 3, 5, 16], 7),
            ([1, 2, 700, 24], 701),
            ([1, 2, 33, 80], 9),
        ] {
            let [batch, heads, _, dim] = shape;
            let (q, v) = (numbers(shape, 1), numbers([batch, heads, keys, dim], 3));
            let k = numbers([batch, heads, keys, dim], 2);
            // A mask: the last key is not seen by the first item.
            let hidden = |item: usize, key: usize| item == 0 && key > 0 && key == keys - 1;
            let mask: Vec<f32> = (0..batch * keys)
                .map(|i| {
                    if hidden(i / keys, i % keys) {
                        f32::NEG_INFINITY
                    } else {
                        0.0
                    }
                })
                .collect();
            let mask = TensorData::new(mask, [batch, 1, 1, keys]);
            let mask = Tensor::<Cpu, 4>::from_data(mask, &Default::default());
            for bias in [None, Some(mask)] {
                let found = attention(q.clone(), k.clone(), v.clone(), bias.clone(), 0.3);
                let expected = plain::attention(q.clone(), k.clone(), v.clone(), bias, 0.3);
                let error = (found - expected).abs().max().into_scalar();
                assert!(error < 1e-5, "{shape:?}, {keys} keys: {error}");
            }
        }
    }

    #[test]
    fn wrong_numbers_are_not_hidden() {
        let mut row = [0.5, f32::NAN, 1.0, 2.0, 0.0];
        assert!(powers(&mut row).is_nan());
    }
}
