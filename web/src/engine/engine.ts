/** The WebAssembly module as JavaScript sees it. Both builds, `webgpu` and `wasm`, look the same. */

import type { Shard } from "../storage/download.js";
import type { ShardStore } from "../storage/shards.js";
import type { Device, Estimate, GenerationEvent, Info, RawResult, Settings } from "./protocol.js";

type OnEvent = (event: GenerationEvent) => void;

/** What a generation costs, as the engine knows it: not what is stored already. */
export interface EngineEstimate extends Omit<Estimate, "download"> {
  shards: Shard[];
}

/** A loaded model. */
export interface Engine {
  info(): Info;
  estimate(settings: Settings): EngineEstimate;
  /** From an encoded picture file. */
  generate(
    picture: Uint8Array,
    settings: Settings,
    onEvent: OnEvent,
    isCancelled: () => boolean,
  ): Promise<RawResult>;
  /** From upright pixels, four bytes each. */
  generateRgba(
    rgba: Uint8ClampedArray,
    width: number,
    height: number,
    settings: Settings,
    onEvent: OnEvent,
    isCancelled: () => boolean,
  ): Promise<RawResult>;
  free(): void;
}

export interface EngineModule {
  /** Fetches and starts the `.wasm` file that lies beside the module. */
  default(): Promise<{ memory: WebAssembly.Memory }>;
  /** What the GPU said of its own accord; only in the module with WebGPU. */
  deviceTrouble?(): Error | undefined;
  Engine: {
    load(
      bundle: string,
      device: Device,
      options: { allowSlow?: boolean },
      store: ShardStore,
    ): Promise<Engine>;
  };
}
