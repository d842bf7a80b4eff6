//! The engine: a bundle on a device, as JavaScript sees it.

use js_sys::{Array, Float32Array, Function, Object, Reflect, Uint8Array};
use serde::Deserialize;
use std::sync::Arc;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

use super::{
    JsHelpers, ShardStore, StoreFetcher, device,
    helpers::part_of,
    values::{
        JsObserver, LoadOptions, generate_settings, set, tensor_of, tensor_to_js, to_js,
        to_js_error, trace_to_js,
    },
};
use crate::{
    Error, ErrorKind, Fault, Result,
    audio::wav,
    image::{self, Picture},
    ops::{Cpu, Kernels},
    pipeline::DEFAULT_BUDGET,
    protocol::{Cost, GenerateSettings, Info, PieceInfo, Place, ResultInfo},
    systems::{Output, Playing, Request, Settings, Source, System},
    tensors::HostTensor,
    weights::{Bundle, Location},
};

/// Above this a visitor is told the time instead of being kept waiting.
const PATIENCE_MS: f64 = 10.0 * 60.0 * 1e3;
/// What a stage may need in the 4 GiB that WebAssembly can have: f32 weights and packed ones.
const MAX_STAGE_BYTES: u64 = 3 << 30;

/// A loaded model.
#[wasm_bindgen]
pub struct Engine {
    system: AnySystem,
    adapter: Option<String>,
    /// Floating-point operations a millisecond, where that could be measured.
    rate: Option<f64>,
}

/// A model on whichever device.
// There is one of it.
#[allow(clippy::large_enum_variant)]
enum AnySystem {
    Cpu(System<Cpu>),
    #[cfg(feature = "wgpu")]
    Gpu(System<crate::ops::Gpu>),
}

/// Evaluates an expression on the system, on whichever device it is.
macro_rules! on_system {
    ($engine:expr, $system:ident => $body:expr) => {
        match &$engine.system {
            AnySystem::Cpu($system) => $body,
            #[cfg(feature = "wgpu")]
            AnySystem::Gpu($system) => $body,
        }
    };
}

/// What JavaScript gets: a value, or an `Error` with name, cause and hint.
type Answer = std::result::Result<JsValue, JsValue>;

fn answer(result: Result<JsValue>) -> Answer {
    result.map_err(|e| match e.kind() {
        // Stages are read while they run.
        ErrorKind::Format | ErrorKind::Integrity | ErrorKind::File => to_js_error(&e.of_bundle()),
        _ => to_js_error(&e),
    })
}

/// The picture, embedding or tokens that a call is about: `{ file: Uint8Array }`,
/// `{ rgba: Uint8ClampedArray, width, height }`, `{ embedding: Float32Array }`, or
/// `{ tokens: Float32Array, shape: number[] }`.
enum JsSource {
    Picture(Picture),
    Embedding(HostTensor),
    Tokens(HostTensor),
}

impl JsSource {
    fn parse(value: &JsValue, settings: &GenerateSettings) -> Result<Self> {
        let field = |name: &str| Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let floats = |name: &str| field(name).dyn_into::<Float32Array>().ok();
        if let Some(values) = floats("embedding") {
            let values = values.to_vec();
            return Ok(Self::Embedding(HostTensor {
                shape: vec![1, values.len()],
                values,
            }));
        }
        if floats("tokens").is_some() {
            return tensor_of(value, "tokens").map(Self::Tokens);
        }
        let picture = if let Ok(file) = field("file").dyn_into::<Uint8Array>() {
            image::decode(&file.to_vec())?
        } else if let Ok(rgba) = field("rgba").dyn_into::<js_sys::Uint8ClampedArray>() {
            let size = |name: &str| field(name).as_f64().unwrap_or(0.0) as usize;
            image::from_rgba(&rgba.to_vec(), size("width"), size("height"))?
        } else {
            return Err(Fault::PictureMissing {}.into());
        };
        Ok(Self::Picture(match settings.region {
            Some(region) => picture.crop(region)?,
            None => picture,
        }))
    }

    fn as_source(&self) -> Source<'_> {
        match self {
            Self::Picture(picture) => Source::Picture(picture),
            Self::Embedding(embedding) => Source::Embedding(embedding),
            Self::Tokens(tokens) => Source::Tokens(tokens),
        }
    }
}

#[wasm_bindgen]
impl Engine {
    /// Reads the manifest of the bundle that `store` gets, and prepares `device`, `webgpu` or `wasm`.
    pub async fn load(
        device: String,
        options: JsValue,
        store: ShardStore,
    ) -> std::result::Result<Engine, JsValue> {
        console_error_panic_hook::set_once();
        let opened = Self::open(&device, &options, store).await;
        opened.map_err(|e| to_js_error(&e))
    }

