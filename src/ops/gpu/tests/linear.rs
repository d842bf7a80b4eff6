//! Linear layers: rows, gates, channels, in both variants and in panels.

use burn::{
    module::Param,
    tensor::{Tensor, TensorData},
};

use super::{
    super::linear::{self, Algorithm},
    TILED_F16, agree_within, both, bound, epilogue, gpu, layer_variants, packed, possible,
};
use crate::{
    ops::{Activation, Cpu, Epilogue, Gpu, Packed, Weight, WeightRef, plain},
    quant::Encoding,
};

#[test]
fn linear_layers_agree() {
    if !gpu() {
        return;
    }
    let functions = [
        None,
        Some(Activation::None),
        Some(Activation::Silu),
        Some(Activation::Gelu),
        Some(Activation::QuickGelu),
    ];
    // One row, tiles and one more or less, shapes of the models; 6 is not a multiple of 4, and 7 not of 2.
    for (i, (rows, inputs, outputs)) in [
        (1, 4, 1),
        (3, 128, 5),
        (4, 16, 4),
        (5, 20, 129),
        (31, 64, 127),
        (9, 96, 13),
        (257, 256, 768),
        (32, 32, 64),
        (33, 36, 65),
        (7, 6, 9),
        (8, 7, 8),
    ]
    .into_iter()
    .enumerate()
    {
        for (variant, encoding) in layer_variants() {
            let shape = [outputs, inputs];
            let Some(weight) = Both::new(encoding, shape) else {
                continue;
            };
            let function = functions[i % functions.len()];
            let (x, x_cpu) = both([2, rows, inputs], 1);
            let (behind, behind_cpu) = epilogue([2, rows, outputs], outputs, false, function);
            let what = format!(
                "{rows} rows, {inputs} to {outputs}, {variant:?}, {encoding:?}, {function:?}"
            );
            let found = linear::linear(variant, x, weight.gpu.get(), behind);
            let expected = plain::linear(x_cpu, weight.cpu.get().unpack(), behind_cpu);
            agree_within(bound(variant), found, expected, &what);
        }
    }
}

#[test]
fn values_beyond_f16_are_clamped() {
    if !gpu() {
        return;
    }
    let device = Default::default();
    for variant in possible(&[TILED_F16]) {
        let x = TensorData::new(vec![1e6f32, -1e6, 0.0, 0.0], [1, 4]);
        let x = Tensor::<Gpu, 2>::from_data(x, &device);
        let w = TensorData::new(vec![1.0f32, 0.5, 0.0, 0.0], [1, 4]);
        let w = WeightRef::Dense(Tensor::from_data(w, &device));
        let y = linear::linear(variant, x, w, Epilogue::bias(None));
        assert_eq!(y.into_data().to_vec::<f32>().unwrap(), [32752.0]);
    }
}

/// A weight on both devices.
struct Both {
    gpu: Weight<Gpu, 2>,
    cpu: Weight<Cpu, 2>,
}

impl Both {
    /// Of `[out, in]`, where the shape can be packed.
    fn new(encoding: Encoding, shape: [usize; 2]) -> Option<Self> {
        let values = packed(encoding, &shape, 2)?;
        if values.encoding == Encoding::F32 {
            let (gpu, cpu) = both(shape, 2);
            return Some(Self {
                gpu: Weight::Dense(Param::from_tensor(gpu)),
                cpu: Weight::Dense(Param::from_tensor(cpu)),
            });
        }
        Some(Self {
            gpu: Weight::Packed(Packed::linear(&values, shape, &Default::default())),
            cpu: Weight::Packed(Packed::linear(&values, shape, &Default::default())),
        })
    }
}

