//! Which kernels suit a device.
//!
//! Shared tiles in workgroup memory are what a GPU wants, and what a software adapter is ten times slower
//! with; and some adapters compute wrongly. What an adapter calls itself is no proof, so it is tried: every
//! operation is compared with the CPU device, and both families of kernels are timed.

use burn::{
    backend::wgpu::WgpuDevice,
    tensor::{Tensor, TensorData},
};
use std::sync::OnceLock;
use web_time::Instant;

use super::{After, Gpu, WeightRef, attention, conv1d, conv2d, linear, norm, plain, winograd};
use crate::{
    Result,
    diffusion::initial_noise,
    ops::{Activation, Conv1dGeometry, Conv2dGeometry, Cpu, Packed, PackedValues},
    pipeline::read,
};

/// Kernels that do the same in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// A tile of the result in the registers of every thread, and nothing shared.
    Registers,
    /// A tile of the result for every workgroup, whose inputs lie in workgroup memory.
    Tiles,
}

/// The operations that have kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Linear,
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
    /// Operations that come out wrong, and are left to burn's own.
    wrong: Vec<Operation>,
}

static FOUND: OnceLock<Findings> = OnceLock::new();

/// The family to use; registers, which work everywhere, before the device was tried.
pub(super) fn family() -> Family {
    FOUND.get().map_or(Family::Registers, |found| found.family)
}

/// Whether the kernel of an operation may be used.
pub(super) fn trusted(operation: Operation) -> bool {
    FOUND
        .get()
        .is_none_or(|found| !found.wrong.contains(&operation))
}

/// Tries the kernels on `device`, once in a program: what comes out wrong is not used, and of what comes
/// out right the faster.
pub async fn try_kernels(device: &WgpuDevice) -> Result<()> {
    if FOUND.get().is_some() {
        return Ok(());
    }
    let trial = Trial { device };
    let mut wrong = trial.wrong(Family::Registers).await?;
    let mut family = faster(device).await?;
    if family == Family::Tiles && !trial.wrong(Family::Tiles).await?.is_empty() {
        family = Family::Registers;
    }
    if family == Family::Tiles {
        // Tiles take the place of those.
        wrong.retain(|operation| !TILED.contains(operation));
    }
    // What another caller found is as good.
    let _ = FOUND.set(Findings { family, wrong });
    Ok(())
}

/// The operations that have kernels of both families.
const TILED: [Operation; 2] = [Operation::Linear, Operation::Convolution];
/// The largest error relative to the largest value: rounding stays a hundred times below it.
const BOUND: f32 = 2e-3;

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
    /// The operations that come out wrong.
    async fn wrong(&self, family: Family) -> Result<Vec<Operation>> {
        let mut wrong = Vec::new();
        if !self.linear(family).await? {
            wrong.push(Operation::Linear);
        }
        if !self.convolution(family).await? {
            wrong.push(Operation::Convolution);
        }
        if family == Family::Tiles {
            return Ok(wrong);
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

        let [(q, q_cpu), (k, k_cpu), (v, v_cpu)] =
            [1, 2, 3].map(|seed| self.both([1, 2, 37, 16], seed));
        let found = attention::attention(q, k, v, None, 0.25);
        let expected = plain::attention(q_cpu, k_cpu, v_cpu, None, 0.25);
        if !agree(found, expected).await? {
            wrong.push(Operation::Attention);
        }

        let (x, x_cpu) = self.both([1, 8, 9, 7], 1);
        let ((scale, scale_cpu), (shift, shift_cpu)) = (self.both([8], 2), self.both([8], 3));
        let found = norm::groups(x, 2, scale, shift, 1e-5, Activation::Silu);
        let expected = plain::group_norm(x_cpu, 2, scale_cpu, shift_cpu, 1e-5, Activation::Silu);
        if !agree(found, expected).await? {
            wrong.push(Operation::GroupNorm);
        }

        let (x, x_cpu) = self.both([3, 5, 64], 1);
        let ((scale, scale_cpu), (shift, shift_cpu)) = (self.both([64], 2), self.both([64], 3));
        let found = norm::rows(x, scale, shift, 1e-5);
        let expected = plain::layer_norm(x_cpu, scale_cpu, shift_cpu, 1e-5);
        if !agree(found, expected).await? {
            wrong.push(Operation::LayerNorm);
        }
        Ok(wrong)
    }

    async fn linear(&self, family: Family) -> Result<bool> {
        let ((x, x_cpu), (w, w_cpu)) = (self.both([9, 96], 1), self.both([70, 96], 2));
        let found = linear::linear(family, x, WeightRef::Plain(w), After::bias(None));
        agree(found, plain::linear(x_cpu, w_cpu, After::bias(None))).await
    }

    async fn convolution(&self, family: Family) -> Result<bool> {
        let direct = |x, weight: &_| conv2d::direct(family, x, weight, After::bias(None), AROUND);
        self.three_by_three(direct).await
    }

    async fn winograd(&self) -> Result<bool> {
        let winograd = |x, weight: &_| winograd::conv2d(x, weight, After::bias(None));
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
        let nothing = After::bias(None);
        let expected = plain::conv2d(x_cpu, same_weight.unpack(), nothing, AROUND);
        agree(found, expected).await
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
    initial_noise(seed, 6, count)
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

/// Sides of the square layers that are timed: the second one where the first is too quick to tell, which it
/// is on every GPU.
const SIDES: [usize; 2] = [192, 1024];
/// Seconds that tell.
const TELLING: f64 = 0.02;

/// The family whose linear layer is faster.
async fn faster(device: &WgpuDevice) -> Result<Family> {
    let mut faster = Family::Registers;
    for side in SIDES {
        let registers = seconds(Family::Registers, side, device).await?;
        let tiles = seconds(Family::Tiles, side, device).await?;
        faster = if tiles < registers {
            Family::Tiles
        } else {
            Family::Registers
        };
        if registers.max(tiles) > TELLING {
            break;
        }
    }
    Ok(faster)
}

/// Seconds of a layer after a first run, which compiles it.
async fn seconds(family: Family, side: usize, device: &WgpuDevice) -> Result<f64> {
    let ones = Tensor::<Gpu, 2>::ones([side; 2], device);
    let weight = Tensor::<Gpu, 2>::ones([side; 2], device);
    let mut seconds = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        let weight = WeightRef::Plain(weight.clone());
        let y = linear::linear(family, ones.clone(), weight, After::bias(None));
        read(y.slice([0..1, 0..1])).await?;
        seconds = start.elapsed().as_secs_f64();
    }
    Ok(seconds)
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
