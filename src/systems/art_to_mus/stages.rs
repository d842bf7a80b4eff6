//! The stages of one generation.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};
use std::sync::Arc;

use super::{
    super::{
        Piece,
        request::check_embedding,
        sound::{self, Level},
    },
    ArtToMus,
    encoder::PictureEncoder,
    names::{kind, stage},
    request::{Settings, TextConditions, booleans},
    tempo::stretch,
    texts::{Texts, Wanted},
    transpose::transpose,
    windows::Windows,
};
use crate::{
    Error, Fault, Result,
    diffusion::{Sampler, guide},
    image::{self, Picture},
    model::{
        aligner::Aligner,
        gpt2::Gpt2,
        imagebind::{AudioTrunk, SoundInput},
        trace::Trace,
        unet::{Context, CrossAttentionCache, Unet},
        vae::VaeDecoder,
    },
    ops::Kernels,
    pipeline::{Finished, Run},
    random::standard_normal,
    tensors::{HostTensor, cosine, read},
    text::{EncodedTexts, TextEncoders, Tokenizers},
};

/// One generation under way.
pub(super) struct Stages<'a, B: Kernels> {
    pub system: &'a ArtToMus<B>,
    pub run: Run<'a, B>,
}

/// What the UNet is conditioned on: a batch of two when guided (negative first), else one.
pub(super) struct Conditions {
    audio: HostTensor,
    text: HostTensor,
    mask: Vec<Vec<bool>>,
}

impl Conditions {
    /// The Language-of-Audio tokens of conditions that are not guided.
    pub fn into_tokens(self) -> HostTensor {
        self.audio
    }
}

/// What makes conditions: the aligner, the language model, and the constants of the bundle's prompts.
#[derive(Module, Debug)]
struct Conditioner<B: Backend> {
    aligner: Aligner<B>,
    gpt2: Gpt2<B>,
    #[module(skip)]
    text: TextConditions,
}

