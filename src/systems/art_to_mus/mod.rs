//! ArtToMus: a picture's embedding becomes tokens, and these condition a latent diffusion of sound.
//!
//! Stages: **encode** (picture to embedding), **condition** (embedding to Language-of-Audio tokens), **denoise**
//! (noise to latents), **decode** (latents to log-mel), **vocode** (log-mel to sound), and **rank** where several
//! candidates are made.

#[cfg(feature = "native")]
mod assemble;
mod decode;
mod denoise;
mod encoder;
mod names;
mod networks;
mod request;
mod stages;
mod tempo;
mod texts;
mod transpose;
mod windows;

#[cfg(feature = "native")]
pub use assemble::{replace_aligner, write_stage};
pub use encoder::PictureEncoder;
pub use names::{kind, stage};
pub use networks::{
    AudioProjectionConfig, EncoderConfig, Lengths, MelScale, Networks, Work, needed_tensors,
};
pub(crate) use request::cannot_transpose;
pub use request::{
    Defaults, MAX_CANDIDATES, MAX_GUIDANCE, MAX_STEPS, PULSE, Settings, TextConditions,
};

pub use tempo::tempo_of;
pub use transpose::{SEMITONES, bands_of_semitone, semitones, tonic_of};

use std::sync::Arc;

use super::{
    self as systems, Abilities, Output, Piece, Playing, Prompts, Request, SECONDS, SettingRange,
    Source,
};
use crate::{
    Error, Fault, Result,
    diffusion::Sampler,
    image::{Picture, statistics::Statistics},
    ops::{Cpu, Kernels},
    pipeline::{DEFAULT_BUDGET, Helpers, Model, Observer, Part, Run, StageWork},
    tensors::HostTensor,
    text::Tokenizers,
    weights::{AssetEntry, Bundle, Manifest},
};
use stages::Stages;
use texts::{LastTexts, Texts, Wanted};
use windows::Windows;

/// The name of this system in bundles.
pub const NAME: &str = "art-to-mus";

/// The stages whose networks may stay between pieces. Those of `text` do not: what they give does.
const STAGES: [&str; 6] = [
    stage::ENCODE,
    stage::CONDITION,
    stage::DENOISE,
    stage::DECODE,
    stage::VOCODE,
    stage::RANK,
];

/// Checks that a bundle is of this system, and that its networks are all there and fit each other and its defaults.
pub fn check(manifest: &Manifest) -> Result<(Networks, Defaults)> {
    systems::check_name(manifest, NAME)?;
    let networks = Networks::from_manifest(manifest)?;
    let defaults = Defaults::from_manifest(manifest)?;
    Sampler::<Cpu>::new(defaults.scheduler, &networks.schedule, defaults.steps)?;
    if defaults.tonic.is_some() && bands_of_semitone(&networks.spectrogram()).is_none() {
        return Err(Error::format(
            "the bundle has a tonic, and a spectrogram that cannot be transposed",
            "leave tonic out of its manifest, or convert parts that belong together",
        ));
    }
    Ok((networks, defaults))
}

/// Checks the tokenizers of a bundle, where it has text networks.
pub async fn check_assets(bundle: &Bundle) -> Result<()> {
    if bundle.manifest().find_stage(stage::TEXT).is_some() {
        Tokenizers::of_bundle(bundle).await?;
    }
    Ok(())
}

/// An opened model of this system.
#[derive(Debug, Clone)]
pub struct ArtToMus<B: Kernels> {
    model: Model<B>,
    networks: Networks,
    defaults: Defaults,
    texts: LastTexts,
}

impl<B: Kernels> ArtToMus<B> {
    /// Checks the bundle as [`check`] does. No weights are read yet.
    pub fn new(bundle: Bundle, device: B::Device) -> Result<Self> {
        Self::with_budget(bundle, device, DEFAULT_BUDGET)
    }

    /// The same, where networks stay on the device between pieces as far as they fit into `budget` bytes.
    pub fn with_budget(bundle: Bundle, device: B::Device, budget: u64) -> Result<Self> {
        let (networks, defaults) = check(bundle.manifest())?;
        Ok(Self {
            networks,
            defaults,
            texts: LastTexts::default(),
            model: Model::new(bundle, device, &STAGES, budget),
        })
    }

