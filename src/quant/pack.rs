//! Packing and unpacking, and what packing costs.

use half::f16;

use super::{BLOCK, Encoding, align};
use crate::{Error, Result};

/// The largest relative error that packing a tensor may cost.
#[cfg(feature = "native")]
const MAX_ERROR: f64 = 0.02;
/// The same for 4 bits, which cost about 0.09 where weights are normally distributed.
#[cfg(feature = "native")]
const MAX_Q4_ERROR: f64 = 0.15;

/// Packs `values` with `wanted`, or with more bits where that would cost too much. Gives the bytes, the encoding
/// that was used, and the relative error.
#[cfg(feature = "native")]
pub fn pack_within_limit(values: &[f32], wanted: Encoding) -> Result<(Vec<u8>, Encoding, f64)> {
    let (next, limit) = match wanted {
        Encoding::F32 => (None, MAX_ERROR),
        Encoding::F16 => (Some(Encoding::F32), MAX_ERROR),
        Encoding::Q8 => (Some(Encoding::F16), MAX_ERROR),
        Encoding::Q4 => (Some(Encoding::Q8), MAX_Q4_ERROR),
    };
    let (packed, error) = wanted.encode(values)?;
    match next {
        Some(next) if error.is_nan() || error >= limit => pack_within_limit(values, next),
        _ => Ok((packed, wanted, error)),
    }
}

impl Encoding {
    /// The elements in `bytes`, which hold `count` of them.
    pub fn decode(self, bytes: &[u8], count: usize) -> Result<Vec<f32>> {
        match self {
            Self::F32 => Ok(bytes
                .chunks_exact(4)
                .take(count)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect()),
            Self::F16 => Ok(bytes
                .chunks_exact(2)
                .take(count)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect()),
            Self::Q8 | Self::Q4 => self.decode_blocks(bytes, count),
        }
    }

    /// The elements of whole blocks, whose scales lie behind all quants.
    fn decode_blocks(self, bytes: &[u8], count: usize) -> Result<Vec<f32>> {
        let each = if self == Self::Q8 { BLOCK } else { BLOCK / 2 };
        let quants = count / BLOCK * each;
        let scales = align(quants as u64).unwrap_or(0) as usize;
        let (Some(quants), Some(scales)) = (bytes.get(..quants), bytes.get(scales..)) else {
            return Err(Error::internal("a quantised tensor is too short"));
        };
        let mut values = Vec::with_capacity(count);
        for (block, scale) in quants.chunks_exact(each).zip(scales.chunks_exact(2)) {
            let scale = f16::from_le_bytes([scale[0], scale[1]]).to_f32();
            let nibble = |n: u8| (f32::from(n) - 8.0) * scale;
            if self == Self::Q8 {
                values.extend(block.iter().map(|&q| f32::from(q as i8) * scale));
            } else {
                values.extend(block.iter().flat_map(|&q| [nibble(q & 15), nibble(q >> 4)]));
            }
        }
        Ok(values)
    }

    /// Packs `values`, and gives the relative error `|packed - values| / |values|` that this costs.
    pub fn encode(self, values: &[f32]) -> Result<(Vec<u8>, f64)> {
        match self {
            Self::F32 => Ok((values.iter().flat_map(|v| v.to_le_bytes()).collect(), 0.0)),
            Self::F16 => {
                let mut bytes = Vec::with_capacity(2 * values.len());
                let packed = values.iter().map(|&value| f16::from_f32(value));
                bytes.extend(packed.flat_map(f16::to_le_bytes));
                let error = relative_error(values, &self.decode(&bytes, values.len())?);
                Ok((bytes, error))
            }
            Self::Q8 | Self::Q4 => {
                let blocks = values.as_chunks::<BLOCK>().0;
                let mut bytes = Vec::new();
                let mut scales = Vec::with_capacity(2 * blocks.len());
                for block in blocks {
                    let (scale, quants) = self.quantise(block);
                    scales.extend(scale.to_le_bytes());
                    if self == Self::Q8 {
                        bytes.extend(quants.map(|q| q as u8));
                    } else {
                        let pairs = quants.as_chunks::<2>().0.iter();
                        bytes.extend(
                            pairs.map(|[low, high]| (low + 8) as u8 | ((high + 8) as u8) << 4),
                        );
                    }
                }
                let padded = align(bytes.len() as u64).unwrap_or(0) as usize;
                bytes.resize(padded, 0);
                bytes.extend(scales);
                let error = relative_error(values, &self.decode(&bytes, values.len())?);
                Ok((bytes, error))
            }
        }
    }

    /// The scale of a block and its quants. Of several scales, some of which clip the largest
    /// element, the one with the smallest squared error.
    fn quantise(self, block: &[f32; BLOCK]) -> (f16, [i8; BLOCK]) {
        let (least, most) = if self == Self::Q8 {
            (-127.0, 127.0)
        } else {
            (-8.0, 7.0)
        };
        let largest = block.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let try_scale = |divisor: f32| {
            let scale = f16::from_f32(largest / divisor);
            let step = scale.to_f32();
            let quants = block.map(|x| {
                let quant = if step > 0.0 { x / step } else { 0.0 };
                quant.round().clamp(least, most) as i8
            });
            let rounded = block.iter().zip(&quants);
            let error: f32 = rounded
                .map(|(x, &q)| (x - f32::from(q) * step).powi(2))
                .sum();
            (error, scale, quants)
        };
        let tries = (0..SCALES).map(|i| try_scale(most * (1.0 + 0.05 * i as f32)));
        let best = tries.reduce(|best, next| if next.0 < best.0 { next } else { best });
        best.map_or((f16::ZERO, [0; BLOCK]), |(_, scale, quants)| {
            (scale, quants)
        })
    }
}

/// Scales that are tried for a block.
const SCALES: usize = 8;

/// `|packed - values| / |values|`.
fn relative_error(values: &[f32], packed: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x).powi(2);
    let error: f64 = values.iter().zip(packed).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = values.iter().map(|&x| square(x)).sum();
    if norm > 0.0 {
        (error / norm).sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_within_half_a_step() {
        let values: Vec<f32> = (0..1024)
            .map(|i| (i as f32 * 0.37).sin() * i as f32)
            .collect();
        for (encoding, steps) in [(Encoding::Q8, 127.0), (Encoding::Q4, 7.0)] {
            let (bytes, error) = encoding.encode(&values).unwrap();
            assert_eq!(Some(bytes.len() as u64), encoding.bytes(&[8, 128]));
            let back = encoding.decode(&bytes, values.len()).unwrap();
            assert!(error > 0.0 && error < 0.6 / f64::from(steps), "{error}");
            for (values, back) in values.chunks(BLOCK).zip(back.chunks(BLOCK)) {
                let largest = values.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                let worst = values.iter().zip(back).map(|(a, b)| (a - b).abs());
                // Clipping the largest elements a little may cost them more than rounding does.
                assert!(worst.fold(0.0, f32::max) <= 3.0 * largest / steps);
            }
        }
        let (bytes, error) = Encoding::Q4.encode(&[0.0; 64]).unwrap();
        assert_eq!(
            (error, Encoding::Q4.decode(&bytes, 64).unwrap()),
            (0.0, vec![0.0; 64])
        );
    }

    #[test]
    fn f16_comes_back_within_its_precision() {
        let values: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let (bytes, error) = Encoding::F16.encode(&values).unwrap();
        let back = Encoding::F16.decode(&bytes, values.len()).unwrap();
        assert!(error > 0.0 && error < 5e-4);
        assert!(values.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