impl<B: Kernels> Stages<'_, B> {
    /// The noise to start from, one tensor `[1, channels, rows, columns]` for each candidate: `given`, or the seed's.
    pub fn initial_latents(
        &self,
        settings: &Settings,
        given: Option<&HostTensor>,
    ) -> Result<Vec<HostTensor>> {
        let networks = &self.system.networks;
        let pace = settings.pace(self.system.defaults.pulse);
        let lengths = networks.lengths_at(settings.seconds, pace);
        let shape = vec![1, networks.unet.in_channels, lengths.rows, lengths.columns];
        let count = shape.iter().product::<usize>();
        let latents = |values: Vec<f32>| HostTensor {
            shape: shape.clone(),
            values,
        };
        let Some(given) = given else {
            let candidates = 0..settings.candidates as u64;
            return Ok(candidates
                .map(|candidate| latents(standard_normal(settings.seed, candidate, count)))
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
        Ok(parts.map(|values| latents(values.to_vec())).collect())
    }

    /// Texts to states, unless they are the bundle's own, or those of an earlier run.
    pub async fn encode_texts(&mut self, wanted: Wanted) -> Result<Option<Arc<EncodedTexts>>> {
        let texts = match wanted {
            Wanted::Own => return Ok(None),
            Wanted::Known(encoded) => return Ok(Some(encoded)),
            Wanted::New(texts) => texts,
        };
        let system = self.system;
        let networks = &system.networks;
        let (Some(config), Some(own)) = (&networks.text, &networks.prompts) else {
            return Err(Fault::NoTexts {}.into());
        };
        let Texts { prompt, negative } = &texts;
        let tokenizers = Tokenizers::of_bundle(system.bundle()).await?;
        let encoded = self
            .run
            .stage(
                stage::TEXT,
                |params, _| {
                    let kinds = [kind::CLAP_TEXT, kind::T5, kind::PROJECTION];
                    TextEncoders::load(kinds.map(|kind| params.at(kind)), config)
                },
                async |_: &mut Run<'_, B>, encoders: &TextEncoders<B>| {
                    encoders
                        .encode(&tokenizers, prompt, negative, own.negative_prefix)
                        .await
                },
            )
            .await?;
        Ok(Some(system.texts.keep(texts, encoded)))
    }

    /// Picture to embedding `[1, width]`.
    pub async fn encode(&mut self, picture: &Picture) -> Result<HostTensor> {
        let config = &self.system.networks.encoder;
        let size = config.image_size();
        let pixels = HostTensor {
            shape: vec![1, 3, size, size],
            values: image::preprocess(picture, size),
        };
        self.run
            .stage(
                stage::ENCODE,
                |params, _| PictureEncoder::load(params, config),
                async |run: &mut Run<'_, B>, encoder: &PictureEncoder<B>| {
                    let pixels: Tensor<B, 4> = pixels.upload(run.device())?;
                    run.trace.record("image.pixels", &pixels);
                    let embedding = encoder.forward(pixels, &mut run.trace);
                    run.trace.record("image.embedding", &embedding);
                    HostTensor::read(embedding).await
                },
            )
            .await
    }

    /// An embedding, or given Language-of-Audio tokens, to what the UNet is conditioned on.
    pub async fn condition(
        &mut self,
        embedding: Option<&HostTensor>,
        tokens: Option<&HostTensor>,
        texts: Option<&EncodedTexts>,
        guided: bool,
    ) -> Result<Conditions> {
        let networks = &self.system.networks;
        let width = networks.embedding_width();
        if let Some(embedding) = embedding {
            check_embedding(embedding, width)?;
        }
        self.run
            .stage(
                stage::CONDITION,
                |params, weights| {
                    Ok(Conditioner {
                        aligner: Aligner::load(&params.at(kind::ALIGNER), &networks.aligner)?,
                        gpt2: Gpt2::load(&params.at(kind::GPT2), &networks.gpt2)?,
                        text: TextConditions::of_stage(weights)?,
                    })
                },
                async |run: &mut Run<'_, B>, conditioner: &Conditioner<B>| {
                    let device = run.device();
                    let positive: Tensor<B, 3> = match (tokens, embedding) {
                        (Some(given), _) => given.upload(device)?,
                        (None, Some(embedding)) => {
                            let tokens = conditioner.aligner.forward(embedding.upload(device)?);
                            run.trace.record("aligner.tokens", &tokens);
                            let positive = conditioner.gpt2.generate(tokens, None)?;
                            run.trace.record("gpt2.image.tokens", &positive);
                            positive
                        }
                        (None, None) => return Err(Error::internal("nothing to condition on")),
                    };
                    let gpt2 = &conditioner.gpt2;
                    let others = match texts {
                        Some(texts) => Some(TextConditions::of_texts(texts, gpt2, device).await?),
                        None => None,
                    };
                    let text = others.as_ref().unwrap_or(&conditioner.text);
                    conditions(run, positive, text, guided).await
                },
            )
            .await
    }

    /// Noise to latents, one for each candidate.
    pub async fn denoise(
        &mut self,
        initial: Vec<HostTensor>,
        conditions: &Conditions,
        settings: &Settings,
    ) -> Result<Vec<HostTensor>> {
        let system = self.system;
        self.run
            .stage(
                stage::DENOISE,
                |params, _| Unet::load(&params.at(kind::UNET), &system.networks.unet),
                async |run: &mut Run<'_, B>, unet: &Unet<B>| {
                    let device = run.device();
                    let prepared = unet.cache(&Context::new(
                        conditions.audio.upload(device)?,
                        conditions.text.upload(device)?,
                        &conditions.mask,
                    ));
                    let mut finished = Vec::new();
                    let candidates = initial.len();
                    for (candidate, latents) in initial.iter().enumerate() {
                        // Only the first candidate is traced.
                        run.trace.resume(run.is_tracing() && candidate == 0);
                        let done = candidate * settings.steps;
                        let progress = (done, candidates * settings.steps);
                        let denoising = Denoising {
                            system,
                            unet,
                            conditions: &prepared,
                            settings,
                            windows: system.windows(latents),
                        };
                        finished.push(denoising.sample(run, latents, progress).await?);
                    }
                    run.trace.resume(run.is_tracing());
                    Ok(finished)
                },
            )
            .await
    }

    /// Latents, as the UNet makes them, to spectrograms `[1, 1, frames, bands]`, transposed by so many semitones and
    /// played `pace` times as fast.
    pub async fn decode(
        &mut self,
        latents: &[HostTensor],
        semitones: i32,
        pace: f64,
    ) -> Result<Vec<HostTensor>> {
        let system = self.system;
        let config = &self.system.networks.vae;
        let spectrogram = self.system.networks.spectrogram();
        self.run
            .stage(
                stage::DECODE,
                |params, _| VaeDecoder::load(&params.at(kind::VAE_DECODER), config),
                async |run: &mut Run<'_, B>, decoder: &VaeDecoder<B>| {
                    let mut mels = Vec::new();
                    for latents in latents {
                        let windows = system.windows(latents);
                        let latents: Tensor<B, 4> = latents.upload(run.device())?;
                        let latents = latents / config.scaling_factor;
                        let mut parts = Vec::with_capacity(windows.count());
                        for window in 0..windows.count() {
                            let part = windows.part(&latents, window);
                            parts.push(decoder.decode(part, &mut run.trace));
                            if window > 0 {
                                run.pause().await?;
                            }
                        }
                        let mel = windows.blend(parts, config.factor());
                        run.trace.record("vae.decoded_mel", &mel);
                        run.trace.resume(false);
                        let mut mel = HostTensor::read(mel).await?;
                        transpose(&mut mel, &spectrogram, semitones)?;
                        stretch(&mut mel, pace);
                        mels.push(mel);
                        run.pause().await?;
                    }
                    run.trace.resume(run.is_tracing());
                    Ok(mels)
                },
            )
            .await
    }

    /// Spectrograms to sounds of at most `length` samples, brought to a loudness in dBFS where one is given, or else
    /// raised by the bundle's gain.
    pub async fn vocode(
        &mut self,
        mels: Vec<HostTensor>,
        length: usize,
        loudness: Option<f64>,
    ) -> Result<Vec<Vec<f32>>> {
        let level = match loudness {
            Some(wanted) => Level::Rms(wanted),
            None => Level::Gain(self.system.defaults.gain),
        };
        let vocoder = &self.system.networks.vocoder;
        sound::vocode(&mut self.run, stage::VOCODE, vocoder, &mels, length, level).await
    }

    /// Scores every piece by the similarity of its embedding with the picture's, best first.
    pub async fn rank(&mut self, embedding: &HostTensor, pieces: &mut [Piece]) -> Result<()> {
        let networks = &self.system.networks;
        let Some(config) = &networks.ranking else {
            return Ok(());
        };
        let rate = networks.vocoder.sampling_rate() as u32;
        let input = SoundInput::new(config, &networks.spectrogram())?;
        self.run
            .stage(
                stage::RANK,
                |params, _| AudioTrunk::load(&params.at(kind::IMAGEBIND_AUDIO), config),
                async |run: &mut Run<'_, B>, trunk: &AudioTrunk<B>| {
                    for piece in pieces.iter_mut() {
                        let clips = input.clips(&piece.samples, rate)?;
                        let shape = [input.count(&clips), 1, config.mel_bins, config.frames];
                        let clips = Tensor::from_data(TensorData::new(clips, shape), run.device());
                        let vector = read(trunk.forward(clips, &mut Trace::off())).await?;
                        piece.score = Some(cosine(&vector, &embedding.values));
                        run.pause().await?;
                    }
                    let key = |piece: &Piece| piece.score.unwrap_or(f32::MIN);
                    pieces.sort_by(|a, b| key(b).total_cmp(&key(a)));
                    Ok(())
                },
            )
            .await
    }

    /// Ends the run.
    pub async fn finish(self) -> Result<Finished> {
        self.run.finish().await
    }
}