    /// Has other engines with the same bundle compute parts of the work, which they do with [`Self::compute`].
    pub fn set_helpers(&mut self, helpers: Arc<dyn Helpers>) {
        self.model.set_helpers(helpers);
    }

    /// Computes a part of another engine's work.
    pub async fn compute(&self, part: &Part, observer: &mut dyn Observer) -> Result<HostTensor> {
        let stage = STAGES.into_iter().find(|stage| *stage == part.stage);
        let mut run = self.run_of(stage.unwrap_or_default(), observer)?;
        let result = match stage {
            Some(stage::DENOISE) => run.denoise_part(part).await?,
            Some(stage::DECODE) => run.decode_part(part).await?,
            Some(stage::VOCODE) => run.vocode_part(part).await?,
            _ => return Err(systems::no_parts(&part.stage)),
        };
        run.finish().await?;
        Ok(result)
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        self.model.bundle()
    }

    /// The bundle on its device.
    pub fn model(&self) -> &Model<B> {
        &self.model
    }

    /// The configurations of the networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The settings that the bundle suggests.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// What it can be asked for.
    pub fn abilities(&self) -> Abilities {
        let Self {
            networks, defaults, ..
        } = self;
        let range = |max, default| SettingRange::new(1.0, max, default);
        let own = networks.prompts.as_ref();
        let prompts = own.filter(|_| networks.text.is_some()).map(|own| Prompts {
            prompt: own.prompt.clone(),
            negative: own.negative_prompt.clone(),
        });
        Abilities {
            seconds: SettingRange::new(*SECONDS.start(), *SECONDS.end(), defaults.seconds),
            steps: Some(range(MAX_STEPS as f64, defaults.steps as f64)),
            guidance: Some(SettingRange::new(0.0, MAX_GUIDANCE, defaults.guidance)),
            scheduler: Some(defaults.scheduler),
            candidates: range(MAX_CANDIDATES as f64, 1.0),
            has_seed: true,
            has_ranking: networks.ranking.is_some(),
            has_tokens: true,
            takes_comment: false,
            prompts,
            embedding_width: networks.embedding_width(),
        }
    }

    /// The work of every stage that a generation can go through, for one piece as the bundle suggests it.
    pub fn stages(&self) -> Result<Vec<StageWork>> {
        let mut settings = Settings::from_defaults(&self.defaults, 0);
        let mut work = self.networks.work(&settings.work(&self.defaults, true))?;
        // Ranking happens only among several pieces: two show what one costs.
        settings.candidates = 2;
        let two = self.networks.work(&settings.work(&self.defaults, true))?;
        let rank = two.into_iter().filter(|work| work.stage == stage::RANK);
        work.extend(rank.map(|work| StageWork {
            flops: work.flops / 2,
            ..work
        }));
        Ok(work)
    }

    /// Whether `stage` reads the file `asset` of the bundle.
    pub fn reads(stage: &str, asset: &AssetEntry) -> bool {
        stage == stage::TEXT && Tokenizers::reads(asset)
    }

    /// What `asked` leaves out is what the bundle suggests, and the seed `drawn`.
    pub fn complete(&self, asked: &systems::Settings, drawn: u64) -> Result<Settings> {
        Settings::complete(asked, &self.defaults, drawn)
    }

    /// The work of every stage that a generation with `settings` goes through now: texts that were encoded for the
    /// last one are not encoded again.
    pub fn work(&self, settings: &Settings) -> Result<Vec<StageWork>> {
        self.work_with(settings, &self.wanted(settings)?)
    }

    fn work_with(&self, settings: &Settings, texts: &Wanted) -> Result<Vec<StageWork>> {
        let text = matches!(texts, Wanted::New(_));
        self.networks.work(&settings.work(&self.defaults, text))
    }

    /// Where the texts come from that `settings` ask for.
    fn wanted(&self, settings: &Settings) -> Result<Wanted> {
        Ok(self.texts.find(Texts::asked(&self.networks, settings)?))
    }

