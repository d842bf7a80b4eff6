/** Reading a JSON object field by field: every fault is one sentence that names the field. */

import { Art2MusError, toError } from "./errors.js";
import { text } from "./texts.js";

/** A text in one or several languages. */
export type Words = Readonly<Record<string, string>>;

/** What the text of the file `file` says as JSON. */
export function parseJson(json: string, file: string): unknown {
  try {
    return JSON.parse(json);
  } catch (thrown) {
    throw bad("bad.json", { file, reason: toError(thrown).message });
  }
}

/** The text of a file, as it is on its host now; `hint` says what to do where it cannot be had. */
export async function fetchText(address: URL, hint: string): Promise<string> {
  try {
    const response = await fetch(address, { cache: "no-cache" });
    if (!response.ok) throw new Error(text("file.status", { status: response.status }));
    return await response.text();
  } catch (thrown) {
    const message = text("file.notFetched", { url: address.href, reason: toError(thrown).message });
    throw new Art2MusError({ name: "Network", message, hint });
  }
}

/** A fault of the field, with what to do about it. */
export function bad(key: string, values: Record<string, string | number>): Art2MusError {
  return new Art2MusError({ name: "Format", message: text(key, values), hint: text("bad.hint") });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

interface Range {
  min: number;
  max: number;
  whole?: boolean;
}

/** One object. Every field that is read is known; `end()` refuses all others. */
export class Fields {
  readonly #object: Record<string, unknown>;
  readonly #path: string;
  readonly #known: string[] = [];

  /** `path` names the object in sentences; it is empty for the whole file, whose name is `file`. */
  constructor(value: unknown, path = "", file = "") {
    if (!isObject(value)) throw bad("bad.object", { field: path || file });
    this.#object = value;
    this.#path = path;
  }

  has(key: string): boolean {
    return this.#object[key] !== undefined;
  }

  path(key: string): string {
    return this.#path === "" ? key : `${this.#path}.${key}`;
  }

  number(key: string, { min, max, whole = false }: Range): number | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
      const values = { field: this.path(key), min, max, value: JSON.stringify(value) };
      throw bad(whole ? "bad.whole" : "bad.number", values);
    }
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#take(key) ?? fallback;
    if (typeof value !== "boolean") throw bad("bad.flag", { field: this.path(key) });
    return value;
  }

  text(key: string): string | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value.trim() === "") throw bad("bad.text", { field: this.path(key) });
    return value;
  }

  /** An address, relative to `base`. */
  address(key: string, base: URL): URL | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    try {
      return new URL(value, base);
    } catch {
      throw bad("bad.address", { field: this.path(key), value });
    }
  }

  choice<T extends string>(key: string, choices: readonly T[], fallback: T): T {
    const value = this.#take(key) ?? fallback;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) {
      throw bad("bad.choice", { field: this.path(key), choices: choices.join(", "), value: JSON.stringify(value) });
    }
    return found;
  }

  /** A text for all languages, or an object with one for each. */
  words(key: string, languages: readonly string[]): Words | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    const filled = (part: unknown) => typeof part === "string" && part.trim() !== "";
    if (filled(value)) return Object.fromEntries(languages.map((language) => [language, value as string]));
    const complete = isObject(value) && languages.every((language) => filled(value[language]));
    if (!complete || Object.keys(value).some((language) => !languages.includes(language))) {
      throw bad("bad.words", { field: this.path(key), languages: languages.join(", ") });
    }
    return value as Words;
  }

  /** The entries of a list that is not empty. */
  list(key: string): unknown[] | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.length === 0) throw bad("bad.list", { field: this.path(key) });
    return value;
  }

  /** Codes of languages, English where the field is left out. */
  languages(key: string): string[] {
    return (this.list(key) ?? ["en"]).map((language) => {
      if (typeof language !== "string" || !/^[a-z]{2,3}(-[A-Za-z0-9]+)*$/.test(language)) throw bad("bad.languages", {});
      return language;
    });
  }

  /** An object within this one. */
  object(key: string): Fields | undefined {
    const value = this.#take(key);
    return value === undefined ? undefined : new Fields(value, this.path(key));
  }

  required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw bad("bad.missing", { field: this.path(key) });
    return value;
  }

  /** All fields were read: what is left has a wrong name. */
  end(): void {
    for (const key of Object.keys(this.#object)) {
      if (!this.#known.includes(key)) {
        throw bad("bad.unknown", { field: this.path(key), known: this.#known.toSorted().join(", ") });
      }
    }
  }

  #take(key: string): unknown {
    this.#known.push(key);
    return this.#object[key];
  }
}
