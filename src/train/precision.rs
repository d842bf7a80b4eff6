//! Computing in fewer bits than weights are kept in.

use burn::{
    module::{AutodiffModule, Module, ModuleMapper, Param},
    tensor::{FloatDType, Tensor, backend::AutodiffBackend},
};

/// Gives every parameter another type of numbers. Those that were trained are trained.
struct Convert(FloatDType);

impl<B: AutodiffBackend> ModuleMapper<B> for Convert {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = param.consume();
        let trained = tensor.is_require_grad();
        let tensor = Tensor::from_inner(tensor.inner().cast(self.0)).set_require_grad(trained);
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// The model with its parameters in numbers of the type `to`.
pub(super) fn convert<B: AutodiffBackend, M: AutodiffModule<B>>(model: M, to: FloatDType) -> M {
    Module::<B>::map(model, &mut Convert(to))
}
