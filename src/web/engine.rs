//! The engine: a bundle on a device, as JavaScript sees it.

use js_sys::{Float32Array, Function, Object, Uint8Array};
use serde::Serialize;
use serde_json::json;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use super::{
    Host, ShardStore, device,
    values::{GenerateOptions, JsObserver, LoadOptions, set, to_js, to_js_error, trace_to_js},
};
use crate::{
    Error, ErrorKind, Result,
    audio::wav,
    image::{self, Picture},
    ops::Cpu,
    pipeline::{Networks, Output, Pipeline, Request, SECONDS, Settings},
    weights::{Bundle, Location, ShardEntry},
};

/// Above this a visitor is told the time instead of being kept waiting.
const PATIENCE_MS: f64 = 10.0 * 60.0 * 1e3;
/// What a stage may need in the 4 GiB that WebAssembly can have: f32 weights and packed ones.
const MAX_STAGE_BYTES: u64 = 3 << 30;

/// A loaded model.
#[wasm_bindgen]
pub struct Engine {
    pipeline: AnyPipeline,
    adapter: Option<String>,
    /// Floating-point operations a millisecond, where that could be measured.
    rate: Option<f64>,
}

enum AnyPipeline {
    Cpu(Pipeline<Cpu>),
    #[cfg(feature = "wgpu")]
    Gpu(Pipeline<crate::ops::Gpu>),
}

impl AnyPipeline {
    fn bundle(&self) -> &Bundle {
        match self {
            Self::Cpu(pipeline) => pipeline.bundle(),
            #[cfg(feature = "wgpu")]
            Self::Gpu(pipeline) => pipeline.bundle(),
        }
    }

    fn networks(&self) -> &Networks {
        match self {
            Self::Cpu(pipeline) => pipeline.networks(),
            #[cfg(feature = "wgpu")]
            Self::Gpu(pipeline) => pipeline.networks(),
        }
    }
}

/// What a generation will cost.
#[derive(Debug, Serialize)]
struct Estimate {
    gflop: f64,
    ms: Option<f64>,
    bytes: u64,
    /// What those bytes are.
    shards: Vec<ShardEntry>,
}

#[wasm_bindgen]
impl Engine {
    /// Reads the manifest of the bundle at `bundle_url` and prepares `device`, `webgpu` or `wasm`.
    /// Shards will come from `store`.
    pub async fn load(
        bundle_url: String,
        device: String,
        options: JsValue,
        store: ShardStore,
    ) -> std::result::Result<Engine, JsValue> {
        console_error_panic_hook::set_once();
        let opened = Self::open(&bundle_url, &device, &options, store).await;
        opened.map_err(|e| to_js_error(&e))
    }

    /// What the model is, and what it suggests.
    pub fn info(&self) -> std::result::Result<JsValue, JsValue> {
        self.describe().map_err(|e| to_js_error(&e))
    }

    /// What a generation with `options` will cost.
    pub fn estimate(&self, options: &JsValue) -> std::result::Result<JsValue, JsValue> {
        GenerateOptions::parse(options)
            .and_then(|options| options.settings(&self.manifest().defaults))
            .and_then(|settings| self.cost(&settings))
            .map(|estimate| to_js(&estimate))
            .map_err(|e| to_js_error(&e))
    }

    /// Makes music from a picture file.
    pub async fn generate(
        &self,
        picture: Vec<u8>,
        options: JsValue,
        on_event: Function,
        is_cancelled: Function,
    ) -> std::result::Result<JsValue, JsValue> {
        let picture = image::decode(&picture);
        self.answer(picture, &options, &on_event, &is_cancelled)
            .await
    }

    /// Makes music from upright pixels, four bytes each.
    #[wasm_bindgen(js_name = generateRgba)]
    pub async fn generate_rgba(
        &self,
        rgba: js_sys::Uint8ClampedArray,
        width: usize,
        height: usize,
        options: JsValue,
        on_event: Function,
        is_cancelled: Function,
    ) -> std::result::Result<JsValue, JsValue> {
        let picture = image::from_rgba(&rgba.to_vec(), width, height);
        self.answer(picture, &options, &on_event, &is_cancelled)
            .await
    }
}

impl Engine {
    async fn open(
        bundle_url: &str,
        device: &str,
        options: &JsValue,
        store: ShardStore,
    ) -> Result<Self> {
        let options: LoadOptions =
            serde_wasm_bindgen::from_value(options.clone()).unwrap_or_default();
        let url = bundle_url.trim_end_matches('/').to_string();
        let bundle = Bundle::open(Location::Host(Host::new(url, store))).await?;
        match device {
            "wasm" => {
                let engine = Self {
                    pipeline: AnyPipeline::Cpu(Pipeline::new(bundle, Default::default())?),
                    adapter: None,
                    rate: Some(device::measure_cpu().await?),
                };
                if !options.allow_slow {
                    engine.refuse_what_takes_too_long()?;
                }
                Ok(engine)
            }
            #[cfg(feature = "wgpu")]
            "webgpu" => {
                let (device, adapter) = device::prepare().await?;
                Ok(Self {
                    pipeline: AnyPipeline::Gpu(Pipeline::new(bundle, device)?),
                    adapter: Some(adapter),
                    rate: None,
                })
            }
            other => Err(Error::unsupported(
                format!("this module has no device {other:?}"),
                "use wasm, or the module with WebGPU",
            )),
        }
    }

    fn manifest(&self) -> &crate::weights::Manifest {
        self.pipeline.bundle().manifest()
    }

