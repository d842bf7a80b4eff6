//! The weights of layers: elements that can be trained, or packed ones in the order in which a device's
//! kernels read them.

use burn::{
    module::{Module, Param},
    tensor::{ElementConversion, Int, Tensor, TensorData, backend::Backend},
};

use crate::quant::{BLOCK, Encoding, PackedValues};

/// The weight of a layer.
// The tensors behind it are far larger, and modules cannot be boxed.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum Weight<B: Backend, const D: usize> {
    /// Elements that can be trained, in PyTorch's order.
    Dense(Param<Tensor<B, D>>),
    /// What kernels read.
    Packed(Packed<B>),
}

impl<B: Backend, const D: usize> Weight<B, D> {
    /// For an operation.
    pub fn get(&self) -> WeightRef<'_, B, D> {
        match self {
            Self::Dense(weight) => WeightRef::Dense(weight.val()),
            Self::Packed(weight) => WeightRef::Packed(weight),
        }
    }
}

/// A weight, for an operation.
#[derive(Debug)]
pub enum WeightRef<'a, B: Backend, const D: usize> {
    /// Elements in PyTorch's order.
    Dense(Tensor<B, D>),
    /// What kernels read.
    Packed(&'a Packed<B>),
}

impl<B: Backend, const D: usize> WeightRef<'_, B, D> {
    /// The elements in PyTorch's order.
    pub fn unpack(self) -> Tensor<B, D> {
        match self {
            Self::Dense(weight) => weight,
            Self::Packed(weight) => weight.unpack(),
        }
    }
}

/// In which order packed elements lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `[out, in]`.
    Rows,
    /// `[kernel rows, kernel columns, in, out]`.
    OutputsLast,
}

/// Packed elements on a device.
#[derive(Module, Debug)]
pub struct Packed<B: Backend> {
    /// Elements that are no 32-bit floats, in 32-bit words.
    words: Option<Param<Tensor<B, 1, Int>>>,
    /// Elements that are; or the scales of a convolution, `[blocks, out]`, for bytes 127 times as large.
    floats: Option<Param<Tensor<B, 1>>>,
    /// The scales of a linear layer, `[out, blocks]`: f16, two in a word.
    halves: Option<Param<Tensor<B, 1, Int>>>,
    #[module(skip)]
    encoding: Encoding,
    #[module(skip)]
    order: Order,
    /// Outputs, inputs, kernel rows, kernel columns.
    #[module(skip)]
    shape: [usize; 4],
}

impl<B: Backend> Packed<B> {
    /// The weight `[out, in]` of a linear layer; elements that are no 32-bit floats.
    pub fn linear(values: &PackedValues, shape: [usize; 2], device: &B::Device) -> Self {
        let halves: Vec<u8> = values.scales.iter().flat_map(|s| s.to_le_bytes()).collect();
        Self {
            words: Some(words(&values.elements, device)),
            floats: None,
            halves: values.encoding.has_scales().then(|| words(&halves, device)),
            encoding: values.encoding,
            order: Order::Rows,
            shape: [shape[0], shape[1], 1, 1],
        }
    }

    /// The weight `[out, in, kernel rows, kernel columns]` of a convolution.
    pub fn convolution(values: &PackedValues, shape: [usize; 4], device: &B::Device) -> Self {
        let [outputs, inputs, rows, columns] = shape;
        let elements = values.outputs_last([outputs, inputs, rows * columns]);
        let plain = values.encoding == Encoding::F32;
        let numbers = if plain {
            bytemuck::pod_collect_to_vec(&elements)
        } else {
            let blocks = values.scales.len() / outputs.max(1);
            let factor = if values.encoding == Encoding::Q8 {
                127.0
            } else {
                1.0
            };
            let places = (0..blocks).flat_map(|b| (0..outputs).map(move |o| o * blocks + b));
            places
                .map(|at| values.scales[at].to_f32() * factor)
                .collect::<Vec<f32>>()
        };
        Self {
            words: (!plain).then(|| words(&elements, device)),
            floats: (!numbers.is_empty()).then(|| floats(numbers, device)),
            halves: None,
            encoding: values.encoding,
            order: Order::OutputsLast,
            shape,
        }
    }

