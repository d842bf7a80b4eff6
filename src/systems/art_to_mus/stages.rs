//! The stages of one generation.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};
use std::sync::Arc;

use super::{
    super::{Piece, request::check_embedding},
    ArtToMus,
    encoder::PictureEncoder,
    names::{kind, stage},
    networks::Networks,
    request::{Settings, TextConditions, booleans},
    texts::{Texts, Wanted},
};
use crate::{
    Error, Fault, Result,
    image::{self, Picture},
    model::{
        aligner::Aligner,
        gpt2::Gpt2,
        imagebind::{AudioTrunk, SoundInput},
        params::Params,
        trace::Trace,
    },
    ops::Kernels,
    pipeline::{Finished, Run},
    random::standard_normal,
    tensors::{HostTensor, cosine, read},
    text::{EncodedTexts, TextEncoders, Tokenizers},
    weights::{NegativePrefix, StageWeights},
};

/// One generation under way.
pub(super) struct Stages<'a, B: Kernels> {
    pub system: &'a ArtToMus<B>,
    pub run: Run<'a, B>,
}

/// What the UNet is conditioned on: a batch of two when guided (negative first), else one.
pub(super) struct Conditions {
    pub audio: HostTensor,
    pub text: HostTensor,
    /// Which of the text's states count.
    pub mask: Vec<Vec<bool>>,
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

impl<B: Kernels> Conditioner<B> {
    fn load(params: &Params<'_, B>, weights: &StageWeights, networks: &Networks) -> Result<Self> {
        Ok(Self {
            aligner: Aligner::load(&params.at(kind::ALIGNER), &networks.aligner)?,
            gpt2: Gpt2::load(&params.at(kind::GPT2), &networks.gpt2)?,
            text: TextConditions::of_stage(weights)?,
        })
    }
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
        let Some(own) = &system.networks.prompts else {
            return Err(Fault::NoTexts {}.into());
        };
        let encoded = self.encode_prompts(&texts, own.negative_prefix).await?;
        Ok(Some(system.texts.keep(texts, encoded)))
    }

    /// A prompt and a negative prompt to states.
    async fn encode_prompts(
        &mut self,
        Texts { prompt, negative }: &Texts,
        prefix: NegativePrefix,
    ) -> Result<EncodedTexts> {
        let system = self.system;
        let config = system.networks.text.as_ref().ok_or(Fault::NoTexts {})?;
        let tokenizers = Tokenizers::of_bundle(system.bundle()).await?;
        self.run
            .stage(
                stage::TEXT,
                |params, _| {
                    let kinds = [kind::CLAP_TEXT, kind::T5, kind::PROJECTION];
                    TextEncoders::load(kinds.map(|kind| params.at(kind)), config)
                },
                async |_: &mut Run<'_, B>, encoders: &TextEncoders<B>| {
                    encoders.encode(&tokenizers, prompt, negative, prefix).await
                },
            )
            .await
    }

    /// The Language-of-Audio tokens that AudioLDM 2 itself makes of a text: the language model translates the text's own
    /// sequence, of its own length.
    #[cfg(feature = "native")]
    pub async fn translate_text(&mut self, text: &str) -> Result<HostTensor> {
        let texts = Texts {
            prompt: text.to_string(),
            negative: text.to_string(),
        };
        let EncodedTexts { prefix, .. } =
            self.encode_prompts(&texts, NegativePrefix::Padded).await?;
        let networks = &self.system.networks;
        self.run
            .stage(
                stage::CONDITION,
                |params, weights| Conditioner::load(params, weights, networks),
                async |run: &mut Run<'_, B>, conditioner: &Conditioner<B>| {
                    let states = prefix.states.upload(run.device())?;
                    let mask = vec![booleans(&prefix.mask)];
                    HostTensor::read(conditioner.gpt2.generate(states, Some(&mask))?).await
                },
            )
            .await
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
                |params, weights| Conditioner::load(params, weights, networks),
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
