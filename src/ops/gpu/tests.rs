//! Every kernel against its plain-tensor twin on the CPU, and its text against the portable limits.

mod attention;
mod linear;
mod lstm;
mod norm;
mod shapes;
mod text;

use burn::tensor::{Tensor, TensorData};
use std::{io::Write, sync::OnceLock};

use super::{
    conv2d,
    select::{
        self, Features, KernelSelection, Operation,
        Variant::{self, RegisterTiled, SharedMemoryTiled},
    },
    self_test::SelfTest,
    winograd,
};
use crate::{
    ops::{
        Activation, Conv1dGeometry, Conv2dGeometry, Cpu, Epilogue, Gpu, Kernels, Packed, WeightRef,
        plain,
    },
    quant::{Encoding, PackedValues},
};

/// The largest difference relative to the largest value: sums have another order.
const BOUND: f32 = 2e-5;
/// The same with f16 tiles: factors are off by a 2048th at most, and errors of many products mostly cancel.
const F16_BOUND: f32 = 1e-3;

/// Numbers between -1 and 1 without a pattern.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    crate::random::standard_normal(seed, 1, count)
        .into_iter()
        .map(|x| x.clamp(-1.0, 1.0))
        .collect()
}

/// The same tensor on both devices.
fn both<const D: usize>(shape: [usize; D], seed: u64) -> (Tensor<Gpu, D>, Tensor<Cpu, D>) {
    let data = TensorData::new(numbers(shape.iter().product(), seed), shape);
    (
        Tensor::from_data(data.clone(), &Default::default()),
        Tensor::from_data(data, &Default::default()),
    )
}

#[track_caller]
fn agree<const D: usize>(found: Tensor<Gpu, D>, expected: Tensor<Cpu, D>, what: &str) {
    agree_within(BOUND, found, expected, what);
}

#[track_caller]
fn agree_within<const D: usize>(
    bound: f32,
    found: Tensor<Gpu, D>,
    expected: Tensor<Cpu, D>,
    what: &str,
) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let found = found.into_data().to_vec::<f32>().unwrap();
    let expected = expected.into_data().to_vec::<f32>().unwrap();
    let largest = expected.iter().fold(1.0, |most: f32, x| most.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
        let error = (a - b).abs() / largest;
        assert!(error < bound, "{what}: element {i} is {a}, not {b}");
    }
}

/// Says that a part of a test was skipped, and counts it in the file that `ART2MUS_SKIPPED` names.
fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    if let Some(path) = std::env::var_os("ART2MUS_SKIPPED") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        writeln!(file.unwrap(), "{reason}").unwrap();
    }
}

/// The adapter that burn takes, if any answers, not even a software one.
fn adapter() -> Option<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    pollster::block_on(instance.request_adapter(&options)).ok()
}

/// Whether a GPU answers, whose kernels are then pinned; where tests must have one, they fail instead.
///
/// Left to itself the selection would go by times, and on a busy machine now and then take f16 tiles, which are not
/// as exact as most tests want it. What names a variant launches that one.
fn gpu() -> bool {
    static PINNED: OnceLock<()> = OnceLock::new();
    if adapter().is_some() {
        PINNED.get_or_init(|| {
            let pin = "register-tiled".parse().unwrap();
            pollster::block_on(select::select_kernels(&Default::default(), Some(&pin))).unwrap();
        });
        return true;
    }
    assert!(
        std::env::var_os("ART2MUS_REQUIRE_GPU").is_none(),
        "no GPU answers"
    );
    skipped("no GPU answers");
    false
}

/// Tiles without and with optional features.
const TILED: Variant = SharedMemoryTiled(Features {
    f16: false,
    subgroups: false,
});
const TILED_F16: Variant = SharedMemoryTiled(Features {
    f16: true,
    subgroups: false,
});
const TILED_SUBGROUPS: Variant = SharedMemoryTiled(Features {
    f16: false,
    subgroups: true,
});

