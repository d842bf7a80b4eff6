/** Downloads the engine's WebAssembly, and tells how much of it has arrived where that takes a while. */

import { keptCopy } from "../storage/small-file.js";

/** Hears of bytes; `total` is 0 where nobody knows it. */
export type OnBytes = (loaded: number, total: number) => void;

/** What arrives within this time needs no bar. */
const QUICK_MS = 300;
/** Time between two reports. */
const REPORT_MS = 100;

/** The WebAssembly at this address, compiled while it arrives where its host calls it by its type. */
export async function compileProgram(address: string, onBytes: OnBytes | undefined): Promise<WebAssembly.Module> {
  const response = await fetchProgram(address, onBytes);
  if (!response.ok) throw new Error(`${address} answers ${response.status}`);
  const streams = response.headers.get("content-type")?.startsWith("application/wasm");
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/**
 * The answer at this address. They are counted when somebody wants to hear of them
 * and the file is not kept here: browsers remember what they compiled of their own answers only, and not of counted ones.
 */
async function fetchProgram(address: string, onBytes: OnBytes | undefined): Promise<Response> {
  const response = await fetch(address);
  if (onBytes === undefined || !response.ok || response.body === null || (await keptCopy(address))) return response;
  const { headers, type } = response;
  // A compressed file's length is not that of the bytes that come out; a host elsewhere does not tell whether it is one.
  const plain = type !== "cors" && !headers.get("content-encoding");
  let total = plain ? Number(headers.get("content-length")) : 0;
  let loaded = 0;
  let due = performance.now() + QUICK_MS;
  let late = false;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      controller.enqueue(bytes);
      loaded += bytes.length;
      if (performance.now() < due) return;
      due = performance.now() + REPORT_MS;
      if (!late && total === 0) void plainLength(address).then((length) => (total = length));
      late = true;
      if (loaded > total) total = 0;
      onBytes(loaded, total);
    },
    flush() {
      if (late) onBytes(loaded, loaded);
    },
  });
  return new Response(response.body.pipeThrough(counted), { headers });
}

/** The length of a file without compression, which its host tells beside a part of it; 0 where it does not. */
async function plainLength(address: string): Promise<number> {
  try {
    const response = await fetch(address, { headers: { range: "bytes=0-0" }, cache: "no-store" });
    void response.body?.cancel();
    if (response.status !== 206 || response.headers.get("content-encoding")) return 0;
    return Number(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1] ?? 0);
  } catch {
    return 0;
  }
}
