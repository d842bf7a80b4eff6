//! Trains the vocoder on, against discriminators of its samples, as the original HiFi-GAN.
//!
//! Kong et al., "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis", 2020. The
//! vocoder's weights are trained as they are; the authors train lengths and directions.

use burn::tensor::{FloatDType, Tensor};
use std::collections::HashMap;

use super::{
    super::{
        Learner, Losses, Start, Task, TrainingBackend,
        adversarial::{adversarial_loss, discriminator_loss, feature_matching_loss},
        config::{OptimiserConfig, PartConfig},
        data::{Data, Excerpt, Excerpts},
        scalar,
        spectral::LogMel,
        tensor,
        waveform::WaveformDiscriminators,
    },
    Art2MusicConfig, DiscriminatorConfig, Frozen, VocoderLoss,
};
use crate::{
    Error, Result,
    model::{
        params::{Params, Plan},
        trace::Trace,
        vocoder::{Vocoder, VocoderConfig},
    },
    ops::{Cpu, Kernels},
    systems::art2music::Networks,
    tensors::{Init, TensorSource},
};

/// Pieces that a validation makes sound.
const VALIDATION_ITEMS: usize = 8;
/// The spectrogram that sounds are compared by: bands, and samples of a frame, from one to the next, and mirrored.
const LOSS_BANDS: usize = 80;
const LOSS_FRAMES: [usize; 3] = [1024, 256, 384];

/// Tensors in the program's memory: a task is shared by threads, and files are not.
#[derive(Debug)]
struct Held(HashMap<String, Vec<f32>>);

impl Held {
    /// Those of the vocoder of `frozen`.
    fn vocoder(frozen: &Frozen) -> Result<Self> {
        let plan = Plan::default();
        Vocoder::<Cpu>::load(&Params::new(&plan, &Default::default()), &frozen.vocoder)?;
        let source = frozen.vocoder_weights();
        let tensors = plan.into_tensors().into_iter().map(|planned| {
            let values = source.read(&planned.name, &planned.shape, planned.init)?;
            Ok((planned.name, values))
        });
        tensors.collect::<Result<_>>().map(Self)
    }
}

impl TensorSource for Held {
    fn read(&self, name: &str, _: &[usize], _: Init) -> Result<Vec<f32>> {
        let values = self.0.get(name).cloned();
        values.ok_or_else(|| Error::internal(format!("the vocoder has no tensor {name}")))
    }
}

/// The part `vocoder`.
#[derive(Debug)]
pub struct VocoderTask<'a, B: TrainingBackend> {
    part: &'a PartConfig<DiscriminatorConfig, VocoderLoss>,
    vocoder: VocoderConfig,
    /// What it begins with.
    weights: Held,
    excerpts: Excerpts<'a>,
    validation: Vec<Excerpt>,
    device: B::Device,
}

impl<'a, B: TrainingBackend> VocoderTask<'a, B> {
    /// Goes on from the vocoder of `frozen`.
    pub fn new(
        config: &'a Art2MusicConfig,
        part: &'a PartConfig<DiscriminatorConfig, VocoderLoss>,
        frozen: &Frozen,
        data: &'a Data,
        device: B::Device,
    ) -> Result<Self> {
        let spectrogram = Networks::spectrogram(&frozen.vocoder);
        let whole = (config.frames, &spectrogram);
        let excerpts = Excerpts::new(whole, data, part.loss.frames, &part.run)?;
        Ok(Self {
            part,
            vocoder: frozen.vocoder.clone(),
            weights: Held::vocoder(frozen)?,
            validation: excerpts.validation(VALIDATION_ITEMS)?,
            excerpts,
            device,
        })
    }

    /// The sounds of `excerpts`, and what the vocoder makes of their spectrograms.
    fn sounds<C: Kernels<Device = B::Device>>(
        &self,
        model: &Vocoder<C>,
        excerpts: &[Excerpt],
    ) -> [Tensor<C, 2>; 2] {
        let count = excerpts.len();
        let bands = self.vocoder.mel_bins();
        let mels = excerpts.iter().flat_map(|excerpt| &excerpt.mel);
        let mel: Vec<f32> = mels.copied().collect();
        let samples = excerpts.iter().flat_map(|excerpt| &excerpt.samples);
        let samples: Vec<f32> = samples.copied().collect();
        let [frames, length] = [mel.len() / bands, samples.len()].map(|all| all / count.max(1));
        let mel = tensor::<C, 3>(mel, [count, frames, bands], &self.device);
        let made = model.forward(mel, &mut Trace::off());
        // Some vocoders give a little more than whole frames.
        let made = made.narrow(1, 0, length).cast(FloatDType::F32);
        [tensor(samples, [count, length], &self.device), made]
    }

    fn log_mel<C: Kernels<Device = B::Device>>(&self) -> LogMel<C> {
        let rate = self.vocoder.sampling_rate() as u32;
        LogMel::new(rate, LOSS_BANDS, LOSS_FRAMES, &self.device)
    }
}

impl<B: TrainingBackend> Task<B> for VocoderTask<'_, B> {
    type Learners = (
        Learner<B, WaveformDiscriminators<B>>,
        Learner<B, Vocoder<B>>,
    );
    type Batch = Vec<Excerpt>;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let optimiser = self.part.run.optimiser();
        let own = OptimiserConfig {
            average: None,
            ..optimiser
        };
        let channels = self.part.network.channels;
        Ok((
            start.learner("discriminators", own, &[], |p| {
                WaveformDiscriminators::load(p, channels)
            })?,
            start.learner_from("", &self.weights, optimiser, |p| {
                Vocoder::load(p, &self.vocoder)
            })?,
        ))
    }

    fn batch(&self, number: usize) -> Result<Vec<Excerpt>> {
        self.excerpts.batch(number)
    }

    fn losses(
        &self,
        (discriminators, vocoder): &Self::Learners,
        learner: usize,
        batch: &Vec<Excerpt>,
    ) -> Result<Losses<B>> {
        let [real, made] = self.sounds(vocoder.model(), batch);
        let discriminators = discriminators.model();
        let seen = discriminators.forward(&real);
        if learner == 0 {
            let total = discriminator_loss(&seen, &discriminators.forward(&made.detach()));
            return Ok(Losses {
                total,
                parts: Vec::new(),
            });
        }
        let loss = &self.part.loss;
        let mel = self.log_mel::<B>().distance(made.clone(), real);
        let made = discriminators.forward(&made);
        let adversarial = adversarial_loss(&made);
        let matching = feature_matching_loss(&seen, &made);
        Ok(Losses {
            total: adversarial.clone()
                + matching.clone() * loss.feature_matching
                + mel.clone() * loss.mel,
            parts: vec![
                ("log-mel L1", mel),
                ("adversarial", adversarial),
                ("feature matching", matching),
            ],
        })
    }

    fn validate(&self, (_, vocoder): &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = vocoder.valid();
        let log_mel = self.log_mel::<B::InnerBackend>();
        let mut sum = 0.0;
        for piece in self.validation.chunks(1) {
            let [real, made] = self.sounds(&model, piece);
            sum += scalar(log_mel.distance(made, real))? / self.validation.len() as f64;
        }
        Ok(vec![("log-mel L1", sum)])
    }
}
