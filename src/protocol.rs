//! What the engine tells a page, and what a page asks of it: the JSON of the JavaScript surface.
//!
//! `web/src/engine/bindings.ts` is generated from these definitions; a test keeps it equal to them. Typed arrays
//! (samples, latents, WAV files) are added beside them by `crate::web`.

use serde::{Deserialize, Serialize};

use crate::{
    Error, Fault, Result,
    diffusion::SchedulerKind,
    image::Region,
    ops::Kernels,
    pipeline::Timing,
    systems::{
        Abilities, Output, Piece, Prompts, SettingRange, Settings, System,
        art_to_mus::cannot_transpose,
    },
    weights::ShardEntry,
};

/// The largest whole number that JavaScript's numbers hold exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Settings of one generation; what is left out takes the model's default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct GenerateSettings {
    /// Length of the music in seconds.
    pub seconds: Option<f64>,
    /// Denoising steps: more takes longer and sounds cleaner; only for a model whose `steps` are there.
    pub steps: Option<f64>,
    /// The rule that walks from noise to music; only for a model whose `scheduler` is there.
    pub scheduler: Option<SchedulerKind>,
    /// How strongly the picture steers the music; 1 means no guidance. Only for a model whose `guidance` is there.
    pub guidance: Option<f64>,
    /// The same seed, settings and kernels give the same samples; only for a model that `hasSeed`.
    #[cfg_attr(test, ts(optional, type = "number | bigint"))]
    pub seed: Option<f64>,
    /// How many pieces to make, best first where they can be ranked.
    pub candidates: Option<f64>,
    /// Semitones from the model's own tonic, -6 to 6; the picture's hue decides when it is left out.
    pub transpose: Option<f64>,
    /// Beats a minute, for a model whose music has one pulse; the picture's edges decide when it is left out.
    pub tempo: Option<f64>,
    /// The RMS of the music in dBFS; the picture's colours decide when it is left out, or else the model.
    pub loudness: Option<f64>,
    /// What the music should be beside the picture, in words; only for a model whose `prompts` are there.
    pub prompt: Option<String>,
    /// What the music should not be, in words; only for such a model.
    pub negative: Option<String>,
    /// What a person says of the picture, in words; only for a model that `takesComment`.
    pub comment: Option<String>,
    /// The part of the picture to use.
    pub region: Option<Region>,
    /// Return every stage's tensors as well (for tests; large).
    pub trace: Option<bool>,
}

impl GenerateSettings {
    /// The settings that are asked for. What is given must be a number that it can be.
    pub fn asked(&self) -> Result<Settings> {
        let whole = |setting, value: Option<f64>| match value {
            Some(value) if !(0.0..=MAX_SAFE_INTEGER).contains(&value) || value.fract() != 0.0 => {
                Err(Error::from(Fault::NotWhole { setting, value }))
            }
            value => Ok(value.map(|value| value as u64)),
        };
        let count =
            |name, value| -> Result<_> { Ok(whole(name, value)?.map(|value| value as usize)) };
        Ok(Settings {
            seconds: self.seconds,
            steps: count("steps", self.steps)?,
            scheduler: self.scheduler,
            guidance: self.guidance,
            seed: whole("seed", self.seed)?,
            candidates: count("candidates", self.candidates)?,
            transpose: match self.transpose {
                Some(semitones) if semitones.fract() != 0.0 || semitones.abs() > 127.0 => {
                    return Err(cannot_transpose(semitones));
                }
                semitones => semitones.map(|semitones| semitones as i32),
            },
            tempo: self.tempo,
            loudness: self.loudness,
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            comment: self.comment.clone(),
        })
    }
}

/// A stage of a generation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StageInfo {
    /// Its name in events and bundles.
    pub name: String,
    /// What a person reads while it runs.
    pub label: String,
}

