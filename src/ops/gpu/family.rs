//! Which kernels suit a device.
//!
//! Shared tiles in workgroup memory are what a GPU wants, and what a software adapter is ten times slower
//! with; and some adapters compute wrongly. What an adapter calls itself is no proof, so it is tried: every
//! operation is compared with the CPU device, and the families of kernels are timed. Where tiles win, so is
//! what the device has beyond them.

use burn::{
    backend::wgpu::{WgpuDevice, WgpuRuntime},
    tensor::{Tensor, TensorData},
};
use cubecl::{
    Runtime,
    features::Plane,
    ir::{ElemType, FloatKind},
};
use std::sync::OnceLock;
use web_time::Instant;

use super::{
    Epilogue, Gpu, WeightRef, attention, conv1d, conv2d,
    linear::{self, Way},
    norm, plain, winograd,
};
use crate::{
    Result,
    ops::{Activation, Conv1dGeometry, Conv2dGeometry, Cpu, Packed},
    quant::PackedValues,
    random::standard_normal,
    tensors::read,
};

/// Kernels that do the same in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// A tile of the result in the registers of every thread, and nothing shared.
    Registers,
    /// A tile of the result for every workgroup, whose inputs lie in workgroup memory.
    Tiles(Extras),
}

/// What tiles use where the device has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extras {
    /// Tiles hold numbers of 16 bits: products, convolutions and attention.
    pub half: bool,
    /// Threads add up what they have by subgroups: the norms.
    pub subgroups: bool,
}

impl Extras {
    /// What the device has. In a browser wgpu does not ask for subgroups, and of a software adapter cubecl
    /// does not tell of them.
    fn of(device: &WgpuDevice) -> Self {
        let client = WgpuRuntime::client(device);
        let properties = client.properties();
        Self {
            half: properties.supports_type(ElemType::Float(FloatKind::F16)),
            subgroups: properties.features.plane.contains(Plane::Ops),
        }
    }
}

/// The operations that have kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Linear,
    /// Linear layers in panels; another kernel does them too.
    Panels,
    Convolution,
    /// Convolutions of 3 by 3 with fewer products; the direct kernel does them too.
    Winograd,
    Depthwise,
    Transposed,
    Attention,
    GroupNorm,
    LayerNorm,
}

/// What was found out about this program's device.
#[derive(Debug)]
struct Findings {
    family: Family,
    /// Operations whose kernels of that family come out wrong, and whose registers are used instead.
    registers: Vec<Operation>,
    /// Operations that come out wrong in any case, and are left to burn's own.
    wrong: Vec<Operation>,
}

static FOUND: OnceLock<Findings> = OnceLock::new();

/// The family to use for an operation; registers, which work everywhere, before the device was tried.
pub(super) fn family(operation: Operation) -> Family {
    match FOUND.get() {
        Some(found) if !found.registers.contains(&operation) => found.family,
        _ => Family::Registers,
    }
}

/// Whether the kernel of an operation may be used.
pub(super) fn trusted(operation: Operation) -> bool {
    FOUND
        .get()
        .is_none_or(|found| !found.wrong.contains(&operation))
}

/// Which kernels were chosen for this program's device.
pub fn chosen_kernels() -> String {
    let Family::Tiles(Extras { half, subgroups }) = family(Operation::Linear) else {
        return "kernels in registers".into();
    };
    let half = if half { " of f16" } else { "" };
    let subgroups = if subgroups { " and subgroups" } else { "" };
    format!("kernels with tiles{half}{subgroups}")
}

/// Tries the kernels on `device`, once in a program: what comes out wrong is not used, and of what comes
/// out right the faster.
pub async fn try_kernels(device: &WgpuDevice) -> Result<()> {
    if FOUND.get().is_some() {
        return Ok(());
    }
    // What another caller found is as good.
    let _ = FOUND.set(Trial { device }.find().await?);
    Ok(())
}

