//! Operations and networks in a real browser, on WebGPU and on the WebAssembly CPU device.
#![cfg(all(feature = "wgpu", target_family = "wasm"))]

use art2mus::{
    model::{
        gpt2::{Gpt2, Gpt2Config},
        hifigan::{HifiGan, HifiGanConfig},
        imagebind::{VisionConfig, VisionTrunk},
        params::{FreshInit, Params},
        trace::Trace,
        unet::{Context, ContextsOrWidth, PerLevel, Unet, UnetConfig},
        vae::{VaeConfig, VaeDecoder},
    },
    ops::{
        Activation, Conv1dGeometry, Conv2dGeometry, Cpu, Epilogue, Gpu, Kernels, Packed, WeightRef,
    },
    quant::{Encoding, PackedValues},
    tensors::read,
};
use burn::tensor::{Tensor, TensorData};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Two devices add the same numbers in another order.
const BOUND: f64 = 2e-3;

/// Numbers without a pattern, in -1..1, the same everywhere.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    art2mus::random::standard_normal(seed, 0, count)
}

fn tensor<B: Kernels, const D: usize>(
    shape: [usize; D],
    seed: u64,
    device: &B::Device,
) -> Tensor<B, D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed), shape);
    Tensor::from_data(data, device)
}

fn relative_error(expected: &[f32], found: &[f32]) -> f64 {
    assert_eq!(expected.len(), found.len());
    assert!(found.iter().all(|x| x.is_finite()));
    let square = |x: f32| f64::from(x).powi(2);
    let difference: f64 = expected.iter().zip(found).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = expected.iter().map(|&a| square(a)).sum();
    (difference / norm).sqrt()
}

async fn check<const D: usize>(name: &str, cpu: Tensor<Cpu, D>, gpu: Tensor<Gpu, D>) {
    assert_eq!(cpu.dims(), gpu.dims(), "{name}");
    let (cpu, gpu) = (read(cpu).await.unwrap(), read(gpu).await.unwrap());
    let error = relative_error(&cpu, &gpu);
    assert!(error < BOUND, "{name} is off by {error:.2e}");
}

/// The CPU device against a plain loop.
#[wasm_bindgen_test]
async fn linear_agrees_with_a_loop() {
    let device = Default::default();
    let (rows, inputs, outputs) = (5, 33, 17);
    let (x, w, b) = (
        numbers(rows * inputs, 1),
        numbers(outputs * inputs, 2),
        numbers(outputs, 3),
    );
    let mut expected = vec![0.0; rows * outputs];
    for row in 0..rows {
        for output in 0..outputs {
            let products = (0..inputs).map(|i| x[row * inputs + i] * w[output * inputs + i]);
            expected[row * outputs + output] = b[output] + products.sum::<f32>();
        }
    }
    let found = <Cpu as Kernels>::linear(
        tensor::<Cpu, 2>([rows, inputs], 1, &device),
        WeightRef::Dense(tensor([outputs, inputs], 2, &device)),
        Epilogue::bias(Some(tensor([outputs], 3, &device))),
    );
    assert!(relative_error(&expected, &read(found).await.unwrap()) < 1e-5);
}

/// Runs the same expression on both devices and compares.
macro_rules! on_both {
    ($name:expr, $gpu:expr, |$backend:ident, $device:ident| $body:expr) => {{
        let cpu = {
            type $backend = Cpu;
            let $device = &Default::default();
            $body
        };
        let gpu = {
            type $backend = Gpu;
            let $device = $gpu;
            $body
        };
        check($name, cpu, gpu).await;
    }};
}

