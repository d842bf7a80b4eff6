/** The one error type of the JavaScript surface. */

import { formatBytes, formatDuration, hasText, text } from "./texts.js";

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

/** What a sentence is about, by name. */
export type ErrorValues = Readonly<Record<string, string | number>>;

/** An error as plain data, for `postMessage`. */
export interface PlainError {
  name: ErrorName;
  /** Replaced by a sentence in the page's language where there are texts for `code`. */
  message: string;
  /** What exactly is wrong: `error.CODE.message` and `error.CODE.hint` are its texts. */
  code?: string;
  values?: ErrorValues;
  cause?: string;
  hint?: string;
  /** The language of `message` and `hint`, where it is not the page's. */
  language?: string;
}

/** How values are written that are no words: by their names. */
const WRITTEN: Readonly<Record<string, (value: number) => string>> = {
  time: formatDuration,
  memory: formatBytes,
  size: formatBytes,
  limit: formatBytes,
};

/** Every promise of this package rejects with one of these. */
export class Art2MusError extends Error {
  override readonly name: ErrorName;
  /** What exactly is wrong; undefined where only `name` says it. It stays the same in all languages and versions. */
  readonly code: string | undefined;
  /** What `message` is about, such as a file's name, by name. Those called `time` are milliseconds, `memory` bytes. */
  readonly values: ErrorValues;
  /** What to try next, as a sentence; empty when there is nothing to try. */
  readonly hint: string;
  /** The language of `message` and `hint`, where it is not the page's: `en`. */
  readonly language: string | undefined;

  /** @internal */
  constructor(plain: PlainError) {
    const { name, code, values = {}, cause } = plain;
    const { message, hint, language } = said(plain);
    super(message, cause === undefined ? undefined : { cause });
    this.name = name;
    this.code = code;
    this.values = values;
    this.hint = hint ?? "";
    this.language = language;
  }
}

/** The sentences of an error: in the page's language, where it has texts for the error's code. */
function said(plain: PlainError): Pick<PlainError, "message" | "hint" | "language"> {
  const { code, values = {} } = plain;
  if (code === undefined || !hasText(`error.${code}.message`)) return plain;
  const entries = Object.entries(values).map(([key, value]) => [key, WRITTEN[key]?.(Number(value)) ?? value]);
  const written = Object.fromEntries(entries) as Record<string, string | number>;
  const message = text(`error.${code}.message`, written);
  return hasText(`error.${code}.hint`) ? { message, hint: text(`error.${code}.hint`, written) } : { message };
}

/**
 * Has elements say an error: one both sentences, or two one each. What is not in the page's language is marked as
 * such, for those who hear it.
 */
export function sayError({ message, hint, language }: Art2MusError, element: HTMLElement, advice?: HTMLElement): void {
  // The engine's own sentences may end with what its hint says.
  const rest = message.includes(hint) ? "" : hint;
  element.textContent = advice === undefined && rest !== "" ? `${message} ${rest}` : message;
  if (advice !== undefined) advice.textContent = rest;
  for (const said of [element, advice]) {
    if (language === undefined) said?.removeAttribute("lang");
    else if (said !== undefined) said.lang = language;
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
  const { name, message, cause, hint, code, values, language } = thrown as Partial<Record<keyof PlainError, unknown>>;
  const known = ERROR_NAMES.find((candidate) => candidate === name);
  const plain: PlainError = { name: known ?? fallback, message: String(message ?? thrown) };
  if (cause != null) plain.cause = cause instanceof Error ? cause.message : String(cause);
  else if (!known && typeof name === "string") plain.cause = name;
  if (typeof hint === "string" && hint !== "") plain.hint = hint;
  // A `DOMException` has a code too, which is a number.
  if (known && typeof code === "string") {
    plain.code = code;
    plain.values = { ...(values as ErrorValues | undefined) };
  }
  if (typeof language === "string") plain.language = language;
  return plain;
}

/** The same as an `Art2MusError`. */
export function toError(thrown: unknown, fallback: ErrorName = "Internal"): Art2MusError {
  return thrown instanceof Art2MusError ? thrown : new Art2MusError(toPlain(thrown, fallback));
}
