/** Opening a model, and what can be done with it. */

import { orAbort } from "../common/abort.js";
import { Art2MusError, toError } from "../common/errors.js";
import { loadTexts, text } from "../common/texts.js";
import type { Device, Estimate, Info, Settings } from "../engine/protocol.js";
import type { Artwork } from "./artwork.js";
import { Generation } from "./generation.js";
import { probe } from "./probe.js";
import { Session } from "./session.js";

export interface CreateOptions {
  /** Address of the bundle's folder; relative to the page. */
  bundle: string;
  /** `auto`, the default, takes WebGPU when a real GPU answers and WebAssembly otherwise. */
  device?: "auto" | Device;
  /** Load the model even where a generation would take unreasonably long. */
  allowSlow?: boolean;
  signal?: AbortSignal;
}

export interface GenerateOptions extends Settings {
  signal?: AbortSignal;
}

/** Failures of WebGPU after which `auto` tries WebAssembly; `Network`, as a host may lack the module for WebGPU. */
const TRY_WASM_AFTER = ["Unsupported", "Limits", "DeviceLost", "Network"];

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