#[wasm_bindgen_test]
async fn operations_agree() {
    let gpu = &art2mus::web::gpu_device().await.unwrap();
    // Sizes that kernels take, and one that they leave.
    for inputs in [64, 65] {
        on_both!("linear", gpu, |B, device| <B as Kernels>::linear(
            tensor::<B, 3>([2, 7, inputs], 1, device),
            WeightRef::Dense(tensor([31, inputs], 2, device)),
            Epilogue {
                activation: Activation::Gelu,
                residual: Some(tensor([2, 7, 31], 4, device)),
                ..Epilogue::bias(Some(tensor([31], 3, device)))
            },
        ));
    }
    for encoding in [Encoding::F16, Encoding::Q8, Encoding::Q4] {
        let (bytes, _) = encoding.encode(&numbers(12 * 288, 2)).unwrap();
        let values = PackedValues::from_bytes(encoding, bytes, 12 * 288).unwrap();
        on_both!("packed linear", gpu, |B, device| <B as Kernels>::linear(
            tensor::<B, 3>([2, 7, 288], 1, device),
            WeightRef::Packed(&Packed::linear(&values, [12, 288], device)),
            Epilogue::bias(Some(tensor([12], 3, device))),
        ));
        let same = Conv2dGeometry {
            stride: [1; 2],
            padding: [1; 2],
        };
        on_both!("packed conv2d", gpu, |B, device| <B as Kernels>::conv2d(
            tensor::<B, 4>([2, 32, 13, 8], 1, device),
            WeightRef::Packed(&Packed::convolution(&values, [12, 32, 3, 3], device)),
            Epilogue {
                shift: Some(tensor([2, 12], 4, device)),
                ..Epilogue::bias(Some(tensor([12], 3, device)))
            },
            same,
        ));
    }
    on_both!("attention", gpu, |B, device| <B as Kernels>::attention(
        tensor::<B, 4>([2, 3, 17, 8], 1, device),
        tensor([2, 3, 9, 8], 2, device),
        tensor([2, 3, 9, 8], 3, device),
        Some(tensor([2, 1, 1, 9], 4, device)),
        0.35,
    ));
    for reverse in [false, true] {
        on_both!("lstm", gpu, |B, device| <B as Kernels>::lstm(
            tensor::<B, 3>([2, 9, 4 * 37], 1, device),
            tensor::<B, 2>([4 * 37, 37], 2, device) / 6.0,
            reverse,
        ));
    }
    for stride in [1, 2] {
        let geometry = Conv2dGeometry {
            stride: [stride; 2],
            padding: [1; 2],
        };
        on_both!("conv2d", gpu, |B, device| <B as Kernels>::conv2d(
            tensor::<B, 4>([2, 6, 13, 8], 1, device),
            WeightRef::Dense(tensor([10, 6, 3, 3], 2, device)),
            Epilogue::bias(Some(tensor([10], 3, device))),
            geometry,
        ));
        let values = PackedValues::of(&numbers(12 * 6 * 9, 2));
        on_both!("conv2d of outputs in fours", gpu, |B, device| {
            <B as Kernels>::conv2d(
                tensor::<B, 4>([2, 6, 13, 8], 1, device),
                WeightRef::Packed(&Packed::convolution(&values, [12, 6, 3, 3], device)),
                Epilogue::bias(Some(tensor([12], 3, device))),
                geometry,
            )
        });
    }
    let dilated = Conv1dGeometry {
        stride: 1,
        padding: 9,
        dilation: 3,
    };
    let values = PackedValues::of(&numbers(8 * 6 * 7, 2));
    on_both!("conv1d", gpu, |B, device| <B as Kernels>::conv1d(
        tensor::<B, 3>([1, 6, 50], 1, device),
        WeightRef::Packed(&Packed::convolution(&values, [8, 6, 1, 7], device)),
        Epilogue::bias(Some(tensor([8], 3, device))),
        dilated,
    ));
    let upsampling = Conv1dGeometry {
        stride: 5,
        padding: 5,
        dilation: 1,
    };
    on_both!("transposed conv1d", gpu, |B, device| {
        <B as Kernels>::conv_transpose1d(
            tensor::<B, 3>([1, 6, 21], 1, device),
            WeightRef::Dense(tensor([4, 6, 16], 2, device)),
            Some(tensor([4], 3, device)),
            upsampling,
        )
    });
    on_both!("group norm", gpu, |B, device| B::group_norm(
        tensor::<B, 4>([2, 12, 5, 7], 1, device),
        3,
        tensor([12], 2, device),
        tensor([12], 3, device),
        1e-5,
        Activation::Silu,
    ));
    on_both!("layer norm", gpu, |B, device| <B as Kernels>::layer_norm(
        tensor::<B, 3>([2, 9, 40], 1, device),
        tensor([40], 2, device),
        tensor([40], 3, device),
        1e-6,
    ));
}

