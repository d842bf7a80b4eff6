/**
 * The dedicated worker: owns the WebAssembly module and its engine, so that the page's thread
 * never waits. It answers one call at a time; the engine lets messages through between its steps,
 * which is how a cancellation reaches it.
 */

import type { Cost } from "./bindings.js";
import type { Engine, EngineModule, EnginePicture, EngineSource } from "./engine.js";
import { ERROR_NAMES, toPlain, type PlainError } from "../common/errors.js";
import { fault, oursOr } from "../common/faults.js";
import type {
  Call,
  Estimate,
  FromWorker,
  GenerationEvent,
  Picture,
  Replies,
  Settings,
  Source,
  ToWorker,
} from "./protocol.js";
import { Helpers, LentShards } from "./helpers.js";
import { compileProgram, type OnBytes } from "./program.js";
import { Shards } from "../storage/shards.js";
import { list } from "../storage/stored.js";
import { useTexts } from "../common/texts.js";

/** The part of the worker's global scope that is used here. */
interface Scope {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = self as unknown as Scope;
const cancelled = new Set<number>();
/** Bytes of networks that stay between pieces where nobody says how many: `DEFAULT_BUDGET` of the engine. */
const BUDGET = 256 * 2 ** 20;
/** How long the GPU may take to say what happened to it. */
const TELLING_MS = 50;
/** Failures that the GPU may be behind. */
const ASK_THE_GPU: readonly string[] = ["Internal", "DeviceLost"];
let engine: Engine | undefined;
let module: EngineModule | undefined;
let program: WebAssembly.Module | undefined;
let memory: WebAssembly.Memory | undefined;
let shards: Shards | undefined;
let helpers: Helpers | undefined;

scope.addEventListener("message", ({ data }) => {
  if ("cancel" in data) {
    cancelled.add(data.cancel);
    shards?.cancel();
  } else {
    void answer(data.id, data.call);
  }
});

// A panic inside the engine surfaces here, after which its promise never settles.
scope.addEventListener("error", (event) => {
  event.preventDefault();
  void end(event.error ?? event.message);
});
scope.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  void end(event.reason);
});

/** Tells the page that this worker can do nothing more. */
async function end(thrown: unknown): Promise<void> {
  scope.postMessage({ kind: "lost", error: (await trouble()) ?? internal(thrown) });
}

/** What the GPU said of its own accord, which is what is behind all that failed on it. */
async function trouble(): Promise<PlainError | undefined> {
  // It says so in a task of its own, maybe after the failure.
  await new Promise((resolve) => setTimeout(resolve, TELLING_MS));
  try {
    const told = module?.deviceTrouble?.();
    return told === undefined ? undefined : toPlain(told);
  } catch {
    return undefined; // The module may not answer any more.
  }
}

async function answer(id: number, call: Call): Promise<void> {
  try {
    if (call.kind === "load") {
      engine = await load(call, (loaded, total) => {
        scope.postMessage({ kind: "event", id, event: { type: "load", stage: "", loaded, total } });
      });
      scope.postMessage({ kind: "reply", id, value: engine.info() });
    } else if (engine === undefined) {
      throw new Error("no model is loaded");
    } else {
      const onEvent = (event: GenerationEvent) => scope.postMessage({ kind: "event", id, event });
      const isCancelled = () => cancelled.has(id);
      const { value, transfer } = await runAgain(engine, call, onEvent, isCancelled);
      // What was made on a device without memory is nothing.
      const told = module?.deviceTrouble ? await trouble() : undefined;
      if (told) throw told;
      scope.postMessage({ kind: "reply", id, value }, transfer);
    }
  } catch (thrown) {
    const trap = thrown instanceof WebAssembly.RuntimeError;
    const said = trap || !isOurs(thrown) ? internal(thrown) : toPlain(thrown);
    const error = ASK_THE_GPU.includes(said.name) ? ((await trouble()) ?? said) : said;
    const fatal = trap || error.name === "DeviceLost" || error.name === "OutOfMemory";
    scope.postMessage({ kind: "failure", id, error, fatal });
  } finally {
    cancelled.delete(id);
    closeBitmap(call);
  }
}

/** A bitmap that came with a call is the worker's own copy. */
function closeBitmap(call: Call): void {
  const picture = call.kind === "generate" ? call.source : call.kind === "embed" ? call.picture : undefined;
  if (picture?.kind === "bitmap") picture.bitmap.close();
}

async function load(call: Extract<Call, { kind: "load" }>, onBytes: OnBytes): Promise<Engine> {
  useTexts(call.texts);
  const { lent } = call;
  try {
    module = (await import(call.engine.script)) as EngineModule;
    program = lent?.module ?? (await compileProgram(call.engine.module, call.countsEngine ? onBytes : undefined));
    ({ memory } = await module.default({ module_or_path: program }));
  } catch (thrown) {
    throw oursOr(thrown, thrown instanceof WebAssembly.CompileError ? "engine.wasm" : "engine.unavailable");
  }
  if (lent === undefined) shards = new Shards(call.bundle, call.downloader);
  const { allowSlow, kernels, memoryBudget } = call;
  const options = { allowSlow, kernels, memoryBudget };
  const engine = await module.Engine.load(call.device, options, lent ? new LentShards(call.bundle, lent) : (shards as Shards));
  // A GPU is one for all. A helper that had to load its networks again for every part would be no help.
  const stays = 4 * engine.info().parameters <= (memoryBudget ?? BUDGET);
  if (lent === undefined && call.device === "wasm" && stays) {
    helpers = new Helpers(import.meta.url, call);
    engine.setHelpers(helpers);
  }
  return engine;
}

