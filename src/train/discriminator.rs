//! What tells real spectra from a vocoder's: one network for each resolution.
//!
//! After the multi-resolution discriminator of Jang et al., "UnivNet: A Neural Vocoder with Multi-Resolution
//! Spectrogram Discriminators for High-Fidelity Waveform Generation", 2021, with square kernels and on logarithms of
//! magnitudes. Losses are least squares (Mao et al., "Least Squares Generative Adversarial Networks", 2017) and
//! feature matching (Kumar et al., "MelGAN", 2019).

use burn::{
    module::Module,
    tensor::{FloatDType, Tensor, backend::Backend},
};

use super::spectral::Magnitudes;
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

/// What a discriminator makes of sounds: what each layer saw, and its verdicts last.
type Features<B> = Vec<Tensor<B, 4>>;

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

    fn forward(&self, spectra: &[Magnitudes<B>], samples: Tensor<B, 2>) -> Vec<Features<B>> {
        let pairs = self.each.iter().zip(spectra);
        let each = pairs.map(|(one, spectrum)| {
            let logs = spectrum.forward(samples.clone()).log();
            let mut x: Tensor<B, 4> = ((logs - MIDDLE) / HALF_RANGE).unsqueeze_dim(1);
            let mut features = Vec::with_capacity(STRIDES.len() + 1);
            for layer in &one.layers {
                x = layer.forward(x);
                // LeakyReLU.
                x = x.clone().clamp_min(0.0) + x.clamp_max(0.0) * SLOPE;
                features.push(x.clone());
            }
            features.push(one.out.forward(x));
            features
        });
        each.collect()
    }

    /// The discriminators' own loss: real sounds are 1, made ones 0.
    pub fn loss(
        &self,
        spectra: &[Magnitudes<B>],
        real: Tensor<B, 2>,
        made: Tensor<B, 2>,
    ) -> Tensor<B, 1> {
        let real = self.forward(spectra, real);
        let made = self.forward(spectra, made);
        let square = |features: &Features<B>, wanted: f64| {
            let verdict = features.last().map(|verdict| verdict.clone() - wanted);
            verdict.map(|off| off.powi_scalar(2).mean())
        };
        let each = real.iter().zip(&made);
        let sum = each
            .filter_map(|(real, made)| Some(square(real, 1.0)? + square(made, 0.0)?))
            .reduce(|sum, loss| sum + loss);
        mean_of(sum, self.each.len())
    }

    /// What the vocoder pays: verdicts that are not 1, and features that are not those of the real sounds.
    pub fn generator_losses(
        &self,
        spectra: &[Magnitudes<B>],
        real: Tensor<B, 2>,
        made: Tensor<B, 2>,
    ) -> [Tensor<B, 1>; 2] {
        let real = self.forward(spectra, real.detach());
        let made = self.forward(spectra, made);
        let (mut adversarial, mut matching) = (None, None);
        let add = |sum: &mut Option<Tensor<B, 1>>, loss: Tensor<B, 1>| {
            *sum = Some(match sum.take() {
                Some(sum) => sum + loss,
                None => loss,
            });
        };
        for (real, made) in real.iter().zip(&made) {
            for (n, (a, b)) in real.iter().zip(made).enumerate() {
                if n == STRIDES.len() {
                    add(&mut adversarial, (b.clone() - 1.0).powi_scalar(2).mean());
                } else {
                    let distance = (a.clone().detach() - b.clone()).abs().mean();
                    add(&mut matching, distance / STRIDES.len() as f64);
                }
            }
        }
        [adversarial, matching].map(|sum| mean_of(sum, self.each.len()))
    }
}

fn mean_of<B: Backend>(sum: Option<Tensor<B, 1>>, count: usize) -> Tensor<B, 1> {
    let sum = sum.unwrap_or_else(|| Tensor::zeros([1], &Default::default()));
    sum.cast(FloatDType::F32) / count.max(1) as f64
}