/// Tiles that every device can have.
const TILES: Family = Family::Tiles(Extras {
    half: false,
    subgroups: false,
});
/// The operations that have kernels of both families.
const TILED: [Operation; 5] = [
    Operation::Linear,
    Operation::Convolution,
    Operation::Attention,
    Operation::GroupNorm,
    Operation::LayerNorm,
];
/// The operations whose tiles can hold numbers of 16 bits; the other tiled ones can use subgroups.
const HALVED: [Operation; 3] = [
    Operation::Linear,
    Operation::Convolution,
    Operation::Attention,
];
/// The largest error relative to the largest value: rounding stays a hundred times below it, and that of numbers of
/// 16 bits, of which 11 count, several times.
const BOUND: f32 = 2e-3;

/// Sides of the square layers that are timed: the second one where the first is too quick to tell, which it
/// is on every GPU.
const SIDES: [usize; 2] = [192, 1024];
/// Seconds that tell.
const TELLING: f64 = 0.02;
/// Runs that are timed at most, to reach that.
const MOST_RUNS: f64 = 32.0;
/// So many times faster numbers of 16 bits must be: they round what goes in to 11 bits.
const CLEARLY: f64 = 1.15;

/// As many outputs as inputs.
const AROUND: Conv2dGeometry = Conv2dGeometry {
    stride: [1; 2],
    padding: [1; 2],
};

/// Small problems whose answers the CPU device gives.
struct Trial<'a> {
    device: &'a WgpuDevice,
}

