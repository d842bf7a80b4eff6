//! How the elements of a tensor are packed.

use half::f16;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Elements that share a scale in the quantised encodings.
pub const BLOCK: usize = 32;
/// Every tensor, and every plane of a quantised tensor, begins at a multiple of this.
pub const ALIGNMENT: u64 = 16;

/// The encodings that a manifest can name. All numbers are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// Blocks of 32 along the last dimension: a plane of int8, then a plane of one f16 scale a block.
    Q8,
    /// Blocks of 32 along the last dimension: a plane of two 4-bit numbers a byte, then the scales.
    Q4,
}

impl Encoding {
    /// Bytes of a tensor of `shape`, without padding behind it. `None` when they cannot be counted.
    pub fn bytes(self, shape: &[usize]) -> Option<u64> {
        let elements = shape
            .iter()
            .try_fold(1u64, |product, &n| product.checked_mul(n as u64))?;
        match self {
            Self::F32 => elements.checked_mul(4),
            Self::F16 => elements.checked_mul(2),
            Self::Q8 | Self::Q4 => {
                let row = *shape.last()? as u64;
                if row == 0 || !row.is_multiple_of(BLOCK as u64) {
                    return None;
                }
                let quants = if self == Self::Q8 {
                    elements
                } else {
                    elements / 2
                };
                align(quants)?.checked_add(elements / BLOCK as u64 * 2)
            }
        }
    }

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
            Self::Q8 | Self::Q4 => Err(Error::unsupported(
                "this version reads only f32 and f16 tensors",
                "convert the checkpoint again with --dtype f16",
            )),
        }
    }

    /// Packs `values`, and gives the relative error `|packed - values| / |values|` that this costs.
    pub fn encode(self, values: &[f32]) -> Result<(Vec<u8>, f64)> {
        match self {
            Self::F32 => Ok((values.iter().flat_map(|v| v.to_le_bytes()).collect(), 0.0)),
            Self::F16 => {
                let mut bytes = Vec::with_capacity(2 * values.len());
                let (mut error, mut norm) = (0.0, 0.0);
                for &value in values {
                    let packed = f16::from_f32(value);
                    error += f64::from(packed.to_f32() - value).powi(2);
                    norm += f64::from(value).powi(2);
                    bytes.extend(packed.to_le_bytes());
                }
                let relative = if norm > 0.0 {
                    (error / norm).sqrt()
                } else {
                    0.0
                };
                Ok((bytes, relative))
            }
            Self::Q8 | Self::Q4 => Err(Error::unsupported(
                "this version writes only f32 and f16 tensors",
                "use --dtype f16",
            )),
        }
    }
}

/// `n` rounded up to [`ALIGNMENT`].
pub fn align(n: u64) -> Option<u64> {
    n.checked_next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_bytes_without_overflow() {
        assert_eq!(Encoding::F16.bytes(&[3, 5]), Some(30));
        assert_eq!(Encoding::F32.bytes(&[]), Some(4));
        assert_eq!(Encoding::Q8.bytes(&[2, 64]), Some(128 + 8));
        assert_eq!(Encoding::Q4.bytes(&[1, 32]), Some(16 + 2));
        assert_eq!(Encoding::Q8.bytes(&[2, 33]), None);
        assert_eq!(Encoding::F32.bytes(&[usize::MAX, 8]), None);
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
