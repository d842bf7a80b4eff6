//! The launchers of linear layers: `kernels/linear.wgsl`, `kernels/linear_tiled.wgsl`, and where packing pays
//! `kernels/pack_panels.wgsl` and `kernels/linear_panels.wgsl`.

use burn::tensor::Tensor;

use super::{
    launch::{
        Kernel, Primitive, TILE_SIDE, TILED_WORKGROUP_SIZE, WORKGROUP_SIZE, bindings, contiguous,
        encoding_values, layer_values, words,
    },
    select::{Features, Operation, Variant, variant as selected},
};
use crate::{
    ops::{Activation, Epilogue, Gpu, WeightRef, activate, plain},
    quant::Encoding,
};

/// The side of a thread's tile, and the rows of a panel.
const SIDE: usize = 8;
/// The workgroup size for products of panels: small layers have few of them.
const PANEL_WORKGROUP_SIZE: usize = 16;
/// Elements of a row that a thread packs.
const PACKED_PER_THREAD: usize = 32;
/// The most bytes of panels.
const MAX_BYTES: u64 = 64 << 20;

/// What a linear kernel does with its sums. Template values depend on nothing else but the weight's encoding.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinearSpec {
    pub bias: bool,
    pub residual: bool,
    /// GELU and SiLU are part of the kernels.
    pub activation: Activation,
    /// Whether the second f16 of the outputs are gates of the first.
    pub gated: bool,
    /// Whether rows are pixels of images and outputs are stored as their channels.
    pub channels: bool,
}

impl LinearSpec {
    fn optional(self) -> [(&'static str, &'static str, bool); 2] {
        [
            ("BIAS", "AT_BIAS", self.bias),
            ("RESIDUAL", "AT_RESIDUAL", self.residual),
        ]
    }

    fn values(self) -> [(&'static str, usize); 5] {
        [
            ("SILU", usize::from(self.activation == Activation::Silu)),
            ("GELU", usize::from(self.activation == Activation::Gelu)),
            ("GATED", usize::from(self.gated)),
            ("CHANNELS", usize::from(self.channels)),
            ("OUTPUTS", self.outputs_per_row()),
        ]
    }

    /// Elements of y in a row of a thread's tile of sums.
    fn outputs_per_row(self) -> usize {
        if self.gated { SIDE / 2 } else { SIDE }
    }
}

pub(super) fn kernel(variant: Variant, encoding: Encoding, spec: LinearSpec) -> Kernel {
    let mut values = layer_values(encoding, &spec.optional());
    values.extend(spec.values());
    match variant {
        Variant::RegisterTiled => {
            values.extend([
                ("ROWS", SIDE),
                ("COLUMNS", SIDE),
                ("WORKGROUP_SIZE", WORKGROUP_SIZE),
            ]);
            Kernel {
                name: "linear",
                values,
                workgroup_size: WORKGROUP_SIZE,
            }
        }
        Variant::SharedMemoryTiled(Features { f16, .. }) => {
            // f16 leaves room for deeper tiles, which need fewer barriers.
            let depth = if f16 { 8 } else { 4 };
            values.extend([
                ("TWO", 2),
                ("FOUR", 4),
                ("WORKGROUP_SIZE", TILED_WORKGROUP_SIZE),
            ]);
            values.extend([
                ("F16_TILES", f16.into()),
                ("DEPTH", depth),
                ("LOADS", depth / 4),
            ]);
            Kernel {
                name: "linear_tiled",
                values,
                workgroup_size: TILED_WORKGROUP_SIZE,
            }
        }
    }
}

/// Packs rows into panels.
pub(super) fn packing_kernel(encoding: Encoding, gated: bool) -> Kernel {
    let mut values = encoding_values(encoding);
    values.extend(bindings(1 + usize::from(encoding.has_scales()), &[]));
    values.extend([("GATED", usize::from(gated)), ("EIGHT", SIDE)]);
    values.push(("WORKGROUP_SIZE", WORKGROUP_SIZE));
    Kernel {
        name: "pack_panels",
        values,
        workgroup_size: WORKGROUP_SIZE,
    }
}

/// Multiplies panels.
pub(super) fn panels_kernel(spec: LinearSpec) -> Kernel {
    let mut values = bindings(2, &spec.optional());
    values.extend(spec.values());
    values.extend([
        ("FOUR", 4),
        ("EIGHT", SIDE),
        ("WORKGROUP_SIZE", PANEL_WORKGROUP_SIZE),
    ]);
    Kernel {
        name: "linear_panels",
        values,
        workgroup_size: PANEL_WORKGROUP_SIZE,
    }
}

/// The tensors of a linear layer, ready to launch.
struct Operands {
    /// `[rows, inputs]`.
    x: Primitive,
    rows: usize,
    inputs: usize,
    /// Elements and scales of `[sums, inputs]`.
    weight: Vec<Primitive>,
    encoding: Encoding,
    sums: usize,
    bias: Option<Primitive>,
    residual: Option<Primitive>,
    activation: Activation,
    gated: bool,
    /// Pixels of an image, where outputs are stored as channels.
    area: Option<usize>,
}

impl Operands {
    fn new<const D: usize>(x: Tensor<Gpu, D>, weight: WeightRef<'_, Gpu, 2>) -> Self {
        let dims = x.dims();
        let (sums, encoding, weight) = match weight {
            WeightRef::Dense(weight) => {
                let [sums, _] = weight.dims();
                (sums, Encoding::F32, vec![contiguous(weight)])
            }
            WeightRef::Packed(weight) => {
                let scales = weight.halves().map(|scales| scales.into_primitive());
                let parts = words(weight).chain(scales).collect();
                (weight.shape()[0], weight.encoding(), parts)
            }
        };
        Self {
            x: contiguous(x),
            rows: dims[..D - 1].iter().product(),
            inputs: dims[D - 1],
            weight,
            encoding,
            sums,
            bias: None,
            residual: None,
            activation: Activation::None,
            gated: false,
            area: None,
        }
    }

