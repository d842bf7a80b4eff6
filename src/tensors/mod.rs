//! Tensors in the program's own memory, on their way to a device and back, and where named ones come from.

mod source;

use burn::tensor::{Tensor, TensorData, backend::Backend};

pub use source::{Init, Prefixed, TensorSource};

use crate::{Error, Fault, Result};

/// A tensor in the program's own memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// The shape.
    pub shape: Vec<usize>,
    /// The elements, the last dimension fastest.
    pub values: Vec<f32>,
}

impl HostTensor {
    /// Reads a tensor back with its shape.
    pub async fn read<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Self> {
        let shape = tensor.dims().to_vec();
        let values = read(tensor).await?;
        Ok(Self { shape, values })
    }

    /// The tensor on `device`.
    pub fn upload<B: Backend, const D: usize>(&self, device: &B::Device) -> Result<Tensor<B, D>> {
        if self.shape.len() != D {
            return Err(Error::internal(format!(
                "a tensor of shape {:?} was used where {D} dimensions are needed",
                self.shape
            )));
        }
        let data = TensorData::new(self.values.clone(), self.shape.clone());
        Ok(Tensor::from_data(data, device))
    }
}

/// Reads the elements of a tensor back, the last dimension fastest.
pub async fn read<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>> {
    let lost = |reason: String| Error::from(Fault::DeviceSilent { reason });
    let data = tensor
        .into_data_async()
        .await
        .map_err(|e| lost(format!("{e:?}")))?;
    data.convert::<f32>()
        .into_vec()
        .map_err(|e| lost(format!("{e:?}")))
}

/// A tensor of `shape` with these elements, the last dimension fastest.
pub fn tensor<B: Backend, const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Cosine similarity; 0 when a vector has no length.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| -> f32 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 {
        dot(a, b) / lengths
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::cosine;

    #[test]
    fn cosines_do_not_depend_on_lengths() {
        assert!((cosine(&[3.0, 4.0], &[6.0, 8.0]) - 1.0).abs() < 1e-6);
        assert!((cosine(&[1.0, 0.0], &[1.0, 1.0]) - 0.5f32.sqrt()).abs() < 1e-6);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, -2.0]), 0.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
    }
}
