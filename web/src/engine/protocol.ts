/**
 * What travels between the page, the worker and the engine: settings, events, results and the
 * messages that carry them. Types only; nothing here exists at run time. What the engine itself says
 * and takes is in `bindings.ts`, which is generated from its definitions.
 */

import type { PlainError } from "../common/errors.js";
import type { FaultCode } from "../common/faults.js";
import type { Texts } from "../common/texts.js";
import type { Lent } from "./helpers.js";
import type { Cost, EngineFault, Event, GenerateSettings as Settings, Info, PieceInfo, ResultInfo } from "./bindings.js";

export type {
  Event as GenerationEvent,
  GenerateSettings as Settings,
  Info,
  Prompts,
  Region,
  SchedulerKind as Scheduler,
  SettingRange,
  Settings as FullSettings,
  StageInfo,
  Timing,
} from "./bindings.js";

/** What `Art2MusError.code` can be; there may be more in later versions. */
export type ErrorCode = EngineFault | FaultCode;

/** Where the networks run: on the GPU through WebGPU, or on the CPU in WebAssembly. */
export type Device = "webgpu" | "wasm";

/** Bytes of weights that have arrived. `total` is constant within one run and reached at its end. */
export type LoadEvent = Extract<Event, { type: "load" }>;

/** A stage has begun. */
export type StageEvent = Extract<Event, { type: "stage" }>;

/** A part of a stage is done, such as a denoising step. */
export type StepEvent = Extract<Event, { type: "step" }>;

/** The run has ended well; the result follows. */
export type DoneEvent = Extract<Event, { type: "done" }>;

/** Cost of a generation with given settings. */
export interface Estimate extends Omit<Cost, "shards"> {
  /** Bytes of weights that are not stored in this browser yet. */
  download: number;
}

/** A tensor, the last dimension fastest. */
export interface Tensor {
  shape: number[];
  data: Float32Array;
}

/** A piece of a result as the engine hands it over. */
export interface RawPiece extends PieceInfo {
  /** One channel, between -1 and 1. */
  samples: Float32Array;
  /** What the samples were decoded from, of `latentsShape`. */
  latents: Float32Array;
  /** The samples as a WAV file that names model, seed, settings and kernels. */
  wav: Uint8Array;
}

/** What the engine hands over at the end of a generation. */
export interface RawResult extends ResultInfo {
  /** The pieces, best first. */
  pieces: RawPiece[];
  /** Size of WebAssembly's memory, which never shrinks: the most that was needed so far. */
  wasmBytes: number;
  trace?: Record<string, Tensor>;
}

/** A picture on its way to the worker: an encoded file, raw pixels or a decoded bitmap. */
export type Picture =
  | { kind: "file"; bytes: Uint8Array }
  | { kind: "pixels"; rgba: Uint8ClampedArray; width: number; height: number }
  | { kind: "bitmap"; bitmap: ImageBitmap };

/** What music is made from: a picture, its embedding, or Language-of-Audio tokens. */
export type Source = Picture | { kind: "embedding"; embedding: Float32Array } | { kind: "tokens"; tokens: Tensor };

/** What is opened. */
export interface Opened {
  /** Full address of the bundle's folder, as `folderAddress` writes it. */
  bundle: string;
  device: Device;
  allowSlow: boolean;
  kernels: string | undefined;
  memoryBudget: number | undefined;
  /** The most that compute at the same time. */
  workers: number | undefined;
}

/** What the worker cannot find by itself: its own address says nothing where a bundler has moved it. */
export interface Surroundings {
  /** Addresses of the engine for the device. */
  engine: { script: string; module: string };
  /** Whether somebody wants to hear how much of the engine has arrived. */
  countsEngine: boolean;
  /** Address of the worker that downloads weights. */
  downloader: string;
  texts: Texts;
}

/** A part of the engine's work, in its system's terms. */
export interface Part {
  stage: string;
  place: number;
  tensors: Tensor[];
}

/** Calls that are answered by exactly one `reply` or `failure` with the same id. */
export type Call =
  | ({ kind: "load"; lent?: Lent } & Opened & Surroundings)
  | { kind: "estimate"; settings: Settings }
  | { kind: "download"; settings: Settings }
  | { kind: "generate"; source: Source; settings: Settings }
  | { kind: "embed"; picture: Picture; settings: Settings }
  | { kind: "condition"; embedding: Float32Array }
  | { kind: "decode"; latents: Tensor; transpose: number; tempo: number | undefined; loudness: number | undefined }
  | { kind: "compute"; part: Part };

/** Answer to each kind of call. */
export interface Replies {
  load: Info;
  estimate: Estimate;
  /** Bytes that are there now. */
  download: number;
  generate: RawResult;
  embed: Float32Array;
  condition: Tensor;
  decode: Float32Array[];
  compute: Tensor;
}

/** From the page to the worker. `cancel` names the call to stop and has no answer of its own. */
export type ToWorker = { id: number; call: Call } | { cancel: number };

/** From the worker to the page. After a `fatal` failure the worker must not be used again. */
export type FromWorker =
  | { kind: "event"; id: number; event: Event }
  | { kind: "reply"; id: number; value: Replies[keyof Replies] }
  | { kind: "failure"; id: number; error: PlainError; fatal: boolean }
  | { kind: "lost"; error: PlainError };