    fn spec(&self) -> LinearSpec {
        LinearSpec {
            bias: self.bias.is_some(),
            residual: self.residual.is_some(),
            activation: self.activation,
            gated: self.gated,
            channels: self.area.is_some(),
        }
    }

    fn outputs(&self) -> usize {
        if self.gated { self.sums / 2 } else { self.sums }
    }

    fn panels(&self) -> Panels {
        Panels {
            rows: self.rows,
            inputs: self.inputs,
            sums: self.sums,
            encoding: self.encoding,
        }
    }

    fn run<const D: usize>(self, algorithm: Algorithm, shape: [usize; D]) -> Tensor<Gpu, D> {
        let pay = || self.panels().pay() && selected(&self.x.device, Operation::Panels).is_some();
        let algorithm = match algorithm {
            Algorithm::Direct(Variant::RegisterTiled) if pay() => Algorithm::Panels,
            algorithm => algorithm,
        };
        let Algorithm::Direct(variant) = algorithm else {
            return self.run_in_panels(shape);
        };
        let (kernel, outputs) = (kernel(variant, self.encoding, self.spec()), self.outputs());
        let sizes = [
            self.rows,
            outputs,
            self.inputs / vector_width(variant),
            self.area.unwrap_or(0),
        ];
        let outputs_per_row = self.spec().outputs_per_row();
        let groups = match variant {
            Variant::RegisterTiled => [
                outputs.div_ceil(outputs_per_row).div_ceil(WORKGROUP_SIZE),
                self.rows.div_ceil(SIDE),
                1,
            ],
            Variant::SharedMemoryTiled(_) => [
                outputs.div_ceil(TILE_SIDE / SIDE * outputs_per_row),
                self.rows.div_ceil(TILE_SIDE),
                1,
            ],
        };
        let mut tensors = vec![self.x];
        tensors.extend(self.weight);
        tensors.extend(self.bias);
        tensors.extend(self.residual);
        kernel.run(tensors, shape, &sizes.map(|size| size as u32), groups)
    }

    /// Packs input and weight, then multiplies panels: three launches.
    fn run_in_panels<const D: usize>(self, shape: [usize; D]) -> Tensor<Gpu, D> {
        let (spec, outputs) = (self.spec(), self.outputs());
        let pack = |tensors, encoding, gated, rows: usize| {
            let panels = rows.div_ceil(SIDE);
            let sizes = [rows, self.inputs / 4, panels, 0].map(|size| size as u32);
            let groups = [
                panels.div_ceil(WORKGROUP_SIZE),
                self.inputs.div_ceil(PACKED_PER_THREAD),
                1,
            ];
            let shape = [panels, SIDE * self.inputs];
            contiguous(packing_kernel(encoding, gated).run(tensors, shape, &sizes, groups))
        };
        let x = pack(vec![self.x], Encoding::F32, false, self.rows);
        let w = pack(self.weight, self.encoding, self.gated, self.sums);
        let mut tensors = vec![x, w];
        tensors.extend(self.bias);
        tensors.extend(self.residual);
        let sizes = [self.rows, outputs, self.inputs / 2, self.area.unwrap_or(0)];
        let across = outputs
            .div_ceil(spec.outputs_per_row())
            .div_ceil(PANEL_WORKGROUP_SIZE);
        let groups = [across, self.rows.div_ceil(SIDE), 1];
        panels_kernel(spec).run(tensors, shape, &sizes.map(|size| size as u32), groups)
    }
}

/// The sizes that decide whether panels pay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    pub rows: usize,
    pub inputs: usize,
    pub sums: usize,
    pub encoding: Encoding,
}

