//! The launchers of linear layers: `kernels/linear.wgsl`, `kernels/linear_tiled.wgsl`, and where they pay
//! `kernels/panels.wgsl` and `kernels/linear_panels.wgsl`.

use burn::tensor::Tensor;

use super::{
    Activation, Encoding, Epilogue, Extras, Family, Gpu, Kernel, Operation, Primitive, TILE,
    TILE_WIDTH, WIDTH, WeightRef, bindings, contiguous, packings, places, plain, trusted, words,
};
use crate::ops::activate;

/// The tile of a thread, and the rows of a panel.
const SIDE: usize = 8;
/// Invocations of a workgroup that multiplies panels: small layers have few of them.
const PANEL_WIDTH: usize = 16;
/// Numbers of a row that a thread lays into a panel.
const STRETCH: usize = 32;
/// The most bytes that panels take.
const MOST_BYTES: u64 = 64 << 20;

/// What a layer makes of its sums, and where it puts it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub bias: bool,
    pub residual: bool,
    /// GELU and SiLU are done in the kernels.
    pub activation: Activation,
    /// Whether the second half of the outputs are gates of the first.
    pub gated: bool,
    /// Whether rows are the places of pictures whose channels are written.
    pub channels: bool,
}

impl Form {
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
            ("OWN", self.own()),
        ]
    }

    /// The results among eight sums of a row.
    fn own(self) -> usize {
        if self.gated { SIDE / 2 } else { SIDE }
    }
}

pub(super) fn kernel(family: Family, encoding: Encoding, form: Form) -> Kernel {
    let mut values = places(encoding, &form.optional());
    values.extend(form.values());
    match family {
        Family::Registers => {
            values.extend([("ROWS", SIDE), ("COLUMNS", SIDE), ("WIDTH", WIDTH)]);
            Kernel {
                name: "linear",
                text: concat!(
                    include_str!("../../../kernels/linear.wgsl"),
                    include_str!("../../../kernels/activation.wgsl"),
                    include_str!("../../../kernels/put.wgsl"),
                    include_str!("../../../kernels/scale.wgsl")
                ),
                values,
                width: WIDTH,
            }
        }
        Family::Tiles(Extras { half, .. }) => {
            // Halves leave room for deeper tiles, between which there are fewer barriers.
            let depth = if half { 8 } else { 4 };
            values.extend([("TWO", 2), ("FOUR", 4), ("WIDTH", TILE_WIDTH)]);
            values.extend([
                ("HALF", half.into()),
                ("DEPTH", depth),
                ("LOADS", depth / 4),
            ]);
            Kernel {
                name: "linear_tiled",
                text: concat!(
                    include_str!("../../../kernels/linear_tiled.wgsl"),
                    include_str!("../../../kernels/activation.wgsl"),
                    include_str!("../../../kernels/put.wgsl"),
                    include_str!("../../../kernels/scale.wgsl"),
                    include_str!("../../../kernels/unpack.wgsl"),
                    include_str!("../../../kernels/tile.wgsl")
                ),
                values,
                width: TILE_WIDTH,
            }
        }
    }
}

/// Lays rows into panels.
pub(super) fn laying_kernel(encoding: Encoding, gated: bool) -> Kernel {
    let mut values = packings(encoding);
    values.extend(bindings(1 + usize::from(encoding.has_scales()), &[]));
    values.extend([("GATED", usize::from(gated)), ("EIGHT", SIDE)]);
    values.push(("WIDTH", WIDTH));
    Kernel {
        name: "panels",
        text: concat!(
            include_str!("../../../kernels/panels.wgsl"),
            include_str!("../../../kernels/scale.wgsl"),
            include_str!("../../../kernels/unpack.wgsl")
        ),
        values,
        width: WIDTH,
    }
}