/// Networks with fresh weights: the same seed makes the same network on both devices.
#[wasm_bindgen_test]
async fn networks_agree() {
    let gpu = &art2mus::web::gpu_device().await.unwrap();
    let vision = VisionConfig {
        image_size: 56,
        width: 32,
        depth: 2,
        heads: 4,
        mlp: 64,
        embedding: 24,
        ..VisionConfig::huge()
    };
    on_both!("vision trunk", gpu, |B, device| {
        let source = FreshInit::new(1);
        let trunk = VisionTrunk::<B>::load(&Params::new(&source, device), &vision).unwrap();
        trunk.forward(tensor([1, 3, 56, 56], 2, device), &mut Trace::off())
    });
    let language = Gpt2Config {
        n_embd: 24,
        n_layer: 2,
        n_head: 4,
        n_positions: 64,
        ..Default::default()
    };
    on_both!("GPT-2", gpu, |B, device| {
        let source = FreshInit::new(1);
        let gpt2 = Gpt2::<B>::load(&Params::new(&source, device), &language).unwrap();
        gpt2.generate(tensor([1, 4, 24], 2, device), None).unwrap()
    });
    let contexts = ContextsOrWidth::Contexts(vec![None, Some(24), Some(32)]);
    let unet = UnetConfig {
        block_out_channels: vec![8, 16, 16, 24],
        cross_attention_dim: PerLevel::Each(vec![contexts; 4]),
        attention_head_dim: PerLevel::All(2),
        norm_num_groups: 4,
        ..Default::default()
    };
    on_both!("UNet", gpu, |B, device| {
        let source = FreshInit::new(1);
        let unet = Unet::<B>::load(&Params::new(&source, device), &unet).unwrap();
        let mask = vec![vec![true, true, false], vec![true; 3]];
        let text = tensor([2, 3, 32], 3, device);
        let context = Context::new(tensor([2, 8, 24], 4, device), text, &mask);
        // 13 rows: no multiple of eight.
        let latents = tensor([2, 8, 13, 16], 2, device);
        let conditions = unet.cache(&context);
        unet.forward(latents, &[667.0; 2], &conditions, &mut Trace::off())
    });
    let vae = VaeConfig {
        block_out_channels: vec![8, 16, 16],
        norm_num_groups: 4,
        ..Default::default()
    };
    on_both!("VAE decoder", gpu, |B, device| {
        let source = FreshInit::new(1);
        let decoder = VaeDecoder::<B>::load(&Params::new(&source, device), &vae).unwrap();
        decoder.decode(tensor([1, 8, 6, 16], 2, device), &mut Trace::off())
    });
    let vocoder = HifiGanConfig {
        upsample_initial_channel: 32,
        ..Default::default()
    };
    on_both!("HiFi-GAN", gpu, |B, device| {
        let source = FreshInit::new(1);
        let vocoder = HifiGan::<B>::load(&Params::new(&source, device), &vocoder).unwrap();
        vocoder.forward(tensor([1, 12, 64], 2, device), &mut Trace::off())
    });
}

/// Two reads under way at once, and shapes that vary between launches: both have broken programs.
#[wasm_bindgen_test]
async fn reads_may_overlap() {
    let gpu = &art2mus::web::gpu_device().await.unwrap();
    for count in [3usize, 64, 7] {
        let ones = Tensor::<Gpu, 1>::ones([count], gpu);
        let a = (ones.clone() + 1.0).into_data_async();
        let b = (ones * 5.0).into_data_async();
        let (b, a) = (b.await.unwrap(), a.await.unwrap());
        assert_eq!(a.into_vec::<f32>().unwrap(), vec![2.0; count]);
        assert_eq!(b.into_vec::<f32>().unwrap(), vec![5.0; count]);
    }
}
