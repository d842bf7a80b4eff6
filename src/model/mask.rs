//! Attention masks, as numbers that are added to the scores.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// The number added to a score that must not count. The most negative finite one: a row that is
/// masked everywhere then becomes uniform rather than not-a-number.
const MASKED: f32 = f32::MIN;

/// A mask over keys: for each item of the batch, which keys count.
pub type KeyMask = Vec<Vec<bool>>;

/// `[1 or batch, 1, queries, past + queries]`: a query sees itself, the queries before it and the
/// `past` keys, but no key that `keys` (one entry for each of `past + queries`) leaves out.
pub fn causal_bias<B: Backend>(
    queries: usize,
    past: usize,
    keys: Option<&KeyMask>,
    device: &B::Device,
) -> Tensor<B, 4> {
    let total = past + queries;
    let batch = keys.map_or(1, Vec::len);
    let mut values = Vec::with_capacity(batch * queries * total);
    for item in 0..batch {
        for query in 0..queries {
            for key in 0..total {
                let counts = keys.is_none_or(|keys| keys[item][key]);
                let visible = key <= past + query && counts;
                values.push(if visible { 0.0 } else { MASKED });
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [batch, 1, queries, total]), device)
}

/// `[batch, 1, 1, keys]`: no query sees a key that `keys` leaves out.
pub fn key_bias<B: Backend>(keys: &KeyMask, device: &B::Device) -> Tensor<B, 4> {
    let length = keys.first().map_or(0, Vec::len);
    let values: Vec<f32> = keys
        .iter()
        .flatten()
        .map(|&counts| if counts { 0.0 } else { MASKED })
        .collect();
    Tensor::from_data(TensorData::new(values, [keys.len(), 1, 1, length]), device)
}
