//! The weights of a network by their checkpoint names.

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Tensor, backend::Backend},
};
use std::collections::HashMap;

use crate::{
    Error, Result,
    model::params::{Params, Plan, Planned, param_id},
    tensors::{Init, TensorSource, read},
};

/// Flat parameters by identity.
pub(super) type Flat<B> = HashMap<ParamId, Tensor<B, 1>>;

struct Flatten<B: Backend>(Flat<B>);

impl<B: Backend> ModuleVisitor<B> for Flatten<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.insert(param.id, param.val().flatten(0, D - 1));
    }
}

/// All parameters of `module`.
pub(super) fn flat<B: Backend>(module: &impl Module<B>) -> Flat<B> {
    let mut visitor = Flatten(HashMap::new());
    module.visit(&mut visitor);
    visitor.0
}

/// What a network asks for when it is built.
pub(super) fn plan<B: Backend, M>(
    device: &B::Device,
    load: impl FnOnce(&Params<B>) -> Result<M>,
) -> Result<Vec<Planned>> {
    let plan = Plan::default();
    load(&Params::new(&plan, device))?;
    Ok(plan.into_tensors())
}

/// The elements of every tensor of `plan`. A tensor that is no parameter (a fixed number) has the
/// value that it starts with.
pub(super) fn named<B: Backend>(plan: &[Planned], flat: &Flat<B>) -> Result<Vec<Vec<f32>>> {
    plan.iter()
        .map(|planned| {
            let count = planned.shape.iter().product::<usize>();
            let mut values = Vec::with_capacity(count);
            let parts = (0..).map_while(|part| flat.get(&param_id(&planned.name, part)));
            for part in parts {
                values.extend(pollster::block_on(read(part.clone()))?);
            }
            if let (true, Init::Constant(value)) = (values.is_empty(), planned.init) {
                values = vec![value; count];
            }
            if values.len() == count {
                return Ok(values);
            }
            Err(Error::internal(format!(
                "the tensor {} has {} elements instead of {count}",
                planned.name,
                values.len()
            )))
        })
        .collect()
}

/// Scales some tensors of another source when a network starts.
pub struct Rescaled<'a> {
    /// The other source.
    pub source: &'a dyn TensorSource,
    /// Parts of names, and factors.
    pub scales: &'a [(&'a str, f32)],
}

impl TensorSource for Rescaled<'_> {
    fn read(&self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>> {
        let mut values = self.source.read(name, shape, init)?;
        for (_, factor) in self.scales.iter().filter(|(part, _)| name.contains(part)) {
            values.iter_mut().for_each(|value| *value *= factor);
        }
        Ok(values)
    }
}
