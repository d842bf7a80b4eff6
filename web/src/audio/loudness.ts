/**
 * Loudness by ITU-R BS.1770-4, in the windows of EBU R 128: momentary (400 ms), short-term (3 s) and
 * integrated (gated). Channels are arrays of samples between -1 and 1, all of one length and weighted
 * alike (left, right, centre); loudness is in LUFS, and of silence it is -Infinity.
 */

/** Coefficients of a second-order section, `a0 = 1`. */
interface Biquad {
  b0: number;
  b1: number;
  b2: number;
  a1: number;
  a2: number;
}

/** A signal as several channels. */
export type Channels = readonly Float32Array[];

/** Windows overlap by 75 % in the gating of BS.1770-4, Annex 1: a hop is a quarter of 400 ms. */
const HOP_SECONDS = 0.1;
const MOMENTARY_HOPS = 4;
const SHORT_TERM_HOPS = 30;
/** The gates of BS.1770-4: windows below are not counted. */
const ABSOLUTE_GATE = -70;
const RELATIVE_GATE = -10;

/**
 * K-weighting: a high shelf for the head, then a high pass. BS.1770-4 tabulates the coefficients for 48 kHz
 * only; these are its analogue prototypes under the bilinear transform with prewarping (the constants are
 * those that libebur128 derived from the table), which reproduce the table at 48 kHz.
 */
export function kWeighting(sampleRate: number): [Biquad, Biquad] {
  const shelf = (() => {
    const k = Math.tan((Math.PI * 1681.974450955533) / sampleRate);
    const q = 0.7071752369554196;
    const high = 10 ** (3.999843853973347 / 20);
    const band = high ** 0.4996667741545416;
    const a0 = 1 + k / q + k * k;
    return {
      b0: (high + (band * k) / q + k * k) / a0,
      b1: (2 * (k * k - high)) / a0,
      b2: (high - (band * k) / q + k * k) / a0,
      a1: (2 * (k * k - 1)) / a0,
      a2: (1 - k / q + k * k) / a0,
    };
  })();
  const k = Math.tan((Math.PI * 38.13547087602444) / sampleRate);
  const q = 0.5003270373238773;
  const a0 = 1 + k / q + k * k;
  const pass = { b0: 1, b1: -2, b2: 1, a1: (2 * (k * k - 1)) / a0, a2: (1 - k / q + k * k) / a0 };
  return [shelf, pass];
}

/** Mean square of the K-weighted signal in each hop of 100 ms, summed over the channels; a rest at the end is left out. */
function hopPowers(channels: Channels, sampleRate: number): Float64Array {
  const [shelf, pass] = kWeighting(sampleRate);
  const hop = Math.round(HOP_SECONDS * sampleRate);
  const powers = new Float64Array(Math.floor((channels[0]?.length ?? 0) / hop));
  for (const samples of channels) {
    // Both sections in the transposed direct form II, which keeps two numbers each.
    let [s1, s2, p1, p2] = [0, 0, 0, 0];
    for (let at = 0, sum = 0, n = 0; n < powers.length * hop; n += 1) {
      const x = samples[n] ?? 0;
      const y = shelf.b0 * x + s1;
      s1 = shelf.b1 * x - shelf.a1 * y + s2;
      s2 = shelf.b2 * x - shelf.a2 * y;
      const z = pass.b0 * y + p1;
      p1 = pass.b1 * y - pass.a1 * z + p2;
      p2 = pass.b2 * y - pass.a2 * z;
      sum += z * z;
      if ((n + 1) % hop === 0) {
        powers[at] = (powers[at] ?? 0) + sum / hop;
        at += 1;
        sum = 0;
      }
    }
  }
  return powers;
}

/** `-0.691 + 10 log10(power)`: BS.1770-4, equation 2. */
const toLufs = (power: number): number => -0.691 + 10 * Math.log10(power);

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean power in windows of so many hops, one for each hop. A signal shorter than a window is one window. */
function windows(powers: Float64Array, hops: number): number[] {
  const length = Math.min(hops, powers.length);
  const means: number[] = [];
  for (let first = 0; length > 0 && first + length <= powers.length; first += 1) {
    means.push(mean([...powers.subarray(first, first + length)]));
  }
  return means;
}

/** Loudness in windows of 400 ms, one for each 100 ms. */
export function momentary(channels: Channels, sampleRate: number): number[] {
  return windows(hopPowers(channels, sampleRate), MOMENTARY_HOPS).map(toLufs);
}

/** Loudness in windows of 3 s, one for each 100 ms. */
export function shortTerm(channels: Channels, sampleRate: number): number[] {
  return windows(hopPowers(channels, sampleRate), SHORT_TERM_HOPS).map(toLufs);
}

/** Loudness of the whole, gated as BS.1770-4 says: first at -70 LUFS, then 10 LU below what is left. */
export function integrated(channels: Channels, sampleRate: number): number {
  const all = windows(hopPowers(channels, sampleRate), MOMENTARY_HOPS);
  const audible = all.filter((power) => toLufs(power) > ABSOLUTE_GATE);
  if (audible.length === 0) return -Infinity;
  const gate = toLufs(mean(audible)) + RELATIVE_GATE;
  return toLufs(mean(audible.filter((power) => toLufs(power) > gate)));
}

/** What `matchingGain` may do at most, either way: a piece that is nearly silent is not made noise. */
const MOST_DB = 18;
/** Where the highest sample may come: -1 dB, as R 128 allows for true peaks. */
const HIGHEST_PEAK = 10 ** (-1 / 20);

/**
 * The factor that brings a mono piece, played on two loudspeakers, to `target` LUFS: its loudest three
 * seconds then are as loud as those of every other piece. Two equal channels have twice the power of one.
 */
export function matchingGain(samples: Float32Array, sampleRate: number, target: number): { gain: number; loudness: number } {
  const loudness = Math.max(-Infinity, ...shortTerm([samples, samples], sampleRate));
  if (loudness <= ABSOLUTE_GATE) return { gain: 1, loudness };
  const db = Math.min(MOST_DB, Math.max(-MOST_DB, target - loudness));
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return { gain: Math.min(10 ** (db / 20), HIGHEST_PEAK / peak), loudness };
}
