//! Other engines that compute parts of the work, each in a worker of its own.

use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::values::{set, tensor_of, tensor_to_js};
use crate::{
    Error, Result,
    pipeline::{Helpers, Part},
    tensors::HostTensor,
    weights::LocalFuture,
};

#[wasm_bindgen]
extern "C" {
    /// Engines in other workers: `Helpers` of `web/src/engine/helpers.ts`, which says what its methods do.
    #[derive(Debug, Clone)]
    pub type JsHelpers;
    #[wasm_bindgen(method)]
    fn expected(this: &JsHelpers, parts: usize) -> usize;
    #[wasm_bindgen(method)]
    fn count(this: &JsHelpers) -> usize;
    #[wasm_bindgen(method, catch)]
    fn start(
        this: &JsHelpers,
        helper: usize,
        part: &JsValue,
    ) -> std::result::Result<Promise, JsValue>;
}

impl Helpers for JsHelpers {
    fn expected(&self, parts: usize) -> usize {
        JsHelpers::expected(self, parts)
    }

    fn count(&self) -> usize {
        JsHelpers::count(self)
    }

    fn start<'a>(&'a self, helper: usize, part: Part) -> LocalFuture<'a, Result<HostTensor>> {
        // Now, and not when the answer is waited for: meanwhile this engine computes.
        let promise = JsHelpers::start(self, helper, &part_to_js(&part));
        Box::pin(async move {
            let failed = |_| Error::internal("another engine failed");
            let answer = JsFuture::from(promise.map_err(failed)?).await;
            tensor_of(&answer.map_err(failed)?, "data")
        })
    }
}

/// `{ stage, place, tensors: { data: Float32Array, shape }[] }`.
fn part_to_js(part: &Part) -> JsValue {
    let object = js_sys::Object::new();
    set(&object, "stage", &part.stage.as_str().into());
    set(&object, "place", &part.place.into());
    let tensors: Array = part.tensors.iter().map(tensor_to_js).collect();
    set(&object, "tensors", &tensors);
    object.into()
}

/// The same from JavaScript.
pub(super) fn part_of(value: &JsValue) -> Result<Part> {
    let wrong = || Error::internal("a part of the work cannot be read");
    let field = |name: &str| Reflect::get(value, &name.into()).map_err(|_| wrong());
    let tensors: Array = field("tensors")?.dyn_into().map_err(|_| wrong())?;
    Ok(Part {
        stage: field("stage")?.as_string().ok_or_else(wrong)?,
        tensors: tensors
            .iter()
            .map(|tensor| tensor_of(&tensor, "data"))
            .collect::<Result<_>>()?,
        place: field("place")?.as_f64().ok_or_else(wrong)?,
    })
}