impl Panels {
    /// Whether panels are possible, and faster on a software adapter.
    ///
    /// In units of the time of a product of the direct kernel, as measured there: a product of panels takes 0.84
    /// and one with packed weights 1.2; packing an element takes 13, and two more launches 2.5 million.
    pub fn pay(self) -> bool {
        // usize has 32 bits in a browser.
        let [rows, inputs, sums] = [self.rows, self.inputs, self.sums].map(|count| count as u64);
        let products = rows * inputs * sums;
        let packed = (rows + sums) * inputs;
        let direct = if self.encoding.has_scales() {
            120 * products
        } else {
            100 * products
        };
        self.inputs.is_multiple_of(4)
            && 4 * packed <= MAX_BYTES
            && 84 * products + 1300 * packed + 250_000_000 < direct
    }
}

/// The algorithm of a linear layer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Algorithm {
    /// By a variant: registers read rows or, where it pays, panels.
    Direct(Variant),
    /// By packed panels.
    Panels,
}

impl From<Variant> for Algorithm {
    fn from(variant: Variant) -> Self {
        Self::Direct(variant)
    }
}

impl Algorithm {
    /// Whether there is a kernel for `x`.
    fn supports<const D: usize>(self, x: &Tensor<Gpu, D>) -> bool {
        let dims = x.dims();
        let width = match self {
            Self::Direct(variant) => vector_width(variant),
            Self::Panels => 4,
        };
        dims[D - 1].is_multiple_of(width) && dims[..D - 1].iter().all(|&n| n > 0)
    }
}

/// Elements of a row per load.
fn vector_width(variant: Variant) -> usize {
    match variant {
        Variant::RegisterTiled => 2,
        Variant::SharedMemoryTiled(_) => 4,
    }
}

/// See [`crate::ops::Kernels::linear`].
pub(super) fn linear<const D: usize>(
    algorithm: impl Into<Algorithm>,
    x: Tensor<Gpu, D>,
    weight: WeightRef<'_, Gpu, 2>,
    epilogue: Epilogue<Gpu, D>,
) -> Tensor<Gpu, D> {
    let algorithm = algorithm.into();
    if !algorithm.supports(&x) {
        return plain::linear(x, weight.unpack(), epilogue);
    }
    let mut shape = x.dims();
    // Other activations follow the kernel, and so does the residual then.
    let fused = matches!(
        epilogue.activation,
        Activation::None | Activation::Silu | Activation::Gelu
    );
    let (inside, outside) = if fused {
        (epilogue.residual, None)
    } else {
        (None, epilogue.residual)
    };
    let layer = Operands {
        bias: epilogue.bias.map(contiguous),
        residual: inside.map(contiguous),
        activation: epilogue.activation,
        ..Operands::new(x, weight)
    };
    shape[D - 1] = layer.sums;
    let y = layer.run(algorithm, shape);
    if fused {
        return y;
    }
    plain::onto(activate(y, epilogue.activation), outside)
}

/// See [`crate::ops::Kernels::linear_geglu`].
pub(super) fn gated<const D: usize>(
    algorithm: impl Into<Algorithm>,
    x: Tensor<Gpu, D>,
    weight: WeightRef<'_, Gpu, 2>,
    bias: Option<Tensor<Gpu, 1>>,
) -> Tensor<Gpu, D> {
    let algorithm = algorithm.into();
    if !algorithm.supports(&x) {
        return plain::geglu(x, weight.unpack(), bias);
    }
    let mut shape = x.dims();
    let layer = Operands {
        bias: bias.map(contiguous),
        activation: Activation::Gelu,
        gated: true,
        ..Operands::new(x, weight)
    };
    shape[D - 1] = layer.outputs();
    layer.run(algorithm, shape)
}

/// See [`crate::ops::Kernels::linear_to_channels`].
pub(super) fn onto_channels(
    algorithm: impl Into<Algorithm>,
    x: Tensor<Gpu, 3>,
    weight: WeightRef<'_, Gpu, 2>,
    bias: Option<Tensor<Gpu, 1>>,
    residual: Tensor<Gpu, 4>,
) -> Tensor<Gpu, 4> {
    let algorithm = algorithm.into();
    if !algorithm.supports(&x) {
        return plain::onto_channels(x, weight.unpack(), bias, residual);
    }
    let shape @ [_, _, rows, columns] = residual.dims();
    let layer = Operands {
        bias: bias.map(contiguous),
        residual: Some(contiguous(residual)),
        area: Some(rows * columns),
        ..Operands::new(x, weight)
    };
    layer.run(algorithm, shape)
}
