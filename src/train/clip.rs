//! The length of a gradient, over all tensors of a model.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{FloatDType, Tensor, backend::AutodiffBackend},
};
use std::marker::PhantomData;

/// Added to a norm before it divides, as in PyTorch's `clip_grad_norm_`.
const EPSILON: f64 = 1e-6;

/// Visits the gradients of a model in the order of its parameters.
struct Visit<'a, B: AutodiffBackend, F> {
    gradients: &'a mut GradientsParams,
    act: F,
    backend: PhantomData<B>,
}

/// What is done to one gradient.
trait Act<B: AutodiffBackend> {
    fn act<const D: usize>(
        &mut self,
        gradient: Tensor<B::InnerBackend, D>,
    ) -> Tensor<B::InnerBackend, D>;
}

impl<B: AutodiffBackend, F: Act<B>> ModuleVisitor<B> for Visit<'_, B, F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
            let gradient = self.act.act(gradient);
            self.gradients.register(param.id, gradient);
        }
    }
}

fn visit<B: AutodiffBackend, F: Act<B>>(
    gradients: &mut GradientsParams,
    model: &impl Module<B>,
    act: F,
) -> F {
    let mut visit = Visit::<B, F> {
        gradients,
        act,
        backend: PhantomData,
    };
    model.visit(&mut visit);
    visit.act
}

struct SumOfSquares<B: AutodiffBackend>(Option<Tensor<B::InnerBackend, 1>>);

impl<B: AutodiffBackend> Act<B> for SumOfSquares<B> {
    fn act<const D: usize>(
        &mut self,
        gradient: Tensor<B::InnerBackend, D>,
    ) -> Tensor<B::InnerBackend, D> {
        let squares = gradient.clone().powi_scalar(2).sum();
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + squares,
            None => squares,
        });
        gradient
    }
}

struct Scale<B: AutodiffBackend>(Tensor<B::InnerBackend, 1>);

impl<B: AutodiffBackend> Act<B> for Scale<B> {
    fn act<const D: usize>(
        &mut self,
        gradient: Tensor<B::InnerBackend, D>,
    ) -> Tensor<B::InnerBackend, D> {
        gradient * self.0.clone().reshape([1; D])
    }
}

struct Cast(FloatDType);

impl<B: AutodiffBackend> Act<B> for Cast {
    fn act<const D: usize>(
        &mut self,
        gradient: Tensor<B::InnerBackend, D>,
    ) -> Tensor<B::InnerBackend, D> {
        gradient.cast(self.0)
    }
}

/// The Euclidean norm of all gradients of `model` taken as one vector; 0 without any.
pub(super) fn global_norm<B: AutodiffBackend>(
    gradients: &mut GradientsParams,
    model: &impl Module<B>,
    device: &B::Device,
) -> Tensor<B::InnerBackend, 1> {
    let sum = visit::<B, _>(gradients, model, SumOfSquares::<B>(None)).0;
    sum.map_or_else(|| Tensor::zeros([1], device), Tensor::sqrt)
}

/// Scales all gradients of `model` down so that their global norm, `norm`, is at most `limit`: Pascanu et
/// al., "On the difficulty of training recurrent neural networks", 2013. Nothing is read back.
pub(super) fn clip_by_global_norm<B: AutodiffBackend>(
    gradients: &mut GradientsParams,
    model: &impl Module<B>,
    norm: Tensor<B::InnerBackend, 1>,
    limit: f32,
) {
    let factor = ((norm + EPSILON).recip() * limit).clamp_max(1.0);
    visit::<B, _>(gradients, model, Scale::<B>(factor));
}

/// Converts all gradients of `model` to 32-bit floats.
pub(super) fn widen<B: AutodiffBackend>(gradients: &mut GradientsParams, model: &impl Module<B>) {
    visit::<B, _>(gradients, model, Cast(FloatDType::F32));
}
