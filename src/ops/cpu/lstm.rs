//! The recurrence of an LSTM: one step after the other, four numbers at once.

use burn::tensor::{Tensor, TensorData};
use wide::f32x4;

use super::{
    Cpu, each_chunk, owned,
    vector::{LANES, each, load, sigmoid, tanh},
    with_values,
};

/// The gates of a unit.
const GATES: usize = 4;

/// See [`crate::ops::Kernels::lstm`].
pub(super) fn lstm(gates: Tensor<Cpu, 3>, weight: Tensor<Cpu, 2>, reverse: bool) -> Tensor<Cpu, 3> {
    let ([batch, steps, width], device) = (gates.dims(), gates.device());
    let hidden = width / GATES;
    let gates = owned(gates);
    let mut states = vec![0.0; batch * steps * hidden];
    with_values(weight, |weight| {
        each_chunk(&mut states, steps * hidden, |item, states| {
            let gates = &gates[item * steps * width..][..steps * width];
            recur(gates, weight, reverse, hidden, states);
        });
    });
    Tensor::from_data(TensorData::new(states, [batch, steps, hidden]), &device)
}

/// One item: `gates [steps, 4 hidden]` to `states [steps, hidden]`.
fn recur(gates: &[f32], weight: &[f32], reverse: bool, hidden: usize, states: &mut [f32]) {
    let (width, steps) = (GATES * hidden, states.len() / hidden);
    let mut sums = vec![0.0; width];
    let (mut cell, mut state) = (vec![0.0; hidden], vec![0.0; hidden]);
    for at in 0..steps {
        let step = if reverse { steps - 1 - at } else { at };
        sums.copy_from_slice(&gates[step * width..][..width]);
        if at > 0 {
            add_product(weight, &state, &mut sums);
        }
        let (input_forget, rest) = sums.split_at_mut(2 * hidden);
        let (candidate, output) = rest.split_at_mut(hidden);
        each(input_forget, sigmoid);
        each(candidate, tanh);
        each(output, sigmoid);
        let (input, forget) = input_forget.split_at(hidden);
        for (unit, cell) in cell.iter_mut().enumerate() {
            *cell = forget[unit] * *cell + input[unit] * candidate[unit];
        }
        state.copy_from_slice(&cell);
        each(&mut state, tanh);
        state
            .iter_mut()
            .zip(&*output)
            .for_each(|(state, output)| *state *= output);
        states[step * hidden..][..hidden].copy_from_slice(&state);
    }
}

/// Adds `weight x` to `sums`, four rows at a time so that `x` is read once for them.
fn add_product(weight: &[f32], x: &[f32], sums: &mut [f32]) {
    let columns = x.len();
    let whole = columns / LANES * LANES;
    for (rows, sums) in weight
        .chunks_exact(GATES * columns)
        .zip(sums.as_chunks_mut::<GATES>().0)
    {
        let rows: [&[f32]; GATES] = std::array::from_fn(|row| &rows[row * columns..][..columns]);
        let mut parts = [f32x4::ZERO; GATES];
        for at in (0..whole).step_by(LANES) {
            let own = load(x, at);
            for (part, row) in parts.iter_mut().zip(rows) {
                *part = load(row, at).mul_add(own, *part);
            }
        }
        for ((sum, part), row) in sums.iter_mut().zip(parts).zip(rows) {
            let rest = row[whole..].iter().zip(&x[whole..]).map(|(a, b)| a * b);
            *sum += part.reduce_add() + rest.sum::<f32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::numbers, *};
    use crate::ops::plain;

    #[test]
    fn states_equal_the_plain_form() {
        for (batch, steps, hidden) in [(1, 1, 1), (2, 7, 3), (3, 5, 8), (1, 40, 33)] {
            for reverse in [false, true] {
                let gates: Tensor<Cpu, 3> = numbers([batch, steps, 4 * hidden], 1) * 2.0;
                let weight: Tensor<Cpu, 2> = numbers([4 * hidden, hidden], 2);
                let found = lstm(gates.clone(), weight.clone(), reverse);
                assert_eq!(found.dims(), [batch, steps, hidden]);
                let error = (found - plain::lstm(gates, weight, reverse)).abs();
                let error = error.max().into_scalar();
                assert!(
                    error < 1e-5,
                    "{batch}, {steps}, {hidden}, {reverse}: {error}"
                );
            }
        }
    }

    /// One unit by hand: PyTorch's order of the gates.
    #[test]
    fn the_gates_are_input_forget_cell_and_output() {
        let gates = Tensor::<Cpu, 3>::from_floats(
            [[[0.3, -0.2, 0.8, 0.1], [-0.5, 0.4, 0.2, 0.6]]],
            &Default::default(),
        );
        let weight =
            Tensor::<Cpu, 2>::from_floats([[0.5], [-0.3], [0.7], [0.2]], &Default::default());
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let (mut c, mut h) = (0.0, 0.0);
        let mut expected = Vec::new();
        for [i, f, g, o] in [[0.3f64, -0.2, 0.8, 0.1], [-0.5, 0.4, 0.2, 0.6]] {
            let [i, f, g, o] = [i + 0.5 * h, f - 0.3 * h, g + 0.7 * h, o + 0.2 * h];
            c = sigmoid(f) * c + sigmoid(i) * g.tanh();
            h = sigmoid(o) * c.tanh();
            expected.push(h as f32);
        }
        for found in [
            lstm(gates.clone(), weight.clone(), false),
            plain::lstm(gates, weight, false),
        ] {
            let found = found.into_data().to_vec::<f32>().unwrap();
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-6, "{a} is not {b}");
            }
        }
    }
}
