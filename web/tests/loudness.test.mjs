// Loudness and crossfades. Run after the TypeScript was compiled.
//
// The signals are those of EBU Tech 3341 (minimum requirements for loudness meters), computed here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { equalPowerCurve, passage, quietest } from "../dist/audio/crossfade.js";
import { integrated, kWeighting, matchingGain, momentary, shortTerm } from "../dist/audio/loudness.js";

/** Stretches of a sine, as `[dBFS, seconds]`: 0 dBFS is a peak of 1. */
function sine(parts, { rate = 48000, hz = 1000 } = {}) {
  const samples = parts.flatMap(([db, seconds]) => Array(Math.round(seconds * rate)).fill(10 ** (db / 20)));
  return Float32Array.from(samples, (amplitude, n) => amplitude * Math.sin((2 * Math.PI * hz * n) / rate));
}
const stereo = (samples) => [samples, samples];
const near = (actual, expected, tolerance = 0.1) => assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} instead of ${expected}`);

test("K-weighting is the table of BS.1770-4 at 48 kHz", () => {
  const [shelf, pass] = kWeighting(48000);
  const table = [
    [shelf, { b0: 1.53512485958697, b1: -2.69169618940638, b2: 1.19839281085285, a1: -1.69065929318241, a2: 0.73248077421585 }],
    [pass, { b0: 1, b1: -2, b2: 1, a1: -1.99004745483398, a2: 0.99007225036621 }],
  ];
  for (const [section, expected] of table) for (const [name, value] of Object.entries(expected)) near(section[name], value, 1e-7);
});

for (const rate of [16000, 44100, 48000]) {
  test(`a stereo sine of 1 kHz at -23 dBFS has -23 LUFS in every window, at ${rate} Hz`, () => {
    const channels = stereo(sine([[-23, 20]], { rate }));
    // Tech 3341, case 1. The first windows hold the filters' transients.
    for (const value of momentary(channels, rate).slice(5)) near(value, -23);
    for (const value of shortTerm(channels, rate).slice(5)) near(value, -23);
    near(integrated(channels, rate), -23);
  });
}

test("one channel has half the power of two", () => {
  near(integrated([sine([[-23, 5]])], 48000), -26);
});

test("gating leaves out what is quiet: cases 2 to 5 of Tech 3341", () => {
  const cases = [
    [-33, [[-33, 20]]],
    [-23, [[-36, 10], [-23, 60], [-36, 10]]],
    [-23, [[-72, 10], [-36, 10], [-23, 60], [-36, 10], [-72, 10]]],
    [-23, [[-26, 20], [-20, 20.1], [-26, 20]]],
  ];
  for (const [expected, parts] of cases) near(integrated(stereo(sine(parts)), 48000), expected);
});

test("windows follow a change as fast as they are long: case 9 of Tech 3341, and momentary beside it", () => {
  // -20 dBFS for 1.34 s and -30 dBFS for 1.66 s, five times: every window of 3 s has -23 LUFS.
  const parts = Array.from({ length: 5 }, () => [[-20, 1.34], [-30, 1.66]]).flat();
  const channels = stereo(sine(parts));
  for (const value of shortTerm(channels, 48000)) near(value, -23);
  const values = momentary(channels, 48000);
  near(Math.max(...values), -20);
  near(Math.min(...values), -30);
});

test("silence, and nothing, have no loudness", () => {
  assert.equal(integrated([new Float32Array(48000)], 48000), -Infinity);
  assert.equal(integrated([new Float32Array(10)], 48000), -Infinity);
  assert.deepEqual(shortTerm([], 48000), []);
  assert.deepEqual(matchingGain(new Float32Array(48000), 48000, -23), { gain: 1, loudness: -Infinity });
});

test("pieces are brought to one loudness, without clipping, and no further than is sensible", () => {
  const rate = 16000;
  for (const db of [-35, -23, -12]) {
    const samples = sine([[db, 5]], { rate });
    const { gain, loudness } = matchingGain(samples, rate, -23);
    near(loudness, db);
    near(shortTerm(stereo(samples.map((sample) => sample * gain)), rate)[5], -23);
  }
  near(20 * Math.log10(matchingGain(sine([[-60, 5]], { rate }), rate, -23).gain), 18, 1e-6);
  // One loud sample in a quiet piece decides.
  const spiked = sine([[-40, 5]], { rate });
  spiked[1000] = 0.9;
  near(0.9 * matchingGain(spiked, rate, -23).gain, 10 ** (-1 / 20), 1e-6);
});

test("a quiet place is found, and the first of equals", () => {
  const rate = 1000;
  const samples = new Float32Array(10 * rate).fill(0.5);
  samples.fill(0.01, 7 * rate, 7.6 * rate);
  near(quietest(samples, rate, 5, 10, 0.5), 7, 0.021);
  near(quietest(samples, rate, 0, 5, 0.5), 0, 1e-9);
});

test("a passage leaves out silence at the ends, and fades where it is quiet", () => {
  const rate = 1000;
  const samples = new Float32Array(12 * rate);
  samples.fill(0.5, rate, 11 * rate);
  samples.fill(0.05, 9 * rate, 9.5 * rate);
  const { entry, exit, fade } = passage(samples, rate, 0.5);
  near(entry, 1, 0.021);
  near(exit, 9.5, 0.021);
  assert.equal(fade, 0.5);
  const short = passage(samples.subarray(rate, 2 * rate), rate, 0.5);
  assert.ok(short.exit - short.entry >= 2 * short.fade && short.fade > 0, JSON.stringify(short));
  const nothing = passage(new Float32Array(4 * rate), rate, 0.5);
  assert.ok(nothing.exit - nothing.entry >= 2 * nothing.fade, JSON.stringify(nothing));
});

test("the powers of both sides of a crossfade add up to one", () => {
  const [rise, fall] = ["rise", "fall"].map((direction) => equalPowerCurve(direction, 0.7));
  for (const [n, value] of rise.entries()) near(value ** 2 + fall[n] ** 2, 0.49, 1e-6);
  near(rise[0], 0, 1e-9);
  near(fall.at(-1), 0, 1e-6);
});
