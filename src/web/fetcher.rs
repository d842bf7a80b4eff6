//! The files of a bundle, as the host fetches and keeps them.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use std::ops::Range;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::values::to_js;
use crate::{
    Error, ErrorKind, Result,
    weights::{FetchedShard, LocalFuture, ShardEntry, ShardFetcher},
};

#[wasm_bindgen]
extern "C" {
    /// Where a bundle comes from: `ShardStore` of `web/src/storage/shards.ts`, which says what its methods do.
    #[derive(Debug, Clone)]
    pub type ShardStore;
    #[wasm_bindgen(method, catch)]
    fn file(this: &ShardStore, name: &str, most: f64) -> std::result::Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn arrived(
        this: &ShardStore,
        shards: &JsValue,
        known: f64,
    ) -> std::result::Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn prefetch(this: &ShardStore, shards: &JsValue) -> std::result::Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn read(
        this: &ShardStore,
        file: &str,
        offset: f64,
        length: f64,
    ) -> std::result::Result<Uint8Array, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn release(this: &ShardStore, file: &str) -> std::result::Result<(), JsValue>;
}

/// A bundle that a store of the host's gets and keeps: the bytes of its shards come into this program's memory only
/// tensor by tensor.
#[derive(Debug, Clone)]
pub struct StoreFetcher {
    store: ShardStore,
}

impl StoreFetcher {
    /// The bundle that `store` gets.
    pub fn new(store: ShardStore) -> Self {
        Self { store }
    }
}

impl ShardFetcher for StoreFetcher {
    fn file<'a>(&'a self, name: &'a str, limit: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move {
            let promise = self.store.file(name, limit as f64);
            let promise = promise.map_err(|e| error_of(&e))?;
            let bytes = JsFuture::from(promise).await.map_err(|e| error_of(&e))?;
            Ok(Uint8Array::new(&bytes).to_vec())
        })
    }

    fn shards<'a>(
        &'a self,
        entries: &'a [ShardEntry],
        progress: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<Vec<Box<dyn FetchedShard>>>> {
        Box::pin(async move {
            let wanted = to_js(&entries);
            let total: u64 = entries.iter().map(|entry| entry.bytes).sum();
            let mut known = 0;
            while known < total {
                let promise = self.store.arrived(&wanted, known as f64);
                let promise = promise.map_err(|e| error_of(&e))?;
                let arrived = JsFuture::from(promise).await.map_err(|e| error_of(&e))?;
                known = arrived.as_f64().unwrap_or(0.0) as u64;
                progress(known);
            }
            let shard = |entry: &ShardEntry| -> Box<dyn FetchedShard> {
                Box::new(StoredShard {
                    store: self.store.clone(),
                    file: entry.file.clone(),
                })
            };
            Ok(entries.iter().map(shard).collect())
        })
    }

    fn prefetch(&self, entries: &[ShardEntry]) {
        let _ = self.store.prefetch(&to_js(&entries));
    }
}

/// A shard that the host has; released when dropped.
#[derive(Debug)]
struct StoredShard {
    store: ShardStore,
    file: String,
}

impl FetchedShard for StoredShard {
    fn read(&self, range: Range<usize>) -> Result<Vec<u8>> {
        let (offset, length) = (range.start as f64, range.len() as f64);
        let bytes = self.store.read(&self.file, offset, length);
        bytes.map(|bytes| bytes.to_vec()).map_err(|e| error_of(&e))
    }
}

impl Drop for StoredShard {
    fn drop(&mut self) {
        // The host only forgets it; there is nothing to do when that fails.
        let _ = self.store.release(&self.file);
    }
}

/// An error as the host throws it: `PlainError` of `web/src/common/errors.ts` where it is one of ours.
fn error_of(value: &JsValue) -> Error {
    let field = |name: &str| Reflect::get(value, &name.into()).ok()?.as_string();
    let kind = field("name").and_then(|name| ErrorKind::from_name(&name));
    let hint = field("hint").unwrap_or_else(|| "try again".into());
    let message = field("message").unwrap_or_else(|| text_of(value));
    let error = Error::new(kind.unwrap_or(ErrorKind::Internal), message, hint);
    // A `DOMException` has a code too, which is a number.
    let Some(code) = field("code") else {
        return error;
    };
    let values = Reflect::get(value, &"values".into()).ok();
    let values = values.and_then(|values| Some(Object::entries(values.dyn_ref()?)));
    let pairs = values.iter().flat_map(|entries| entries.iter());
    let pairs = pairs.map(|pair| {
        let pair = Array::from(&pair);
        let text = |value: JsValue| {
            value
                .as_string()
                .or_else(|| Some(value.as_f64()?.to_string()))
        };
        let name = text(pair.get(0)).unwrap_or_default();
        (name.into(), text(pair.get(1)).unwrap_or_default())
    });
    error.coded(code, pairs.collect())
}

/// What a thrown value says.
pub(super) fn text_of(value: &JsValue) -> String {
    match value.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => value.as_string().unwrap_or_else(|| format!("{value:?}")),
    }
}
