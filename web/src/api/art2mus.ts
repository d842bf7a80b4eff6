/** Opening a model, and what can be done with it. */

import { orAbort } from "../common/abort.js";
import { folderAddress } from "../common/address.js";
import { toError, type Art2MusError } from "../common/errors.js";
import { fault, oursOr } from "../common/faults.js";
import { loadTexts, text } from "../common/texts.js";
import type {
  Call,
  Device,
  Estimate,
  GenerationEvent,
  Info,
  Picture,
  Region,
  Replies,
  Settings,
  Source,
  Tensor,
} from "../engine/protocol.js";
import { DEFAULT_BUNDLE } from "../engine/files.js";
import { readArtwork, type Artwork } from "./artwork.js";
import { Generation } from "./generation.js";
import { probe } from "./probe.js";
import { Session } from "./session.js";

export interface CreateOptions {
  /**
   * Address of the bundle's folder, relative to the page. The model beside this package where it is left out: a bundler
   * does not copy that one, so name it there.
   */
  bundle?: string;
  /** `auto`, the default, takes WebGPU when a real GPU answers and WebAssembly otherwise. */
  device?: "auto" | Device;
  /** Load the model even where a generation would take unreasonably long. */
  allowSlow?: boolean;
  /**
   * The kernels that compute on the GPU, as a result's `kernels` names its own: for the same samples again. They are
   * selected by a self-test where this is left out.
   */
  kernels?: string;
  /**
   * Bytes of networks that may stay between pieces; 256 MiB where this is left out. A model that does not fit is loaded
   * stage by stage for every piece, and needs the memory of its largest stage only.
   */
  memoryBudget?: number;
  /**
   * The most workers that compute at the same time on the CPU, 1 to 4; as many as there are processors where this is left
   * out, and one for models that do not stay in memory between pieces. Each has the model in its memory. Samples are the same with
   * any number.
   */
  workers?: number;
  signal?: AbortSignal;
  /**
   * Hears how many bytes of the engine's program have arrived, where that takes longer than a moment. `total` is 0 where the
   * host does not tell it, and `loaded` at the end.
   */
  onEngineBytes?: (loaded: number, total: number) => void;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface GenerateOptions extends Settings, CallOptions {}

export interface DownloadOptions extends GenerateOptions {
  /** Hears what share has arrived, 0 to 1. */
  onProgress?: (fraction: number) => void;
}

export interface DecodeOptions extends CallOptions {
  /** Semitones. */
  transpose?: number;
  /** Beats a minute. */
  tempo?: number;
  /** RMS in dBFS. */
  loudness?: number;
}

export interface EmbedOptions extends CallOptions {
  /** The part of the picture to use. */
  region?: Region;
}

/** What music can be made from instead of a picture. */
export type MusicSource = { embedding: Float32Array } | { tokens: Tensor };

const ignore = (): void => {};

async function readSource(source: Artwork | MusicSource, signal?: AbortSignal): Promise<Source> {
  if ("embedding" in source) return { kind: "embedding", embedding: source.embedding };
  if ("tokens" in source) return { kind: "tokens", tokens: source.tokens };
  return readArtwork(source, signal);
}

/** The buffers that a picture's file leaves to the worker. */
function buffersOf(source: Source | Picture): Transferable[] {
  return source.kind === "file" ? [source.bytes.buffer] : [];
}

/** Failures of WebGPU after which `auto` tries WebAssembly; `Network`, as a host may lack the module for WebGPU. */
const TRY_WASM_AFTER = ["Unsupported", "Limits", "DeviceLost", "Network"];

/** Starts the engine and opens a bundle. */
export async function create(options: CreateOptions = {}): Promise<Art2Mus> {
  await loadTexts();
  try {
    return await start(options);
  } catch (thrown) {
    // Our own errors aside, only the bundle's address can be wrong.
    throw oursOr(thrown, "bundle.address", { address: options.bundle ?? DEFAULT_BUNDLE });
  }
}

async function start(options: CreateOptions): Promise<Art2Mus> {
  const bundle = folderAddress(options.bundle ?? DEFAULT_BUNDLE, document.baseURI);
  const wanted = options.device ?? "auto";
  const allowSlow = options.allowSlow ?? false;
  const open = async (device: Device, reasons: string[]) => {
    const { kernels, memoryBudget, workers } = options;
    const session = new Session({ bundle, device, allowSlow, kernels, memoryBudget, workers });
    try {
      return new Art2Mus(session, await session.open(options.signal, options.onEngineBytes), device, reasons);
    } catch (thrown) {
      throw bundle === DEFAULT_BUNDLE ? withoutModel(toError(thrown)) : thrown;
    }
  };
  if (wanted !== "auto") return open(wanted, [text("probe.forced")]);

  const { tier, reasons } = await probe();
  if (tier === "none") {
    throw fault("engine.unfit", { reasons: reasons.join(" ") });
  }
  try {
    return await open(tier, reasons);
  } catch (thrown) {
    const error = toError(thrown);
    if (tier === "wasm" || !TRY_WASM_AFTER.includes(error.name)) throw error;
    return open("wasm", [text("probe.gpuFailed", { message: error.message }), text("probe.cpu")]);
  }
}

/** Says why the model of this package may not be there, where the engine has found none. */
function withoutModel(error: Art2MusError): Art2MusError {
  const { code, values, message: reason } = error;
  const isManifest = [values["url"], values["file"]].some((of) => String(of).includes("manifest.json"));
  return isManifest || code === "bundle.noManifest" ? fault("bundle.noDefault", { reason }) : error;
}

/** An opened model. */
export class Art2Mus {
  readonly #session: Session;
  #last: Promise<unknown> = Promise.resolve();

