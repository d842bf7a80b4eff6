//! AudioLDM 2, an image encoder and an aligner become a bundle of ArtToMus.
//!
//! Only the text encoders are ever held in memory whole, to compute the constants of the fixed prompts.

use super::{
    Arguments, configs, file_name, json::ConfigReader, known_keys, pipeline::Pipeline, provenance,
    required, unread_phrase, unread_tensors,
};
use crate::{
    Error, Result,
    checkpoint::{Checkpoint, names, placeholder},
    diffusion::ScheduleConfig,
    model::{
        aligner::AlignerConfig,
        clap::ClapTextConfig,
        gpt2::{Gpt2, Gpt2Config},
        hifigan::HifiGanConfig,
        imagebind::{AudioConfig, VisionConfig},
        params::{FreshInit, Params},
        projection::ProjectionConfig,
        t5::T5Config,
        unet::UnetConfig,
        vae::VaeConfig,
    },
    ops::Cpu,
    quant::Encoding,
    systems::{
        art_to_mus::{self, Defaults, Networks, TextConditions, kind, stage, write_stage},
        network_entry,
    },
    tensors::TensorSource,
    text::{self, TextEncoders, TextEncodersConfig, Tokenizers},
    weights::{BundleWriter, Constants, Manifest, NetworkEntry},
};

/// The paper's length of a piece in seconds.
const SECONDS: f64 = 10.0;
const LICENCE: &str = "CC BY-NC-SA 4.0 (AudioLDM 2 and ImageBind; check your checkpoints)";

/// Converts the checkpoints; the manifest, and what nothing has read.
pub(super) fn convert(arguments: &Arguments) -> Result<(Manifest, Vec<String>)> {
    let defaults = Defaults {
        seconds: arguments.seconds.unwrap_or(SECONDS),
        steps: arguments.steps,
        scheduler: arguments.scheduler,
        guidance: arguments.guidance,
        gain: 0.0,
        window: None,
        tonic: None,
        pulse: None,
        loudness: None,
    };
    defaults.check()?;
    let mut conversion = Conversion {
        writer: BundleWriter::create(&arguments.output)?,
        encoding: arguments.dtype,
        quiet: arguments.json,
        sources: Vec::new(),
    };
    let sources = Sources::open(arguments)?;
    conversion.sources.push(sources.pipeline.name.clone());
    let conditions = sources.conditions(arguments)?;
    conversion.encoder(&sources)?;
    conversion.condition(&sources, arguments, &conditions)?;
    conversion.diffusion(&sources)?;
    if let Some((imagebind, config)) = &sources.ranking {
        let network = network_entry(kind::IMAGEBIND_AUDIO, config)?;
        conversion.stage(stage::RANK, vec![(network, imagebind)])?;
    }
    if arguments.training {
        let (vae, config) = &sources.vae;
        let network = network_entry(kind::VAE_ENCODER, config)?;
        conversion.stage(stage::TRAINING, vec![(network, vae)])?;
    }
    if arguments.text {
        conversion.text(&sources)?;
    }
    let name = format!("ArtToMus on {}", sources.pipeline.name);
    let model = arguments.model(name, LICENCE, arguments.aligner.is_some());
    let unread = sources.unread();
    arguments.refuse(&unread)?;
    let provenance = provenance(conversion.sources);
    // Parts that do not belong together give no bundle.
    let fits = |manifest: &Manifest| Networks::from_manifest(manifest).map(drop);
    let manifest =
        conversion
            .writer
            .finish(art_to_mus::NAME, model, &defaults, provenance, fits)?;
    Ok((manifest, unread))
}

/// The opened checkpoints and their configurations.
struct Sources {
    pipeline: Pipeline,
    configs: ConfigReader,
    encoder: (Checkpoint, NetworkEntry),
    /// ImageBind's audio trunk, when the encoder is ImageBind.
    ranking: Option<(Checkpoint, AudioConfig)>,
    aligner: Option<Checkpoint>,
    aligner_config: AlignerConfig,
    gpt2: (Checkpoint, Gpt2Config),
    unet: (Checkpoint, UnetConfig),
    schedule: ScheduleConfig,
    vae: (Checkpoint, VaeConfig),
    vocoder: (Checkpoint, HifiGanConfig),
    clap: (Checkpoint, ClapTextConfig),
    t5: (Checkpoint, T5Config),
    projection: (Checkpoint, ProjectionConfig),
    tokenizers: [Vec<u8>; 2],
}

