/** The WebAssembly module as JavaScript sees it. Both builds, `webgpu` and `wasm`, look the same. */

import type { ShardStore } from "../storage/shards.js";
import type { Cost } from "./bindings.js";
import type { Helpers } from "./helpers.js";
import type { Device, GenerationEvent, Info, Part, RawResult, Settings, Tensor } from "./protocol.js";

type OnEvent = (event: GenerationEvent) => void;
type IsCancelled = () => boolean;

/** A picture as the engine takes it: an encoded file, or upright pixels, four bytes each. */
export type EnginePicture =
  | { file: Uint8Array }
  | { rgba: Uint8ClampedArray; width: number; height: number };

/** What the engine makes music from. */
export type EngineSource = EnginePicture | { embedding: Float32Array } | { tokens: Float32Array; shape: number[] };

/** A loaded model. */
export interface Engine {
  info(): Info;
  estimate(settings: Settings): Cost;
  generate(
    source: EngineSource,
    settings: Settings,
    onEvent: OnEvent,
    isCancelled: IsCancelled,
  ): Promise<Omit<RawResult, "wasmBytes">>;
  /** The embedding of a picture; of the settings only the region counts. */
  embed(
    picture: EnginePicture,
    settings: Settings,
    onEvent: OnEvent,
    isCancelled: IsCancelled,
  ): Promise<Float32Array>;
  /** The Language-of-Audio tokens of an embedding. */
  condition(embedding: Float32Array, onEvent: OnEvent, isCancelled: IsCancelled): Promise<Tensor>;
  /** The sounds of latents, one for each. */
  decode(
    latents: { latents: Float32Array; shape: number[] },
    transpose: number,
    tempo: number | undefined,
    loudness: number | undefined,
    onEvent: OnEvent,
    isCancelled: IsCancelled,
  ): Promise<Float32Array[]>;
  /** Has other engines compute parts of the work. */
  setHelpers(helpers: Helpers): void;
  /** Computes a part of another engine's work. */
  compute(part: Part): Promise<Tensor>;
  free(): void;
}

export interface EngineModule {
  /** Starts the WebAssembly. */
  default(from: { module_or_path: WebAssembly.Module }): Promise<{ memory: WebAssembly.Memory }>;
  /** What the GPU said of its own accord; only in the module with WebGPU. */
  deviceTrouble?(): Error | undefined;
  Engine: {
    load(
      device: Device,
      options: { allowSlow?: boolean; kernels?: string | undefined; memoryBudget?: number | undefined },
      store: ShardStore,
    ): Promise<Engine>;
  };
}