  /** Use `create()`. @internal */
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

  /** Makes music from a picture, an embedding or tokens. Begins at once, or when the generations before it have ended. */
  generate(source: Artwork | MusicSource, options: GenerateOptions = {}): Generation {
    const { signal, ...settings } = options;
    const prepare = async () => {
      const read = await readSource(source, signal);
      return { call: { kind: "generate" as const, source: read, settings }, transfer: buffersOf(read) };
    };
    return new Generation((emit) => this.#call(prepare, emit, signal));
  }

  /** The embedding of a picture, which `generate()` and `condition()` take; several of them can be mixed. */
  embed(artwork: Artwork, { signal, region }: EmbedOptions = {}): Promise<Float32Array> {
    const prepare = async () => {
      const picture = await readArtwork(artwork, signal);
      const settings: Settings = region === undefined ? {} : { region };
      return { call: { kind: "embed" as const, picture, settings }, transfer: buffersOf(picture) };
    };
    return this.#call(prepare, ignore, signal);
  }

  /** The Language-of-Audio tokens of an embedding, which `generate()` takes too. */
  condition(embedding: Float32Array, { signal }: CallOptions = {}): Promise<Tensor> {
    const prepare = () => Promise.resolve({ call: { kind: "condition" as const, embedding } });
    return this.#call(prepare, ignore, signal);
  }

  /**
   * The sounds of latents as pieces have them, `[pieces, channels, rows, columns]`: one for each. They are transposed
   * by `transpose` semitones, played at `tempo` and brought to `loudness`, as the `settings` of a result tell all three.
   */
  decode(latents: Tensor, { transpose = 0, tempo, loudness, signal }: DecodeOptions = {}): Promise<Float32Array[]> {
    const prepare = () => Promise.resolve({ call: { kind: "decode" as const, latents, transpose, tempo, loudness } });
    return this.#call(prepare, ignore, signal);
  }

  /** What a generation would cost, without running it. */
  estimate(settings: Settings = {}): Promise<Estimate> {
    return this.#inTurn((free) => this.#session.estimate(settings).finally(free));
  }

  /** Downloads what pieces with these settings need, so that the first one does not wait for it. Later calls wait. */
  async download({ signal, onProgress, ...settings }: DownloadOptions = {}): Promise<void> {
    const prepare = () => Promise.resolve({ call: { kind: "download" as const, settings } });
    const emit = (event: GenerationEvent) => {
      if (event.type === "load") onProgress?.(event.loaded / event.total);
    };
    await this.#call(prepare, emit, signal);
  }

  /** Ends the worker and gives its memory back; whatever still runs rejects with `Cancelled`. */
  dispose(): void {
    this.#session.dispose();
  }

  #call<C extends Call>(
    prepare: () => Promise<{ call: C; transfer?: Transferable[] }>,
    emit: (event: GenerationEvent) => void,
    signal: AbortSignal | undefined,
  ): Promise<Replies[C["kind"]]> {
    return this.#inTurn((free) => this.#session.run(prepare, emit, free, signal), signal);
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
