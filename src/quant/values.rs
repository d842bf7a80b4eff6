//! Packed elements in the program's own memory.

use half::f16;

use super::{BLOCK, Encoding, align};
use crate::{Error, Result};

/// Packed elements as a checkpoint has them: row by row, a row being what one output reduces over.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedValues {
    /// How they are packed.
    pub encoding: Encoding,
    /// The elements, little-endian; of 4-bit ones the first in the low half of a byte.
    pub elements: Vec<u8>,
    /// A scale for each block.
    pub scales: Vec<f16>,
}

impl PackedValues {
    /// `values` as they are.
    pub fn of(values: &[f32]) -> Self {
        Self {
            encoding: Encoding::F32,
            elements: bytemuck::cast_slice(values).to_vec(),
            scales: Vec::new(),
        }
    }

    /// The `count` elements that a bundle stores as `bytes`: the planes of quants and scales, taken apart.
    pub fn from_bytes(encoding: Encoding, mut bytes: Vec<u8>, count: usize) -> Result<Self> {
        let length = match encoding {
            Encoding::F32 => 4 * count,
            Encoding::F16 => 2 * count,
            Encoding::Q8 => count,
            Encoding::Q4 => count / 2,
        };
        let behind = align(length as u64).unwrap_or(0) as usize;
        let scales: Vec<f16> = match encoding.has_scales() {
            true => {
                let scales = bytes.get(behind..).unwrap_or_default();
                let scales = scales.as_chunks::<2>().0.iter();
                scales.map(|bytes| f16::from_le_bytes(*bytes)).collect()
            }
            false => Vec::new(),
        };
        let blocks = if encoding.has_scales() {
            count / BLOCK
        } else {
            0
        };
        if bytes.len() < length || scales.len() != blocks {
            return Err(Error::internal("a packed tensor is too short"));
        }
        bytes.truncate(length);
        Ok(Self {
            encoding,
            elements: bytes,
            scales,
        })
    }

    /// The rows of part `part` of `parts` equal ones.
    pub fn part(&self, part: usize, parts: usize) -> Self {
        fn share<T: Clone>(all: &[T], part: usize, parts: usize) -> Vec<T> {
            let each = all.len() / parts.max(1);
            all[part * each..(part + 1) * each].to_vec()
        }
        Self {
            encoding: self.encoding,
            elements: share(&self.elements, part, parts),
            scales: share(&self.scales, part, parts),
        }
    }

    /// The rows of all `parts`, one behind the other, where they are packed in the same way.
    pub fn join(parts: &[Self]) -> Option<Self> {
        let encoding = parts.first()?.encoding;
        let alike = parts.iter().all(|part| part.encoding == encoding);
        alike.then(|| Self {
            encoding,
            elements: parts
                .iter()
                .flat_map(|part| &part.elements)
                .copied()
                .collect(),
            scales: parts
                .iter()
                .flat_map(|part| &part.scales)
                .copied()
                .collect(),
        })
    }

    /// `[out, inputs, taps]` to `[taps, inputs, out]`, whose outputs a kernel reads together.
    pub(crate) fn outputs_last(&self, [outputs, inputs, taps]: [usize; 3]) -> Vec<u8> {
        let order = (0..taps).flat_map(move |tap| {
            let places = (0..inputs).map(move |i| i * taps + tap);
            places.flat_map(move |k| (0..outputs).map(move |o| o * inputs * taps + k))
        });
        // A browser keeps the memory that its module ever had: no more than one copy here.
        fn pick<const N: usize>(all: &[u8], order: impl Iterator<Item = usize>) -> Vec<u8> {
            let (elements, _) = all.as_chunks::<N>();
            let mut picked = Vec::with_capacity(all.len());
            order.for_each(|at| picked.extend(elements[at]));
            picked
        }
        match self.encoding {
            Encoding::F32 => pick::<4>(&self.elements, order),
            Encoding::F16 => pick::<2>(&self.elements, order),
            Encoding::Q8 => pick::<1>(&self.elements, order),
            Encoding::Q4 => {
                let nibble = |at: usize| self.elements[at / 2] >> (4 * (at % 2)) & 15;
                let nibbles: Vec<u8> = order.map(nibble).collect();
                let pairs = nibbles.chunks(2);
                pairs
                    .map(|pair| pair[0] | pair.get(1).unwrap_or(&0) << 4)
                    .collect()
            }
        }
    }
}