    /// How elements are packed.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Outputs, inputs, kernel rows, kernel columns.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> usize {
        let words = [&self.words, &self.halves].into_iter().flatten();
        let words: usize = words.map(|part| part.val().dims()[0]).sum();
        let floats = self.floats.as_ref().map_or(0, |part| part.val().dims()[0]);
        4 * (words + floats)
    }

    /// Elements that are no 32-bit floats.
    pub(super) fn words(&self) -> Option<Tensor<B, 1, Int>> {
        self.words.as_ref().map(Param::val)
    }

    /// Elements that are, or the scales of a convolution.
    pub(super) fn floats(&self) -> Option<Tensor<B, 1>> {
        self.floats.as_ref().map(Param::val)
    }

    /// The scales of a linear layer.
    pub(super) fn halves(&self) -> Option<Tensor<B, 1, Int>> {
        self.halves.as_ref().map(Param::val)
    }

    /// The elements in PyTorch's order and the shape of the layer's weight (one kernel row is left out
    /// in three dimensions, both in two), by plain operations on any device.
    pub fn unpack<const D: usize>(&self) -> Tensor<B, D> {
        let [outputs, inputs, rows, columns] = self.shape;
        let (taps, blocks) = (rows * columns, inputs * rows * columns / BLOCK);
        let elements = match (self.words(), self.encoding) {
            (Some(words), Encoding::F16) => decode_halves(words),
            (Some(words), Encoding::Q8) => {
                (split(words, 8).bitwise_xor_scalar(128.elem()) - 128).float()
            }
            (Some(words), _) => (split(words, 4) - 8).float(),
            // Without words there are floats.
            (None, _) => self
                .floats()
                .unwrap_or_else(|| Tensor::zeros([outputs * inputs * taps], &Default::default())),
        };
        let count = outputs * inputs * taps;
        let elements = elements.narrow(0, 0, count);
        let elements = match self.order {
            Order::Rows => elements.reshape([outputs, inputs * taps]),
            Order::OutputsLast => elements
                .reshape([taps, inputs, outputs])
                .permute([2, 1, 0])
                .reshape([outputs, inputs * taps]),
        };
        let scales: Option<Tensor<B, 2>> = match (self.order, self.halves(), self.floats()) {
            (Order::Rows, Some(halves), _) => {
                let scales = decode_halves(halves).narrow(0, 0, outputs * blocks);
                Some(scales.reshape([outputs, blocks]))
            }
            (Order::OutputsLast, _, Some(floats)) if self.encoding.has_scales() => {
                let scales = floats.reshape([blocks, outputs]).transpose();
                let factor = if self.encoding == Encoding::Q8 {
                    127.0
                } else {
                    1.0
                };
                Some(scales / factor)
            }
            _ => None,
        };
        let elements = match scales {
            Some(scales) => {
                let elements: Tensor<B, 3> = elements.reshape([outputs, blocks, BLOCK]);
                (elements * scales.unsqueeze_dim(2)).reshape([outputs, inputs * taps])
            }
            None => elements,
        };
        let shape: [usize; D] = match D {
            2 => std::array::from_fn(|i| [outputs, inputs * taps][i]),
            3 => std::array::from_fn(|i| [outputs, inputs, taps][i]),
            _ => std::array::from_fn(|i| self.shape[i]),
        };
        elements.reshape(shape)
    }
}

/// Bytes as 32-bit words; the last one is filled up with zeros.
fn words<B: Backend>(bytes: &[u8], device: &B::Device) -> Param<Tensor<B, 1, Int>> {
    let word = |part: &[u8]| {
        let mut bytes = [0; 4];
        bytes[..part.len()].copy_from_slice(part);
        i32::from_le_bytes(bytes)
    };
    let words: Vec<i32> = bytes.chunks(4).map(word).collect();
    let count = words.len();
    let tensor = Tensor::from_data(TensorData::new(words, [count]), device);
    Param::initialized(burn::module::ParamId::new(), tensor)
}

fn floats<B: Backend>(values: Vec<f32>, device: &B::Device) -> Param<Tensor<B, 1>> {
    let count = values.len();
    let tensor = Tensor::from_data(TensorData::new(values, [count]), device);
    Param::initialized(burn::module::ParamId::new(), tensor)
}

/// The numbers of `bits` bits in words, from the lowest.
fn split<B: Backend>(words: Tensor<B, 1, Int>, bits: usize) -> Tensor<B, 1, Int> {
    let parts = (0..32 / bits).map(|i| {
        let shifted = words
            .clone()
            .bitwise_right_shift_scalar(((i * bits) as i32).elem());
        shifted.bitwise_and_scalar(((1i32 << bits) - 1).elem())
    });
    let parts: Tensor<B, 2, Int> = Tensor::stack(parts.collect(), 1);
    parts.flatten(0, 1)
}