#[test]
fn gated_layers_agree() {
    if !gpu() {
        return;
    }
    // Tiles of 4, 32 and 64 outputs and one more or less; 6 is not a multiple of 4.
    for (rows, inputs, outputs) in [
        (1, 4, 1),
        (9, 32, 4),
        (7, 64, 5),
        (33, 32, 31),
        (65, 96, 33),
        (40, 128, 512),
        (3, 6, 9),
    ] {
        for (variant, encoding) in layer_variants() {
            let Some(weight) = Both::new(encoding, [2 * outputs, inputs]) else {
                continue;
            };
            let (x, x_cpu) = both([2, rows, inputs], 1);
            let (bias, bias_cpu) = both([2 * outputs], 3);
            let found = linear::gated(variant, x, weight.gpu.get(), Some(bias));
            let expected = plain::geglu(x_cpu, weight.cpu.get().unpack(), Some(bias_cpu));
            let what = format!("{rows} rows, {inputs} to {outputs}, {variant:?}, {encoding:?}");
            agree_within(bound(variant), found, expected, &what);
        }
    }
}

#[test]
fn layers_onto_channels_agree() {
    if !gpu() {
        return;
    }
    for (batch, [rows, columns], inputs, outputs) in [
        (1, [1, 1], 4, 1),
        (2, [5, 7], 32, 9),
        (3, [8, 8], 64, 65),
        (2, [16, 4], 128, 128),
        (1, [3, 2], 6, 5),
    ] {
        for (variant, encoding) in layer_variants() {
            let Some(weight) = Both::new(encoding, [outputs, inputs]) else {
                continue;
            };
            let (x, x_cpu) = both([batch, rows * columns, inputs], 1);
            let (bias, bias_cpu) = both([outputs], 3);
            let (residual, residual_cpu) = both([batch, outputs, rows, columns], 4);
            let found = linear::onto_channels(variant, x, weight.gpu.get(), Some(bias), residual);
            let bias_cpu = Some(bias_cpu);
            let expected =
                plain::onto_channels(x_cpu, weight.cpu.get().unpack(), bias_cpu, residual_cpu);
            let what =
                format!("{rows} x {columns}, {inputs} to {outputs}, {variant:?}, {encoding:?}");
            agree_within(bound(variant), found, expected, &what);
        }
    }
}

#[test]
fn panels_agree() {
    if !gpu() {
        return;
    }
    // Panels that are full and not; inputs that are no whole stretch.
    for (batch, area, inputs, outputs) in [
        (1, 1, 4, 1),
        (3, 7, 36, 9),
        (1, 257, 64, 130),
        (2, 32, 96, 64),
    ] {
        for encoding in super::ENCODINGS {
            let (x, x_cpu) = both([batch, area, inputs], 1);
            let what = format!("{batch} x {area} rows, {inputs} to {outputs}, {encoding:?}");
            let agree = |found, expected| agree_within(super::BOUND, found, expected, &what);

            let Some(weight) = Both::new(encoding, [outputs, inputs]) else {
                continue;
            };
            let function = Some(Activation::Silu);
            let (behind, behind_cpu) = epilogue([batch, area, outputs], outputs, false, function);
            let found = linear::linear(Algorithm::Panels, x.clone(), weight.gpu.get(), behind);
            agree(
                found,
                plain::linear(x_cpu.clone(), weight.cpu.get().unpack(), behind_cpu),
            );

            let Some(gated) = Both::new(encoding, [2 * outputs, inputs]) else {
                continue;
            };
            let (bias, bias_cpu) = both([2 * outputs], 3);
            let found = linear::gated(Algorithm::Panels, x, gated.gpu.get(), Some(bias));
            agree(
                found,
                plain::geglu(x_cpu, gated.cpu.get().unpack(), Some(bias_cpu)),
            );
        }
    }
}

#[test]
fn panels_are_chosen_where_they_pay() {
    let panels = |rows, inputs, sums, encoding| linear::Panels {
        rows,
        inputs,
        sums,
        encoding,
    };
    for encoding in [Encoding::F32, Encoding::F16, Encoding::Q8, Encoding::Q4] {
        assert!(panels(257, 1280, 5120, encoding).pay());
        // The laying would take longer than the layer.
        assert!(!panels(8, 1280, 5120, encoding).pay());
        // Too little to launch three kernels for.
        assert!(!panels(64, 64, 64, encoding).pay());
        // More than there may be between kernels.
        assert!(!panels(4096, 4096, 16384, encoding).pay());
    }
    assert!(!panels(2048, 1282, 5120, Encoding::F32).pay());
}
