//! The files of a bundle, as the host fetches and keeps them.

use js_sys::{Promise, Reflect, Uint8Array};
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
    /// Where shards come from: `ShardStore` of `web/src/storage/shards.ts`, which says what its methods do.
    #[derive(Debug, Clone)]
    pub type ShardStore;
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

    #[wasm_bindgen(js_name = fetch)]
    fn fetch_url(url: &str) -> Promise;
}

/// A bundle whose small files are fetched here, and whose shards a store of the host's keeps: their
/// bytes come into this program's memory only tensor by tensor.
#[derive(Debug, Clone)]
pub struct StoreFetcher {
    base: String,
    store: ShardStore,
}

impl StoreFetcher {
    /// The bundle at the address `base`, without a slash at its end.
    pub fn new(base: String, store: ShardStore) -> Self {
        Self { base, store }
    }
}

impl ShardFetcher for StoreFetcher {
    fn file<'a>(&'a self, name: &'a str, limit: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move { http_get(&format!("{}/{name}", self.base), limit).await })
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

/// An error as the host throws it: `{ name, message, hint }` where it is one of ours.
fn error_of(value: &JsValue) -> Error {
    let field = |name: &str| Reflect::get(value, &name.into()).ok()?.as_string();
    let kind = field("name").and_then(|name| ErrorKind::from_name(&name));
    let hint = field("hint").unwrap_or_else(|| "try again".into());
    let message = field("message").unwrap_or_else(|| text_of(value));
    Error::new(kind.unwrap_or(ErrorKind::Internal), message, hint)
}

/// Fetches the small file at `url`, which may have at most `limit` bytes.
async fn http_get(url: &str, limit: u64) -> Result<Vec<u8>> {
    let failed = |what: String| {
        Error::new(
            ErrorKind::Network,
            format!("cannot fetch {url} ({what})"),
            "check the connection and try again",
        )
    };
    let rejected = |e: JsValue| failed(text_of(&e));
    let response: web_sys::Response = JsFuture::from(fetch_url(url))
        .await
        .map_err(rejected)?
        .dyn_into()
        .map_err(|_| failed("no response".into()))?;
    if !response.ok() {
        return Err(failed(format!("HTTP status {}", response.status())));
    }
    let Some(body) = response.body() else {
        return Ok(Vec::new());
    };
    let reader: web_sys::ReadableStreamDefaultReader = body
        .get_reader()
        .dyn_into()
        .map_err(|_| failed("the response cannot be read".into()))?;
    let mut bytes = Vec::new();
    loop {
        let part = JsFuture::from(reader.read()).await.map_err(rejected)?;
        let field = |name: &str| Reflect::get(&part, &name.into()).map_err(rejected);
        if field("done")?.is_truthy() {
            return Ok(bytes);
        }
        let chunk: Uint8Array = field("value")?
            .dyn_into()
            .map_err(|_| failed("the response holds no bytes".into()))?;
        let start = bytes.len();
        let end = start + chunk.length() as usize;
        if end as u64 > limit {
            // The rest is not wanted; nothing depends on the stream being told in time.
            let _ = reader.cancel();
            return Err(Error::integrity(
                format!("{url} is longer than the {limit} bytes that it should have"),
                "check the address of the bundle",
            ));
        }
        bytes.resize(end, 0);
        chunk.copy_to(&mut bytes[start..]);
    }
}

/// What a thrown value says.
pub(super) fn text_of(value: &JsValue) -> String {
    match value.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => value.as_string().unwrap_or_else(|| format!("{value:?}")),
    }
}
