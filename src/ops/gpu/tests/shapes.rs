//! Kernels on random shapes, beside the chosen ones of the other tests.

use burn::module::Param;
use proptest::prelude::*;

use super::{
    super::{attention, conv2d, linear, norm},
    RegisterTiled, SAME_SIZE, TILED, agree, both, gpu, possible,
};
use crate::{
    ops::{Activation, Cpu, Epilogue, Gpu, Packed, Weight, plain},
    quant::PackedValues,
};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn linear_layers_of_any_shape_agree(rows in 1usize..80, inputs in 1usize..70, outputs in 1usize..80) {
        if !gpu() {
            return Ok(());
        }
        let ((x, x_cpu), (w, w_cpu)) = (both([rows, inputs], 1), both([outputs, inputs], 2));
        let weight: Weight<Gpu, 2> = Weight::Dense(Param::from_tensor(w));
        let expected = plain::linear(x_cpu, w_cpu, Epilogue::bias(None));
        for variant in possible(&[RegisterTiled, TILED]) {
            let found = linear::linear(variant, x.clone(), weight.get(), Epilogue::bias(None));
            agree(found, expected.clone(), &format!("{rows} x {inputs} to {outputs}, {variant:?}"));
        }
    }

    #[test]
    fn convolutions_of_any_shape_agree(
        inputs in 1usize..20, quads in 1usize..6, rows in 1usize..14, columns in 1usize..14,
    ) {
        if !gpu() {
            return Ok(());
        }
        let shape = [4 * quads, inputs, 3, 3];
        let values = PackedValues::of(&super::numbers(shape.iter().product(), 2));
        let w = Packed::<Gpu>::convolution(&values, shape, &Default::default());
        let w_cpu = Packed::<Cpu>::convolution(&values, shape, &Default::default());
        let (x, x_cpu) = both([1, inputs, rows, columns], 1);
        let expected = plain::conv2d(x_cpu, w_cpu.unpack(), Epilogue::bias(None), SAME_SIZE);
        for variant in possible(&[RegisterTiled, TILED]) {
            let found = conv2d::direct(variant, x.clone(), &w, Epilogue::bias(None), SAME_SIZE);
            agree(found, expected.clone(), &format!("{shape:?} on {rows} x {columns}, {variant:?}"));
        }
    }

    #[test]
    fn attention_of_any_shape_agrees(
        heads in 1usize..4, queries in 1usize..80, keys in 1usize..80, quads in 1usize..12,
    ) {
        if !gpu() {
            return Ok(());
        }
        let dim = 4 * quads;
        let (q, q_cpu) = both([1, heads, queries, dim], 1);
        let (k, k_cpu) = both([1, heads, keys, dim], 2);
        let (v, v_cpu) = both([1, heads, keys, dim], 3);
        let expected = plain::attention(q_cpu, k_cpu, v_cpu, None, 0.25);
        for variant in possible(&[RegisterTiled, TILED]) {
            let (q, k, v) = (q.clone(), k.clone(), v.clone());
            let found = attention::attention(variant, q, k, v, None, 0.25);
            let what = format!("{heads} heads, {queries} on {keys} keys of {dim}, {variant:?}");
            agree(found, expected.clone(), &what);
        }
    }

    #[test]
    fn group_norms_of_any_shape_agree(
        groups in 1usize..5, each in 1usize..5, rows in 1usize..20, columns in 1usize..20,
    ) {
        if !gpu() {
            return Ok(());
        }
        // A single element has no deviation, and the result is the rounding of 0 / sqrt(eps).
        prop_assume!(each * rows * columns > 1);
        let channels = groups * each;
        let (x, x_cpu) = both([1, channels, rows, columns], 1);
        let ((scale, scale_cpu), (shift, shift_cpu)) = (both([channels], 2), both([channels], 3));
        let none = Activation::None;
        let expected = plain::group_norm(x_cpu, groups, scale_cpu, shift_cpu, 1e-5, none);
        for variant in possible(&[RegisterTiled, TILED]) {
            let (x, scale, shift) = (x.clone(), scale.clone(), shift.clone());
            let found = norm::groups(variant, x, groups, scale, shift, 1e-5, none);
            let what = format!("{channels} x {rows} x {columns} in {groups}, {variant:?}");
            agree(found, expected.clone(), &what);
        }
    }
}