/// Multiplies panels.
pub(super) fn panels_kernel(form: Form) -> Kernel {
    let mut values = bindings(2, &form.optional());
    values.extend(form.values());
    values.extend([("FOUR", 4), ("EIGHT", SIDE), ("WIDTH", PANEL_WIDTH)]);
    Kernel {
        name: "linear_panels",
        text: concat!(
            include_str!("../../../kernels/linear_panels.wgsl"),
            include_str!("../../../kernels/activation.wgsl"),
            include_str!("../../../kernels/put.wgsl")
        ),
        values,
        width: PANEL_WIDTH,
    }
}

/// A layer that is to run.
struct Layer {
    /// `[rows, inputs]`.
    x: Primitive,
    rows: usize,
    inputs: usize,
    /// Elements and scales, `[sums, inputs]`.
    weight: Vec<Primitive>,
    encoding: Encoding,
    sums: usize,
    bias: Option<Primitive>,
    residual: Option<Primitive>,
    activation: Activation,
    gated: bool,
    /// Places of a picture, where channels are written.
    area: Option<usize>,
}

impl Layer {
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

    fn form(&self) -> Form {
        Form {
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

    fn run<const D: usize>(self, way: Way, shape: [usize; D]) -> Tensor<Gpu, D> {
        let pay = || self.panels().pay() && trusted(Operation::Panels);
        let way = match way {
            Way::Of(Family::Registers) if pay() => Way::Panels,
            way => way,
        };
        let Way::Of(family) = way else {
            return self.run_in_panels(shape);
        };
        let (kernel, outputs) = (kernel(family, self.encoding, self.form()), self.outputs());
        let sizes = [
            self.rows,
            outputs,
            self.inputs / read_at_once(family),
            self.area.unwrap_or(0),
        ];
        let own = self.form().own();
        let groups = match family {
            Family::Registers => [
                outputs.div_ceil(own).div_ceil(WIDTH),
                self.rows.div_ceil(SIDE),
                1,
            ],
            Family::Tiles(_) => [
                outputs.div_ceil(TILE / SIDE * own),
                self.rows.div_ceil(TILE),
                1,
            ],
        };
        let mut tensors = vec![self.x];
        tensors.extend(self.weight);
        tensors.extend(self.bias);
        tensors.extend(self.residual);
        kernel.run(tensors, shape, &sizes.map(|size| size as u32), groups)
    }

    /// The same in three kernels.
    fn run_in_panels<const D: usize>(self, shape: [usize; D]) -> Tensor<Gpu, D> {
        let (form, outputs) = (self.form(), self.outputs());
        let lay = |tensors, encoding, gated, rows: usize| {
            let panels = rows.div_ceil(SIDE);
            let sizes = [rows, self.inputs / 4, panels, 0].map(|size| size as u32);
            let groups = [panels.div_ceil(WIDTH), self.inputs.div_ceil(STRETCH), 1];
            let shape = [panels, SIDE * self.inputs];
            contiguous(laying_kernel(encoding, gated).run(tensors, shape, &sizes, groups))
        };
        let x = lay(vec![self.x], Encoding::F32, false, self.rows);
        let w = lay(self.weight, self.encoding, self.gated, self.sums);
        let mut tensors = vec![x, w];
        tensors.extend(self.bias);
        tensors.extend(self.residual);
        let sizes = [self.rows, outputs, self.inputs / 2, self.area.unwrap_or(0)];
        let across = outputs.div_ceil(form.own()).div_ceil(PANEL_WIDTH);
        let groups = [across, self.rows.div_ceil(SIDE), 1];
        panels_kernel(form).run(tensors, shape, &sizes.map(|size| size as u32), groups)
    }
}

/// What decides whether panels pay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    pub rows: usize,
    pub inputs: usize,
    pub sums: usize,
    pub encoding: Encoding,
}

impl Panels {
    /// Whether panels can be laid, and are faster on a software adapter.
    ///
    /// In units of the time of a product of the direct kernel, as measured there: a product of panels takes 0.84
    /// and one with packed numbers 1.2; laying a number takes 13, and two more launches 2.5 million.
    pub fn pay(self) -> bool {
        // In u64: a browser's usize has 32 bits.
        let [rows, inputs, sums] = [self.rows, self.inputs, self.sums].map(|count| count as u64);
        let products = rows * inputs * sums;
        let laid = (rows + sums) * inputs;
        let direct = if self.encoding.has_scales() {
            120 * products
        } else {
            100 * products
        };
        self.inputs.is_multiple_of(4)
            && 4 * laid <= MOST_BYTES
            && 84 * products + 1300 * laid + 250_000_000 < direct
    }
}

/// How a layer is computed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// By a family: registers read rows or, where it pays, panels.
    Of(Family),
    /// In panels.
    Panels,
}

