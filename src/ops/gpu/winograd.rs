//! The launcher of `kernels/winograd_*.wgsl`: convolutions of 3 by 3 with a quarter of the products.

use burn::tensor::Tensor;

use super::launch::{Kernel, WORKGROUP_SIZE, bindings, contiguous, encoding_values, words};
use crate::{
    ops::{Conv2dGeometry, Epilogue, Gpu, Packed},
    quant::Encoding,
};

/// The side of a tile of outputs, and the factors that it has.
const SIDE: usize = 4;
const FACTORS: usize = 36;
/// Outputs and tiles per thread of the product.
const OUTPUTS: usize = 8;
const TILES: usize = 16;
/// The most bytes of intermediate results.
const MAX_BYTES: u64 = 64 << 20;

pub(super) fn input_kernel() -> Kernel {
    Kernel {
        name: "winograd_input",
        values: vec![("SIX", 6), ("WORKGROUP_SIZE", WORKGROUP_SIZE)],
        workgroup_size: WORKGROUP_SIZE,
    }
}

pub(super) fn weight_kernel(encoding: Encoding) -> Kernel {
    let mut values = encoding_values(encoding);
    values.extend([("THREE", 3), ("SIX", 6), ("WORKGROUP_SIZE", WORKGROUP_SIZE)]);
    Kernel {
        name: "winograd_weight",
        values,
        workgroup_size: WORKGROUP_SIZE,
    }
}

pub(super) fn product_kernel() -> Kernel {
    Kernel {
        name: "winograd_product",
        values: vec![
            ("FOUR", 4),
            ("EIGHT", 8),
            ("WORKGROUP_SIZE", WORKGROUP_SIZE),
        ],
        workgroup_size: WORKGROUP_SIZE,
    }
}

/// The kernel with or without bias, shift and residual.
pub(super) fn output_kernel([bias, shift, residual]: [bool; 3]) -> Kernel {
    let optional = [
        ("BIAS", "AT_BIAS", bias),
        ("SHIFT", "AT_SHIFT", shift),
        ("RESIDUAL", "AT_RESIDUAL", residual),
    ];
    let mut values = bindings(1, &optional);
    values.extend([("FOUR", 4), ("SIX", 6), ("WORKGROUP_SIZE", WORKGROUP_SIZE)]);
    Kernel {
        name: "winograd_output",
        values,
        workgroup_size: WORKGROUP_SIZE,
    }
}

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
struct Counts {
    batch: usize,
    inputs: usize,
    outputs: usize,
    rows: usize,
    columns: usize,
}

impl Counts {
    fn new([batch, inputs, rows, columns]: [usize; 4], [outputs, ..]: [usize; 4]) -> Self {
        Self {
            batch,
            inputs,
            outputs,
            rows,
            columns,
        }
    }

    /// Rows and columns of tiles.
    fn across(self) -> [usize; 2] {
        [self.rows.div_ceil(SIDE), self.columns.div_ceil(SIDE)]
    }

    fn tiles(self) -> usize {
        self.batch * self.across().iter().product::<usize>()
    }

    /// Tiles and outputs, rounded up for the product.
    fn padded(self) -> [usize; 2] {
        [
            self.tiles().next_multiple_of(TILES),
            self.outputs.next_multiple_of(OUTPUTS),
        ]
    }

    /// Inputs, outputs, tiles, padded outputs and padded tiles in 64 bits: usize has 32 in a browser.
    fn wide(self) -> [u64; 5] {
        let [tiles, outputs] = self.padded();
        [self.inputs, self.outputs, self.tiles(), outputs, tiles].map(|count| count as u64)
    }

    /// Bytes of intermediate results.
    fn bytes(self) -> u64 {
        let [inputs, _, _, outputs, tiles] = self.wide();
        4 * FACTORS as u64 * (inputs * outputs + (inputs + outputs) * tiles)
    }