impl Sources {
    fn open(arguments: &Arguments) -> Result<Self> {
        let pipeline = Pipeline::open(required("audioldm2", &arguments.audioldm2)?)?;
        let folder = &pipeline.folder;
        let open = |part: &str| Checkpoint::open(&folder.join(part));
        let configs = ConfigReader::default();
        let config = |part: &str| folder.join(part).join("config.json");
        let gpt2: Gpt2Config = configs.read(&config("language_model"), &known_keys::GPT2)?;
        let (encoder, embedding, ranking) = match (&arguments.imagebind, &arguments.clip) {
            (Some(file), _) => {
                let imagebind = Checkpoint::open(file)?;
                let config: VisionConfig = configs::imagebind_vision(&imagebind)?;
                let ranking = match configs::imagebind_audio(&imagebind)? {
                    Some(config) => Some((Checkpoint::open(file)?, config)),
                    None => None,
                };
                let embedding = config.embedding;
                let network = network_entry(kind::IMAGEBIND_VISION, &config)?;
                ((imagebind, network), embedding, ranking)
            }
            (None, Some(place)) => {
                let clip = Checkpoint::open(place)?.with_names(names::clip);
                let config = configs::clip(&configs, place, &clip, arguments.clip_hints())?;
                let network = network_entry(kind::CLIP_VISION, &config)?;
                ((clip, network), config.projection_dim, None)
            }
            (None, None) => return Err(Error::internal("no image encoder was given")),
        };
        let aligner = match &arguments.aligner {
            Some(file) => Some(Checkpoint::open(file)?),
            None => None,
        };
        let aligner_config = match &aligner {
            Some(file) => AlignerConfig::infer(|name| file.shape(name), gpt2.n_embd)?,
            None => configs::fresh_aligner(embedding, arguments.tokens, gpt2.n_embd),
        };
        let tokenizer = |part: &str| {
            let path = folder.join(part).join("tokenizer.json");
            let bytes = std::fs::read(&path).map_err(|e| Error::file("read", &path, e))?;
            placeholder(&bytes, &path).map_or(Ok(bytes), Err)
        };
        Ok(Self {
            encoder,
            ranking,
            aligner,
            aligner_config,
            gpt2: (open("language_model")?.with_names(names::gpt2), gpt2),
            unet: (
                open("unet")?.with_names(names::plain),
                configs.read(&config("unet"), &known_keys::UNET)?,
            ),
            schedule: configs.read(
                &folder.join("scheduler/scheduler_config.json"),
                &known_keys::DDIM,
            )?,
            vae: (
                open("vae")?.with_names(names::vae),
                configs.read(&config("vae"), &known_keys::VAE)?,
            ),
            vocoder: (
                open("vocoder")?.with_names(names::plain),
                configs.read(&config("vocoder"), &known_keys::HIFIGAN)?,
            ),
            clap: (
                open("text_encoder")?,
                configs::clap(&configs, &config("text_encoder"))?,
            ),
            t5: (
                open("text_encoder_2")?.with_names(names::t5),
                configs.read(&config("text_encoder_2"), &known_keys::T5)?,
            ),
            projection: (
                open("projection_model")?,
                configs.read(&config("projection_model"), &known_keys::PROJECTION)?,
            ),
            tokenizers: [tokenizer("tokenizer")?, tokenizer("tokenizer_2")?],
            configs,
            pipeline,
        })
    }

    /// What nothing has read of checkpoints and configurations, a phrase for each place.
    fn unread(&self) -> Vec<String> {
        let encoder = match self.encoder.1.kind.as_str() {
            kind::CLIP_VISION => "clip",
            _ => "imagebind",
        };
        let mut networks = vec![
            (encoder, &self.encoder.0),
            ("language_model", &self.gpt2.0),
            ("unet", &self.unet.0),
            ("vae", &self.vae.0),
            ("vocoder", &self.vocoder.0),
            ("text_encoder", &self.clap.0),
            ("text_encoder_2", &self.t5.0),
            ("projection_model", &self.projection.0),
        ];
        networks.extend(self.aligner.as_ref().map(|aligner| ("aligner", aligner)));
        let mut unread = self.configs.unread();
        for (network, checkpoint) in networks {
            let mut names = unread_tensors(network, checkpoint);
            // Both trunks of ImageBind are in one file.
            if let Some((audio, _)) = self.ranking.as_ref().filter(|_| network == "imagebind") {
                let also = audio.unread();
                names.retain(|name| also.contains(name));
            }
            unread.extend(unread_phrase(&names, checkpoint));
        }
        unread
    }

