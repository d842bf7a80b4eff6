/**
 * The public surface: `probe()`, `create()` and what they return.
 *
 * ```ts
 * const art2mus = await create({ bundle: "models/default/" });
 * const generation = art2mus.generate(file, { seconds: 10, seed: 1 });
 * for await (const event of generation) show(event);
 * const { samples, sampleRate, wav } = await generation.result;
 * ```
 *
 * Weights are stored in the browser, where it allows that: `storage()`, `persist()` and `deleteStored()`
 * are about them, and `estimate()` says what is still to be downloaded.
 *
 * The engine lives in a worker of its own. One generation runs at a time; further ones wait their
 * turn. After a crash, or when a cancelled run does not let go, the worker is replaced and the
 * bundle loaded again by the next generation.
 */

import { cancelled, orAbort } from "./abort.js";
import { readArtwork, type Artwork } from "./artwork.js";
import { Art2MusError, toError } from "./errors.js";
import { Generation } from "./generation.js";
import { WorkerHost, type Running } from "./host.js";
import { probe } from "./probe.js";
import type {
  Device,
  Estimate,
  GenerationEvent,
  Info,
  LoadEvent,
  RawResult,
  Settings,
} from "./protocol.js";
import { loadTexts, text } from "./texts.js";

export type { Artwork } from "./artwork.js";
export { Art2MusError, ERROR_NAMES, type ErrorName } from "./errors.js";
export { Generation, type Result } from "./generation.js";
export { probe, type Limits, type Probe, type Tier } from "./probe.js";
export { deleteStored, persist, storage, type StorageState } from "./storage.js";
export type {
  Device,
  DoneEvent,
  Estimate,
  GenerationEvent,
  Info,
  LoadEvent,
  Region,
  Scheduler,
  Settings,
  StageEvent,
  StageName,
  StepEvent,
  TraceTensor,
} from "./protocol.js";

export interface CreateOptions {
  /** Address of the bundle's folder; relative to the page. */
  bundle: string;
  /** `auto`, the default, takes WebGPU when a real GPU answers and WebAssembly otherwise. */
  device?: "auto" | Device;
  /** Load the model even where a generation would take unreasonably long. */
  allowSlow?: boolean;
  signal?: AbortSignal;
  /**
   * Accepted, and not called: opening reads nothing but the manifest. The weights are loaded during
   * a generation, whose `load` events tell of them.
   */
  onProgress?: (event: LoadEvent) => void;
}

export interface GenerateOptions extends Settings {
  signal?: AbortSignal;
}

/** How long a cancelled run may take to let go before its worker is replaced. */
const LET_GO_MS = 2000;

/** Failures of WebGPU after which `auto` tries WebAssembly. */
const TRY_WASM_AFTER = ["Unsupported", "Limits", "DeviceLost"];

/** Starts the engine and opens a bundle. */
export async function create(options: CreateOptions): Promise<Art2Mus> {
  await loadTexts();
  try {
    return await start(options);
  } catch (thrown) {
    throw toError(thrown, "Input"); // Our own errors aside, only the bundle's address can be wrong.
  }
}

