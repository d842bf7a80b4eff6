/** Pictures of an exhibit, from wherever they come, as the engine and the stage need them. */

import { Art2MusError, toError } from "../common/errors.js";
import { text } from "../common/texts.js";
import type { Region } from "../engine/protocol.js";
import { findIiifPicture } from "../pictures/iiif.js";
import { photograph } from "../pictures/camera.js";
import type { Words } from "../common/fields.js";
import type { ExhibitPicture } from "./manifest.js";

/** Pixels of the longer side that the engine gets; it looks at far fewer. */
const ENGINE_PIXELS = 1024;

/** A picture in memory, until `release`. */
export interface Shown {
  /** For the engine. */
  bitmap: ImageBitmap;
  /** For the stage: the whole picture. */
  view: string;
  title: Words;
  credit: Words;
  alt: Words;
  /** When it was fetched or taken, in milliseconds of `performance.now()`. */
  at: number;
  release(): void;
}

/** The words that stand in `exhibit.json`, or else what the source says, in all languages. */
function wordsOr(words: Words | undefined, fallback: string, languages: readonly string[]): Words {
  return words ?? Object.fromEntries(languages.map((language) => [language, fallback]));
}

/** Fetches a picture, or takes a photograph. */
export async function loadPicture(picture: ExhibitPicture, languages: readonly string[], signal: AbortSignal): Promise<Shown> {
  const { source, title, credit, alt } = picture;
  const say = (of: { title: string; credit: string }) => ({
    title: wordsOr(title, of.title, languages),
    credit: wordsOr(credit, of.credit, languages),
    alt: wordsOr(alt ?? title, of.title || text("exhibit.picture"), languages),
  });
  if (source.kind === "camera") {
    return shownFrom(await photograph(signal), picture.region, say({ title: text("exhibit.camera.title"), credit: "" }));
  }
  if (source.kind === "file") return shownFrom(await fetchPicture(source.url, signal), picture.region, say({ title: "", credit: "" }));
  const { canvas } = source;
  const found = await findIiifPicture(source.url, { canvas, region: picture.region, most: ENGINE_PIXELS, languages, signal });
  return shownFrom(await fetchPicture(found.url, signal), found.region, say(found));
}

/** A picture that a visitor has brought; it never leaves this machine's memory. */
export function broughtPicture(file: Blob, languages: readonly string[]): Promise<Shown> {
  const words = (sentence: string) => wordsOr(undefined, sentence, languages);
  const title = words(text("exhibit.visitor.picture"));
  return shownFrom(file, undefined, { title, credit: words(""), alt: title });
}

async function fetchPicture(url: URL, signal: AbortSignal): Promise<Blob> {
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(text("file.status", { status: response.status }));
    return await response.blob();
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const message = text("exhibit.picture.notFetched", { url: url.href, reason: toError(thrown).message });
    throw new Art2MusError({ name: "Network", message });
  }
}

async function shownFrom(file: Blob, region: Region | undefined, words: Pick<Shown, "title" | "credit" | "alt">): Promise<Shown> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await shrink(await createImageBitmap(file), region);
  } catch (thrown) {
    throw new Art2MusError({ name: "Input", message: text("exhibit.picture.notDecoded"), cause: toError(thrown).message });
  }
  const view = URL.createObjectURL(file);
  const release = () => {
    bitmap.close();
    URL.revokeObjectURL(view);
  };
  return { bitmap, view, ...words, at: performance.now(), release };
}

/** The region of a picture, small enough for the engine. */
async function shrink(whole: ImageBitmap, region: Region = { x: 0, y: 0, width: 1, height: 1 }): Promise<ImageBitmap> {
  const [width, height] = [Math.max(1, Math.round(region.width * whole.width)), Math.max(1, Math.round(region.height * whole.height))];
  const scale = Math.min(1, ENGINE_PIXELS / Math.max(width, height));
  const size = { resizeWidth: Math.max(1, Math.round(width * scale)), resizeHeight: Math.max(1, Math.round(height * scale)) };
  const options: ImageBitmapOptions = { ...size, resizeQuality: "high" };
  try {
    return await createImageBitmap(whole, Math.round(region.x * whole.width), Math.round(region.y * whole.height), width, height, options);
  } finally {
    whole.close();
  }
}