    /// The time of the direct kernel, in units of one of its products.
    fn direct(self) -> u64 {
        let [inputs, outputs, ..] = self.wide();
        let places = [self.batch, self.rows, self.columns].map(|count| count as u64);
        9 * inputs * outputs * places.iter().product::<u64>()
    }

    /// The time of the four kernels in the same units, as measured on a software adapter: 26 for the 36 products of
    /// an input, an output and a tile, 200 to transform the weights of an input and an output, 480 to transform a tile
    /// of a channel, and four million for three more launches.
    fn transformed(self) -> u64 {
        let [inputs, outputs, tiles, out_room, room] = self.wide();
        26 * inputs * out_room * room
            + 200 * inputs * outputs
            + 480 * (inputs + outputs) * tiles
            + 4_000_000
    }
}

/// Whether the four kernels can replace the direct one for `x` and a `weight` of these shapes, and are faster on a
/// software adapter.
pub(super) fn pays(x: [usize; 4], weight: [usize; 4], geometry: Conv2dGeometry) -> bool {
    let counts = Counts::new(x, weight);
    geometry.is_three_by_three(weight)
        && counts.bytes() <= MAX_BYTES
        && counts.transformed() < counts.direct()
}

/// A convolution of 3 by 3 with as many outputs as inputs, and without an activation.
pub(super) fn conv2d(
    x: Tensor<Gpu, 4>,
    weight: &Packed<Gpu>,
    epilogue: Epilogue<Gpu, 4>,
) -> Tensor<Gpu, 4> {
    let counts = Counts::new(x.dims(), weight.shape());
    let Counts {
        batch,
        inputs,
        outputs,
        rows,
        columns,
    } = counts;
    let ([tile_rows, tile_columns], tiles) = (counts.across(), counts.tiles());
    let [room, out_room] = counts.padded();
    let numbers = |sizes: [usize; 8]| sizes.map(|size| size as u32);

    let sizes = [
        inputs,
        rows,
        columns,
        tile_rows,
        tile_columns,
        tiles,
        room,
        0,
    ];
    let groups = [tiles.div_ceil(WORKGROUP_SIZE), inputs, 1];
    let shape = [FACTORS, inputs, room];
    let v = input_kernel().run(vec![contiguous(x)], shape, &numbers(sizes), groups);

    let mut packed: Vec<_> = words(weight).collect();
    packed.extend(weight.floats().map(contiguous));
    let sizes = [inputs, outputs / 4, out_room / 4, 0].map(|size| size as u32);
    let groups = [(outputs / 4).div_ceil(WORKGROUP_SIZE), inputs, 1];
    let shape = [FACTORS, inputs, out_room];
    let u = weight_kernel(weight.encoding()).run(packed, shape, &sizes, groups);

    let (eights, sixteens) = (out_room / OUTPUTS, room / TILES);
    let factors = vec![contiguous(u), contiguous(v)];
    let sizes = [inputs, eights, sixteens, 0].map(|size| size as u32);
    let groups = [(eights * sixteens).div_ceil(WORKGROUP_SIZE), FACTORS, 1];
    let shape = [FACTORS, out_room, room];
    let m = product_kernel().run(factors, shape, &sizes, groups);

    let kernel = output_kernel([
        epilogue.bias.is_some(),
        epilogue.shift.is_some(),
        epilogue.residual.is_some(),
    ]);
    let mut tensors = vec![contiguous(m)];
    tensors.extend(epilogue.bias.map(contiguous));
    tensors.extend(epilogue.shift.map(contiguous));
    tensors.extend(epilogue.residual.map(contiguous));
    let sizes = [
        outputs,
        out_room,
        rows,
        columns,
        tile_rows,
        tile_columns,
        tiles,
        room,
    ];
    let groups = [tiles.div_ceil(WORKGROUP_SIZE), outputs, 1];
    let shape = [batch, outputs, rows, columns];
    kernel.run(tensors, shape, &numbers(sizes), groups)
}
