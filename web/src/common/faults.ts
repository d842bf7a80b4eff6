/** The errors that are made in TypeScript and have a code. Those of the engine are in `src/error/faults.rs`. */

import { Art2MusError, toPlain, type ErrorName, type ErrorValues } from "./errors.js";

/** What a caller can do about each of them. Their sentences are `error.CODE.message` and `error.CODE.hint` of the texts. */
export const FAULTS = {
  "cancelled": "Cancelled",
  "internal": "Internal",
  "engine.disposed": "Cancelled",
  "engine.lost": "Internal",
  "engine.unavailable": "Network",
  "engine.unfit": "Unsupported",
  "engine.wasm": "Unsupported",
  "worker.sameOrigin": "Network",
  "worker.otherOrigin": "Network",
  "bundle.address": "Input",
  "bundle.noDefault": "Network",
  "import.full": "File",
  "import.hash": "Integrity",
  "import.length": "Integrity",
  "import.missing": "Input",
  "import.noManifest": "Format",
  "import.noStorage": "Unsupported",
  "import.unreadable": "File",
  "picture.fileLarge": "Limits",
  "picture.none": "Input",
  "picture.notArtwork": "Input",
  "picture.origin": "Network",
  "picture.status": "Network",
  "picture.unreachable": "Network",
  "picture.unreadable": "Input",
  "shard.cut": "Network",
  "shard.downloader": "Internal",
  "shard.fetch": "Network",
  "shard.hash": "Integrity",
  "shard.html": "Integrity",
  "shard.length": "Integrity",
  "shard.long": "Integrity",
  "shard.noDownloader": "Network",
  "shard.range": "Integrity",
  "shard.refused": "Network",
  "shard.unreadable": "File",
  "tar.compressed": "Format",
  "tar.cut": "Format",
  "tar.damaged": "Format",
  "tar.none": "Format",
  "walk.empty": "Input",
} as const satisfies Record<string, ErrorName>;

export type FaultCode = keyof typeof FAULTS;

/** An error with this code. */
export function fault(code: FaultCode, values: ErrorValues = {}, cause?: string): Art2MusError {
  // The code is what is left where the texts could not be loaded.
  return new Art2MusError({ name: FAULTS[code], message: code, code, values, ...(cause ? { cause } : {}) });
}

/** What was thrown, where it is an error of ours; an error with this code otherwise, for the reason that it gives. */
export function oursOr(thrown: unknown, code: FaultCode, values: ErrorValues = {}): Art2MusError {
  if (thrown instanceof Art2MusError) return thrown;
  const { message: reason, cause } = toPlain(thrown);
  return fault(code, { ...values, reason }, cause);
}