    /// Makes music. The same request gives the same samples with the same kernels.
    ///
    /// Candidates are ranked where the bundle has an audio trunk and the source is a picture or an embedding.
    pub async fn generate(
        &self,
        source: impl Into<Source<'_>>,
        request: &Request,
        observer: &mut dyn Observer,
    ) -> Result<Output> {
        let source = source.into();
        let settings = &self.settle(source, &self.complete(&request.settings, 0)?)?;
        let texts = self.wanted(settings)?;
        let own = matches!(texts, Wanted::Own);
        let mut work = self.work_with(settings, &texts)?;
        let skipped: &[&str] = match source {
            Source::Picture(_) => &[],
            Source::Embedding(_) => &[stage::ENCODE],
            Source::Tokens(_) => &[stage::ENCODE, stage::RANK],
        };
        work.retain(|work| !skipped.contains(&work.stage));
        let ranked = work.iter().any(|work| work.stage == stage::RANK);
        let mut run = self.run(work, observer, request.trace)?;
        let initial = run.initial_latents(settings, request.latents.as_ref())?;
        let texts = run.encode_texts(texts).await?;
        let embedding = match source {
            Source::Picture(picture) => Some(run.encode(picture).await?),
            Source::Embedding(embedding) => Some(embedding.clone()),
            Source::Tokens(_) => None,
        };
        let tokens = match source {
            Source::Tokens(tokens) => Some(tokens),
            _ => None,
        };
        let conditions = run
            .condition(
                embedding.as_ref(),
                tokens,
                texts.as_deref(),
                settings.guided(),
            )
            .await?;
        let latents = run.denoise(initial, &conditions, settings).await?;
        let pace = settings.pace(self.defaults.pulse);
        let mels = run
            .decode(&latents, settings.transpose.unwrap_or(0), pace)
            .await?;
        let samples = self.networks.lengths(settings.seconds).samples;
        let sounds = run.vocode(mels, samples, settings.loudness).await?;
        let mut pieces: Vec<Piece> = sounds
            .into_iter()
            .zip(latents)
            .enumerate()
            .map(|(candidate, (samples, latents))| Piece {
                samples,
                latents,
                candidate,
                score: None,
            })
            .collect();
        if let (true, Some(embedding)) = (ranked, &embedding) {
            run.rank(embedding, &mut pieces).await?;
        }
        let finished = run.finish().await?;
        Ok(Output {
            pieces,
            sample_rate: self.networks.vocoder.sampling_rate(),
            settings: Settings {
                prompt: settings.prompt.clone().filter(|_| !own),
                negative: settings.negative.clone().filter(|_| !own),
                ..settings.clone()
            }
            .into(),
            kernels: B::kernels(self.model.device()),
            timings: finished.timings,
            trace: finished.trace,
        })
    }

    /// The settings with what the picture decides where they leave it out: tonic and tempo of a model that has one of
    /// its own, and the loudness where the bundle says how.
    fn settle(&self, source: Source<'_>, settings: &Settings) -> Result<Settings> {
        let Defaults {
            tonic,
            pulse,
            loudness,
            ..
        } = self.defaults;
        if tonic.is_none() && !matches!(settings.transpose, None | Some(0)) {
            return Err(Fault::Untransposable {}.into());
        }
        if let Some(tempo) = settings.tempo {
            tempo::check(tempo, pulse)?;
        }
        let ranks = match source {
            Source::Picture(picture)
                if tonic.is_some() || pulse.is_some() || loudness.is_some() =>
            {
                Some(Statistics::measure(picture).ranks())
            }
            _ => None,
        };
        let transpose = tonic.map(|tonic| {
            let wanted = ranks.as_ref().map(|ranks| tonic_of(ranks.hue));
            wanted.map_or(0, |wanted| semitones(tonic, wanted))
        });
        let tempo = pulse
            .map(|pulse| ranks.as_ref().map_or(1.0, |ranks| tempo_of(ranks.edges)) * 60.0 / pulse);
        let loudness = loudness.map(|[quiet, loud]| {
            let chroma = ranks.as_ref().map_or(0.5, |ranks| f64::from(ranks.chroma));
            quiet + (loud - quiet) * chroma
        });
        Ok(Settings {
            loudness: settings.loudness.or(loudness),
            transpose: transpose.map(|decided| settings.transpose.unwrap_or(decided)),
            tempo: settings.tempo.or(tempo),
            ..settings.clone()
        })
    }

    /// The embedding of a picture, `[1, width]`.
    pub async fn embed(
        &self,
        picture: &Picture,
        observer: &mut dyn Observer,
    ) -> Result<HostTensor> {
        let mut run = self.run_of(stage::ENCODE, observer)?;
        let embedding = run.encode(picture).await?;
        run.finish().await?;
        Ok(embedding)
    }

