//! The shapes that are reported.

use super::Inputs;
use crate::{
    Result, model::unet::UnetConfig, quant::Encoding, random::standard_normal, tensors::HostTensor,
};

/// One operation on tensors of one shape.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is shown.
    pub name: String,
    /// For [`super::measure`].
    pub operation: &'static str,
    /// Shapes of the tensors by name.
    shapes: Vec<(&'static str, Vec<usize>)>,
    options: Inputs,
}

impl Case {
    /// The tensors, random and always the same, and the options.
    pub fn inputs(&self) -> Inputs {
        let mut inputs = self.options.clone();
        for (seed, (name, shape)) in self.shapes.iter().enumerate() {
            let values = standard_normal(seed as u64, 5, shape.iter().product());
            let shape = shape.clone();
            inputs
                .tensors
                .insert((*name).into(), HostTensor { shape, values });
        }
        inputs
    }
}

/// All cases: what the networks of a full-size model spend their time on.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for encoding in [Encoding::F32, Encoding::F16, Encoding::Q8, Encoding::Q4] {
        all.push(linear([257, 1280, 5120], encoding));
    }
    for encoding in [Encoding::F32, Encoding::Q8] {
        all.push(conv2d([2, 128, 128, 16], 128, encoding));
    }
    all.push(conv2d([2, 256, 64, 8], 256, Encoding::F32));
    all.push(conv2d([2, 640, 16, 2], 640, Encoding::F32));
    all.push(conv1d([1, 128, 20480], 7, 1));
    all.push(conv1d([1, 128, 20480], 11, 5));
    all.push(attention([8, 2048, 16]));
    all.push(attention([16, 257, 80]));
    all.push(Case {
        name: "group norm + SiLU [2, 128, 128, 16]".into(),
        operation: "group_norm",
        shapes: vec![
            ("x", vec![2, 128, 128, 16]),
            ("weight", vec![128]),
            ("bias", vec![128]),
        ],
        options: Inputs::default(),
    });
    all.push(Case {
        name: "LSTM, 862 steps of 512 units".into(),
        operation: "lstm",
        shapes: vec![("x", vec![1, 862, 2048]), ("weight", vec![2048, 512])],
        options: Inputs {
            repeats: 1,
            ..Inputs::default()
        },
    });
    all.push(Case {
        name: "UNet step, widths 64 to 320, [2, 8, 128, 16]".into(),
        operation: "unet",
        shapes: vec![
            ("x", vec![2, 8, 128, 16]),
            ("audio", vec![2, 8, 768]),
            ("text", vec![2, 9, 1024]),
        ],
        options: Inputs {
            repeats: 1,
            ..Inputs::default()
        },
    });
    all
}

fn linear([rows, inputs, outputs]: [usize; 3], encoding: Encoding) -> Case {
    Case {
        name: format!("linear {rows} x {inputs} x {outputs}, {encoding:?}"),
        operation: "linear",
        shapes: vec![
            ("x", vec![rows, inputs]),
            ("weight", vec![outputs, inputs]),
            ("bias", vec![outputs]),
        ],
        options: Inputs {
            encoding,
            ..Inputs::default()
        },
    }
}

/// 3 by 3, the same size out.
fn conv2d(shape: [usize; 4], outputs: usize, encoding: Encoding) -> Case {
    Case {
        name: format!("conv2d {shape:?} to {outputs}, {encoding:?}"),
        operation: "conv2d",
        shapes: vec![
            ("x", shape.to_vec()),
            ("weight", vec![outputs, shape[1], 3, 3]),
            ("bias", vec![outputs]),
        ],
        options: Inputs {
            encoding,
            padding: 1,
            ..Inputs::default()
        },
    }
}

/// The same length out, and as many channels.
fn conv1d(shape: [usize; 3], kernel: usize, dilation: usize) -> Case {
    let channels = shape[1];
    Case {
        name: format!("conv1d {shape:?}, kernel {kernel} by {dilation}"),
        operation: "conv1d",
        shapes: vec![
            ("x", shape.to_vec()),
            ("weight", vec![channels, channels, kernel]),
            ("bias", vec![channels]),
        ],
        options: Inputs {
            padding: dilation * (kernel - 1) / 2,
            dilation,
            ..Inputs::default()
        },
    }
}

fn attention([heads, length, dim]: [usize; 3]) -> Case {
    let shape = vec![1, heads, length, dim];
    Case {
        name: format!("attention {heads} x {length} x {dim}"),
        operation: "attention",
        shapes: vec![("q", shape.clone()), ("k", shape.clone()), ("v", shape)],
        options: Inputs::default(),
    }
}

/// The published UNet at half of its widths: small enough for a software adapter.
pub(super) fn reduced_unet() -> UnetConfig {
    UnetConfig {
        block_out_channels: vec![64, 128, 192, 320],
        ..UnetConfig::default()
    }
}

/// Floating-point operations of a call on `batch` latents with eight audio tokens.
pub(super) fn unet_flops(
    config: &UnetConfig,
    [rows, columns]: [usize; 2],
    text: usize,
    batch: usize,
) -> Result<u64> {
    Ok(batch as u64 * config.flops(rows, columns, 8, text)?)
}
