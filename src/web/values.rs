//! Rust values to JavaScript and back.

use js_sys::{Float32Array, Function, Object, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use crate::{
    Error, Result,
    diffusion::SchedulerKind,
    image::Region,
    pipeline::{Event, Observer, Settings},
    tensors::HostTensor,
    weights::Defaults,
};

/// The largest whole number that JavaScript's numbers hold exactly.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Options of `Engine.load`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LoadOptions {
    /// Load a model even if the CPU needs very long for it.
    pub allow_slow: bool,
}

/// Settings as JavaScript gives them; what is left out takes the bundle's default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GenerateOptions {
    seconds: Option<f64>,
    steps: Option<f64>,
    scheduler: Option<SchedulerKind>,
    guidance: Option<f64>,
    seed: Option<f64>,
    candidates: Option<f64>,
    pub region: Option<Region>,
    #[serde(deserialize_with = "null_is_false")]
    pub trace: bool,
}

fn null_is_false<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(deserializer)?.unwrap_or(false))
}

impl GenerateOptions {
    /// Reads the options. A seed that is a BigInt is accepted within the safe whole numbers.
    pub fn parse(value: &JsValue) -> Result<Self> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self::default());
        }
        let copy = Object::assign(&Object::new(), &Object::from(value.clone()));
        let seed = Reflect::get(&copy, &"seed".into()).unwrap_or(JsValue::UNDEFINED);
        if seed.is_bigint() {
            let number = js_sys::Number::from(seed).value_of();
            let _ = Reflect::set(&copy, &"seed".into(), &number.into());
        }
        serde_wasm_bindgen::from_value(copy.into()).map_err(|e| {
            Error::input(
                format!("the settings cannot be used ({e})"),
                "give numbers, and ddim or dpmpp as the scheduler",
            )
        })
    }

    /// The complete settings.
    pub fn settings(&self, defaults: &Defaults) -> Result<Settings> {
        let whole = |name: &str, value: Option<f64>| match value {
            Some(value) if !(0.0..=MAX_SAFE).contains(&value) || value.fract() != 0.0 => {
                Err(Error::input(
                    format!("{name} cannot be {value}"),
                    "give a whole number from 0 to 2^53 - 1",
                ))
            }
            value => Ok(value.map(|value| value as u64)),
        };
        let drawn = (js_sys::Math::random() * 4_294_967_296.0) as u64;
        let seed = whole("the seed", self.seed)?.unwrap_or(drawn);
        let mut settings = Settings::from_defaults(defaults, seed)?;
        settings.seconds = self.seconds.unwrap_or(settings.seconds);
        settings.guidance = self.guidance.unwrap_or(settings.guidance);
        settings.scheduler = self.scheduler.unwrap_or(settings.scheduler);
        if let Some(steps) = whole("the number of steps", self.steps)? {
            settings.steps = steps as usize;
        }
        if let Some(candidates) = whole("the number of candidates", self.candidates)? {
            settings.candidates = candidates as usize;
        }
        settings.check()?;
        Ok(settings)
    }
}

/// A plain JavaScript object.
pub(super) fn to_js(value: &impl Serialize) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    // Our own types hold nothing that JavaScript cannot.
    value.serialize(&serializer).unwrap_or(JsValue::NULL)
}

/// Sets a field of an object of ours, which never refuses.
pub(super) fn set(object: &Object, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}

/// An error as JavaScript sees it: `{ name, message, cause, hint }`.
pub(super) fn to_js_error(error: &Error) -> JsValue {
    let object = js_sys::Error::new(&error.to_string());
    object.set_name(error.kind().name());
    set(&object, "hint", &error.hint().into());
    let cause = std::error::Error::source(error).map(ToString::to_string);
    set(&object, "cause", &cause.map_or(JsValue::NULL, Into::into));
    object.into()
}

/// Recorded tensors as `{ name: { shape, data } }`.
pub(super) fn trace_to_js(trace: &[(String, HostTensor)]) -> Object {
    let object = Object::new();
    for (name, tensor) in trace {
        let entry = Object::new();
        set(&entry, "shape", &to_js(&tensor.shape));
        let data = Float32Array::from(tensor.values.as_slice());
        set(&entry, "data", &data);
        set(&object, name, &entry);
    }
    object
}

/// Passes events to a function, and asks another whether to stop.
pub(super) struct JsObserver<'a> {
    pub on_event: &'a Function,
    pub is_cancelled: Option<&'a Function>,
}

impl Observer for JsObserver<'_> {
    fn event(&mut self, event: Event) {
        // A listener that throws must not end the music.
        let _ = self.on_event.call1(&JsValue::NULL, &to_js(&event));
    }

    fn cancelled(&self) -> bool {
        let answer = self.is_cancelled.map(|f| f.call0(&JsValue::NULL));
        matches!(answer, Some(Ok(value)) if value.is_truthy())
    }
}
