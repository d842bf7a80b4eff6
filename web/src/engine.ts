/** The WebAssembly module as JavaScript sees it. Both builds, `webgpu` and `wasm`, look the same. */

import type { Device, Estimate, GenerationEvent, Info, RawResult, Settings } from "./protocol.js";

type OnEvent = (event: GenerationEvent) => void;

/** A loaded model. */
export interface Engine {
  info(): Info;
  estimate(settings: Settings): Estimate;
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
  default(): Promise<unknown>;
  Engine: {
    load(bundle: string, device: Device, options: { allowSlow?: boolean }): Promise<Engine>;
  };
}