    /// What the model is, and what it suggests.
    pub fn info(&self) -> Answer {
        let place = Place {
            adapter: self.adapter.as_deref(),
            rate: self.rate,
        };
        let info = on_system!(self, system => Info::of(system, place));
        answer(info.map(|info| to_js(&info)))
    }

    /// What a generation with `settings` will cost.
    pub fn estimate(&self, settings: &JsValue) -> Answer {
        let cost = generate_settings(settings)
            .and_then(|settings| self.complete(&settings))
            .and_then(|settings| self.cost(&settings));
        answer(cost.map(|cost| to_js(&cost)))
    }

    /// Makes music from a source.
    pub async fn generate(
        &self,
        source: JsValue,
        settings: JsValue,
        on_event: Function,
        is_cancelled: Function,
    ) -> Answer {
        let mut observer = JsObserver::new(&on_event, &is_cancelled);
        answer(self.make(&source, &settings, &mut observer).await)
    }

    /// The embedding of a picture, a `Float32Array`. `settings` may name a region.
    pub async fn embed(
        &self,
        picture: JsValue,
        settings: JsValue,
        on_event: Function,
        is_cancelled: Function,
    ) -> Answer {
        let mut observer = JsObserver::new(&on_event, &is_cancelled);
        answer(self.embedding(&picture, &settings, &mut observer).await)
    }

    /// The Language-of-Audio tokens of an embedding: `{ data: Float32Array, shape }`.
    pub async fn condition(
        &self,
        embedding: Float32Array,
        on_event: Function,
        is_cancelled: Function,
    ) -> Answer {
        let mut observer = JsObserver::new(&on_event, &is_cancelled);
        let values = embedding.to_vec();
        let embedding = HostTensor {
            shape: vec![1, values.len()],
            values,
        };
        let tokens = on_system!(self, system => system.condition(&embedding, &mut observer).await);
        answer(tokens.map(|tokens| tensor_to_js(&tokens)))
    }

    /// The sounds of latents, as pieces have them, `{ latents: Float32Array, shape }`, transposed by so many semitones, at a tempo in beats a
    /// minute and a loudness in dBFS: a list of `Float32Array`.
    pub async fn decode(
        &self,
        latents: JsValue,
        transpose: i32,
        tempo: Option<f64>,
        loudness: Option<f64>,
        on_event: Function,
        is_cancelled: Function,
    ) -> Answer {
        let mut observer = JsObserver::new(&on_event, &is_cancelled);
        let playing = Playing {
            transpose,
            tempo,
            loudness,
        };
        answer(self.sounds(&latents, playing, &mut observer).await)
    }
}

#[wasm_bindgen]
impl Engine {
    /// Has other engines with the same bundle compute parts of the work. `helpers` is a `Helpers` of
    /// `web/src/engine/helpers.ts`.
    #[wasm_bindgen(js_name = setHelpers)]
    pub fn set_helpers(&mut self, helpers: JsHelpers) {
        // A browser has no threads to share it with.
        #[allow(clippy::arc_with_non_send_sync)]
        let helpers = Arc::new(helpers);
        match &mut self.system {
            AnySystem::Cpu(system) => system.set_helpers(helpers),
            #[cfg(feature = "wgpu")]
            AnySystem::Gpu(system) => system.set_helpers(helpers),
        }
    }

    /// Computes a part of another engine's work, as its `Helpers` were given it: `{ data: Float32Array, shape }`.
    pub async fn compute(&self, part: JsValue) -> Answer {
        let result = match part_of(&part) {
            Ok(part) => on_system!(self, system => system.compute(&part, &mut ()).await),
            Err(error) => Err(error),
        };
        answer(result.map(|tensor| tensor_to_js(&tensor)))
    }
}

