//! Tries kernels on a device: compares every operation with the CPU device, and times the variants.

use burn::{
    backend::wgpu::WgpuDevice,
    tensor::{Tensor, TensorData},
};
use web_time::Instant;

use super::{
    attention, conv1d, conv2d,
    linear::{self, Algorithm},
    lstm, norm,
    select::{Features, KernelSelection, Operation, Variant},
    winograd,
};
use crate::{
    Result,
    ops::{
        Activation, Conv1dGeometry, Conv2dGeometry, Cpu, Epilogue, Gpu, Packed, WeightRef, plain,
    },
    quant::PackedValues,
    random::standard_normal,
    tensors::read,
};

/// Tiles without optional features.
const TILES: Variant = Variant::SharedMemoryTiled(Features {
    f16: false,
    subgroups: false,
});
/// The operations that have kernels of both variants.
pub(super) const TILED: [Operation; 6] = [
    Operation::Linear,
    Operation::Convolution,
    Operation::Attention,
    Operation::GroupNorm,
    Operation::LayerNorm,
    Operation::Lstm,
];
/// The operations whose tiles can hold f16; the other tiled ones can use subgroups.
const IN_F16: [Operation; 3] = [
    Operation::Linear,
    Operation::Convolution,
    Operation::Attention,
];
/// The largest error relative to the largest value: a hundred times the rounding of f32, several times that of f16.
const BOUND: f32 = 2e-3;

/// Sides of the square layers that are timed: the second one where the first is too fast to measure, as on every GPU.
const SIDES: [usize; 2] = [192, 1024];
/// The shortest time that is trusted.
const MIN_SECONDS: f64 = 0.02;
/// The most runs that are timed to reach it.
const MAX_RUNS: f64 = 32.0;
/// The speed-up that f16 tiles must reach: they round inputs to 11 bits.
const F16_MARGIN: f64 = 1.15;

/// A convolution with as many outputs as inputs.
const SAME_SIZE: Conv2dGeometry = Conv2dGeometry {
    stride: [1; 2],
    padding: [1; 2],
};

/// Small problems with answers from the CPU device.
pub(super) struct SelfTest<'a> {
    pub device: &'a WgpuDevice,
}

