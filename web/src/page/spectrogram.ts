/** Draws how much sound there is at each pitch over time: frequency upwards on a log scale. */

import { Spectrum } from "../audio/fft.js";

const LOWEST_HZ = 60;
const RANGE_DB = 75;
const WINDOW = 1024;

/** From silence to the loudest, as red, green, blue; even steps of brightness. */
const COLOURS: readonly (readonly [number, number, number])[] = [
  [11, 9, 18],
  [38, 19, 66],
  [88, 24, 98],
  [142, 36, 92],
  [194, 62, 70],
  [232, 110, 48],
  [248, 172, 60],
  [252, 238, 178],
];

/** 256 colours as the canvas stores them. */
const PALETTE = Uint8ClampedArray.from({ length: 256 * 4 }, (_, at) => {
  const channel = at % 4;
  if (channel === 3) return 255;
  const place = (Math.floor(at / 4) / 255) * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  const [from, to] = [COLOURS[below]![channel]!, COLOURS[below + 1]![channel]!];
  return from + (to - from) * (place - below);
});

/** The colour of a level from 0 to 1, as CSS writes it. */
export function colour(level: number): string {
  const at = Math.round(Math.min(Math.max(level, 0), 1) * 255) * 4;
  return `rgb(${PALETTE.subarray(at, at + 3).join(" ")})`;
}

/** Fills the canvas at the resolution it is shown at. */
export function drawSpectrogram(
  canvas: HTMLCanvasElement,
  samples: Float32Array,
  sampleRate: number,
): void {
  const width = Math.max(1, Math.min(1200, Math.round(canvas.clientWidth * devicePixelRatio)));
  const height = Math.max(1, Math.min(400, Math.round(canvas.clientHeight * devicePixelRatio)));
  const context = canvas.getContext("2d");
  if (context === null || samples.length === 0) return;
  canvas.width = width;
  canvas.height = height;

  const columns = decibels(samples, sampleRate, width, height);
  const loudest = columns.reduce((a, b) => Math.max(a, b), -120);
  const image = context.createImageData(width, height);
  for (let pixel = 0; pixel < columns.length; pixel += 1) {
    const level = Math.max(0, 1 + (columns[pixel]! - loudest) / RANGE_DB);
    const colour = Math.round(level * 255) * 4;
    image.data.set(PALETTE.subarray(colour, colour + 4), pixel * 4);
  }
  context.putImageData(image, 0, 0);
}

/** Level of each pixel, row by row from the highest frequency down. */
function decibels(samples: Float32Array, sampleRate: number, width: number, height: number) {
  const spectrum = new Spectrum(WINDOW);
  const power = new Float32Array(WINDOW / 2);
  const levels = new Float32Array(width * height);
  const highest = sampleRate / 2;
  const rows = Float32Array.from({ length: height }, (_, row) => {
    const hz = highest * (LOWEST_HZ / highest) ** (row / Math.max(1, height - 1));
    return Math.min((hz * WINDOW) / sampleRate, WINDOW / 2 - 1.001);
  });
  for (let column = 0; column < width; column += 1) {
    spectrum.power(samples, Math.round(((column + 0.5) * samples.length) / width), power);
    rows.forEach((bin, row) => {
      const below = Math.floor(bin);
      const between = power[below]! + (power[below + 1]! - power[below]!) * (bin - below);
      levels[row * width + column] = 10 * Math.log10(between + 1e-12);
    });
  }
  return levels;
}
