//! Element types of checkpoints.

use half::{bf16, f16};
use std::path::Path;

use crate::Error;

/// A float that weights are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
}

impl Element {
    /// The element of a storage class or of a dtype, as `torch.FloatStorage` or `torch.float32`.
    pub fn of_torch(class: &str) -> Option<Self> {
        Some(match class.strip_prefix("torch.").unwrap_or(class) {
            "HalfStorage" | "float16" => Self::F16,
            "BFloat16Storage" | "bfloat16" => Self::Bf16,
            "FloatStorage" | "float32" => Self::F32,
            "DoubleStorage" | "float64" => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of an element of any storage class.
    pub fn size_of_torch(class: &str) -> Option<usize> {
        Some(match class.strip_prefix("torch.").unwrap_or(class) {
            "BoolStorage" | "ByteStorage" | "CharStorage" => 1,
            "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
            "FloatStorage" | "IntStorage" => 4,
            "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
            "ComplexDoubleStorage" => 16,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The value of the little-endian `bytes`, as many as [`Self::size`].
    pub fn value(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
            (Self::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            _ => unreachable!("an element of {self:?} has {} bytes", bytes.len()),
        }
    }
}

/// An element type that no weight should have.
pub(super) fn unsupported(name: &str, path: &Path, element: &str) -> Error {
    Error::unsupported(
        format!("tensor {name} of {} is stored as {element}", path.display()),
        "use a checkpoint with f32, f64, f16 or bf16 weights",
    )
}