/// The two 16-bit floats in every word. Neither infinite nor NaN.
fn decode_halves<B: Backend>(words: Tensor<B, 1, Int>) -> Tensor<B, 1> {
    let halves = split(words, 16);
    let part = |shift: i32, mask: i32| {
        let shifted = halves.clone().bitwise_right_shift_scalar(shift.elem());
        shifted.bitwise_and_scalar(mask.elem())
    };
    let (sign, exponent, mantissa) = (part(15, 1), part(10, 31), part(0, 1023));
    // Below the smallest exponent the leading one is missing.
    let normal = exponent.clone().clamp(0, 1);
    let powers: Vec<f32> = (0..32).map(|e: i32| 2f32.powi(e.max(1) - 25)).collect();
    let powers = Tensor::<B, 1>::from_floats(powers.as_slice(), &halves.device());
    let size = (mantissa + normal * 1024).float() * powers.select(0, exponent);
    size * (sign.float() * -2.0 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Cpu;

    #[test]
    fn what_is_packed_comes_back_in_the_order_that_it_had() {
        // Sizes whose blocks end within a kernel; values of all signs and scales of all sizes.
        let (outputs, inputs, rows, columns) = (8, 32, 3, 1);
        let shape = [outputs, inputs, rows, columns];
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count)
            .map(|i| (i as f32 * 0.7).sin() * 10f32.powi((i / BLOCK) as i32 % 7 - 4))
            .collect();
        for encoding in [Encoding::F16, Encoding::Q8, Encoding::Q4] {
            let (bytes, _) = encoding.encode(&values).unwrap();
            let expected = encoding.decode(&bytes, count).unwrap();
            let packed = PackedValues::from_bytes(encoding, bytes, count).unwrap();
            let device = Default::default();
            let flat = [outputs, inputs * rows * columns];
            for found in [
                Packed::<Cpu>::linear(&packed, flat, &device)
                    .unpack::<2>()
                    .flatten(0, 1),
                Packed::<Cpu>::convolution(&packed, shape, &device)
                    .unpack::<4>()
                    .flatten(0, 3),
            ] {
                let found: Tensor<Cpu, 1> = found;
                let found = found.into_data().to_vec::<f32>().unwrap();
                for (a, b) in found.iter().zip(&expected) {
                    assert!(
                        (a - b).abs() <= 1e-6 * b.abs(),
                        "{encoding:?}: {a} is not {b}"
                    );
                }
            }
        }
        let packed = PackedValues::of(&values);
        let same = Packed::<Cpu>::convolution(&packed, shape, &Default::default()).unpack::<4>();
        assert_eq!(same.into_data().to_vec::<f32>().unwrap(), values);
    }

    #[test]
    fn rows_are_joined_where_they_are_packed_alike() {
        let values: Vec<f32> = (0..2 * BLOCK).map(|i| i as f32).collect();
        let pack = |encoding: Encoding, values: &[f32]| {
            let (bytes, _) = encoding.encode(values).unwrap();
            PackedValues::from_bytes(encoding, bytes, values.len()).unwrap()
        };
        for encoding in [Encoding::F16, Encoding::Q8, Encoding::Q4] {
            let parts = [pack(encoding, &values), pack(encoding, &values[..BLOCK])];
            let both = [values.clone(), values[..BLOCK].to_vec()].concat();
            assert_eq!(PackedValues::join(&parts), Some(pack(encoding, &both)));
        }
        let unlike = [pack(Encoding::Q8, &values), pack(Encoding::F16, &values)];
        assert_eq!(PackedValues::join(&unlike), None);
        assert_eq!(PackedValues::join(&[]), None);
    }

    #[test]
    fn packed_weights_take_the_memory_that_they_promise() {
        let (outputs, inputs) = (64, 256);
        let values = vec![0.5; outputs * inputs];
        for (encoding, most) in [
            (Encoding::F16, 0.5),
            (Encoding::Q8, 0.27),
            (Encoding::Q4, 0.15),
        ] {
            let (bytes, _) = encoding.encode(&values).unwrap();
            let packed = PackedValues::from_bytes(encoding, bytes, values.len()).unwrap();
            let packed = Packed::<Cpu>::linear(&packed, [outputs, inputs], &Default::default());
            let share = packed.bytes() as f64 / (4 * values.len()) as f64;
            assert!(share <= most, "{encoding:?} takes {share}");
        }
    }
}
