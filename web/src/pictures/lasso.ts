/**
 * Free-form parts of a picture. An encoder looks at rectangles: it gets the smallest one around the outline, in which
 * everything outside of the outline has the mean colour of what is inside, so that only the inside says anything.
 */

import type { Region } from "../client.js";
import { Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";

/** In fractions of the picture's width and height. */
export interface Point {
  x: number;
  y: number;
}

/** A closed polygon. */
export type Outline = readonly Point[];

/** So many corners an outline has at most; more would make links long and change little. */
export const MOST_CORNERS = 24;
/** Corners lie on a grid of so many steps in each direction, which two letters can write. */
const GRID = 4095;
/** Base64url (RFC 4648), whose letters stand for themselves in addresses. */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** Least width and height, in fractions of the picture. */
const LEAST = 0.02;
/** Pixels of the longer side of what is cut out: encoders look at less. */
const SIDE = 1024;

/** What was drawn as an outline, on the grid and with few corners; nothing where it has no extent. */
export function outlineOf(drawn: readonly Point[]): Outline | undefined {
  return readOutline(writeOutline(simplify(drawn)));
}

/** Leaves corners out, always the one that changes the shape least (Visvalingam and Whyatt 1993), until few are left. */
function simplify(drawn: readonly Point[]): Point[] {
  const corners = [...drawn];
  const area = (at: number) => {
    const [before, here, next] = [-1, 0, 1].map((step) => corners[(at + step + corners.length) % corners.length]!) as [Point, Point, Point];
    return Math.abs((here.x - before.x) * (next.y - before.y) - (next.x - before.x) * (here.y - before.y));
  };
  while (corners.length > MOST_CORNERS) {
    const areas = corners.map((_, at) => area(at));
    corners.splice(areas.indexOf(Math.min(...areas)), 1);
  }
  return corners;
}

/** Four letters a corner: two for each of its places on the grid. */
export function writeOutline(outline: Outline): string {
  const written = (value: number) => {
    const step = Math.round(Math.min(Math.max(value, 0), 1) * GRID);
    return LETTERS[step >> 6]! + LETTERS[step & 63]!;
  };
  return outline.map(({ x, y }) => written(x) + written(y)).join("");
}

/** Reads that; nothing where it is no outline. */
export function readOutline(written: string): Outline | undefined {
  const count = written.length / 4;
  if (!Number.isInteger(count) || count < 3 || count > MOST_CORNERS || !/^[\w-]*$/.test(written)) return undefined;
  const value = (at: number) => (LETTERS.indexOf(written[at]!) * 64 + LETTERS.indexOf(written[at + 1]!)) / GRID;
  const outline = Array.from({ length: count }, (_, at) => ({ x: value(4 * at), y: value(4 * at + 2) }));
  const { width, height } = boundsOf(outline);
  return width >= LEAST && height >= LEAST ? outline : undefined;
}

/** The smallest rectangle around an outline. */
export function boundsOf(outline: Outline): Region {
  const [xs, ys] = [outline.map(({ x }) => x), outline.map(({ y }) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** The inside of an outline as encoders get it. `artwork` is the whole picture, of so many pixels. */
export async function cutAlong(artwork: Blob | ImageBitmap, width: number, height: number, outline: Outline): Promise<ImageBitmap> {
  const bounds = boundsOf(outline);
  const [left, top] = [Math.floor(bounds.x * width), Math.floor(bounds.y * height)];
  const across = Math.max(1, Math.min(width, Math.ceil((bounds.x + bounds.width) * width)) - left);
  const down = Math.max(1, Math.min(height, Math.ceil((bounds.y + bounds.height) * height)) - top);
  const scale = Math.min(1, SIDE / Math.max(across, down));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(across * scale)), Math.max(1, Math.round(down * scale)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("no canvas for cutting the picture");
  const part = await createImageBitmap(artwork, left, top, across, down);
  context.fillStyle = "#fff"; // Transparent pictures are put on white.
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(part, 0, 0, canvas.width, canvas.height);
  part.close();
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.beginPath();
  for (const { x, y } of outline) {
    context.lineTo(((x * width - left) / across) * canvas.width, ((y * height - top) / down) * canvas.height);
  }
  context.fill();
  fillOutside(pixels.data, context.getImageData(0, 0, canvas.width, canvas.height).data);
  context.putImageData(pixels, 0, 0);
  return canvas.transferToImageBitmap();
}

/** Gives pixels the mean colour of those inside, as far as they lie outside: `mask`'s fourth bytes say how far inside. */
export function fillOutside(pixels: Uint8ClampedArray, mask: Uint8ClampedArray): void {
  const sums = [0, 0, 0];
  let weight = 0;
  for (let at = 0; at < pixels.length; at += 4) {
    const inside = mask[at + 3]!;
    weight += inside;
    for (let channel = 0; channel < 3; channel += 1) sums[channel]! += inside * pixels[at + channel]!;
  }
  // A line as thin as this has no inside.
  if (weight === 0) throw new Art2MusError({ name: "Input", message: text("lasso.empty"), hint: text("lasso.hint") });
  for (let at = 0; at < pixels.length; at += 4) {
    const inside = mask[at + 3]! / 255;
    for (let channel = 0; channel < 3; channel += 1) {
      pixels[at + channel] = inside * pixels[at + channel]! + (1 - inside) * (sums[channel]! / weight);
    }
  }
}
