//! What the crate needs of its host: fetching files, and letting other tasks run.

use js_sys::{Function, Promise, Reflect, Uint8Array};
use std::cell::Cell;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_time::{Duration, Instant};

use crate::{Error, ErrorKind, Result};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn fetch_url(url: &str) -> Promise;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, milliseconds: i32);
}

/// A browser clamps timers to about 4 ms: more tasks than this would cost time.
const TURN: Duration = Duration::from_millis(15);

thread_local! {
    static LAST_TURN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Lets the messages of the page arrive, at most every few milliseconds.
pub(crate) async fn next_task() {
    let recent = LAST_TURN.get().is_some_and(|last| last.elapsed() < TURN);
    if recent {
        return;
    }
    let turn = Promise::new(&mut |resolve, _| set_timeout(&resolve, 0));
    // A timer's promise is never rejected.
    let _ = JsFuture::from(turn).await;
    LAST_TURN.set(Some(Instant::now()));
}

/// Fetches `url`, which may have at most `limit` bytes; `progress` hears how many have arrived.
pub(crate) async fn http_get(
    url: &str,
    limit: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<u8>> {
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
        progress(end as u64);
    }
}

/// What a thrown value says.
pub(super) fn text_of(value: &JsValue) -> String {
    match value.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => value.as_string().unwrap_or_else(|| format!("{value:?}")),
    }
}
