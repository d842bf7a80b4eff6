//! The stages of one generation.

use burn::tensor::{Tensor, TensorData};

use super::{
    Pipeline,
    networks::{EncoderConfig, Lengths, kind, stage, vocoder_kind},
    progress::Progress,
    request::{Piece, Request, TextConditions},
};
use crate::{
    Error, ErrorKind, Result,
    audio::fbank,
    diffusion::{Sampler, guide},
    image::{self, Picture},
    model::{
        aligner::Aligner,
        clip::ClipVision,
        gpt2::Gpt2,
        imagebind::{AudioTrunk, VisionTrunk},
        istft::limit,
        params::Params,
        trace::Trace,
        unet::{Context, Prepared, Unet},
        vae::VaeDecoder,
        vocoder::Vocoder,
    },
    ops::Kernels,
    random::standard_normal,
    weights::StageWeights,
};

/// One generation under way.
pub(super) struct Run<'a, B: Kernels> {
    pub pipeline: &'a Pipeline<B>,
    pub request: &'a Request,
    pub lengths: Lengths,
    pub progress: Progress<'a>,
    pub trace: Trace<B>,
}

/// What the UNet is conditioned on: a batch of two when guided (negative first), else one.
pub(super) struct Conditions {
    audio: HostTensor,
    text: HostTensor,
    mask: Vec<Vec<bool>>,
}