/// Puts the tokens of the picture and the texts' conditions together, the negative ones first.
async fn conditions<B: Kernels>(
    run: &mut Run<'_, B>,
    positive: Tensor<B, 3>,
    text: &TextConditions,
    guided: bool,
) -> Result<Conditions> {
    let device = run.device();
    let negative: Tensor<B, 3> = text.negative_tokens.upload(device)?;
    if negative.dims() != positive.dims() {
        return Err(Error::format(
            "the negative prompt's constants do not fit the audio tokens",
            "convert the checkpoint again, and give tokens of its own language model",
        ));
    }
    let mut audio = vec![positive];
    let mut states = vec![text.prompt_states.upload::<B, 3>(device)?];
    let mut masks = vec![text.prompt_mask.upload::<B, 2>(device)?];
    let mut mask = vec![booleans(&text.prompt_mask)];
    if guided {
        audio.insert(0, negative);
        states.insert(0, text.negative_states.upload(device)?);
        masks.insert(0, text.negative_mask.upload(device)?);
        mask.insert(0, booleans(&text.negative_mask));
    }
    let (audio, text) = (Tensor::cat(audio, 0), Tensor::cat(states, 0));
    run.trace.record("cond.gpt2", &audio);
    run.trace.record("cond.t5", &text);
    run.trace.record("cond.t5_mask", &Tensor::cat(masks, 0));
    Ok(Conditions {
        audio: HostTensor::read(audio).await?,
        text: HostTensor::read(text).await?,
        mask,
    })
}

