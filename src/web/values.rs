//! Rust values to JavaScript and back.

use js_sys::{Float32Array, Function, Object, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

use crate::{
    Error, Fault, Result,
    pipeline::{Event, Observer},
    protocol::GenerateSettings,
    tensors::HostTensor,
};

/// Options of `Engine.load`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LoadOptions {
    /// Load a model even if the CPU needs very long for it.
    pub allow_slow: bool,
    /// The kernels to use, as a result names its own; by a self-test where they are left out. Without effect on the
    /// CPU, which has one kind.
    pub kernels: Option<String>,
    /// Bytes of networks that may stay between pieces; see `System::with_budget`.
    pub memory_budget: Option<f64>,
}

/// Reads settings. A seed that is a BigInt is accepted within the safe whole numbers.
pub(super) fn generate_settings(value: &JsValue) -> Result<GenerateSettings> {
    if value.is_undefined() || value.is_null() {
        return Ok(GenerateSettings::default());
    }
    let copy = Object::assign(&Object::new(), &Object::from(value.clone()));
    let seed = Reflect::get(&copy, &"seed".into()).unwrap_or(JsValue::UNDEFINED);
    if seed.is_bigint() {
        let number = js_sys::Number::from(seed).value_of();
        let _ = Reflect::set(&copy, &"seed".into(), &number.into());
    }
    serde_wasm_bindgen::from_value(copy.into()).map_err(|e| {
        Fault::SettingsUnreadable {
            reason: e.to_string(),
        }
        .into()
    })
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

/// An error as JavaScript sees it: `PlainError` of `web/src/common/errors.ts`.
pub(super) fn to_js_error(error: &Error) -> JsValue {
    let object = js_sys::Error::new(&error.to_string());
    object.set_name(error.kind().name());
    set(&object, "hint", &error.hint().into());
    let cause = std::error::Error::source(error).map(ToString::to_string);
    set(&object, "cause", &cause.map_or(JsValue::NULL, Into::into));
    set(&object, "language", &"en".into());
    if let Some(code) = error.code() {
        let values = Object::new();
        for (name, value) in error.values() {
            set(&values, name, &value.into());
        }
        set(&object, "code", &code.into());
        set(&object, "values", &values);
    }
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

/// The tensor `{ NAME: Float32Array, shape: number[] }`.
pub(super) fn tensor_of(value: &JsValue, name: &str) -> Result<HostTensor> {
    let wrong = || {
        Error::input(
            format!("{name} cannot be used"),
            "give a Float32Array and its shape as a list of numbers",
        )
    };
    let field = |name: &str| Reflect::get(value, &name.into()).map_err(|_| wrong());
    let values = field(name)?
        .dyn_into::<Float32Array>()
        .map_err(|_| wrong())?;
    let shape: Vec<usize> = serde_wasm_bindgen::from_value(field("shape")?).map_err(|_| wrong())?;
    let values = values.to_vec();
    let count = shape
        .iter()
        .try_fold(1usize, |product, n| product.checked_mul(*n));
    if count != Some(values.len()) {
        return Err(wrong());
    }
    Ok(HostTensor { shape, values })
}

/// `{ data: Float32Array, shape: number[] }`.
pub(super) fn tensor_to_js(tensor: &HostTensor) -> JsValue {
    let object = Object::new();
    let data = Float32Array::from(tensor.values.as_slice());
    set(&object, "data", &data);
    set(&object, "shape", &to_js(&tensor.shape));
    object.into()
}

/// Passes events to a function, and asks another whether to stop.
pub(super) struct JsObserver<'a> {
    on_event: &'a Function,
    is_cancelled: &'a Function,
}

impl<'a> JsObserver<'a> {
    pub fn new(on_event: &'a Function, is_cancelled: &'a Function) -> Self {
        Self {
            on_event,
            is_cancelled,
        }
    }
}

impl Observer for JsObserver<'_> {
    fn event(&mut self, event: Event) {
        // A listener that throws must not end the music.
        let _ = self.on_event.call1(&JsValue::NULL, &to_js(&event));
    }

    fn cancelled(&self) -> bool {
        let answer = self.is_cancelled.call0(&JsValue::NULL);
        matches!(answer, Ok(value) if value.is_truthy())
    }
}