/// Those of `variants` that the device can run; others are counted as skipped.
fn possible(variants: &[Variant]) -> Vec<Variant> {
    let adapter = adapter().unwrap();
    let has = |needed: bool, feature| {
        let there = !needed || adapter.features().contains(feature);
        if !there {
            skipped(&format!("the adapter has no {feature:?}"));
        }
        there
    };
    let mut variants = variants.to_vec();
    variants.retain(|variant| match variant {
        RegisterTiled => true,
        SharedMemoryTiled(Features { f16, subgroups }) => {
            has(*f16, wgpu::Features::SHADER_F16) && has(*subgroups, wgpu::Features::SUBGROUP)
        }
    });
    variants
}

/// The largest difference of a variant.
fn bound(variant: Variant) -> f32 {
    if variant == TILED_F16 {
        F16_BOUND
    } else {
        BOUND
    }
}

/// The layer_variants in which numbers lie in a bundle.
const ENCODINGS: [Encoding; 4] = [Encoding::F32, Encoding::F16, Encoding::Q8, Encoding::Q4];

/// Every variant with every encoding.
fn layer_variants() -> impl Iterator<Item = (Variant, Encoding)> {
    let variants = possible(&[RegisterTiled, TILED, TILED_F16]).into_iter();
    variants.flat_map(|variant| ENCODINGS.map(|encoding| (variant, encoding)))
}

/// Elements packed as in a bundle, where the shape allows it.
fn packed(encoding: Encoding, shape: &[usize], seed: u64) -> Option<PackedValues> {
    encoding.bytes(shape)?;
    let values = numbers(shape.iter().product(), seed);
    let (bytes, _) = encoding.encode(&values).unwrap();
    Some(PackedValues::from_bytes(encoding, bytes, values.len()).unwrap())
}

/// An epilogue with everything, or nothing.
fn epilogue<const D: usize>(
    shape: [usize; D],
    channels: usize,
    shifted: bool,
    activation: Option<Activation>,
) -> (Epilogue<Gpu, D>, Epilogue<Cpu, D>) {
    let Some(activation) = activation else {
        return (Epilogue::bias(None), Epilogue::bias(None));
    };
    let (bias, bias_cpu) = both([channels], 3);
    let (shift, shift_cpu) = both([shape[0], channels], 4);
    let (residual, residual_cpu) = both(shape, 5);
    (
        Epilogue {
            bias: Some(bias),
            shift: shifted.then_some(shift),
            activation,
            residual: Some(residual),
        },
        Epilogue {
            bias: Some(bias_cpu),
            shift: shifted.then_some(shift_cpu),
            activation,
            residual: Some(residual_cpu),
        },
    )
}

#[test]
fn two_dimensional_convolutions_agree() {
    if !gpu() {
        return;
    }
    for (i, (batch, inputs, outputs, [rows, columns], kernel, stride, padding)) in [
        (1, 1, 4, [1, 1], [1, 1], 1, 0),
        (2, 3, 8, [5, 7], [3, 3], 1, 1),
        (1, 8, 12, [16, 2], [3, 3], 1, 1),
        (1, 16, 20, [9, 8], [3, 3], 2, 1),
        (2, 32, 64, [64, 8], [1, 1], 1, 0),
        (1, 3, 16, [24, 24], [8, 8], 8, 0),
        (2, 128, 128, [13, 16], [3, 3], 1, 1),
        // Tiles and one more or less.
        (1, 33, 68, [5, 13], [3, 3], 1, 1),
        (1, 31, 60, [7, 9], [3, 3], 1, 1),
    ]
    .into_iter()
    .enumerate()
    {
        for (variant, encoding) in layer_variants() {
            let shape = [outputs, inputs, kernel[0], kernel[1]];
            let Some(values) = packed(encoding, &shape, 2) else {
                continue;
            };
            let (x, x_cpu) = both([batch, inputs, rows, columns], 1);
            let w = Packed::<Gpu>::convolution(&values, shape, &Default::default());
            let w_cpu = Packed::<Cpu>::convolution(&values, shape, &Default::default());
            let geometry = Conv2dGeometry {
                stride: [stride; 2],
                padding: [padding; 2],
            };
            let nothing = Epilogue::bias(None);
            let alone = plain::conv2d(x_cpu.clone(), w_cpu.unpack(), nothing, geometry);
            let function = (i % 2 == 0).then_some(Activation::None);
            let (behind, behind_cpu) = epilogue(alone.dims(), outputs, true, function);
            let expected = plain::conv2d(x_cpu, w_cpu.unpack(), behind_cpu, geometry);
            let what = format!(
                "{shape:?} on [{batch}, {inputs}, {rows}, {columns}], {variant:?}, {encoding:?}"
            );
            let found = conv2d::direct(variant, x, &w, behind, geometry);
            agree_within(bound(variant), found, expected, &what);
        }
    }
}

