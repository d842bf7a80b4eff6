/**
 * What travels between the page, the worker and the engine: settings, events, results and the
 * messages that carry them. Types only; nothing here exists at run time.
 */

import type { PlainError } from "../common/errors.js";

/** Where the networks run: on the GPU through WebGPU, or on the CPU in WebAssembly. */
export type Device = "webgpu" | "wasm";

/** The stages of one generation, in order. `rank` only happens when there are several candidates. */
export type StageName = "encode" | "condition" | "denoise" | "decode" | "vocode" | "rank";

/** Rule that walks from noise to music. */
export type Scheduler = "ddim" | "dpmpp";

/** A part of the picture, in fractions of its width and height. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Settings of one generation; what is left out takes the model's default. */
export interface Settings {
  /** Length of the music. */
  seconds?: number;
  /** Denoising steps: more takes longer and sounds cleaner. */
  steps?: number;
  scheduler?: Scheduler;
  /** How strongly the picture steers the music; 1 means no guidance. */
  guidance?: number;
  /** The same seed, settings and device give the same samples. */
  seed?: number | bigint;
  /** How many to make; the one that fits the picture best is returned. */
  candidates?: number;
  region?: Region;
  /** Return every stage's tensors as well (for tests; large). */
  trace?: boolean;
}

/** Bytes of weights that have arrived. `total` is constant within one run and reached at its end. */
export interface LoadEvent {
  type: "load";
  stage: string;
  loaded: number;
  total: number;
}

/** A stage has begun. */
export interface StageEvent {
  type: "stage";
  stage: StageName;
  /** Place of this stage among `count`, from 0. */
  index: number;
  count: number;
  /** Estimated milliseconds until the whole run ends, when an estimate exists. */
  etaMs?: number | null;
}

/** One denoising step is done. */
export interface StepEvent {
  type: "step";
  stage: "denoise";
  /** Steps done so far. */
  step: number;
  steps: number;
  etaMs?: number | null;
}

/** The run has ended well; the result follows. */
export interface DoneEvent {
  type: "done";
  [detail: string]: unknown;
}

export type GenerationEvent = LoadEvent | StageEvent | StepEvent | DoneEvent;

/** What a loaded model says of itself and of the device it runs on. */
export interface Info {
  model: string;
  licence: string;
  credits: string[];
  /** False for a model that was never trained: what it makes is noise. */
  trained: boolean;
  device: string;
  adapter?: string;
  /** Bytes of weights in the bundle. */
  bytes: number;
  parameters: number;
  seconds: { min: number; max: number; default: number };
  steps: { default: number };
  scheduler: string;
  guidance: number;
  /** Estimated time and work of a generation with default settings; no time where none was measured. */
  estimateMs: number | null;
  gflop: number;
  /** Whether several candidates can be ranked. */
  hasRanking: boolean;
}

/** Cost of a generation with given settings. */
export interface Estimate {
  gflop: number;
  /** Null on a GPU, whose speed is not known beforehand. */
  ms: number | null;
  /** Weights that it reads. */
  bytes: number;
  /** Those of them that are not stored in this browser yet. */
  download: number;
}

export interface TraceTensor {
  shape: number[];
  data: Float32Array;
}

/** What the engine hands over at the end of a generation. */
export interface RawResult {
  /** One channel, between -1 and 1. */
  samples: Float32Array;
  sampleRate: number;
  seed: number;
  /** One score a candidate, best first; empty without ranking. */
  scores: number[];
  /** The same samples as a WAV file that names model, seed and settings. */
  wav: Uint8Array;
  /** The settings in full, defaults filled in. */
  settings: Record<string, unknown>;
  timings: { stage: string; ms: number }[];
  /** Size of WebAssembly's memory, which never shrinks: the most that was needed so far. */
  wasmBytes: number;
  trace?: Record<string, TraceTensor>;
}

/** A picture on its way to the worker: an encoded file, raw pixels or a decoded bitmap. */
export type Picture =
  | { kind: "file"; bytes: Uint8Array }
  | { kind: "pixels"; rgba: Uint8ClampedArray; width: number; height: number }
  | { kind: "bitmap"; bitmap: ImageBitmap };

/** Calls that are answered by exactly one `reply` or `failure` with the same id. */
export type Call =
  | { kind: "load"; device: Device; bundle: string; allowSlow: boolean }
  | { kind: "estimate"; settings: Settings }
  | { kind: "generate"; picture: Picture; settings: Settings };

/** Answer to each kind of call. */
export interface Replies {
  load: Info;
  estimate: Estimate;
  generate: RawResult;
}

/** From the page to the worker. `cancel` names the call to stop and has no answer of its own. */
export type ToWorker = { id: number; call: Call } | { cancel: number };

/** From the worker to the page. After a `fatal` failure the worker must not be used again. */
export type FromWorker =
  | { kind: "event"; id: number; event: GenerationEvent }
  | { kind: "reply"; id: number; value: Info | Estimate | RawResult }
  | { kind: "failure"; id: number; error: PlainError; fatal: boolean }
  | { kind: "lost"; error: PlainError };