    /// The Language-of-Audio tokens of an embedding `[1, width]`, `[1, tokens, width]`.
    pub async fn condition(
        &self,
        embedding: &HostTensor,
        observer: &mut dyn Observer,
    ) -> Result<HostTensor> {
        let mut run = self.run_of(stage::CONDITION, observer)?;
        let conditions = run.condition(Some(embedding), None, None, false).await?;
        run.finish().await?;
        Ok(conditions.into_tokens())
    }

    /// The Language-of-Audio tokens of a text alone, `[1, tokens, width]`, as AudioLDM 2 itself makes them: what a caption
    /// gives without its picture. Needs a bundle with text networks.
    #[cfg(feature = "native")]
    pub async fn condition_on_text(
        &self,
        text: &str,
        observer: &mut dyn Observer,
    ) -> Result<HostTensor> {
        let settings = Settings::from_defaults(&self.defaults, 0);
        let mut work = self.networks.work(&settings.work(&self.defaults, true))?;
        work.retain(|work| [stage::TEXT, stage::CONDITION].contains(&work.stage));
        let mut run = self.run(work, observer, false)?;
        let tokens = run.translate_text(text).await?;
        run.finish().await?;
        Ok(tokens)
    }

    /// The sound of latents `[count, channels, rows, columns]` as a generation makes them: one piece each, as long as
    /// the latents are. The settings of the generation's result say how they were played.
    pub async fn decode(
        &self,
        latents: &HostTensor,
        playing: Playing,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<f32>>> {
        let networks = &self.networks;
        let settings = Settings {
            tempo: playing.tempo,
            loudness: playing.loudness,
            ..Settings::from_defaults(&self.defaults, 0)
        };
        settings.check()?;
        if let Some(tempo) = playing.tempo {
            tempo::check(tempo, self.defaults.pulse)?;
        }
        let pace = settings.pace(self.defaults.pulse);
        let factor = networks.vae.factor();
        let columns = networks.vocoder.mel_bins() / factor;
        let (count, rows) = match latents.shape[..] {
            [count, channels, rows, own]
                if count > 0
                    && rows > 0
                    && channels == networks.unet.in_channels
                    && own == columns
                    && latents.values.iter().all(|value| value.is_finite()) =>
            {
                (count, rows)
            }
            _ => {
                return Err(Error::input(
                    format!(
                        "latents of shape {:?} (or without numbers) cannot be decoded",
                        latents.shape
                    ),
                    format!(
                        "give [pieces, {}, rows, {columns}]",
                        networks.unet.in_channels
                    ),
                ));
            }
        };
        let each = latents.values.len() / count;
        let latents: Vec<HostTensor> = latents
            .values
            .chunks_exact(each)
            .map(|values| HostTensor {
                shape: vec![1, networks.unet.in_channels, rows, columns],
                values: values.to_vec(),
            })
            .collect();
        let windows = networks.windows(rows, self.defaults.window);
        let work = networks.sound_work(&windows, count).to_vec();
        let mut run = self.run(work, observer, false)?;
        let mels = run.decode(&latents, playing.transpose, pace).await?;
        let frames = ((rows * factor) as f64 / pace) as usize;
        let length = frames * networks.vocoder.hop();
        let sounds = run.vocode(mels, length, playing.loudness).await?;
        run.finish().await?;
        Ok(sounds)
    }

    /// How long latents `[1, channels, rows, columns]` are denoised and decoded.
    fn windows(&self, latents: &HostTensor) -> Windows {
        let rows = latents.shape.get(2).copied().unwrap_or(0);
        self.networks.windows(rows, self.defaults.window)
    }

    fn run<'a>(
        &'a self,
        work: Vec<StageWork>,
        observer: &'a mut dyn Observer,
        tracing: bool,
    ) -> Result<Stages<'a, B>> {
        Ok(Stages {
            system: self,
            run: Run::new(&self.model, work, observer, tracing)?,
        })
    }

    /// A run through one stage.
    fn run_of<'a>(&'a self, stage: &str, observer: &'a mut dyn Observer) -> Result<Stages<'a, B>> {
        let mut work = self.work(&Settings::from_defaults(&self.defaults, 0))?;
        work.retain(|work| work.stage == stage);
        self.run(work, observer, false)
    }
}