impl<B: Kernels> Run<'_, B> {
    /// The noise to start from, one tensor `[1, channels, rows, columns]` for each candidate.
    pub fn initial_latents(&self) -> Result<Vec<HostTensor>> {
        let settings = &self.request.settings;
        let channels = self.pipeline.networks.unet.in_channels;
        let shape = vec![1, channels, self.lengths.rows, self.lengths.columns];
        let count = shape.iter().product::<usize>();
        let Some(given) = &self.request.latents else {
            return Ok((0..settings.candidates)
                .map(|candidate| HostTensor {
                    shape: shape.clone(),
                    values: standard_normal(settings.seed, candidate as u64, count),
                })
                .collect());
        };
        let mut expected = shape.clone();
        expected[0] = settings.candidates;
        if given.shape != expected || given.values.iter().any(|v| !v.is_finite()) {
            return Err(Error::input(
                format!(
                    "the latents have shape {:?} (or hold no numbers) where {expected:?} is needed",
                    given.shape
                ),
                "give latents that fit the seconds and candidates, or leave them out",
            ));
        }
        let parts = given.values.chunks_exact(count);
        Ok(parts
            .map(|values| HostTensor {
                shape: shape.clone(),
                values: values.to_vec(),
            })
            .collect())
    }

    /// Picture to embedding `[1, width]`.
    pub async fn encode(&mut self, picture: &Picture) -> Result<HostTensor> {
        let config = &self.pipeline.networks.encoder;
        let size = config.image_size();
        let pixels = HostTensor {
            shape: vec![1, 3, size, size],
            values: image::preprocess(picture, size),
        };
        let weights = self.load(stage::ENCODE).await?;
        let pixels: Tensor<B, 4> = pixels.upload(self.device())?;
        self.trace.record("image.pixels", &pixels);
        let params = Params::new(&weights, self.device());
        let embedding = match config {
            EncoderConfig::ImageBind(config) => {
                let trunk = VisionTrunk::load(&params.at(kind::IMAGEBIND_VISION), config)?;
                drop(weights);
                self.progress.begin().await?;
                let embedding = trunk.forward(pixels, &mut self.trace);
                let embedding = self.recorded("image.embedding", embedding).await?;
                B::release(trunk, self.device());
                embedding
            }
            EncoderConfig::Clip(config) => {
                let tower = ClipVision::load(&params.at(kind::CLIP_VISION), config)?;
                drop(weights);
                self.progress.begin().await?;
                let embedding = tower.forward(pixels, &mut self.trace);
                let embedding = self.recorded("image.embedding", embedding).await?;
                B::release(tower, self.device());
                embedding
            }
        };
        self.progress.end();
        Ok(embedding)
    }

    /// Records a tensor and reads it back.
    async fn recorded(&mut self, name: &str, tensor: Tensor<B, 2>) -> Result<HostTensor> {
        self.trace.record(name, &tensor);
        HostTensor::read(tensor).await
    }

    /// Embedding to what the UNet is conditioned on.
    pub async fn condition(&mut self, embedding: &HostTensor) -> Result<Conditions> {
        let networks = &self.pipeline.networks;
        let weights = self.load(stage::CONDITION).await?;
        let params = Params::new(&weights, self.device());
        let aligner = Aligner::load(&params.at(kind::ALIGNER), &networks.aligner)?;
        let gpt2 = Gpt2::load(&params.at(kind::GPT2), &networks.gpt2)?;
        let text = match &self.request.text {
            Some(text) => text.clone(),
            None => TextConditions::of_stage(&weights)?,
        };
        drop(weights);
        self.progress.begin().await?;
        let positive: Tensor<B, 3> = match &self.request.audio_tokens {
            Some(given) => given.upload(self.device())?,
            None => {
                let tokens = aligner.forward(embedding.upload(self.device())?);
                self.trace.record("aligner.tokens", &tokens);
                let positive = gpt2.generate(tokens, None)?;
                self.trace.record("gpt2.image.tokens", &positive);
                positive
            }
        };
        let negative: Tensor<B, 3> = text.negative_tokens.upload(self.device())?;
        if negative.dims() != positive.dims() {
            return Err(Error::format(
                "the negative prompt's constants do not fit the audio tokens",
                "convert the checkpoint again, and give tokens of its own language model",
            ));
        }
        let mut audio = vec![positive];
        let mut states = vec![text.prompt_states.upload::<B, 3>(self.device())?];
        let mut masks = vec![text.prompt_mask.upload::<B, 2>(self.device())?];
        let mut mask = vec![booleans(&text.prompt_mask)];
        if self.request.settings.guided() {
            audio.insert(0, negative);
            states.insert(0, text.negative_states.upload(self.device())?);
            masks.insert(0, text.negative_mask.upload(self.device())?);
            mask.insert(0, booleans(&text.negative_mask));
        }
        let (audio, text) = (Tensor::cat(audio, 0), Tensor::cat(states, 0));
        self.trace.record("cond.gpt2", &audio);
        self.trace.record("cond.t5", &text);
        self.trace.record("cond.t5_mask", &Tensor::cat(masks, 0));
        let conditions = Conditions {
            audio: HostTensor::read(audio).await?,
            text: HostTensor::read(text).await?,
            mask,
        };
        B::release(aligner, self.device());
        B::release(gpt2, self.device());
        self.progress.end();
        Ok(conditions)
    }

    /// Noise to latents, one for each candidate, divided by the VAE's scaling factor.
    pub async fn denoise(
        &mut self,
        initial: Vec<HostTensor>,
        conditions: &Conditions,
    ) -> Result<Vec<HostTensor>> {
        let networks = &self.pipeline.networks;
        let settings = &self.request.settings;
        let weights = self.load(stage::DENOISE).await?;
        let unet = Unet::load(
            &Params::new(&weights, self.device()).at(kind::UNET),
            &networks.unet,
        )?;
        drop(weights);
        self.progress.begin().await?;
        let conditions = unet.prepare(&Context::new(
            conditions.audio.upload(self.device())?,
            conditions.text.upload(self.device())?,
            &conditions.mask,
        ));
        let mut finished = Vec::new();
        let candidates = initial.len();
        for (candidate, latents) in initial.into_iter().enumerate() {
            let mut sampler = Sampler::new(settings.scheduler, &networks.schedule, settings.steps)?;
            let mut latents: Tensor<B, 4> = latents.upload(self.device())?;
            // Only the first candidate is traced, and of its UNet calls only the first.
            let tracing = self.trace.is_on() && candidate == 0;
            self.trace.resume(tracing);
            self.trace.record("latents.initial", &latents);
            for (index, t) in sampler.timesteps().to_vec().into_iter().enumerate() {
                self.trace.resume(tracing && index == 0);
                let noise = self.predict(&unet, &latents, t, &conditions);
                latents = sampler.step(index, latents, noise);
                self.trace.resume(tracing);
                let name = settings.scheduler.trace_name();
                self.trace
                    .record(format_args!("{name}.latents.{index}"), &latents);
                // One number read back keeps the step's time and the reaction to cancel honest.
                read(latents.clone().slice([0..1, 0..1, 0..1, 0..1])).await?;
                let step = candidate * settings.steps + index + 1;
                self.progress
                    .step(step, candidates * settings.steps)
                    .await?;
            }
            self.trace.resume(self.request.trace);
            finished.push(HostTensor::read(latents / networks.vae.scaling_factor).await?);
        }
        B::release(unet, self.device());
        self.progress.end();
        Ok(finished)
    }

    /// The noise in `latents` at timestep `t`, guided when the conditions are a batch of two.
    fn predict(
        &mut self,
        unet: &Unet<B>,
        latents: &Tensor<B, 4>,
        t: usize,
        conditions: &Prepared<B>,
    ) -> Tensor<B, 4> {
        let schedule = &self.pipeline.networks.schedule;
        let guided = self.request.settings.guided();
        if !guided {
            let predicted = unet.forward(latents.clone(), &[t as f64], conditions, &mut self.trace);
            let noise = schedule.noise(predicted, latents, t);
            self.trace.record("noise.first.cond", &noise);
            return noise;
        }
        let both = Tensor::cat(vec![latents.clone(), latents.clone()], 0);
        let noise = unet.forward(both, &[t as f64; 2], conditions, &mut self.trace);
        let negative = noise.clone().narrow(0, 0, 1);
        let positive = noise.narrow(0, 1, 1);
        self.trace.record("noise.first.uncond", &negative);
        self.trace.record("noise.first.cond", &positive);
        let predicted = guide(negative, positive, self.request.settings.guidance);
        let noise = schedule.noise(predicted, latents, t);
        self.trace.record("noise.first.guided", &noise);
        noise
    }

    /// Latents to log-mel spectrograms `[1, 1, frames, bins]`.
    pub async fn decode(&mut self, latents: Vec<HostTensor>) -> Result<Vec<HostTensor>> {
        let config = &self.pipeline.networks.vae;
        let weights = self.load(stage::DECODE).await?;
        let params = Params::new(&weights, self.device());
        let decoder = VaeDecoder::load(&params.at(kind::VAE_DECODER), config)?;
        drop(weights);
        self.progress.begin().await?;
        let mut mels = Vec::new();
        for latents in latents {
            let mel = decoder.decode(latents.upload(self.device())?, &mut self.trace);
            self.trace.record("vae.decoded_mel", &mel);
            self.trace.resume(false);
            mels.push(HostTensor::read(mel).await?);
            self.progress.pause().await?;
        }
        self.trace.resume(self.request.trace);
        B::release(decoder, self.device());
        self.progress.end();
        Ok(mels)
    }

    /// Spectrograms to sound.
    pub async fn vocode(&mut self, mels: Vec<HostTensor>) -> Result<Vec<Piece>> {
        let config = &self.pipeline.networks.vocoder;
        let weights = self.load(stage::VOCODE).await?;
        let params = Params::new(&weights, self.device());
        let vocoder = Vocoder::load(&params.at(vocoder_kind(config)), config)?;
        drop(weights);
        self.progress.begin().await?;
        let mut pieces = Vec::new();
        for (candidate, mel) in mels.into_iter().enumerate() {
            let mel: Tensor<B, 4> = mel.upload(self.device())?;
            let waveform = vocoder.forward(mel.squeeze_dim(1), &mut self.trace);
            let [_, made] = waveform.dims();
            let waveform = waveform.narrow(1, 0, self.lengths.samples.min(made));
            let waveform = match self.pipeline.bundle.manifest().defaults.gain {
                0.0 => waveform,
                gain => limit(waveform * 10f64.powf(gain / 20.0)),
            };
            self.trace.record("waveform", &waveform);
            self.trace.resume(false);
            let samples = read(waveform).await?;
            if samples.iter().any(|sample| !sample.is_finite()) {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "the networks gave numbers that are no sound",
                    "try another device, or verify the bundle with art2mus verify",
                ));
            }
            pieces.push(Piece {
                samples,
                candidate,
                score: None,
            });
            self.progress.pause().await?;
        }
        self.trace.resume(self.request.trace);
        B::release(vocoder, self.device());
        self.progress.end();
        Ok(pieces)
    }

    /// Scores every piece by the similarity of its embedding with the picture's, best first.
    pub async fn rank(&mut self, embedding: &HostTensor, pieces: &mut [Piece]) -> Result<()> {
        let networks = &self.pipeline.networks;
        let Some(config) = &networks.ranking else {
            return Ok(());
        };
        let weights = self.load(stage::RANK).await?;
        let params = Params::<B>::new(&weights, self.device());
        let trunk = AudioTrunk::load(&params.at(kind::IMAGEBIND_AUDIO), config)?;
        drop(weights);
        self.progress.begin().await?;
        let rate = networks.vocoder.sampling_rate() as u32;
        for piece in pieces.iter_mut() {
            let clips = TensorData::new(
                fbank::clips(&piece.samples, rate)?,
                [fbank::CLIPS, 1, config.mel_bins, config.frames],
            );
            let clips = Tensor::from_data(clips, self.device());
            let vector = read(trunk.forward(clips, &mut Trace::off())).await?;
            piece.score = Some(cosine(&vector, &embedding.values));
            self.progress.pause().await?;
        }
        B::release(trunk, self.device());
        let key = |piece: &Piece| piece.score.unwrap_or(f32::MIN);
        pieces.sort_by(|a, b| key(b).total_cmp(&key(a)));
        self.progress.end();
        Ok(())
    }

    fn device(&self) -> &B::Device {
        &self.pipeline.device
    }

    async fn load(&mut self, name: &str) -> Result<StageWeights> {
        self.progress.pause().await?;
        let progress = &mut self.progress;
        let mut report = |bytes| progress.loaded(bytes);
        // What the stage before has left beside its network goes back to the device first.
        B::memory_cleanup(&self.pipeline.device);
        let weights = self.pipeline.bundle.load(name, &mut report).await?;
        // Its shards arrive while this stage computes.
        if let Some(next) = self.progress.next_stage() {
            self.pipeline.bundle.prefetch(next);
        }
        Ok(weights)
    }
}

fn booleans(mask: &HostTensor) -> Vec<bool> {
    mask.values.iter().map(|&value| value > 0.5).collect()
}

/// Cosine similarity; 0 when a vector has no length.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| -> f32 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 {
        dot(a, b) / lengths
    } else {
        0.0
    }
}