    fn refuse_what_takes_too_long(&self) -> Result<()> {
        let manifest = self.manifest();
        let settings = Settings::from_defaults(&manifest.defaults, 0)?;
        let ms = self.cost(&settings)?.ms.unwrap_or(0.0);
        let largest = manifest
            .stages
            .iter()
            .map(|stage| 4 * manifest.stage_parameters(stage) + manifest.stage_bytes(stage))
            .max()
            .unwrap_or(0);
        let hint = "use a browser and computer with WebGPU, or a smaller model";
        if largest > MAX_STAGE_BYTES {
            let message = format!(
                "this model needs {:.1} GB of memory at once, more than WebAssembly can have, and about {} on this CPU",
                largest as f64 / 1e9,
                duration(ms)
            );
            return Err(Error::new(ErrorKind::Limits, message, hint));
        }
        if ms > PATIENCE_MS {
            let message = format!("this model would need about {} on this CPU", duration(ms));
            return Err(Error::new(ErrorKind::Limits, message, hint));
        }
        Ok(())
    }

    fn cost(&self, settings: &Settings) -> Result<Estimate> {
        let manifest = self.manifest();
        let mut flops = 0;
        let mut shards = Vec::new();
        for (stage, work) in self.pipeline.networks().flops(&settings.work())? {
            flops += work;
            let (range, _) = manifest.stage_shards(manifest.stage(stage)?);
            shards.extend_from_slice(&manifest.shards[range]);
        }
        Ok(Estimate {
            gflop: flops as f64 / 1e9,
            ms: self.rate.map(|rate| flops as f64 / rate),
            bytes: shards.iter().map(|shard| shard.bytes).sum(),
            shards,
        })
    }

    fn describe(&self) -> Result<JsValue> {
        let manifest = self.manifest();
        let defaults = &manifest.defaults;
        let estimate = self.cost(&Settings::from_defaults(defaults, 0)?)?;
        let stages = manifest.stages.iter();
        let parameters: u64 = stages.map(|s| manifest.stage_parameters(s)).sum();
        Ok(to_js(&json!({
            "model": manifest.model.name,
            "licence": manifest.model.licence,
            "credits": manifest.model.credits,
            "trained": manifest.model.trained,
            "device": if self.adapter.is_some() { "webgpu" } else { "wasm" },
            "adapter": self.adapter,
            "bytes": manifest.shards.iter().map(|shard| shard.bytes).sum::<u64>(),
            "parameters": parameters,
            "seconds": {"min": SECONDS.start(), "max": SECONDS.end(), "default": defaults.seconds},
            "steps": {"default": defaults.steps},
            "scheduler": defaults.scheduler,
            "guidance": defaults.guidance,
            "estimateMs": estimate.ms,
            "gflop": estimate.gflop,
            "hasRanking": self.pipeline.networks().ranking.is_some(),
        })))
    }

    async fn answer(
        &self,
        picture: Result<Picture>,
        options: &JsValue,
        on_event: &Function,
        is_cancelled: &Function,
    ) -> std::result::Result<JsValue, JsValue> {
        let mut observer = JsObserver {
            on_event,
            is_cancelled: Some(is_cancelled),
        };
        let made = match picture {
            Ok(picture) => self.make(picture, options, &mut observer).await,
            Err(e) => Err(e),
        };
        made.map_err(|e| to_js_error(&e))
    }

    async fn make(
        &self,
        picture: Picture,
        options: &JsValue,
        observer: &mut JsObserver<'_>,
    ) -> Result<JsValue> {
        let options = GenerateOptions::parse(options)?;
        let request = Request {
            settings: options.settings(&self.manifest().defaults)?,
            latents: None,
            audio_tokens: None,
            text: None,
            trace: options.trace,
        };
        let picture = match options.region {
            Some(region) => picture.crop(region)?,
            None => picture,
        };
        let output = match &self.pipeline {
            AnyPipeline::Cpu(pipeline) => pipeline.generate(&picture, &request, observer).await,
            #[cfg(feature = "wgpu")]
            AnyPipeline::Gpu(pipeline) => pipeline.generate(&picture, &request, observer).await,
        }?;
        self.result(&output, request.trace)
    }

    fn result(&self, output: &Output, trace: bool) -> Result<JsValue> {
        let Some(best) = output.pieces.first() else {
            return Err(Error::internal("no music came out"));
        };
        let metadata = output.metadata(&self.manifest().model.name, best)?;
        let wav = wav::encode(&best.samples, output.sample_rate as u32, &metadata)?;
        let scores: Vec<f32> = output.pieces.iter().filter_map(|p| p.score).collect();
        let timings: Vec<_> = output
            .timings
            .iter()
            .map(|t| json!({"stage": t.stage, "ms": t.load_ms + t.run_ms, "loadMs": t.load_ms}))
            .collect();
        let result = Object::new();
        let samples = Float32Array::from(best.samples.as_slice());
        set(&result, "samples", &samples);
        set(&result, "sampleRate", &(output.sample_rate as f64).into());
        set(&result, "seed", &(output.settings.seed as f64).into());
        set(&result, "scores", &to_js(&scores));
        set(&result, "wav", &Uint8Array::from(wav.as_slice()));
        set(&result, "settings", &to_js(&output.settings));
        set(&result, "timings", &to_js(&timings));
        if trace {
            set(&result, "trace", &trace_to_js(&output.trace));
        }
        Ok(result.into())
    }
}

/// A time as a person says it.
fn duration(ms: f64) -> String {
    let minutes = ms / 60e3;
    if minutes < 1.0 {
        format!("{:.0} seconds", ms / 1e3)
    } else if minutes < 100.0 {
        format!("{minutes:.0} minutes")
    } else {
        format!("{:.0} hours", minutes / 60.0)
    }
}
