/**
 * What can be heard of a piece, in numbers that follow four qualities of music. They are for comparing pieces of one
 * model with each other; `art2mus evaluate` has estimators that are checked against known music.
 */

import { Spectrum } from "./fft.js";

export type Quality = "register" | "pace" | "loudness" | "brightness";

export const QUALITIES: readonly Quality[] = ["register", "pace", "loudness", "brightness"];

/** Register and brightness in octaves above 55 Hz, pace in onsets a second, loudness in decibels of full scale. */
export type Qualities = Record<Quality, number>;

const WINDOW = 2048;
/** Frames a second. */
const FRAMES = 50;
const LOWEST_HZ = 55;
/** Melody and accompaniment have their fundamentals below. */
const FUNDAMENTALS_HZ = 1500;
/** Brightness is the frequency below which this share of the power lies (spectral roll-off, Tzanetakis and Cook 2002). */
const ROLL_OFF = 0.95;
/** An onset rises over the mean rise by this factor. */
const OVER_MEAN = 1.5;
/** Onsets are at least so many frames apart. */
const APART = 4;
/** Bands of an octave and a bit, in which rises are counted. */
const BANDS = 6;

export function qualities(samples: Float32Array, sampleRate: number): Qualities {
  const spectrum = new Spectrum(WINDOW);
  const power = new Float32Array(WINDOW / 2);
  const sum = new Float64Array(WINDOW / 2);
  const hz = (bin: number) => (bin * sampleRate) / WINDOW;
  const frames = Math.max(1, Math.floor((samples.length / sampleRate) * FRAMES));
  const bands: number[][] = [];
  for (let frame = 0; frame < frames; frame += 1) {
    spectrum.power(samples, Math.round(((frame + 0.5) * sampleRate) / FRAMES), power);
    const levels = new Array<number>(BANDS).fill(1e-8);
    power.forEach((value, bin) => {
      sum[bin]! += value;
      const band = Math.floor((octaves(hz(bin)) * BANDS) / 7);
      if (band >= 0 && band < BANDS) levels[band]! += value;
    });
    bands.push(levels.map(Math.log));
  }
  const square = samples.reduce((total, sample) => total + sample * sample, 0) / Math.max(1, samples.length);
  return {
    register: meanOctave(sum, hz),
    pace: onsets(bands) / (samples.length / sampleRate),
    loudness: 10 * Math.log10(square + 1e-10),
    brightness: octaves(rollOff(sum, hz)),
  };
}

function octaves(hertz: number): number {
  return Math.log2(Math.max(hertz, 1e-3) / LOWEST_HZ);
}

/** The centre of what sounds among the fundamentals. */
function meanOctave(power: Float64Array, hz: (bin: number) => number): number {
  let [weighted, total] = [0, 1e-12];
  power.forEach((value, bin) => {
    const hertz = hz(bin);
    if (hertz < LOWEST_HZ || hertz > FUNDAMENTALS_HZ) return;
    const weight = Math.sqrt(value); // Or the loudest tone would be alone.
    weighted += weight * octaves(hertz);
    total += weight;
  });
  return weighted / total;
}

function rollOff(power: Float64Array, hz: (bin: number) => number): number {
  let left = ROLL_OFF * power.reduce((a, b) => a + b, 0);
  const bin = power.findIndex((value) => (left -= value) < 0);
  return hz(Math.max(bin, 1));
}

/** Peaks of the rises of log power, summed over bands (spectral flux, Bello et al. 2005). */
function onsets(bands: number[][]): number {
  const rises = bands.map((levels, frame) => {
    const before = bands[frame - 1];
    return before === undefined ? 0 : levels.reduce((sum, level, band) => sum + Math.max(0, level - before[band]!), 0);
  });
  const mean = rises.reduce((a, b) => a + b, 0) / Math.max(1, rises.length);
  let [count, last] = [0, -Infinity];
  rises.forEach((rise, frame) => {
    const peak = rise >= (rises[frame - 1] ?? 0) && rise > (rises[frame + 1] ?? 0);
    if (!peak || rise < OVER_MEAN * mean || rise < 1 || frame - last < APART) return;
    count += 1;
    last = frame;
  });
  return count;
}
