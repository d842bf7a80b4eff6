//! What tells real spectra from a vocoder's: one network for each resolution.
//!
//! After the multi-resolution discriminator of Jang et al., "UnivNet: A Neural Vocoder with Multi-Resolution
//! Spectrogram Discriminators for High-Fidelity Waveform Generation", 2021, with square kernels and on logarithms of
//! magnitudes.

use burn::{
    module::Module,
    tensor::{Tensor, activation::leaky_relu, backend::Backend},
};

use super::{
    adversarial::{Verdict, adversarial_loss, discriminator_loss, feature_matching_loss},
    spectral::Magnitudes,
};
use crate::{
    Result,
    model::{layers::Conv2d, params::Params},
    ops::Kernels,
};

/// Strides of the layers but the last.
const STRIDES: [usize; 4] = [1, 2, 2, 2];
/// The slope of the activation below 0.
const SLOPE: f64 = 0.1;
/// Logarithms of magnitudes are brought to about -1 to 1: their middle, and half their range.
const MIDDLE: f64 = -3.0;
const HALF_RANGE: f64 = 4.0;

/// All resolutions.
#[derive(Module, Debug)]
pub struct Discriminators<B: Backend> {
    each: Vec<Discriminator<B>>,
}

/// One resolution.
#[derive(Module, Debug)]
struct Discriminator<B: Backend> {
    layers: Vec<Conv2d<B>>,
    out: Conv2d<B>,
}

impl<B: Kernels> Discriminators<B> {
    /// Reads the networks for `resolutions` resolutions; the first layer has `channels` channels, the others twice as many.
    pub fn load(p: &Params<B>, resolutions: usize, channels: usize) -> Result<Self> {
        let one = |i: usize| -> Result<Discriminator<B>> {
            let p = p.at("discriminators").at(i);
            let mut inputs = 1;
            let mut layers = Vec::new();
            for (n, stride) in STRIDES.into_iter().enumerate() {
                let outputs = if n == 0 { channels } else { 2 * channels };
                let own = p.at("convs").at(n);
                layers.push(Conv2d::load(&own, [inputs, outputs], 3, stride, 1, true)?);
                inputs = outputs;
            }
            let out = Conv2d::load_same(&p.at("conv_post"), inputs, 1, 3)?;
            Ok(Discriminator { layers, out })
        };
        Ok(Self {
            each: (0..resolutions).map(one).collect::<Result<_>>()?,
        })
    }

    fn forward(&self, spectra: &[Magnitudes<B>], samples: Tensor<B, 2>) -> Vec<Verdict<B>> {
        let pairs = self.each.iter().zip(spectra);
        let each = pairs.map(|(one, spectrum)| {
            let logs = spectrum.forward(samples.clone()).log();
            let mut x: Tensor<B, 4> = ((logs - MIDDLE) / HALF_RANGE).unsqueeze_dim(1);
            let mut layers = Vec::with_capacity(STRIDES.len());
            for layer in &one.layers {
                x = leaky_relu(layer.forward(x), SLOPE);
                layers.push(x.clone());
            }
            Verdict {
                layers,
                score: one.out.forward(x),
            }
        });
        each.collect()
    }

    /// The discriminators' own loss, a mean over them.
    pub fn loss(
        &self,
        spectra: &[Magnitudes<B>],
        real: Tensor<B, 2>,
        made: Tensor<B, 2>,
    ) -> Tensor<B, 1> {
        let [real, made] = [real, made].map(|sound| self.forward(spectra, sound));
        discriminator_loss(&real, &made) / self.each.len().max(1) as f64
    }

    /// What the vocoder pays, means over discriminators and their layers: scores that are not 1, and layers that do not
    /// see what they see of the real sounds.
    pub fn generator_losses(
        &self,
        spectra: &[Magnitudes<B>],
        real: Tensor<B, 2>,
        made: Tensor<B, 2>,
    ) -> [Tensor<B, 1>; 2] {
        let real = self.forward(spectra, real.detach());
        let made = self.forward(spectra, made);
        let count = self.each.len().max(1) as f64;
        [
            adversarial_loss(&made) / count,
            feature_matching_loss(&real, &made) / (count * STRIDES.len() as f64),
        ]
    }
}
