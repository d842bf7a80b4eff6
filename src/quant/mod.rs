//! Quantisation: how the elements of a tensor are packed, in a bundle, in memory and in kernels.

mod pack;
mod values;

use serde::{Deserialize, Serialize};

#[cfg(feature = "native")]
pub use pack::pack_within_limit;
pub use values::PackedValues;

/// Elements that share a scale.
pub const BLOCK: usize = 32;

/// Every tensor, and every plane of a quantised tensor, begins at a multiple of this.
pub const ALIGNMENT: u64 = 16;

/// How the elements of a tensor are stored. All numbers are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Encoding {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// Blocks of 32 along a row: a plane of int8, then a plane of one f16 scale a block. A row is
    /// what belongs to one index of the first dimension: all that one output reduces over.
    Q8,
    /// The same with two 4-bit numbers a byte (the first one in the low half), from -8 to 7, plus 8.
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
                let rows = *shape.first()? as u64;
                let blocks = rows.checked_mul(BLOCK as u64)?;
                if shape.len() < 2 || blocks == 0 || !elements.is_multiple_of(blocks) {
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

    /// Whether blocks of elements share a scale.
    pub fn has_scales(self) -> bool {
        matches!(self, Self::Q8 | Self::Q4)
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
        assert_eq!(Encoding::Q8.bytes(&[4, 32, 3]), Some(384 + 24));
        assert_eq!(Encoding::Q8.bytes(&[2, 33]), None);
        assert_eq!(Encoding::Q8.bytes(&[64]), None);
        assert_eq!(Encoding::F32.bytes(&[usize::MAX, 8]), None);
    }
}