impl SelfTest<'_> {
    /// The fastest kernels that compute correctly.
    pub async fn select(&self) -> Result<KernelSelection> {
        let mut selection = KernelSelection {
            disabled: self.failures(Variant::RegisterTiled).await?,
            ..KernelSelection::default()
        };
        let Some(side) = self.tiles_win().await? else {
            return Ok(selection);
        };
        let failed = self.failures(TILES).await?;
        if failed.contains(&Operation::Linear) {
            // What was timed was wrong, so the time says nothing.
            return Ok(selection);
        }
        let features = self.features(&failed, side).await?;
        selection.variant = Variant::SharedMemoryTiled(features);
        // Working tiles replace register-tiled kernels that do not work.
        let replaced =
            |operation: &Operation| TILED.contains(operation) && !failed.contains(operation);
        selection.disabled.retain(|operation| !replaced(operation));
        selection.register_tiled = failed;
        Ok(selection)
    }

    /// The optional features that the device has, that compute correctly, and that are faster where they round more.
    /// Operations in `known` fail without them.
    pub async fn features(&self, known: &[Operation], side: usize) -> Result<Features> {
        let has = Features::of(self.device);
        if has == Features::default() {
            return Ok(has);
        }
        let mut failed = self.failures(Variant::SharedMemoryTiled(has)).await?;
        failed.retain(|operation| !known.contains(operation));
        let (in_f16, reduced): (Vec<_>, Vec<_>) = failed
            .into_iter()
            .partition(|operation| IN_F16.contains(operation));
        let correct = has.f16 && in_f16.is_empty();
        Ok(Features {
            f16: correct && self.f16_wins(side).await?,
            subgroups: has.subgroups && reduced.is_empty(),
        })
    }

    /// The operations that a variant computes wrongly.
    pub async fn failures(&self, variant: Variant) -> Result<Vec<Operation>> {
        let mut failed = Vec::new();
        if !self.linear(variant.into()).await? {
            failed.push(Operation::Linear);
        }
        if !self.convolution(variant).await? {
            failed.push(Operation::Convolution);
        }
        if !self.attention(variant).await? {
            failed.push(Operation::Attention);
        }
        if !self.group_norm(variant).await? {
            failed.push(Operation::GroupNorm);
        }
        if !self.layer_norm(variant).await? {
            failed.push(Operation::LayerNorm);
        }
        if !self.lstm(variant).await? {
            failed.push(Operation::Lstm);
        }
        if variant != Variant::RegisterTiled {
            return Ok(failed);
        }
        if !self.linear(Algorithm::Panels).await? {
            failed.push(Operation::Panels);
        }
        if !self.winograd().await? {
            failed.push(Operation::Winograd);
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
            failed.push(Operation::Depthwise);
        }

        let up = Conv1dGeometry { stride: 2, ..same };
        let values = PackedValues::of(&numbers(4 * 8 * 4, 2));
        let weight = Packed::convolution(&values, [4, 8, 1, 4], self.device);
        let same_weight = Packed::<Cpu>::convolution(&values, [4, 8, 1, 4], &Default::default());
        let (x, x_cpu) = self.both([1, 8, 21], 1);
        let found = conv1d::transposed(x, WeightRef::Packed(&weight), None, up);
        let expected = plain::conv_transpose1d(x_cpu, same_weight.unpack(), None, up);
        if !agree(found, expected).await? {
            failed.push(Operation::Transposed);
        }
        Ok(failed)
    }

    async fn linear(&self, algorithm: Algorithm) -> Result<bool> {
        let ((x, x_cpu), (w, w_cpu)) = (self.both([9, 96], 1), self.both([70, 96], 2));
        let found = linear::linear(algorithm, x, WeightRef::Dense(w), Epilogue::bias(None));
        agree(found, plain::linear(x_cpu, w_cpu, Epilogue::bias(None))).await
    }

    async fn convolution(&self, variant: Variant) -> Result<bool> {
        let direct =
            |x, weight: &_| conv2d::direct(variant, x, weight, Epilogue::bias(None), SAME_SIZE);
        self.three_by_three(direct).await
    }

    async fn attention(&self, variant: Variant) -> Result<bool> {
        // With tiles: one thread per query, then several; whole tiles and partial ones.
        let dims: &[usize] = match variant {
            Variant::RegisterTiled => &[16],
            Variant::SharedMemoryTiled(_) => &[16, 40],
        };
        for dim in dims {
            let [(q, q_cpu), (k, k_cpu), (v, v_cpu)] =
                [1, 2, 3].map(|seed| self.both([1, 2, 70, *dim], seed));
            let found = attention::attention(variant, q, k, v, None, 0.25);
            let expected = plain::attention(q_cpu, k_cpu, v_cpu, None, 0.25);
            if !agree(found, expected).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn group_norm(&self, variant: Variant) -> Result<bool> {
        let (x, x_cpu) = self.both([1, 8, 9, 7], 1);
        let ((scale, scale_cpu), (shift, shift_cpu)) = (self.both([8], 2), self.both([8], 3));
        let silu = Activation::Silu;
        let found = norm::groups(variant, x, 2, scale, shift, 1e-5, silu);
        let expected = plain::group_norm(x_cpu, 2, scale_cpu, shift_cpu, 1e-5, silu);
        agree(found, expected).await
    }

    async fn layer_norm(&self, variant: Variant) -> Result<bool> {
        let (x, x_cpu) = self.both([3, 5, 272], 1);
        let ((scale, scale_cpu), (shift, shift_cpu)) = (self.both([272], 2), self.both([272], 3));
        let found = norm::rows(variant, x, scale, shift, 1e-5);
        let expected = plain::layer_norm(x_cpu, scale_cpu, shift_cpu, 1e-5);
        agree(found, expected).await
    }

    async fn lstm(&self, variant: Variant) -> Result<bool> {
        let (gates, gates_cpu) = self.both([2, 9, 4 * 37], 1);
        let (weight, weight_cpu) = self.both([4 * 37, 37], 2);
        let found = lstm::lstm(variant, gates, weight / 6.0, true);
        agree(found, plain::lstm(gates_cpu, weight_cpu / 6.0, true)).await
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
        let expected = plain::conv2d(x_cpu, same_weight.unpack(), nothing, SAME_SIZE);
        agree(found, expected).await
    }

    /// Whether the shared-memory-tiled linear layer is faster; gives the side that was measured.
    async fn tiles_win(&self) -> Result<Option<usize>> {
        let mut winner = None;
        for side in SIDES {
            let registers = self.seconds(Variant::RegisterTiled, side, 1).await?;
            let tiles = self.seconds(TILES, side, 1).await?;
            winner = (tiles < registers).then_some(side);
            if registers.max(tiles) > MIN_SECONDS {
                break;
            }
        }
        Ok(winner)
    }

    /// Whether f16 tiles are faster by the margin, over as many runs as a measurement takes.
    async fn f16_wins(&self, side: usize) -> Result<bool> {
        let once = self.seconds(TILES, side, 1).await?;
        let runs = (MIN_SECONDS / once).clamp(1.0, MAX_RUNS).ceil() as usize;
        let in_f16 = Variant::SharedMemoryTiled(Features {
            f16: true,
            subgroups: false,
        });
        let in_f32 = self.seconds(TILES, side, runs).await?;
        let in_f16 = self.seconds(in_f16, side, runs).await?;
        Ok(F16_MARGIN * in_f16 < in_f32)
    }

    /// Seconds for `runs` linear layers, after a first round, which compiles the kernel.
    async fn seconds(&self, variant: Variant, side: usize, runs: usize) -> Result<f64> {
        let ones = Tensor::<Gpu, 2>::ones([side; 2], self.device);
        let weight = Tensor::<Gpu, 2>::ones([side; 2], self.device);
        let mut seconds = 0.0;
        for _ in 0..2 {
            let start = Instant::now();
            let mut last = None;
            for _ in 0..runs {
                let weight = WeightRef::Dense(weight.clone());
                let y = linear::linear(variant, ones.clone(), weight, Epilogue::bias(None));
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

/// Whether two devices computed the same.
async fn agree<const D: usize>(found: Tensor<Gpu, D>, expected: Tensor<Cpu, D>) -> Result<bool> {
    let (found, expected) = (read(found).await?, read(expected).await?);
    Ok(close(&found, &expected))
}

fn close(found: &[f32], expected: &[f32]) -> bool {
    let largest = expected.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    // NaN is close to nothing.
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