impl Trial<'_> {
    async fn find(&self) -> Result<Findings> {
        let mut findings = Findings {
            family: Family::Registers,
            registers: Vec::new(),
            wrong: self.wrong(Family::Registers).await?,
        };
        let Some(side) = self.tiles_win().await? else {
            return Ok(findings);
        };
        let registers = self.wrong(TILES).await?;
        if registers.contains(&Operation::Linear) {
            // What was timed was wrong, so it proves nothing.
            return Ok(findings);
        }
        findings.family = Family::Tiles(self.extras(&registers, side).await?);
        // Tiles take the place of those.
        let replaced =
            |operation: &Operation| TILED.contains(operation) && !registers.contains(operation);
        findings.wrong.retain(|operation| !replaced(operation));
        findings.registers = registers;
        Ok(findings)
    }

    /// What the device has beyond plain tiles and comes out right, and is faster where it rounds more.
    /// Operations in `known` come out wrong without it.
    async fn extras(&self, known: &[Operation], side: usize) -> Result<Extras> {
        let has = Extras::of(self.device);
        if has == Extras::default() {
            return Ok(has);
        }
        let mut wrong = self.wrong(Family::Tiles(has)).await?;
        wrong.retain(|operation| !known.contains(operation));
        let (halved, summed): (Vec<_>, Vec<_>) = wrong
            .into_iter()
            .partition(|operation| HALVED.contains(operation));
        let right = has.half && halved.is_empty();
        Ok(Extras {
            half: right && self.halves_win(side).await?,
            subgroups: has.subgroups && summed.is_empty(),
        })
    }

    /// The operations that come out wrong.
    async fn wrong(&self, family: Family) -> Result<Vec<Operation>> {
        let mut wrong = Vec::new();
        if !self.linear(family.into()).await? {
            wrong.push(Operation::Linear);
        }
        if !self.convolution(family).await? {
            wrong.push(Operation::Convolution);
        }
        if !self.attention(family).await? {
            wrong.push(Operation::Attention);
        }
        if !self.group_norm(family).await? {
            wrong.push(Operation::GroupNorm);
        }
        if !self.layer_norm(family).await? {
            wrong.push(Operation::LayerNorm);
        }
        if family != Family::Registers {
            return Ok(wrong);
        }
        if !self.linear(Way::Panels).await? {
            wrong.push(Operation::Panels);
        }
        if !self.winograd().await? {
            wrong.push(Operation::Winograd);
        }
        let same = Conv1dGeometry {
            stride: 1,
            padding: 1,
            dilation: 1,
        };
        let ((x, x_cpu), (w, w_cpu)) = (self.both([1, 8, 33], 1), self.both([8, 1, 3], 2));
        let found = conv1d::depthwise(x, w, None, same);
        let expected = plain::depthwise_conv1d(x_cpu, w_cpu, None, same);
        if !agree(found, expected).await? {
            wrong.push(Operation::Depthwise);
        }

        let up = Conv1dGeometry { stride: 2, ..same };
        let values = PackedValues::of(&numbers(4 * 8 * 4, 2));
        let weight = Packed::convolution(&values, [4, 8, 1, 4], self.device);
        let same_weight = Packed::<Cpu>::convolution(&values, [4, 8, 1, 4], &Default::default());
        let (x, x_cpu) = self.both([1, 8, 21], 1);
        let found = conv1d::transposed(x, WeightRef::Packed(&weight), None, up);
        let expected = plain::conv_transpose1d(x_cpu, same_weight.unpack(), None, up);
        if !agree(found, expected).await? {
            wrong.push(Operation::Transposed);
        }
        Ok(wrong)
    }

    async fn linear(&self, way: Way) -> Result<bool> {
        let ((x, x_cpu), (w, w_cpu)) = (self.both([9, 96], 1), self.both([70, 96], 2));
        let found = linear::linear(way, x, WeightRef::Dense(w), Epilogue::bias(None));
        agree(found, plain::linear(x_cpu, w_cpu, Epilogue::bias(None))).await
    }

    async fn convolution(&self, family: Family) -> Result<bool> {
        let direct =
            |x, weight: &_| conv2d::direct(family, x, weight, Epilogue::bias(None), AROUND);
        self.three_by_three(direct).await
    }

    async fn attention(&self, family: Family) -> Result<bool> {
        // With tiles: one thread for a query, then several; tiles and parts of them.
        let dims: &[usize] = match family {
            Family::Registers => &[16],
            Family::Tiles(_) => &[16, 40],
        };
        for dim in dims {
            let [(q, q_cpu), (k, k_cpu), (v, v_cpu)] =
                [1, 2, 3].map(|seed| self.both([1, 2, 70, *dim], seed));
            let found = attention::attention(family, q, k, v, None, 0.25);
            let expected = plain::attention(q_cpu, k_cpu, v_cpu, None, 0.25);
            if !agree(found, expected).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn group_norm(&self, family: Family) -> Result<bool> {
        let (x, x_cpu) = self.both([1, 8, 9, 7], 1);
        let ((scale, scale_cpu), (shift, shift_cpu)) = (self.both([8], 2), self.both([8], 3));
        let silu = Activation::Silu;
        let found = norm::groups(family, x, 2, scale, shift, 1e-5, silu);
        let expected = plain::group_norm(x_cpu, 2, scale_cpu, shift_cpu, 1e-5, silu);
        agree(found, expected).await
    }

    async fn layer_norm(&self, family: Family) -> Result<bool> {
        let (x, x_cpu) = self.both([3, 5, 272], 1);
        let ((scale, scale_cpu), (shift, shift_cpu)) = (self.both([272], 2), self.both([272], 3));
        let found = norm::rows(family, x, scale, shift, 1e-5);
        let expected = plain::layer_norm(x_cpu, scale_cpu, shift_cpu, 1e-5);
        agree(found, expected).await
    }

    async fn winograd(&self) -> Result<bool> {
        let winograd = |x, weight: &_| winograd::conv2d(x, weight, Epilogue::bias(None));
        self.three_by_three(winograd).await
    }

    async fn three_by_three(
        &self,
        convolve: impl FnOnce(Tensor<Gpu, 4>, &Packed<Gpu>) -> Tensor<Gpu, 4>,
    ) -> Result<bool> {
        let shape = [12, 18, 3, 3];
        let values = PackedValues::of(&numbers(shape.iter().product(), 2));
        let weight = Packed::convolution(&values, shape, self.device);
        let same_weight = Packed::<Cpu>::convolution(&values, shape, &Default::default());
        let (x, x_cpu) = self.both([1, 18, 9, 7], 1);
        let found = convolve(x, &weight);
        let nothing = Epilogue::bias(None);
        let expected = plain::conv2d(x_cpu, same_weight.unpack(), nothing, AROUND);
        agree(found, expected).await
    }

    /// Whether the linear layer of tiles is faster, and which side told.
    async fn tiles_win(&self) -> Result<Option<usize>> {
        let mut winner = None;
        for side in SIDES {
            let registers = self.seconds(Family::Registers, side, 1).await?;
            let tiles = self.seconds(TILES, side, 1).await?;
            winner = (tiles < registers).then_some(side);
            if registers.max(tiles) > TELLING {
                break;
            }
        }
        Ok(winner)
    }

    /// Whether tiles of numbers of 16 bits are clearly faster, in as many runs as it takes to tell.
    async fn halves_win(&self, side: usize) -> Result<bool> {
        let once = self.seconds(TILES, side, 1).await?;
        let runs = (TELLING / once).clamp(1.0, MOST_RUNS).ceil() as usize;
        let half = Family::Tiles(Extras {
            half: true,
            subgroups: false,
        });
        let whole = self.seconds(TILES, side, runs).await?;
        let half = self.seconds(half, side, runs).await?;
        Ok(CLEARLY * half < whole)
    }

    /// Seconds of so many linear layers after a first time, which compiles them.
    async fn seconds(&self, family: Family, side: usize, runs: usize) -> Result<f64> {
        let ones = Tensor::<Gpu, 2>::ones([side; 2], self.device);
        let weight = Tensor::<Gpu, 2>::ones([side; 2], self.device);
        let mut seconds = 0.0;
        for _ in 0..2 {
            let start = Instant::now();
            let mut last = None;
            for _ in 0..runs {
                let weight = WeightRef::Dense(weight.clone());
                let y = linear::linear(family, ones.clone(), weight, Epilogue::bias(None));
                last = Some(y);
            }
            if let Some(y) = last {
                read(y.slice([0..1, 0..1])).await?;
            }
            seconds = start.elapsed().as_secs_f64();
        }
        Ok(seconds)
    }

    /// The same numbers on both devices.
    fn both<const D: usize>(
        &self,
        shape: [usize; D],
        seed: u64,
    ) -> (Tensor<Gpu, D>, Tensor<Cpu, D>) {
        let data = TensorData::new(numbers(shape.iter().product(), seed), shape);
        (
            Tensor::from_data(data.clone(), self.device),
            Tensor::from_data(data, &Default::default()),
        )
    }
}

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    standard_normal(seed, 6, count)
}

