//! The losses of a vocoder and of discriminators that train each other.
//!
//! Least squares (Mao et al., "Least Squares Generative Adversarial Networks", 2017) and feature matching (Kumar et al.,
//! "MelGAN", 2019), as sums over discriminators: Kong et al., "HiFi-GAN", 2020.

use burn::tensor::{FloatDType, Tensor, backend::Backend};

/// What a discriminator makes of sounds.
#[derive(Debug)]
pub struct Verdict<B: Backend> {
    /// What its layers see.
    pub layers: Vec<Tensor<B, 4>>,
    /// How real the sounds are to it: 1 is real, 0 is made.
    pub score: Tensor<B, 4>,
}

/// The discriminators' own loss: the sum of `mean (score - 1)^2` of real and `mean score^2` of made sounds.
pub fn discriminator_loss<B: Backend>(real: &[Verdict<B>], made: &[Verdict<B>]) -> Tensor<B, 1> {
    let each = real.iter().zip(made);
    sum(each.map(|(real, made)| {
        let real = (real.score.clone() - 1.0).powi_scalar(2).mean();
        real + made.score.clone().powi_scalar(2).mean()
    }))
}

/// What the vocoder pays for being told from real sounds: the sum of `mean (score - 1)^2`.
pub fn adversarial_loss<B: Backend>(made: &[Verdict<B>]) -> Tensor<B, 1> {
    let each = made.iter();
    sum(each.map(|made| (made.score.clone() - 1.0).powi_scalar(2).mean()))
}

/// What the vocoder pays for what layers see otherwise than of the real sounds: the sum over layers of the mean
/// absolute difference. Nothing is learnt from the real ones.
pub fn feature_matching_loss<B: Backend>(real: &[Verdict<B>], made: &[Verdict<B>]) -> Tensor<B, 1> {
    let layers = real
        .iter()
        .zip(made)
        .flat_map(|(real, made)| real.layers.iter().zip(&made.layers));
    sum(layers.map(|(real, made)| (real.clone().detach() - made.clone()).abs().mean()))
}

/// A sum in 32 bits; 0 of nothing.
fn sum<B: Backend>(losses: impl Iterator<Item = Tensor<B, 1>>) -> Tensor<B, 1> {
    let sum = losses.reduce(|sum, loss| sum + loss);
    let sum = sum.unwrap_or_else(|| Tensor::zeros([1], &Default::default()));
    sum.cast(FloatDType::F32)
}
