//! Where parameters come from: a checkpoint, a bundle, or a fresh initialisation.
//!
//! A network is built by one `load` function, which asks [`Params`] for each tensor by its checkpoint
//! name and shape. The same function therefore reads published weights and initialises new ones.

use burn::{
    module::{Param, ParamId},
    tensor::{Shape, Tensor, TensorData, backend::Backend},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::cell::RefCell;

use crate::{
    Error, Result,
    ops::{Kernels, Packed, Weight},
    quant::{Encoding, PackedValues},
    tensors::{Init, TensorSource},
};

/// Notes the name and shape of every tensor that a network asks for, in order of use.
#[derive(Debug, Default)]
pub struct Plan(RefCell<Vec<Planned>>);

/// A tensor that a network asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How it starts when no checkpoint gives it.
    pub init: Init,
}

impl Plan {
    /// What was asked for.
    pub fn into_tensors(self) -> Vec<Planned> {
        self.0.into_inner()
    }
}

impl TensorSource for Plan {
    fn read(&self, name: &str, _shape: &[usize], _init: Init) -> Result<Vec<f32>> {
        Err(Error::internal(format!("a plan has no tensor {name}")))
    }

    fn is_plan(&self) -> bool {
        true
    }

    fn note(&self, name: &str, shape: &[usize], init: Init) {
        self.0.borrow_mut().push(Planned {
            name: name.to_string(),
            shape: shape.to_vec(),
            init,
        });
    }
}

/// Makes every tensor anew, in the order in which it is asked for, from a seed (ChaCha8).
#[derive(Debug)]
pub struct FreshInit(RefCell<ChaCha8Rng>);

impl FreshInit {
    /// The same seed gives the same parameters.
    pub fn new(seed: u64) -> Self {
        Self(RefCell::new(ChaCha8Rng::seed_from_u64(seed)))
    }
}

impl TensorSource for FreshInit {
    fn read(&self, _name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>> {
        let count = shape.iter().product();
        Ok(match init {
            Init::Constant(value) => vec![value; count],
            Init::Uniform(bound) => {
                let mut rng = self.0.borrow_mut();
                (0..count)
                    .map(|_| rng.random_range(-bound..=bound))
                    .collect()
            }
        })
    }
}

/// A number of inputs or outputs that kernels take together.
const QUAD: usize = 4;

impl<B: Kernels> Params<'_, B> {
    /// Whether a weight is packed of whose rows, or columns, kernels take `count` in fours.
    fn packs(&self, count: usize) -> bool {
        B::PACKS && count.is_multiple_of(QUAD) && !self.source.is_plan()
    }

    /// The weight of a linear layer, `[out, in]`, read as `stored`, which has as many elements.
    pub fn linear_weight(
        &self,
        name: &str,
        shape: [usize; 2],
        stored: &[usize],
        init: Init,
    ) -> Result<Weight<B, 2>> {
        let [weight] = self.linear_weights(name, shape, stored, init)?;
        Ok(weight)
    }

    /// The weights of several linear layers, each `[out, in]`, whose rows are concatenated in one
    /// tensor that is read as `stored`.
    pub fn linear_weights<const N: usize>(
        &self,
        name: &str,
        shape: [usize; 2],
        stored: &[usize],
        init: Init,
    ) -> Result<[Weight<B, 2>; N]> {
        let packed = match self.packs(shape[1]) {
            true => self.source.read_packed(&self.path(name), stored)?,
            false => None,
        };
        let weights: Vec<Weight<B, 2>> = if let Some(values) = packed {
            (0..N)
                .map(|i| Weight::Packed(Packed::linear(&values.part(i, N), shape, self.device)))
                .collect()
        } else {
            let values = self.values(name, stored, init)?;
            let each = shape[0] * shape[1];
            (0..N)
                .map(|i| {
                    // A plan has no elements.
                    let part = values.get(i * each..(i + 1) * each).unwrap_or_default();
                    self.make(name, i, part.to_vec(), shape).map(Weight::Dense)
                })
                .collect::<Result<_>>()?
        };
        weights
            .try_into()
            .map_err(|_| Error::internal("a layer has another number of parts"))
    }

