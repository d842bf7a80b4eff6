/**
 * What in a picture moves the music. Parts are covered with the picture's mean colour, one after the other (occlusion,
 * Zeiler and Fergus 2014), and what changes is measured: the conditioning tokens, or the music itself.
 */

import { qualities, QUALITIES, type Qualities } from "../audio/qualities.js";
import type { Region } from "../engine/protocol.js";
import type { Art2Mus, GenerateOptions } from "./art2mus.js";

/** Pixels of the longer side at which parts are covered: encoders look at no more. */
const SIDE = 336;

/** Music of a part: long enough to hear a pace, and quickly made. */
const HEARD = { seconds: 2.56, steps: 5 };

export interface InfluenceOptions {
  signal?: AbortSignal;
  /** Hears what share is done, 0 to 1. */
  onProgress?: (fraction: number) => void;
}

/** How far each part moves the conditioning tokens. */
export interface Influence {
  columns: number;
  rows: number;
  /**
   * Row by row, the distance of the tokens without this part from those of the whole picture. 1 is the distance of the
   * tokens of a picture that is covered as a whole.
   */
  moved: Float32Array;
}

/** What is heard without a part of the picture. */
export interface HeardPart {
  region: Region;
  /** Music of the picture without this part, with the seed of the whole picture's. */
  samples: Float32Array;
  /** How far the part alone takes each quality: the whole picture's less that without it. */
  change: Qualities;
}

export interface HeardInfluence {
  sampleRate: number;
  /** None where the model has one piece of a picture. */
  seed?: number;
  /** Music of the whole picture. */
  samples: Float32Array;
  qualities: Qualities;
  parts: HeardPart[];
}

/** A map of how far each part of a picture moves the tokens; `columns` times `rows` parts, and half as many around. */
export async function influence(
  art2mus: Art2Mus,
  picture: ImageBitmap,
  { columns = 6, rows = 6, signal, onProgress }: InfluenceOptions & { columns?: number; rows?: number } = {},
): Promise<Influence> {
  const cover = new Cover(picture);
  const calls = signal ? { signal } : {};
  const tokens = async (region?: Region) => {
    const embedding = await art2mus.embed(cover.without(region), calls);
    return (await art2mus.condition(embedding, calls)).data;
  };
  const whole = await tokens();
  const most = distance(await tokens({ x: 0, y: 0, width: 1, height: 1 }), whole) || 1;
  // Covers are twice as wide as parts and overlap by half, so that no edge of theirs decides.
  const covers = (columns + 1) * (rows + 1);
  const moved = new Float32Array(columns * rows);
  for (let at = 0; at < covers; at += 1) {
    const [column, row] = [at % (columns + 1), Math.floor(at / (columns + 1))];
    const [left, top] = [Math.max(0, column - 1), Math.max(0, row - 1)];
    const [right, bottom] = [Math.min(columns, column + 1), Math.min(rows, row + 1)];
    const region = { x: left / columns, y: top / rows, width: (right - left) / columns, height: (bottom - top) / rows };
    const far = distance(await tokens(region), whole) / most;
    // Every part lies under four covers.
    for (let y = top; y < bottom; y += 1) for (let x = left; x < right; x += 1) moved[y * columns + x]! += far / 4;
    onProgress?.((at + 1) / covers);
  }
  return { columns, rows, moved };
}

/** Makes short pieces of a picture without each of `columns` times `rows` parts, and says what changes in them. */
export async function heardInfluence(
  art2mus: Art2Mus,
  picture: ImageBitmap,
  { columns = 3, rows = 3, signal, onProgress, ...settings }: InfluenceOptions & GenerateOptions & { columns?: number; rows?: number } = {},
): Promise<HeardInfluence> {
  const cover = new Cover(picture);
  const { seconds, steps } = art2mus.info;
  const options: GenerateOptions = {
    seconds: Math.min(Math.max(HEARD.seconds, seconds.min), seconds.max),
    ...(steps && { steps: Math.min(Math.max(HEARD.steps, steps.min), steps.max) }),
    ...settings,
    candidates: 1,
    ...(signal && { signal }),
  };
  const { samples, sampleRate, seed, settings: used } = await art2mus.generate(cover.without(), options).result;
  // The hue of what is left must not transpose the music: that would change every quality at once.
  const { transpose } = used;
  const sown = seed !== undefined && { seed };
  const same = { ...options, ...sown, ...(transpose !== undefined && { transpose }) };
  const heard = qualities(samples, sampleRate);
  const parts: HeardPart[] = [];
  for (let at = 0; at < columns * rows; at += 1) {
    const region = { x: (at % columns) / columns, y: Math.floor(at / columns) / rows, width: 1 / columns, height: 1 / rows };
    const without = (await art2mus.generate(cover.without(region), same).result).samples;
    const left = qualities(without, sampleRate);
    const change = Object.fromEntries(QUALITIES.map((quality) => [quality, heard[quality] - left[quality]])) as Qualities;
    parts.push({ region, samples: without, change });
    onProgress?.((at + 1) / (columns * rows));
  }
  return { sampleRate, ...sown, samples, qualities: heard, parts };
}

/** Euclidean. */
function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value, at) => sum + (value - b[at]!) ** 2, 0));
}

/** A picture whose parts can be covered with its mean colour. */
class Cover {
  readonly #context: OffscreenCanvasRenderingContext2D;
  readonly #whole: ImageData;
  readonly #mean: string;

  constructor(picture: ImageBitmap) {
    const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(Math.ceil(picture.width * scale), Math.ceil(picture.height * scale));
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("no canvas for covering parts of the picture");
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    this.#context = context;
    this.#whole = context.getImageData(0, 0, canvas.width, canvas.height);
    const sums = [0, 0, 0];
    this.#whole.data.forEach((value, at) => {
      if (at % 4 < 3) sums[at % 4]! += value;
    });
    this.#mean = `rgb(${sums.map((sum) => sum / (canvas.width * canvas.height)).join(" ")})`;
  }

  /** The picture without a part. */
  without(region?: Region): ImageData {
    const { width, height } = this.#whole;
    this.#context.putImageData(this.#whole, 0, 0);
    if (region) {
      const [left, top] = [Math.round(region.x * width), Math.round(region.y * height)];
      const right = Math.round((region.x + region.width) * width);
      const bottom = Math.round((region.y + region.height) * height);
      this.#context.fillStyle = this.#mean;
      this.#context.fillRect(left, top, right - left, bottom - top);
    }
    return this.#context.getImageData(0, 0, width, height);
  }
}