impl Engine {
    async fn open(device: &str, options: &JsValue, store: ShardStore) -> Result<Self> {
        let options =
            LoadOptions::deserialize(serde_wasm_bindgen::Deserializer::from(options.clone()))
                .unwrap_or_default();
        // A browser has no threads to share it with.
        #[allow(clippy::arc_with_non_send_sync)]
        let fetcher = Arc::new(StoreFetcher::new(store));
        let bundle = Bundle::open(Location::Fetcher(fetcher)).await;
        let bundle = bundle.map_err(Error::of_bundle)?;
        let budget = options
            .memory_budget
            .map_or(DEFAULT_BUDGET, |bytes| bytes.max(0.0) as u64);
        match device {
            "wasm" => {
                let engine = Self {
                    system: AnySystem::Cpu(
                        System::with_budget(bundle, Default::default(), budget)
                            .map_err(Error::of_bundle)?,
                    ),
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
                let pin = options.kernels.as_deref().map(str::parse).transpose()?;
                let (device, adapter) = device::prepare(pin.as_ref()).await?;
                Ok(Self {
                    system: AnySystem::Gpu(
                        System::with_budget(bundle, device, budget).map_err(Error::of_bundle)?,
                    ),
                    adapter: Some(adapter),
                    rate: None,
                })
            }
            other => Err(Fault::NoDevice {
                device: other.into(),
            }
            .into()),
        }
    }

    fn refuse_what_takes_too_long(&self) -> Result<()> {
        let ms = self.cost(&Settings::default())?.ms.unwrap_or(0.0);
        let manifest = on_system!(self, system => system.bundle().manifest());
        let largest = manifest
            .stages
            .iter()
            .map(|stage| 4 * manifest.stage_parameters(stage) + manifest.stage_bytes(stage))
            .max()
            .unwrap_or(0);
        if largest > MAX_STAGE_BYTES {
            return Err(Fault::ModelLarge {
                memory: largest,
                gigabytes: format!("{:.1}", largest as f64 / 1e9),
            }
            .into());
        }
        if ms > PATIENCE_MS {
            return Err(Fault::ModelSlow {
                time: ms.round(),
                words: duration(ms),
            }
            .into());
        }
        Ok(())
    }

    fn cost(&self, settings: &Settings) -> Result<Cost> {
        on_system!(self, system => Cost::of(system, settings, self.rate))
    }

    /// The complete settings, with a seed drawn where none was given.
    fn complete(&self, settings: &GenerateSettings) -> Result<Settings> {
        let drawn = (js_sys::Math::random() * 4_294_967_296.0) as u64;
        let asked = settings.asked()?;
        on_system!(self, system => system.complete(&asked, drawn))
    }

    async fn make(
        &self,
        source: &JsValue,
        settings: &JsValue,
        observer: &mut JsObserver<'_>,
    ) -> Result<JsValue> {
        let settings = generate_settings(settings)?;
        let request = Request {
            trace: settings.trace.unwrap_or(false),
            ..Request::new(self.complete(&settings)?)
        };
        let source = JsSource::parse(source, &settings)?;
        on_system!(self, system => {
            let output = system.generate(source.as_source(), &request, observer).await?;
            result(system, &output, request.trace)
        })
    }

    async fn embedding(
        &self,
        picture: &JsValue,
        settings: &JsValue,
        observer: &mut JsObserver<'_>,
    ) -> Result<JsValue> {
        let JsSource::Picture(picture) = JsSource::parse(picture, &generate_settings(settings)?)?
        else {
            return Err(Error::input(
                "only pictures have embeddings",
                "give a picture file or pixels",
            ));
        };
        let embedding = on_system!(self, system => system.embed(&picture, observer).await)?;
        Ok(Float32Array::from(embedding.values.as_slice()).into())
    }

    async fn sounds(
        &self,
        latents: &JsValue,
        playing: Playing,
        observer: &mut JsObserver<'_>,
    ) -> Result<JsValue> {
        let latents = tensor_of(latents, "latents")?;
        let sounds = on_system!(self, system => system.decode(&latents, playing, observer).await)?;
        let list = Array::new();
        for samples in &sounds {
            list.push(&Float32Array::from(samples.as_slice()));
        }
        Ok(list.into())
    }
}

/// A result with its pieces, best first.
fn result<B: Kernels>(system: &System<B>, output: &Output, trace: bool) -> Result<JsValue> {
    let model = &system.bundle().manifest().model.name;
    let pieces = Array::new();
    for piece in &output.pieces {
        let metadata = output.metadata(model, piece)?;
        let wav = wav::encode(
            &piece.samples,
            output.sample_rate as u32,
            wav::Sample::Float,
            &metadata,
        )?;
        let entry = Object::from(to_js(&PieceInfo::from(piece)));
        let samples = Float32Array::from(piece.samples.as_slice());
        set(&entry, "samples", &samples);
        let latents = Float32Array::from(piece.latents.values.as_slice());
        set(&entry, "latents", &latents);
        set(&entry, "wav", &Uint8Array::from(wav.as_slice()));
        pieces.push(&entry);
    }
    let result = Object::from(to_js(&ResultInfo::from(output)));
    set(&result, "pieces", &pieces);
    if trace {
        set(&result, "trace", &trace_to_js(&output.trace));
    }
    Ok(result.into())
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