/** Starts helpers for a generation with these settings, where there may be some. */
async function prepareHelpers(engine: Engine, settings: Settings): Promise<void> {
  const compiled = program;
  if (helpers === undefined || shards === undefined || compiled === undefined) return;
  const { parts, shards: wanted } = engine.estimate(settings);
  const store = shards;
  await helpers.prepare(parts, async () => ({ module: compiled, ...(await store.lend(wanted)) }));
}

/** An answer, and the buffers that go over without a copy. */
interface Answer {
  value: Replies[keyof Replies];
  transfer: Transferable[];
}

/** Runs a call, and a second time when what was stored was deleted under its feet: then it is fetched again. */
async function runAgain(...call: Parameters<typeof run>): Promise<Answer> {
  try {
    return await run(...call);
  } catch (thrown) {
    if (!shards?.forgetStale()) throw thrown;
    return run(...call);
  }
}

async function run(
  engine: Engine,
  call: Exclude<Call, { kind: "load" }>,
  onEvent: (event: GenerationEvent) => void,
  isCancelled: () => boolean,
): Promise<Answer> {
  switch (call.kind) {
    case "estimate":
      return { value: await estimate(engine.estimate(call.settings)), transfer: [] };
    case "download":
      return { value: await fetchAll(engine.estimate(call.settings).shards, onEvent), transfer: [] };
    case "generate": {
      // The engine asks for its first stage's shards first.
      const making = engine.generate(sourceOf(call.source), call.settings, onEvent, isCancelled);
      void prepareHelpers(engine, call.settings).catch(() => {});
      const made = await making;
      const pieces = made.pieces.map((piece) => ({
        ...piece,
        samples: owned(piece.samples),
        latents: owned(piece.latents),
        wav: owned(piece.wav),
      }));
      const transfer = pieces.flatMap(({ samples, latents, wav }) => [samples.buffer, latents.buffer, wav.buffer]);
      return { value: { ...made, pieces, wasmBytes: memory?.buffer.byteLength ?? 0 }, transfer };
    }
    case "embed": {
      const value = owned(await engine.embed(pictureOf(call.picture), call.settings, onEvent, isCancelled));
      return { value, transfer: [value.buffer] };
    }
    case "condition":
      return { value: await engine.condition(call.embedding, onEvent, isCancelled), transfer: [] };
    case "decode": {
      const { data, shape } = call.latents;
      const { transpose, tempo, loudness } = call;
      const sounds = await engine.decode({ latents: data, shape }, transpose, tempo, loudness, onEvent, isCancelled);
      const value = sounds.map((samples) => owned(samples));
      return { value, transfer: value.map(({ buffer }) => buffer) };
    }
    case "compute": {
      const value = await engine.compute(call.part);
      return { value, transfer: [value.data.buffer] };
    }
  }
}

/** Adds what would have to be downloaded. */
async function estimate({ shards, ...cost }: Cost): Promise<Estimate> {
  const stored = (await list()).shards;
  const missing = shards.filter(({ sha256 }) => !stored.has(sha256));
  return { ...cost, download: missing.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Has shards fetched that no stage asks for yet; resolves with their bytes when all of them can be read. */
async function fetchAll(wanted: Cost["shards"], onEvent: (event: GenerationEvent) => void): Promise<number> {
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  for (let loaded = 0; loaded < total; ) {
    loaded = (await shards?.arrived(wanted, loaded)) ?? total;
    onEvent({ type: "load", stage: "", loaded, total });
  }
  return total;
}

function sourceOf(source: Source): EngineSource {
  if (source.kind === "embedding") return { embedding: source.embedding };
  if (source.kind === "tokens") return { tokens: source.tokens.data, shape: source.tokens.shape };
  return pictureOf(source);
}

function pictureOf(picture: Picture): EnginePicture {
  if (picture.kind === "file") return { file: picture.bytes };
  const { rgba, width, height } = picture.kind === "bitmap" ? pixelsOf(picture) : picture;
  return { rgba, width, height };
}

/** Reads the pixels of a bitmap; the page cannot do that without holding up its own thread. */
function pixelsOf({ bitmap }: Extract<Picture, { kind: "bitmap" }>) {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("no canvas for reading the picture");
  context.drawImage(bitmap, 0, 0);
  return { rgba: context.getImageData(0, 0, width, height).data, width, height };
}

/** A typed array whose buffer holds nothing else, so that it can be transferred. */
function owned(array: Float32Array): Float32Array<ArrayBuffer>;
function owned(array: Uint8Array): Uint8Array<ArrayBuffer>;
function owned(array: Float32Array | Uint8Array): Float32Array | Uint8Array {
  return array.byteLength === array.buffer.byteLength ? array : array.slice();
}

/** Whether it is an error of the engine or of this package, and no accident. */
function isOurs(thrown: unknown): boolean {
  return ERROR_NAMES.some((name) => name === (thrown as { name?: unknown } | null)?.name);
}

function internal(thrown: unknown): PlainError {
  const { message: reason, cause } = toPlain(thrown);
  return toPlain(fault("internal", { reason }, cause));
}