/// A convolution of 3 by 3 with as many outputs as inputs.
const SAME_SIZE: Conv2dGeometry = Conv2dGeometry {
    stride: [1; 2],
    padding: [1; 2],
};

#[test]
fn convolutions_with_fewer_products_agree() {
    if !gpu() {
        return;
    }
    // One tile, parts of tiles, one more or less; tiles, inputs and outputs that fill no block of the product.
    for (batch, inputs, outputs, [rows, columns]) in [
        (1, 1, 4, [1, 1]),
        (2, 3, 8, [5, 7]),
        (1, 8, 12, [4, 4]),
        (3, 6, 20, [3, 9]),
        (1, 16, 16, [33, 18]),
        (2, 32, 12, [16, 15]),
        (1, 64, 20, [17, 8]),
        (2, 128, 128, [128, 16]),
    ] {
        for encoding in ENCODINGS {
            let shape = [outputs, inputs, 3, 3];
            let Some(values) = packed(encoding, &shape, 2) else {
                continue;
            };
            let w = Packed::<Gpu>::convolution(&values, shape, &Default::default());
            let w_cpu = Packed::<Cpu>::convolution(&values, shape, &Default::default());
            let same = [batch, outputs, rows, columns];
            for function in [None, Some(Activation::None)] {
                let (x, x_cpu) = both([batch, inputs, rows, columns], 1);
                let (behind, behind_cpu) = epilogue(same, outputs, true, function);
                let what = format!("{shape:?} on {same:?}, {encoding:?}, {function:?}");
                let expected = plain::conv2d(x_cpu, w_cpu.unpack(), behind_cpu, SAME_SIZE);
                agree(winograd::conv2d(x, &w, behind), expected, &what);
            }
        }
    }
}

#[test]
fn fewer_products_round_little_more() {
    if !gpu() {
        return;
    }
    let (inputs, outputs, rows, columns) = (256, 8, 17, 14);
    let (x, x_cpu) = both([1, inputs, rows, columns], 1);
    let shape = [outputs, inputs, 3, 3];
    let w = numbers(shape.iter().product(), 2);
    let values = PackedValues::of(&w);
    let packed = Packed::<Gpu>::convolution(&values, shape, &Default::default());
    let found = winograd::conv2d(x, &packed, Epilogue::bias(None));
    let found = found.into_data().to_vec::<f32>().unwrap();
    let x = x_cpu.into_data().to_vec::<f32>().unwrap();
    let (mut largest, mut error) = (0.0f64, 0.0f64);
    for (at, found) in found.into_iter().enumerate() {
        let (o, r, c) = (at / (rows * columns), at / columns % rows, at % columns);
        let mut sum = 0.0;
        for (i, a, b) in (0..9 * inputs).map(|k| (k / 9, k / 3 % 3, k % 3)) {
            let (row, column) = ((r + a).wrapping_sub(1), (c + b).wrapping_sub(1));
            if row < rows && column < columns {
                let x = x[(i * rows + row) * columns + column];
                sum += f64::from(x) * f64::from(w[((o * inputs + i) * 3 + a) * 3 + b]);
            }
        }
        largest = largest.max(sum.abs());
        error = error.max((f64::from(found) - sum).abs());
    }
    assert!(error < 5e-6 * largest, "{error} of {largest}");
}