/// What a loaded model says of itself and of the device it runs on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Info {
    /// What the stages are and how they make music.
    pub system: String,
    /// The model's name.
    pub model: String,
    /// The licence of its weights.
    pub licence: String,
    /// Whom the weights are owed to.
    pub credits: Vec<String>,
    /// False for a model that was never trained: what it makes is noise.
    pub trained: bool,
    /// Where it runs: `webgpu` or `wasm`.
    pub device: String,
    /// The GPU's name.
    #[cfg_attr(test, ts(optional = nullable))]
    pub adapter: Option<String>,
    /// The kernels that compute: equal seeds give equal samples only with equal kernels.
    pub kernels: String,
    /// Bytes of weights in the bundle.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Elements of all weights.
    #[cfg_attr(test, ts(type = "number"))]
    pub parameters: u64,
    /// The stages that a generation can go through, in order; an estimate has those that one does.
    pub stages: Vec<StageInfo>,
    /// Length of the music in seconds.
    pub seconds: SettingRange,
    /// Denoising steps, of a model that denoises.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub steps: Option<SettingRange>,
    /// Guidance scale, of a model that is guided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub guidance: Option<SettingRange>,
    /// Pieces of one generation.
    pub candidates: SettingRange,
    /// The sampler that a model suggests that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub scheduler: Option<SchedulerKind>,
    /// Whether a seed decides between many pieces; otherwise there is one of a picture.
    pub has_seed: bool,
    /// Whether the music follows what a person says of the picture.
    pub takes_comment: bool,
    /// Numbers of a picture's embedding.
    pub embedding_width: usize,
    /// Estimated milliseconds of a generation with default settings, where that could be measured.
    pub estimate_ms: Option<f64>,
    /// Billions of floating-point operations of such a generation.
    pub gflop: f64,
    /// Whether several candidates can be ranked.
    pub has_ranking: bool,
    /// Whether a picture's embedding becomes Language-of-Audio tokens, which music can be made from.
    pub has_tokens: bool,
    /// The model's own texts, where it takes others in their place.
    #[cfg_attr(test, ts(optional = nullable))]
    pub prompts: Option<Prompts>,
}

/// Where a model runs, as far as [`Info`] tells it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The GPU's name; none for the CPU.
    pub adapter: Option<&'a str>,
    /// Floating-point operations a millisecond, where that could be measured.
    pub rate: Option<f64>,
}

impl Info {
    /// What `system` says of itself.
    pub fn of<B: Kernels>(system: &System<B>, place: Place<'_>) -> Result<Self> {
        let manifest = system.bundle().manifest();
        let cost = Cost::of(system, &Settings::default(), place.rate)?;
        let work = system.stages()?;
        let stages = work.iter().map(|work| {
            let own = manifest
                .find_stage(work.stage)
                .and_then(|s| s.label.clone());
            let label = own.or_else(|| system.label(work.stage).map(str::to_string));
            StageInfo {
                name: work.stage.into(),
                label: label.unwrap_or_else(|| work.stage.into()),
            }
        });
        let parameters = manifest.stages.iter().map(|s| manifest.stage_parameters(s));
        let Abilities {
            seconds,
            steps,
            guidance,
            scheduler,
            candidates,
            has_seed,
            has_ranking,
            has_tokens,
            takes_comment,
            prompts,
            embedding_width,
        } = system.abilities();
        Ok(Self {
            system: manifest.system.clone(),
            model: manifest.model.name.clone(),
            licence: manifest.model.licence.clone(),
            credits: manifest.model.credits.clone(),
            trained: manifest.model.trained,
            device: if place.adapter.is_some() {
                "webgpu"
            } else {
                "wasm"
            }
            .into(),
            adapter: place.adapter.map(str::to_string),
            kernels: B::kernels(system.model().device()),
            bytes: manifest.shards.iter().map(|shard| shard.bytes).sum(),
            parameters: parameters.sum(),
            stages: stages.collect(),
            seconds,
            steps,
            guidance,
            candidates,
            scheduler,
            has_seed,
            takes_comment,
            embedding_width,
            estimate_ms: cost.ms,
            gflop: cost.gflop,
            has_ranking,
            has_tokens,
            prompts,
        })
    }
}

/// What a generation costs: time, work, and the shards that it reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Cost {
    /// Billions of floating-point operations.
    pub gflop: f64,
    /// Estimated milliseconds, where that could be measured.
    pub ms: Option<f64>,
    /// The stages that it goes through, by name.
    pub stages: Vec<&'static str>,
    /// Into how many parts its work falls, at most, that can be computed at the same time.
    pub parts: usize,
    /// Bytes of weights that it reads.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// What those bytes are.
    pub shards: Vec<ShardEntry>,
}

impl Cost {
    /// What a generation with `settings` costs, with what the model suggests where they leave something out, where an engine
    /// does `rate` floating-point operations a millisecond.
    pub fn of<B: Kernels>(
        system: &System<B>,
        settings: &Settings,
        rate: Option<f64>,
    ) -> Result<Self> {
        let manifest = system.bundle().manifest();
        let mut flops = 0;
        let mut time = 0.0;
        let mut parts = 1;
        let mut stages = Vec::new();
        let mut shards = Vec::new();
        for work in system.work(settings)? {
            flops += work.flops;
            // Whoever has the most parts is waited for.
            let most = work.parts.div_ceil(system.model().engines(work.parts));
            time += work.flops as f64 * most as f64 / work.parts as f64;
            parts = parts.max(work.parts);
            stages.push(work.stage);
            let assets = manifest.assets.iter();
            let read = assets.filter(|asset| system.reads(work.stage, asset));
            shards.extend(read.map(|asset| asset.file.clone()));
            let (range, _) = manifest.stage_shards(manifest.stage(work.stage)?);
            shards.extend_from_slice(&manifest.shards[range]);
        }
        Ok(Self {
            gflop: flops as f64 / 1e9,
            ms: rate.map(|rate| time / rate),
            stages,
            parts,
            bytes: shards.iter().map(|shard| shard.bytes).sum(),
            shards,
        })
    }
}

