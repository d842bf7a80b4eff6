/** Pieces one after the other, each fading into the next where it is quiet. */

import { equalPowerGain, passage } from "./crossfade.js";

export interface Joined {
  samples: Float32Array;
  /** Where each piece begins, in seconds. */
  starts: number[];
}

/** Joins pieces of one sample rate with crossfades of `fade` seconds, shorter ones where a piece is short. */
export function join(pieces: readonly Float32Array[], sampleRate: number, fade: number): Joined {
  const passages = pieces.map((samples) => passage(samples, sampleRate, fade));
  const frames = (seconds: number) => Math.round(seconds * sampleRate);
  /** Samples of the crossfade behind each piece. */
  const fades = passages.slice(1).map((next, at) => frames(Math.min(next.fade, passages[at]!.fade)));
  const parts = pieces.map((samples, at) => {
    const { entry, exit } = passages[at]!;
    const [from, to] = [at === 0 ? 0 : frames(entry), at === pieces.length - 1 ? samples.length : frames(exit)];
    return samples.subarray(from, to);
  });
  const starts: number[] = [];
  let end = 0;
  for (const [at, part] of parts.entries()) {
    const start = end - (fades[at - 1] ?? 0);
    starts.push(start / sampleRate);
    end = start + part.length;
  }
  const joined = new Float32Array(end);
  for (const [at, part] of parts.entries()) {
    const [rise, fall] = [fades[at - 1] ?? 0, fades[at] ?? 0];
    const start = frames(starts[at]!);
    part.forEach((sample, n) => {
      const left = part.length - 1 - n;
      const gain = (n < rise ? equalPowerGain("rise", n / rise) : 1) * (left < fall ? equalPowerGain("rise", left / fall) : 1);
      joined[start + n]! += sample * gain;
    });
  }
  return { samples: joined, starts };
}