#[test]
fn fewer_products_are_chosen_where_they_pay() {
    let pays =
        |x, [outputs, inputs]: [usize; 2]| winograd::pays(x, [outputs, inputs, 3, 3], SAME_SIZE);
    assert!(pays([2, 128, 128, 16], [128, 128]));
    assert!(pays([1, 16, 512, 64], [16, 16]));
    // Few tiles for many weights, few channels, little to do, and more than may lie between the kernels.
    assert!(!pays([2, 640, 16, 2], [640, 640]));
    assert!(!pays([1, 1, 512, 64], [16, 1]));
    assert!(!pays([1, 16, 8, 8], [16, 16]));
    assert!(!pays([1, 128, 1024, 256], [128, 128]));
    // Other convolutions.
    let x = [2, 128, 128, 16];
    let down = Conv2dGeometry {
        stride: [2; 2],
        ..SAME_SIZE
    };
    assert!(!winograd::pays(x, [128, 128, 3, 3], down));
    assert!(!winograd::pays(x, [128, 128, 1, 1], SAME_SIZE));
    if !gpu() {
        return;
    }
    let (x, x_cpu) = both([1, 64, 30, 16], 1);
    let shape = [64, 64, 3, 3];
    let Some(values) = packed(Encoding::Q8, &shape, 2) else {
        panic!("64 inputs are whole blocks");
    };
    let w = Packed::<Gpu>::convolution(&values, shape, &Default::default());
    let w_cpu = Packed::<Cpu>::convolution(&values, shape, &Default::default());
    let nothing = Epilogue::bias(None);
    let found = conv2d::conv2d(RegisterTiled, x, WeightRef::Packed(&w), nothing, SAME_SIZE);
    let expected = plain::conv2d(x_cpu, w_cpu.unpack(), Epilogue::bias(None), SAME_SIZE);
    agree(found, expected, "chosen");
}

#[test]
fn one_dimensional_convolutions_agree() {
    if !gpu() {
        return;
    }
    for (inputs, outputs, samples, kernel, dilation) in [
        (64, 32, 33, 7, 1),
        (16, 16, 100, 11, 5),
        (8, 4, 9, 3, 3),
        (32, 4, 40, 7, 1),
    ] {
        for (variant, encoding) in layer_variants() {
            let Some(values) = packed(encoding, &[outputs, inputs, kernel], 2) else {
                continue;
            };
            let (x, x_cpu) = both([2, inputs, samples], 1);
            let shape = [outputs, inputs, 1, kernel];
            let w = Packed::<Gpu>::convolution(&values, shape, &Default::default());
            let w_cpu = Packed::<Cpu>::convolution(&values, shape, &Default::default());
            let function = Some(Activation::None);
            let (behind, behind_cpu) = epilogue([2, outputs, samples], outputs, true, function);
            let geometry = Conv1dGeometry {
                stride: 1,
                padding: dilation * (kernel - 1) / 2,
                dilation,
            };
            let what = format!(
                "{samples} samples, {inputs} to {outputs}, {kernel} by {dilation}, {encoding:?}"
            );
            let expected = plain::conv1d(x_cpu, w_cpu.unpack(), behind_cpu, geometry);
            let found = conv2d::conv1d(variant, x, WeightRef::Packed(&w), behind, geometry);
            agree_within(bound(variant), found, expected, &what);
        }
    }
}

#[test]
fn plain_weights_of_convolutions_agree() {
    if !gpu() {
        return;
    }
    let (x, x_cpu) = both([1, 5, 8, 8], 1);
    let (w, w_cpu) = both([6, 5, 3, 3], 2);
    let geometry = Conv2dGeometry {
        stride: [1; 2],
        padding: [1; 2],
    };
    let found = <Gpu as Kernels>::conv2d(x, WeightRef::Dense(w), Epilogue::bias(None), geometry);
    let expected = plain::conv2d(x_cpu, w_cpu, Epilogue::bias(None), geometry);
    agree(found, expected, "6 outputs");
}

#[test]
fn depthwise_convolutions_agree() {
    if !gpu() {
        return;
    }
    for (batch, channels, samples, kernel, stride, dilation) in [
        (1, 1, 1, 1, 1, 1),
        (2, 5, 33, 7, 1, 1),
        (1, 8, 40, 3, 2, 5),
        (1, 256, 65, 7, 1, 1),
    ] {
        let (x, x_cpu) = both([batch, channels, samples], 1);
        let (w, w_cpu) = both([channels, 1, kernel], 2);
        let (b, b_cpu) = both([channels], 3);
        let geometry = Conv1dGeometry {
            stride,
            padding: dilation * (kernel - 1) / 2,
            dilation,
        };
        let what = format!("{channels} channels, {samples} samples, {kernel} by {dilation}");
        for bias in [false, true] {
            let (b, b_cpu) = (bias.then(|| b.clone()), bias.then(|| b_cpu.clone()));
            let expected = plain::depthwise_conv1d(x_cpu.clone(), w_cpu.clone(), b_cpu, geometry);
            let found = Gpu::depthwise_conv1d(x.clone(), w.clone(), b, geometry);
            agree(found, expected, &what);
        }
    }
}

