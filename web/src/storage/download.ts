/**
 * Downloads one shard: goes on where a cut left it, hashes what arrives, and accepts nothing that is
 * not what the manifest promises.
 */

import { Art2MusError, type ErrorValues } from "../common/errors.js";
import { fault, type FaultCode } from "../common/faults.js";
import { Sha256 } from "./sha256.js";
import { isPassing, refusal } from "./small-file.js";
import type { PartialShard } from "./stored.js";
import { text } from "../common/texts.js";

/** A shard as the manifest names it. */
export interface Shard {
  file: string;
  bytes: number;
  /** In lower-case hexadecimal. */
  sha256: string;
}

/** What a download needs of its surroundings; tests give their own. */
export interface Options {
  signal: AbortSignal;
  /** Hears how many bytes are there; they can become fewer when it begins again. */
  onProgress(bytes: number): void;
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds to wait before each further attempt. */
  delays?: readonly number[];
  /** Milliseconds without a byte after which a connection counts as cut. */
  stallMs?: number;
  /** Keep the browser's own cache out of it, because the shard is stored anyway. */
  stored?: boolean;
}

const DELAYS = [500, 1000, 2000, 4000];
const STALL_MS = 20_000;

/** A failure after which another attempt may do better. */
class Passing extends Error {}

/** Downloads `shard` from `url` into `part`, which may hold the beginning of it. */
export async function download(url: string, shard: Shard, part: PartialShard, options: Options): Promise<void> {
  const { signal, delays = DELAYS } = options;
  const hash = new Sha256();
  if (part.length > shard.bytes) part.clear();
  for (const piece of part.pieces()) hash.update(piece);
  const state = { part, hash, damaged: false };
  for (let attempt = 0; ; attempt += 1) {
    try {
      if (state.part.length < shard.bytes) {
        // The last attempt asks for the whole: some servers and proxies cannot do parts.
        if (attempt > 0 && attempt === delays.length) restart(state);
        await receive(url, shard, state, options);
      }
      if (state.hash.hex() === shard.sha256) return;
      restart(state);
      if (state.damaged) throw integrity("shard.hash", shard);
      // Perhaps a cache is to blame, or the file changed while it was read: once more, from the server.
      state.damaged = true;
      attempt -= 1;
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof Passing)) throw thrown;
      if (attempt >= delays.length) throw failure(url, shard, state.part.length, thrown.message);
      await pause(delays[attempt]!, signal);
    }
  }
}

interface State {
  part: PartialShard;
  hash: Sha256;
  /** Whether it was there once, and was not what it should be. */
  damaged: boolean;
}

function restart(state: State): void {
  state.part.clear();
  state.hash = new Sha256();
}

/** One request, to its end. */
async function receive(url: string, shard: Shard, state: State, options: Options): Promise<void> {
  const { signal, onProgress, stallMs = STALL_MS } = options;
  signal.throwIfAborted();
  const request = new AbortController();
  const cancel = () => request.abort();
  signal.addEventListener("abort", cancel);
  let watch = setTimeout(cancel, stallMs);
  try {
    const response = await ask(url, state, request.signal, options);
    accept(response, url, shard, state);
    onProgress(state.part.length);
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(watch);
      if (done) break;
      watch = setTimeout(cancel, stallMs);
      if (state.part.length + value.length > shard.bytes) throw integrity("shard.long", shard);
      state.hash.update(value);
      state.part.write(value);
      onProgress(state.part.length);
    }
  } catch (thrown) {
    signal.throwIfAborted();
    if (request.signal.aborted) throw new Passing(text("shard.stalled"));
    // What is no error of ours is the connection's failure.
    const ours = thrown instanceof Passing || thrown instanceof Art2MusError;
    throw thrown instanceof Error && !ours ? new Passing(thrown.message) : thrown;
  } finally {
    clearTimeout(watch);
    signal.removeEventListener("abort", cancel);
    request.abort(); // What was not read is not wanted.
  }
  // Some connections that were cut look as if they had ended well.
  if (state.part.length < shard.bytes) throw new Passing(text("shard.short"));
}

function ask(url: string, { part, damaged }: State, signal: AbortSignal, options: Options): Promise<Response> {
  const headers: Record<string, string> = {};
  if (part.length > 0) {
    headers["Range"] = `bytes=${part.length}-`;
    // Without it the hash at the end still tells whether the file changed in between.
    if (part.tag) headers["If-Range"] = part.tag;
  }
  const cache = damaged ? "reload" : options.stored ? "no-store" : "default";
  return (options.fetch ?? fetch)(url, { headers, cache, signal });
}

/** Checks what kind of answer it is, and makes `state` ready for its bytes. */
function accept(response: Response, url: string, shard: Shard, state: State): void {
  const { status, headers } = response;
  if (status === 416) {
    restart(state);
    throw new Passing(text("shard.status", { status }));
  }
  if (isPassing(status)) throw new Passing(text("shard.status", { status }));
  if (!response.ok) throw refusal(url, status);
  if (/^text\/html\b/i.test(headers.get("content-type") ?? "")) throw integrity("shard.html", shard);
  if (status === 206) {
    // A server elsewhere may keep the header from us; then the hash has to do.
    const range = headers.get("content-range");
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? "") ?? [];
    const right = Number(first) === state.part.length && (total === "*" || Number(total) === shard.bytes);
    if (range === null || right) return;
    throw integrity("shard.range", shard, { range, first: state.part.length });
  }
  restart(state);
  const length = Number(headers.get("content-length") ?? shard.bytes);
  // What is compressed on its way has another length there; a server elsewhere keeps from us that it is. Then the hash says.
  if (length !== shard.bytes && !headers.get("content-encoding") && response.type !== "cors") {
    throw integrity("shard.length", shard, { length });
  }
  state.part.tag = validator(headers);
}

/** What `If-Range` can take: a tag that stands for every byte, or else a date. */
function validator(headers: Headers): string | undefined {
  const tag = headers.get("etag");
  return (tag?.startsWith('"') ? tag : headers.get("last-modified")) ?? undefined;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** A fault of what has arrived. */
function integrity(code: FaultCode, { file, bytes }: Shard, values: ErrorValues = {}): Art2MusError {
  return fault(code, { file, bytes, ...values });
}

function failure(url: string, { file, bytes }: Shard, arrived: number, reason: string): Art2MusError {
  return arrived > 0 ? fault("shard.cut", { file, arrived, bytes, reason }) : fault("shard.fetch", { url, reason });
}
