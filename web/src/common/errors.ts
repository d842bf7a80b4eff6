/** The one error type of the JavaScript surface. */

/** One name for each thing that a caller can do about an error. */
export const ERROR_NAMES = [
  "Unsupported",
  "Limits",
  "OutOfMemory",
  "DeviceLost",
  "Network",
  "Integrity",
  "Format",
  "Input",
  "Cancelled",
  "File",
  "Internal",
] as const;

export type ErrorName = (typeof ERROR_NAMES)[number];

/** An error as plain data, for `postMessage`. */
export interface PlainError {
  name: ErrorName;
  message: string;
  cause?: string;
  hint?: string;
}

/** Every promise of this package rejects with one of these. */
export class Art2MusError extends Error {
  override readonly name: ErrorName;
  /** What to try next, as a sentence; empty when there is nothing to try. */
  readonly hint: string;

  /** @internal */
  constructor({ name, message, cause, hint }: PlainError) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = name;
    this.hint = hint ?? "";
  }
}

/**
 * Turns whatever was thrown into plain data. An error that already carries one of our names keeps
 * it; anything else becomes `fallback`.
 */
export function toPlain(thrown: unknown, fallback: ErrorName = "Internal"): PlainError {
  if (typeof thrown !== "object" || thrown === null) {
    return { name: fallback, message: String(thrown) };
  }
  const { name, message, cause, hint } = thrown as Partial<Record<keyof PlainError, unknown>>;
  const known = ERROR_NAMES.find((candidate) => candidate === name);
  const plain: PlainError = { name: known ?? fallback, message: String(message ?? thrown) };
  if (cause != null) plain.cause = cause instanceof Error ? cause.message : String(cause);
  else if (!known && typeof name === "string") plain.cause = name;
  if (typeof hint === "string" && hint !== "") plain.hint = hint;
  return plain;
}

/** The same as an `Art2MusError`. */
export function toError(thrown: unknown, fallback: ErrorName = "Internal"): Art2MusError {
  return thrown instanceof Art2MusError ? thrown : new Art2MusError(toPlain(thrown, fallback));
}