/// A piece of a result. Beside it stand `samples` and `latents` (32-bit floats) and `wav` (bytes).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PieceInfo {
    /// Which of the candidates this was.
    pub candidate: usize,
    /// Cosine similarity of picture and music in the encoder's space, where it was computed.
    pub score: Option<f32>,
    /// The shape of its latents.
    pub latents_shape: Vec<usize>,
}

impl From<&Piece> for PieceInfo {
    fn from(piece: &Piece) -> Self {
        Self {
            candidate: piece.candidate,
            score: piece.score,
            latents_shape: piece.latents.shape.clone(),
        }
    }
}

/// What a generation gives beside its pieces.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ResultInfo {
    /// Samples per second.
    pub sample_rate: usize,
    /// The seed that was used, of a model that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub seed: Option<u64>,
    /// The settings that the model has, in full.
    pub settings: Settings,
    /// The kernels that computed it.
    pub kernels: String,
    /// Time by stage.
    pub timings: Vec<Timing>,
}

impl From<&Output> for ResultInfo {
    fn from(output: &Output) -> Self {
        Self {
            sample_rate: output.sample_rate,
            seed: output.settings.seed,
            settings: output.settings.clone(),
            kernels: output.kernels.clone(),
            timings: output.timings.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pipeline::Event, systems::art_to_mus};
    use ts_rs::{Config, TS};

    #[test]
    fn what_is_left_out_is_the_models() {
        let settings: GenerateSettings = serde_json::from_str(r#"{"steps": 7}"#).unwrap();
        let asked = settings.asked().unwrap();
        let complete = art_to_mus::Settings::complete(&asked, &Default::default(), 3).unwrap();
        assert_eq!((complete.steps, complete.seed), (7, 3));
        let suggested = art_to_mus::Settings::from_defaults(&Default::default(), 0);
        assert_eq!(complete.guidance, suggested.guidance);
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for (json, word) in [
            (r#"{"steps": 2.5}"#, "steps cannot be 2.5"),
            (r#"{"seed": -1}"#, "seed cannot be -1"),
            (r#"{"seconds": 1e9}"#, "seconds of music"),
            (r#"{"comment": "calm"}"#, "no setting comment"),
        ] {
            let settings: GenerateSettings = serde_json::from_str(json).unwrap();
            let complete = |asked| art_to_mus::Settings::complete(&asked, &Default::default(), 0);
            let error = settings.asked().and_then(complete).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        let unknown = serde_json::from_str::<GenerateSettings>(r#"{"step": 3}"#);
        assert!(unknown.unwrap_err().to_string().contains("step"));
    }

    fn declaration<T: TS>(config: &Config) -> String {
        let docs = T::docs().unwrap_or_default();
        format!("{docs}export {}\n", T::decl(config))
    }

    /// `UPDATE_BINDINGS=1 cargo test bindings` writes the file.
    #[test]
    fn bindings_are_those_of_the_definitions() {
        let config = Config::default();
        let parts = [
            declaration::<SchedulerKind>(&config),
            declaration::<Region>(&config),
            declaration::<GenerateSettings>(&config),
            declaration::<Event>(&config),
            declaration::<StageInfo>(&config),
            declaration::<SettingRange>(&config),
            declaration::<Prompts>(&config),
            declaration::<Info>(&config),
            declaration::<ShardEntry>(&config),
            declaration::<Cost>(&config),
            declaration::<Settings>(&config),
            declaration::<Timing>(&config),
            declaration::<PieceInfo>(&config),
            declaration::<ResultInfo>(&config),
        ];
        let head = "// Generated from src/protocol.rs: UPDATE_BINDINGS=1 cargo test bindings\n\n";
        let codes = Fault::CODES
            .iter()
            .map(|(code, _)| format!("\n  | \"{code}\""));
        let codes: String = codes.collect();
        let faults = "/**\n * Codes of the errors that the engine gives to pages: what exactly is wrong.\n */";
        let text = format!(
            "{head}{}\n{faults}\nexport type EngineFault ={codes};\n",
            parts.join("\n")
        );
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/src/engine/bindings.ts");
        if std::env::var_os("UPDATE_BINDINGS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap();
        assert_eq!(found, text, "run UPDATE_BINDINGS=1 cargo test bindings");
    }
}