    /// The weights `[out, in]` of linear layers that read the same input, one behind the other as rows of a single
    /// weight where they are packed alike; otherwise, as where they are trained, each by itself.
    pub fn linear_weights_together(
        &self,
        names: &[&str],
        shape: [usize; 2],
        init: Init,
    ) -> Result<Vec<Weight<B, 2>>> {
        if !self.packs(shape[1]) {
            let weight = |name: &&str| self.linear_weight(name, shape, &shape, init);
            return names.iter().map(weight).collect();
        }
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            let packed = self.source.read_packed(&self.path(name), &shape)?;
            parts.push(match packed {
                Some(values) => values,
                None => PackedValues::of(&self.values(name, &shape, init)?),
            });
        }
        let pack = |(i, values): (usize, &PackedValues), rows: usize| {
            let shape = [rows, shape[1]];
            if values.encoding != Encoding::F32 {
                return Ok(Weight::Packed(Packed::linear(values, shape, self.device)));
            }
            let floats = bytemuck::pod_collect_to_vec(&values.elements);
            self.make(names[i], 0, floats, shape).map(Weight::Dense)
        };
        match PackedValues::join(&parts) {
            Some(all) => Ok(vec![pack((0, &all), names.len() * shape[0])?]),
            None => parts
                .iter()
                .enumerate()
                .map(|part| pack(part, shape[0]))
                .collect(),
        }
    }

    /// The weight of a convolution: `shape` begins with outputs and inputs and has one number a dimension
    /// of the kernel behind them.
    pub fn convolution_weight<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Weight<B, D>> {
        if !self.packs(shape[0]) {
            return self.get(name, shape, init).map(Weight::Dense);
        }
        let packed = self.source.read_packed(&self.path(name), &shape)?;
        let values = match packed {
            Some(values) => values,
            None => PackedValues::of(&self.values(name, &shape, init)?),
        };
        Ok(self.pack_convolution(&values, shape))
    }

    /// The weight of a convolution from elements that were computed from the tensor `name`.
    pub fn make_convolution<const D: usize>(
        &self,
        name: &str,
        values: Vec<f32>,
        shape: [usize; D],
    ) -> Result<Weight<B, D>> {
        if self.packs(shape[0]) {
            return Ok(self.pack_convolution(&PackedValues::of(&values), shape));
        }
        self.make(name, 0, values, shape).map(Weight::Dense)
    }

    /// The weight of a transposed convolution, stored as `[in, out, kernel]`. Packed it is the weight
    /// `[out, in, kernel]` of 32-bit floats: scales would run along the wrong dimension.
    pub fn transposed_weight(
        &self,
        name: &str,
        shape: [usize; 3],
        init: Init,
    ) -> Result<Weight<B, 3>> {
        let [inputs, outputs, kernel] = shape;
        if !self.packs(outputs) {
            return self.get(name, shape, init).map(Weight::Dense);
        }
        let values = self.values(name, &shape, init)?;
        let places = (0..outputs).flat_map(|o| (0..inputs).map(move |i| i * outputs + o));
        let mut turned = Vec::with_capacity(values.len());
        places.for_each(|at| turned.extend(&values[at * kernel..(at + 1) * kernel]));
        // Of tens of megabytes one copy too many is felt in a browser.
        drop(values);
        let packed = PackedValues::of(&turned);
        drop(turned);
        Ok(self.pack_convolution(&packed, [outputs, inputs, kernel]))
    }

    fn pack_convolution<const D: usize>(
        &self,
        values: &PackedValues,
        shape: [usize; D],
    ) -> Weight<B, D> {
        let columns = shape[D - 1];
        let rows = if D == 4 { shape[2] } else { 1 };
        let shape = [shape[0], shape[1], rows, columns];
        Weight::Packed(Packed::convolution(values, shape, self.device))
    }
}

/// The identity of part `part` of the tensor `name`: the same whenever a network is built, so that
/// an optimiser's state finds its parameters again, and parameters their names.
pub fn param_id(name: &str, part: usize) -> ParamId {
    let digest = Sha256::digest(format!("{part} {name}"));
    let bytes = std::array::from_fn(|i| digest[i]);
    ParamId::from(u64::from_le_bytes(bytes))
}

/// A place in a tree of named tensors, and the device to put them on.
pub struct Params<'a, B: Backend> {
    source: &'a dyn TensorSource,
    device: &'a B::Device,
    prefix: String,
}

impl<'a, B: Backend> Params<'a, B> {
    /// The root of `source`.
    pub fn new(source: &'a dyn TensorSource, device: &'a B::Device) -> Self {
        Self {
            source,
            device,
            prefix: String::new(),
        }
    }

    /// The subtree `name` (`name` may have several parts, separated by dots).
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        Self {
            source: self.source,
            device: self.device,
            prefix: self.path(name),
        }
    }

    /// The device that the parameters go to.
    pub fn device(&self) -> &B::Device {
        self.device
    }

    /// The elements of a tensor, left on the CPU; none for a plan.
    pub fn values(&self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>> {
        let path = self.path(name);
        if self.source.is_plan() {
            self.source.note(&path, shape, init);
            return Ok(Vec::new());
        }
        let values = self.source.read(&path, shape, init)?;
        if values.len() != shape.iter().product::<usize>() {
            return Err(Error::internal(format!(
                "tensor {path} has {} elements where {shape:?} was asked for",
                values.len()
            )));
        }
        Ok(values)
    }

    /// A parameter of `shape`.
    pub fn get<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Param<Tensor<B, D>>> {
        self.make(name, 0, self.values(name, &shape, init)?, shape)
    }

    /// A parameter of `shape` with these elements: part `part` of the tensor `name`, of which the
    /// parts, concatenated, are all elements.
    pub fn make<const D: usize>(
        &self,
        name: &str,
        part: usize,
        values: Vec<f32>,
        shape: [usize; D],
    ) -> Result<Param<Tensor<B, D>>> {
        let id = param_id(&self.path(name), part);
        if self.source.is_plan() {
            return Ok(Param::uninitialized(
                id,
                move |device, _| Tensor::zeros(shape, device),
                self.device.clone(),
                false,
                Shape::new(shape),
            ));
        }
        let data = TensorData::new(values, Shape::new(shape));
        let tensor = Tensor::from_data(data, self.device);
        Ok(Param::initialized(id, tensor.require_grad()))
    }

    fn path(&self, name: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }
}