async function start(options: CreateOptions): Promise<Art2Mus> {
  const bundle = new URL(options.bundle.replace(/\/*$/, "/"), document.baseURI).href;
  const wanted = options.device ?? "auto";
  const allowSlow = options.allowSlow ?? false;
  const open = async (device: Device, reasons: string[]) => {
    const session = new Session({ bundle, device, allowSlow });
    return new Art2Mus(session, await session.open(options.signal), device, reasons);
  };
  if (wanted !== "auto") return open(wanted, [text("probe.forced")]);

  const { tier, reasons } = await probe();
  if (tier === "none") {
    const hint = text("hint.newerBrowser");
    throw new Art2MusError({ name: "Unsupported", message: reasons.join(" "), hint });
  }
  try {
    return await open(tier, reasons);
  } catch (thrown) {
    const error = toError(thrown);
    if (tier === "wasm" || !TRY_WASM_AFTER.includes(error.name)) throw error;
    return open("wasm", [text("probe.gpuFailed", { message: error.message }), text("probe.cpu")]);
  }
}

/** An opened model. */
export class Art2Mus {
  readonly #session: Session;
  #last: Promise<unknown> = Promise.resolve();

  /** Use `create()`. */
  constructor(
    session: Session,
    /** What the model says of itself. */
    readonly info: Info,
    /** Where it runs. */
    readonly device: Device,
    /** Sentences for people: why there. */
    readonly reasons: readonly string[],
  ) {
    this.#session = session;
  }

  /** Makes music from a picture. Begins at once, or when the generations before it have ended. */
  generate(artwork: Artwork, options: GenerateOptions = {}): Generation {
    const { signal, ...settings } = options;
    return new Generation((emit) =>
      this.#inTurn((free) => this.#session.generate(artwork, settings, emit, free, signal), signal),
    );
  }

  /** What a generation would cost, without running it. */
  estimate(settings: Settings = {}): Promise<Estimate> {
    return this.#inTurn((free) => this.#session.estimate(settings).finally(free));
  }

  /** Ends the worker and gives its memory back; whatever still runs rejects with `Cancelled`. */
  dispose(): void {
    this.#session.dispose();
  }

  /** Runs `task` once everything before it has called its `free`. */
  async #inTurn<T>(task: (free: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last;
    let free = () => {};
    const turn = new Promise<void>((resolve) => {
      free = resolve;
    });
    this.#last = turn;
    try {
      await orAbort(before, signal);
    } catch (error) {
      void before.then(free);
      throw error;
    }
    return task(free);
  }
}

/** A bundle on a device, together with the worker that has it open; survives the worker. */
class Session {
  readonly #what: { bundle: string; device: Device; allowSlow: boolean };
  #host: WorkerHost | undefined;
  #disposed = false;

  constructor(what: { bundle: string; device: Device; allowSlow: boolean }) {
    this.#what = what;
  }

  /** Starts a worker and opens the bundle in it. */
  async open(signal?: AbortSignal): Promise<Info> {
    let host: WorkerHost | undefined;
    try {
      host = this.#host = new WorkerHost();
      return await orAbort(host.call({ kind: "load", ...this.#what }).reply, signal);
    } catch (thrown) {
      const error = toError(thrown);
      host?.close(error);
      throw error;
    }
  }

  async estimate(settings: Settings): Promise<Estimate> {
    return (await this.#ready()).call({ kind: "estimate", settings }).reply;
  }

  /** `free` is called when the worker can take the next call, which is after a cancelled result. */
  async generate(
    artwork: Artwork,
    settings: Settings,
    emit: (event: GenerationEvent) => void,
    free: () => void,
    signal?: AbortSignal,
  ): Promise<RawResult> {
    let host: WorkerHost | undefined;
    let running: Running<RawResult> | undefined;
    try {
      const picture = await orAbort(readArtwork(artwork, signal), signal);
      host = await this.#ready(signal);
      const transfer = picture.kind === "file" ? [picture.bytes.buffer] : [];
      running = host.call({ kind: "generate", picture, settings }, emit, transfer);
      const raw = await orAbort(running.reply, signal);
      free();
      return raw;
    } catch (thrown) {
      const error = toError(thrown, "Input");
      if (error.name === "Cancelled" && host && running) void letGo(host, running).then(free);
      else free();
      throw error;
    }
  }

  dispose(): void {
    this.#disposed = true;
    this.#host?.close(cancelled("error.disposed"));
  }

  /** The worker, started again if it was lost. */
  async #ready(signal?: AbortSignal): Promise<WorkerHost> {
    if (this.#disposed) throw cancelled("error.disposed");
    if (!this.#host?.alive) await this.open(signal);
    if (!this.#host?.alive) throw cancelled("error.disposed");
    return this.#host;
  }
}

/** Tells the worker to stop, and ends it when it does not listen. */
async function letGo(host: WorkerHost, running: Running<unknown>): Promise<void> {
  host.cancel(running.id);
  const timer = setTimeout(() => host.close(cancelled("error.cancelled")), LET_GO_MS);
  await running.reply.catch(() => {});
  clearTimeout(timer);
}
