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
 * are about them, and `estimate()` says what is still to be downloaded. `exportBundle()` and `importBundle()`
 * carry them to a machine without a network.
 *
 * The engine lives in a worker of its own. One generation runs at a time; further ones wait their
 * turn. After a crash, or when a cancelled run does not let go, the worker is replaced and the
 * bundle loaded again by the next generation.
 */

export {
  Art2Mus,
  create,
  type CallOptions,
  type DecodeOptions,
  type CreateOptions,
  type DownloadOptions,
  type EmbedOptions,
  type GenerateOptions,
  type MusicSource,
} from "./api/art2mus.js";
export type { Artwork } from "./api/artwork.js";
export { Generation, Run, type Piece, type Result } from "./api/generation.js";
export {
  heardInfluence,
  influence,
  type HeardInfluence,
  type HeardPart,
  type Influence,
  type InfluenceOptions,
} from "./api/influence.js";
export { preload, type PreloadOptions } from "./api/preload.js";
export { probe, type Limits, type Probe, type Tier } from "./api/probe.js";
export { exportBundle, importBundle, type BundleTransferOptions } from "./api/transfer.js";
export { generateMix, mix, walk, type Movement, type Walk, type WalkOptions } from "./api/walk.js";
export { Art2MusError, ERROR_NAMES, type ErrorName, type ErrorValues } from "./common/errors.js";
export type { ErrorCode } from "./engine/protocol.js";
export type {
  Device,
  DoneEvent,
  Estimate,
  FullSettings,
  GenerationEvent,
  Info,
  LoadEvent,
  Prompts,
  Region,
  Scheduler,
  SettingRange,
  Settings,
  StageEvent,
  StageInfo,
  StepEvent,
  Tensor,
  Timing,
} from "./engine/protocol.js";
export type { Qualities, Quality } from "./audio/qualities.js";
export { deleteStored, persist, storage, type StorageState } from "./storage/storage.js";
export type { BundleFiles, TransferOptions } from "./storage/transfer.js";