/// Whether two devices found the same.
async fn agree<const D: usize>(found: Tensor<Gpu, D>, expected: Tensor<Cpu, D>) -> Result<bool> {
    let (found, expected) = (read(found).await?, read(expected).await?);
    Ok(close(&found, &expected))
}

fn close(found: &[f32], expected: &[f32]) -> bool {
    let largest = expected.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    // What is no number is close to nothing.
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= BOUND * largest;
    found.len() == expected.len() && found.iter().zip(expected).all(near)
}

#[cfg(test)]
mod tests {
    use super::close;

    #[test]
    fn wrong_answers_are_seen() {
        let right = [1.0, -20.0, 3.0];
        assert!(close(&[1.001, -20.0, 3.0], &right));
        assert!(!close(&[1.1, -20.0, 3.0], &right));
        assert!(!close(&[f32::NAN, -20.0, 3.0], &right));
        assert!(!close(&[1.0, -20.0], &right));
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod device_tests {
    use super::{
        super::tests::{gpu, possible},
        Extras, Family, Operation, SIDES, TILES, Trial,
    };

    #[test]
    fn nothing_that_the_device_has_comes_out_wrong() {
        if !gpu() {
            return;
        }
        let all = Family::Tiles(Extras {
            half: true,
            subgroups: true,
        });
        let device = &Default::default();
        for family in possible(&[Family::Registers, TILES, all]) {
            let wrong = pollster::block_on(Trial { device }.wrong(family)).unwrap();
            assert_eq!(wrong, [] as [Operation; 0], "{family:?}");
        }
    }

    #[test]
    fn extras_are_what_the_device_has_and_comes_out_right() {
        if !gpu() {
            return;
        }
        let trial = Trial {
            device: &Default::default(),
        };
        let has = Extras::of(trial.device);
        let found = pollster::block_on(trial.extras(&[], SIDES[0])).unwrap();
        assert_eq!(found.subgroups, has.subgroups);
        // Whether it is faster is the device's business.
        assert!(has.half || !found.half);
    }
}