#[test]
fn transposed_convolutions_agree() {
    if !gpu() {
        return;
    }
    // The published upsamplers: 16 by 5, 16 by 4, 8 by 2, 4 by 2; and outputs that are not reached.
    for (inputs, outputs, samples, kernel, stride) in [
        (3, 4, 1, 1, 1),
        (8, 4, 21, 16, 5),
        (16, 12, 33, 16, 4),
        (6, 8, 40, 8, 2),
        (6, 8, 7, 4, 2),
        (5, 4, 9, 2usize, 3),
    ] {
        let (x, x_cpu) = both([2, inputs, samples], 1);
        let (b, b_cpu) = both([outputs], 3);
        let geometry = Conv1dGeometry {
            stride,
            padding: kernel.saturating_sub(stride) / 2,
            dilation: 1,
        };
        let Some(values) = packed(Encoding::F32, &[outputs, inputs, kernel], 2) else {
            continue;
        };
        let shape = [outputs, inputs, 1, kernel];
        let w = Packed::<Gpu>::convolution(&values, shape, &Default::default());
        let w_cpu = Packed::<Cpu>::convolution(&values, shape, &Default::default());
        let what = format!("{inputs} to {outputs}, {samples} samples, {kernel} by {stride}");
        let expected = plain::conv_transpose1d(x_cpu, w_cpu.unpack(), Some(b_cpu), geometry);
        let found = <Gpu as Kernels>::conv_transpose1d(x, WeightRef::Packed(&w), Some(b), geometry);
        agree(found, expected, &what);
    }
}

#[test]
fn tensors_that_lie_otherwise_in_memory_agree() {
    if !gpu() {
        return;
    }
    let (x, x_cpu) = both([2, 12, 8], 1);
    let (w, w_cpu) = both([12, 5], 2);
    let nothing = Epilogue::bias(None);
    let expected = plain::linear(x_cpu.swap_dims(1, 2), w_cpu.transpose(), nothing);
    let w = WeightRef::Dense(w.transpose());
    let found = <Gpu as Kernels>::linear(x.swap_dims(1, 2), w, Epilogue::bias(None));
    agree(found, expected, "transposed");
}

#[test]
fn nothing_that_the_device_has_fails_the_self_test() {
    if !gpu() {
        return;
    }
    let all = SharedMemoryTiled(Features {
        f16: true,
        subgroups: true,
    });
    let test = SelfTest {
        device: &Default::default(),
    };
    for variant in possible(&[RegisterTiled, TILED, all]) {
        let failed = pollster::block_on(test.failures(variant)).unwrap();
        assert_eq!(failed, [] as [Operation; 0], "{variant:?}");
    }
}

#[test]
fn a_selection_can_be_pinned_and_is_told() {
    if !gpu() {
        return;
    }
    // What is pinned here is as exact as what other tests have meanwhile.
    let device = Default::default();
    let before = select::selected_kernels(&device);
    let pin: KernelSelection = "register-tiled -winograd -panels".parse().unwrap();
    let told = pollster::block_on(select::select_kernels(&device, Some(&pin))).unwrap();
    assert_eq!(told, pin);
    assert_eq!(Gpu::kernels(&device), "register-tiled -winograd -panels");
    assert_eq!(select::variant(&device, Operation::Winograd), None);
    pollster::block_on(select::select_kernels(&device, Some(&before))).unwrap();
    // Whatever a device is found to be fastest with, it can be pinned to.
    let found = pollster::block_on(SelfTest { device: &device }.select()).unwrap();
    assert_eq!(found.to_string().parse::<KernelSelection>().unwrap(), found);
    let has = Features::of(&device);
    if !has.subgroups {
        let pin: KernelSelection = "shared-memory-tiled+subgroups".parse().unwrap();
        let refused = pollster::block_on(select::select_kernels(&device, Some(&pin))).unwrap_err();
        assert!(refused.to_string().contains("cannot run"), "{refused}");
    }
}
