//! What brings the two sides of a pair close together, and all others apart.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax, backend::Backend};

use crate::{Result, tensors::read};

/// InfoNCE in one direction: the cross-entropy with the diagonal. Van den Oord et al., "Representation Learning
/// with Contrastive Predictive Coding", 2018.
pub(super) fn info_nce<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 1> {
    let [count, _] = logits.dims();
    let places: Vec<i32> = (0..count as i32).collect();
    let places = TensorData::new(places, [count, 1]);
    cross_entropy(logits.clone(), Tensor::from_data(places, &logits.device()))
}

/// The mean of `-log softmax` at one column of each row.
pub(super) fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    columns: Tensor<B, 2, Int>,
) -> Tensor<B, 1> {
    log_softmax(logits, 1).gather(1, columns).mean().neg()
}

/// The mean of InfoNCE in both directions: Radford et al., "Learning Transferable Visual Models From Natural Language
/// Supervision", 2021.
pub(super) fn both_ways<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 1> {
    (info_nce(logits.clone()) + info_nce(logits.transpose())) / 2.0
}

/// How often the largest of a row of `logits [pairs, pairs]` is on the diagonal.
pub(super) fn retrieved<B: Backend>(logits: Tensor<B, 2>) -> Result<f64> {
    let [count, _] = logits.dims();
    let values = pollster::block_on(read(logits))?;
    let rows = values.chunks_exact(count).enumerate();
    let found = rows.filter(|(own, row)| row.iter().all(|value| *value <= row[*own]));
    Ok(found.count() as f64 / count as f64)
}
