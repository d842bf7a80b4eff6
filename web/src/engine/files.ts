/**
 * Addresses of the files that travel beside this module. Each `new URL` is written out, because bundlers look for
 * that form: they copy the file and put its new address in.
 */

import type { Device } from "./protocol.js";

/** The engine's worker. */
export const WORKER = new URL("./worker.js", import.meta.url).href;

/** The worker that downloads weights for it. */
export const DOWNLOADER = new URL("../storage/downloader.js", import.meta.url).href;

/** The engine for each device: its WebAssembly, and the script that makes it usable. */
export const ENGINES: Record<Device, { script: string; module: string }> = {
  wasm: {
    script: new URL("../wasm/art2mus.js", import.meta.url).href,
    module: new URL("../wasm/art2mus_bg.wasm", import.meta.url).href,
  },
  webgpu: {
    script: new URL("../webgpu/art2mus.js", import.meta.url).href,
    module: new URL("../webgpu/art2mus_bg.wasm", import.meta.url).href,
  },
};

/** The model that is shipped beside this package: two folders above the worker. */
export const DEFAULT_BUNDLE = new URL(["..", "..", "models", "default", ""].join("/"), WORKER).href;