/// The sampling of one candidate.
struct Denoising<'a, B: Kernels> {
    system: &'a ArtToMus<B>,
    unet: &'a Unet<B>,
    conditions: &'a CrossAttentionCache<B>,
    settings: &'a Settings,
    windows: Windows,
}

impl<B: Kernels> Denoising<'_, B> {
    /// Noise to latents. `(done, all)` are the steps before this candidate and those of all candidates.
    async fn sample(
        &self,
        run: &mut Run<'_, B>,
        initial: &HostTensor,
        (done, all): (usize, usize),
    ) -> Result<HostTensor> {
        let settings = self.settings;
        let schedule = &self.system.networks.schedule;
        let mut sampler = Sampler::new(settings.scheduler, schedule, settings.steps)?;
        let mut latents: Tensor<B, 4> = initial.upload(run.device())?;
        let tracing = run.trace.is_on();
        run.trace.record("latents.initial", &latents);
        for (index, t) in sampler.timesteps().to_vec().into_iter().enumerate() {
            let mut parts = Vec::with_capacity(self.windows.count());
            for window in 0..self.windows.count() {
                // Of the UNet's calls only the first is traced.
                run.trace.resume(tracing && index == 0 && window == 0);
                let part = self.windows.part(&latents, window);
                parts.push(self.predict(&mut run.trace, &part, t));
                if window > 0 {
                    run.pause().await?;
                }
            }
            let noise = self.windows.blend(parts, 1);
            latents = sampler.step(index, latents, noise);
            run.trace.resume(tracing);
            let name = settings.scheduler.trace_name();
            run.trace
                .record(format_args!("{name}.latents.{index}"), &latents);
            // One number read back keeps the step's time and the reaction to cancel honest.
            read(latents.clone().slice([0..1, 0..1, 0..1, 0..1])).await?;
            run.step(done + index + 1, all).await?;
        }
        HostTensor::read(latents).await
    }

    /// The noise in `latents` at timestep `t`, guided when the conditions are a batch of two.
    fn predict(&self, trace: &mut Trace<B>, latents: &Tensor<B, 4>, t: usize) -> Tensor<B, 4> {
        let schedule = &self.system.networks.schedule;
        let (unet, conditions) = (self.unet, self.conditions);
        if !self.settings.guided() {
            let predicted = unet.forward(latents.clone(), &[t as f64], conditions, trace);
            let noise = schedule.noise(predicted, latents, t);
            trace.record("noise.first.cond", &noise);
            return noise;
        }
        let both = Tensor::cat(vec![latents.clone(), latents.clone()], 0);
        let noise = unet.forward(both, &[t as f64; 2], conditions, trace);
        let negative = noise.clone().narrow(0, 0, 1);
        let positive = noise.narrow(0, 1, 1);
        trace.record("noise.first.uncond", &negative);
        trace.record("noise.first.cond", &positive);
        let predicted = guide(negative, positive, self.settings.guidance);
        let noise = schedule.noise(predicted, latents, t);
        trace.record("noise.first.guided", &noise);
        noise
    }
}