impl From<Family> for Way {
    fn from(family: Family) -> Self {
        Self::Of(family)
    }
}

impl Way {
    /// Whether there is a kernel for `x`.
    fn takes<const D: usize>(self, x: &Tensor<Gpu, D>) -> bool {
        let dims = x.dims();
        let at_once = match self {
            Self::Of(family) => read_at_once(family),
            Self::Panels => 4,
        };
        dims[D - 1].is_multiple_of(at_once) && dims[..D - 1].iter().all(|&n| n > 0)
    }
}

/// So many numbers of a row are read at once.
fn read_at_once(family: Family) -> usize {
    match family {
        Family::Registers => 2,
        Family::Tiles(_) => 4,
    }
}

/// See [`super::super::Kernels::linear`].
pub(super) fn linear<const D: usize>(
    way: impl Into<Way>,
    x: Tensor<Gpu, D>,
    weight: WeightRef<'_, Gpu, 2>,
    epilogue: Epilogue<Gpu, D>,
) -> Tensor<Gpu, D> {
    let way = way.into();
    if !way.takes(&x) {
        return plain::linear(x, weight.unpack(), epilogue);
    }
    let mut shape = x.dims();
    // Another function stands behind the kernel, and so does what is added to it.
    let fused = matches!(
        epilogue.activation,
        Activation::None | Activation::Silu | Activation::Gelu
    );
    let (inside, outside) = if fused {
        (epilogue.residual, None)
    } else {
        (None, epilogue.residual)
    };
    let layer = Layer {
        bias: epilogue.bias.map(contiguous),
        residual: inside.map(contiguous),
        activation: epilogue.activation,
        ..Layer::new(x, weight)
    };
    shape[D - 1] = layer.sums;
    let y = layer.run(way, shape);
    if fused {
        return y;
    }
    plain::onto(activate(y, epilogue.activation), outside)
}

/// See [`super::super::Kernels::linear_geglu`].
pub(super) fn gated<const D: usize>(
    way: impl Into<Way>,
    x: Tensor<Gpu, D>,
    weight: WeightRef<'_, Gpu, 2>,
    bias: Option<Tensor<Gpu, 1>>,
) -> Tensor<Gpu, D> {
    let way = way.into();
    if !way.takes(&x) {
        return plain::geglu(x, weight.unpack(), bias);
    }
    let mut shape = x.dims();
    let layer = Layer {
        bias: bias.map(contiguous),
        activation: Activation::Gelu,
        gated: true,
        ..Layer::new(x, weight)
    };
    shape[D - 1] = layer.outputs();
    layer.run(way, shape)
}

/// See [`super::super::Kernels::linear_to_channels`].
pub(super) fn onto_channels(
    way: impl Into<Way>,
    x: Tensor<Gpu, 3>,
    weight: WeightRef<'_, Gpu, 2>,
    bias: Option<Tensor<Gpu, 1>>,
    residual: Tensor<Gpu, 4>,
) -> Tensor<Gpu, 4> {
    let way = way.into();
    if !way.takes(&x) {
        return plain::onto_channels(x, weight.unpack(), bias, residual);
    }
    let shape @ [_, _, rows, columns] = residual.dims();
    let layer = Layer {
        bias: bias.map(contiguous),
        residual: Some(contiguous(residual)),
        area: Some(rows * columns),
        ..Layer::new(x, weight)
    };
    layer.run(way, shape)
}
