//! Letting other tasks run between two pieces of work.
//!
//! In a browser the messages of the page arrive only when the worker's event loop turns. Natively there is
//! nothing to wait for.

/// Lets other tasks run: in a browser, at most every 15 ms, since a timer costs about 4 ms there.
pub async fn yield_now() {
    #[cfg(all(target_family = "wasm", feature = "web"))]
    event_loop::turn().await;
}

#[cfg(all(target_family = "wasm", feature = "web"))]
mod event_loop {
    use js_sys::{Function, Promise};
    use std::cell::Cell;
    use wasm_bindgen::prelude::wasm_bindgen;
    use wasm_bindgen_futures::JsFuture;
    use web_time::{Duration, Instant};

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_name = setTimeout)]
        fn set_timeout(callback: &Function, milliseconds: i32);
    }

    const INTERVAL: Duration = Duration::from_millis(15);

    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    pub(super) async fn turn() {
        if LAST.get().is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        let turn = Promise::new(&mut |resolve, _| set_timeout(&resolve, 0));
        // A timer's promise is never rejected.
        let _ = JsFuture::from(turn).await;
        LAST.set(Some(Instant::now()));
    }
}
