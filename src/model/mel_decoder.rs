//! A vector becomes a log-mel spectrogram in one pass: it is repeated for every frame, learnt positions are added, and
//! bidirectional LSTMs make frames of it.
//!
//! Hong et al., "Art2Music: Generating Music for Art Images with Multi-modal Feeling Alignment", 2025.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_DEPTH, MAX_WIDTH, check_sizes, layers::Linear, lstm::BidirectionalLstm, params::Params,
    trace::Trace,
};
use crate::{Error, Result, ops::Kernels, tensors::Init};

/// The most frames that a network can have positions for.
const MAX_POSITIONS: usize = 1 << 16;
/// Uniform numbers within this have a deviation of 1.
const UNIT_DEVIATION: f32 = 1.732_050_8;

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelDecoderConfig {
    /// Width of the vector that it takes.
    pub features: usize,
    /// Width of a position.
    pub width: usize,
    /// The most frames.
    pub positions: usize,
    /// Units of a direction of a layer.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Bands of a frame.
    pub mel_bins: usize,
    /// What the network gives is multiplied by this,
    pub scale: f64,
    /// and then this is added, to be natural logarithms of mel values.
    pub mean: f64,
}

impl Default for MelDecoderConfig {
    /// The paper's sizes. How it scales its targets to -1..1 is not published: here -1 is the floor of HiFi-GAN's
    /// spectrograms, `ln 1e-5`, and 1 is 2.
    fn default() -> Self {
        let floor = 1e-5f64.ln();
        Self {
            features: 512,
            width: 512,
            positions: 896,
            hidden: 512,
            layers: 4,
            mel_bins: 80,
            scale: (2.0 - floor) / 2.0,
            mean: (2.0 + floor) / 2.0,
        }
    }
}

impl MelDecoderConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        check_sizes(
            "the mel decoder",
            &[
                ("features", self.features, MAX_WIDTH),
                ("width", self.width, MAX_WIDTH),
                ("positions", self.positions, MAX_POSITIONS),
                ("hidden", self.hidden, MAX_WIDTH / 4),
                ("layers", self.layers, MAX_DEPTH),
                ("mel_bins", self.mel_bins, MAX_WIDTH),
            ],
        )?;
        if self.scale.is_finite() && self.scale > 0.0 && self.mean.is_finite() {
            return Ok(());
        }
        Err(Error::format(
            format!(
                "the mel decoder scales its values by {} and adds {}",
                self.scale, self.mean
            ),
            "give it a scale above 0 and a mean",
        ))
    }

    /// Floating-point operations for `frames` frames.
    pub fn flops(&self, frames: usize) -> u64 {
        let [n, w, h] = [frames, self.width, self.hidden].map(|n| n as u64);
        let layer = |inputs: u64| 2 * n * 2 * 4 * h * (inputs + h);
        let others = (self.layers as u64).saturating_sub(1) * layer(2 * h);
        let outer = 2 * (self.features as u64 * w + n * 2 * h * self.mel_bins as u64);
        layer(w) + others + outer
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct MelDecoder<B: Backend> {
    feat_proj: Linear<B>,
    pos_emb: Param<Tensor<B, 3>>,
    lstm: BidirectionalLstm<B>,
    out_proj: Linear<B>,
    scale: f64,
    mean: f64,
}

impl<B: Kernels> MelDecoder<B> {
    /// Reads all parameters: `feat_proj`, `pos_emb`, `lstm`, `out_proj`.
    pub fn load(p: &Params<B>, config: &MelDecoderConfig) -> Result<Self> {
        config.check()?;
        let (width, hidden) = (config.width, config.hidden);
        let positions = [1, config.positions, width];
        Ok(Self {
            feat_proj: Linear::load(&p.at("feat_proj"), config.features, width)?,
            pos_emb: p.get("pos_emb", positions, Init::Uniform(UNIT_DEVIATION))?,
            lstm: BidirectionalLstm::load(&p.at("lstm"), width, hidden, config.layers)?,
            out_proj: Linear::load(&p.at("out_proj"), 2 * hidden, config.mel_bins)?,
            scale: config.scale,
            mean: config.mean,
        })
    }

    /// `features [batch, features]` to log-mel values `[batch, frames, bands]`.
    pub fn forward(
        &self,
        features: Tensor<B, 2>,
        frames: usize,
        trace: &mut Trace<B>,
    ) -> Result<Tensor<B, 3>> {
        let positions = self.pos_emb.val();
        let [_, most, _] = positions.dims();
        if !(1..=most).contains(&frames) {
            return Err(Error::input(
                format!("{frames} frames cannot be made"),
                format!("ask for between 1 and {most}"),
            ));
        }
        let projected: Tensor<B, 3> = self.feat_proj.forward(features).unsqueeze_dim(1);
        let x = projected + positions.narrow(1, 0, frames);
        let states = self.lstm.forward(x);
        trace.record("mel_decoder.lstm", &states);
        let mel = self.out_proj.forward(states) * self.scale + self.mean;
        trace.record("mel_decoder.mel", &mel);
        Ok(mel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::params::{Plan, Planned},
        ops::Cpu,
    };

    /// 23.9 million parameters, and 10 seconds are 41 G operations.
    #[test]
    fn agrees_with_the_counted_budget() {
        let config = MelDecoderConfig::default();
        let plan = Plan::default();
        MelDecoder::<Cpu>::load(&Params::new(&plan, &Default::default()), &config).unwrap();
        let count = |planned: &Planned| planned.shape.iter().product::<usize>();
        let parameters: usize = plan.into_tensors().iter().map(count).sum();
        assert_eq!(parameters, 23_904_848);
        let weights = (parameters - 896 * 512) as f64;
        let ratio = config.flops(862) as f64 / (2.0 * 862.0 * weights);
        assert!((0.97..1.0).contains(&ratio), "{ratio}");
    }
}
