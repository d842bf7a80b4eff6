/** Crossfades: where in a piece they disturb least, and how loud both sides are meanwhile. */

/** Seconds of a window whose power is compared. */
const FRAME_SECONDS = 0.02;
/** What counts as silence at the ends of a piece: -60 dB of full scale. */
const SILENCE = 1e-3;
/** Parts of a piece at either end in which a quiet place is looked for. */
const SEARCHED = 1 / 4;
/** Values of a gain curve; between them it is interpolated. */
const CURVE_POINTS = 65;

/** What of a piece is played, in seconds: from `entry`, rising for `fade`; falling for `fade` until `exit`. */
export interface Passage {
  entry: number;
  exit: number;
  fade: number;
}

/** The start of the quietest stretch of `seconds` that lies between `from` and `to`, in seconds; the first of equals. */
export function quietest(samples: Float32Array, sampleRate: number, from: number, to: number, seconds: number): number {
  const frame = Math.max(1, Math.round(FRAME_SECONDS * sampleRate));
  const [first, last] = [Math.ceil((from * sampleRate) / frame), Math.floor((to * sampleRate) / frame)];
  const span = Math.round((seconds * sampleRate) / frame);
  const energy: number[] = [];
  for (let at = first; at < last; at += 1) {
    let sum = 0;
    for (let n = at * frame; n < (at + 1) * frame; n += 1) sum += (samples[n] ?? 0) ** 2;
    energy.push(sum);
  }
  let [best, least] = [0, Infinity];
  for (let at = 0; at + span <= energy.length; at += 1) {
    const sum = energy.slice(at, at + span).reduce((total, value) => total + value, 0);
    if (sum < least) [best, least] = [at, sum];
  }
  return least === Infinity ? from : ((first + best) * frame) / sampleRate;
}

/** Which part of a piece is played between crossfades of `fade` seconds (shorter ones where the piece is short). */
export function passage(samples: Float32Array, sampleRate: number, fade: number): Passage {
  const loud = (sample: number) => Math.abs(sample) > SILENCE;
  const first = Math.max(0, samples.findIndex(loud)) / sampleRate;
  const end = samples.findLastIndex(loud) + 1;
  const last = (end === 0 ? samples.length : end) / sampleRate;
  const searched = (last - first) * SEARCHED;
  // Both fades together must leave something of the piece as it is.
  const seconds = Math.min(fade, searched);
  const entry = quietest(samples, sampleRate, first, first + searched, seconds);
  const exit = quietest(samples, sampleRate, last - searched, last, seconds) + seconds;
  return { entry, exit: Math.min(exit, samples.length / sampleRate), fade: seconds };
}

/**
 * A gain that rises from 0 to `gain`, or falls. The two are sine and cosine of one angle, so the powers of
 * signals that have nothing to do with each other add up to one power: `sin² + cos² = 1`.
 */
export function equalPowerCurve(direction: "rise" | "fall", gain = 1): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: CURVE_POINTS }, (_, n) => {
    const angle = (Math.PI / 2) * (n / (CURVE_POINTS - 1));
    return gain * (direction === "rise" ? Math.sin(angle) : Math.cos(angle));
  });
}