    /// Computes the constants of the fixed prompts.
    fn conditions(&self, arguments: &Arguments) -> Result<TextConditions> {
        let device = Default::default();
        let config = TextEncodersConfig {
            clap: self.clap.1.clone(),
            t5: self.t5.1.clone(),
            projection: self.projection.1.clone(),
        };
        config.check(self.gpt2.1.n_embd)?;
        let networks = [&self.clap.0, &self.t5.0, &self.projection.0];
        let params = networks.map(|network| Params::new(network, &device));
        let encoders = TextEncoders::<Cpu>::load(params, &config)?;
        let gpt2 = Gpt2::<Cpu>::load(&Params::new(&self.gpt2.0, &device), &self.gpt2.1)?;
        let tokenizers = Tokenizers::new([&self.tokenizers[0], &self.tokenizers[1]])?;
        let (prompt, negative) = (&arguments.prompt, &arguments.negative);
        pollster::block_on(async {
            let prefix = arguments.negative_prefix;
            let texts = encoders
                .encode(&tokenizers, prompt, negative, prefix)
                .await?;
            TextConditions::of_texts(&texts, &gpt2, &device).await
        })
    }
}

/// A bundle under way.
struct Conversion {
    writer: BundleWriter,
    encoding: Encoding,
    quiet: bool,
    sources: Vec<String>,
}

impl Conversion {
    fn encoder(&mut self, sources: &Sources) -> Result<()> {
        let (checkpoint, network) = &sources.encoder;
        self.sources.push(file_name(checkpoint.place()));
        self.stage(stage::ENCODE, vec![(network.clone(), checkpoint)])
    }

    fn condition(
        &mut self,
        sources: &Sources,
        arguments: &Arguments,
        conditions: &TextConditions,
    ) -> Result<()> {
        let fresh = FreshInit::new(0);
        let aligner: &dyn TensorSource = match &sources.aligner {
            Some(checkpoint) => {
                self.sources.push(file_name(checkpoint.place()));
                checkpoint
            }
            None => {
                eprintln!(
                    "No --aligner: writing a freshly initialised one with {} tokens, which knows nothing of music yet.",
                    arguments.tokens
                );
                self.sources.push("freshly initialised aligner".into());
                &fresh
            }
        };
        let networks = vec![
            (
                network_entry(kind::ALIGNER, &sources.aligner_config)?,
                aligner,
            ),
            (
                network_entry(kind::GPT2, &sources.gpt2.1)?,
                &sources.gpt2.0 as _,
            ),
        ];
        self.stage(stage::CONDITION, networks)?;
        for (name, tensor) in conditions.named() {
            let name = format!("{}.{name}", kind::CONSTANTS);
            self.writer
                .tensor(&name, &tensor.shape, &tensor.values, Encoding::F32)?;
        }
        self.writer.constants(Constants {
            prompt: arguments.prompt.clone(),
            negative_prompt: arguments.negative.clone(),
            negative_prefix: arguments.negative_prefix,
        })
    }

    fn diffusion(&mut self, sources: &Sources) -> Result<()> {
        let schedule = network_entry(kind::SCHEDULER, &sources.schedule)?;
        let unet = network_entry(kind::UNET, &sources.unet.1)?;
        let source = &sources.unet.0 as _;
        self.stage(stage::DENOISE, vec![(unet, source), (schedule, source)])?;
        let vae = network_entry(kind::VAE_DECODER, &sources.vae.1)?;
        self.stage(stage::DECODE, vec![(vae, &sources.vae.0)])?;
        let vocoder = network_entry(kind::HIFIGAN, &sources.vocoder.1)?;
        self.stage(stage::VOCODE, vec![(vocoder, &sources.vocoder.0)])
    }

    fn text(&mut self, sources: &Sources) -> Result<()> {
        let networks = vec![
            (
                network_entry(kind::CLAP_TEXT, &sources.clap.1)?,
                &sources.clap.0 as &dyn TensorSource,
            ),
            (network_entry(kind::T5, &sources.t5.1)?, &sources.t5.0),
            (
                network_entry(kind::PROJECTION, &sources.projection.1)?,
                &sources.projection.0,
            ),
        ];
        self.stage(stage::TEXT, networks)?;
        let roles = [text::CLAP_TOKENIZER, text::T5_TOKENIZER];
        for (role, bytes) in roles.into_iter().zip(&sources.tokenizers) {
            self.writer.asset(role, &format!("{role}.json"), bytes)?;
        }
        Ok(())
    }

    /// Writes all tensors of a stage, in the order in which its networks read them.
    fn stage(
        &mut self,
        name: &str,
        networks: Vec<(NetworkEntry, &dyn TensorSource)>,
    ) -> Result<()> {
        if !self.quiet {
            eprintln!("Writing the stage {name}");
        }
        write_stage(&mut self.writer, name, networks, self.encoding)
    }
}
