/** Music of more than one picture or part: mixtures, and walks in movements. */

import { join } from "../audio/join.js";
import { wavOf } from "../audio/wav.js";
import { fault } from "../common/faults.js";
import type { GenerationEvent, Region, Timing } from "../engine/protocol.js";
import type { Artwork } from "./artwork.js";
import type { Art2Mus, GenerateOptions, MusicSource } from "./art2mus.js";
import { Run, type Result } from "./generation.js";

/** One station of a walk. */
export interface Movement {
  source: Artwork | MusicSource;
  /** The part of the picture to use. */
  region?: Region;
  /** Its length before it is joined to others; that of the walk's settings where it is left out. */
  seconds?: number;
}

export interface WalkOptions extends Omit<GenerateOptions, "region" | "candidates"> {
  /** Seconds in which a movement fades into the next; 1 where it is left out. */
  fade?: number;
}

/** A piece in movements. */
export interface Walk {
  samples: Float32Array;
  sampleRate: number;
  /** None where the model has one piece of a picture. */
  seed?: number;
  kernels: string;
  /** Where each movement begins, in seconds. */
  starts: number[];
  /** Each movement as it was made. */
  movements: Result[];
  timings: Timing[];
  wav(): Blob;
}

/** Makes a movement of each station, with one seed, and joins them. */
export function walk(art2mus: Art2Mus, stations: readonly Movement[], { fade = 1, ...options }: WalkOptions = {}): Run<Walk> {
  return new Run(async (emit) => {
    if (stations.length === 0) throw fault("walk.empty");
    const movements: Result[] = [];
    const began = performance.now();
    let { seed } = options;
    for (const [at, { source, region, seconds }] of stations.entries()) {
      const settings: GenerateOptions = { ...options, candidates: 1, ...(seed !== undefined && { seed }) };
      if (region) settings.region = region;
      if (seconds !== undefined) settings.seconds = seconds;
      const generation = art2mus.generate(source, settings);
      const elsewhere = () => ((performance.now() - began) / Math.max(at, 1)) * (stations.length - 1 - at);
      for await (const event of generation) emit(spread(event, at, stations.length, at === 0 ? undefined : elsewhere()));
      const result = await generation.result;
      seed = result.seed ?? seed;
      movements.push(result);
    }
    const [first] = movements as [Result, ...Result[]];
    const { sampleRate, kernels } = first;
    const { samples, starts } = join(movements.map((movement) => movement.samples), sampleRate, fade);
    const timings = movements.flatMap((movement) => movement.timings);
    const sown = first.seed !== undefined && { seed: first.seed };
    return { samples, sampleRate, ...sown, kernels, starts, movements, timings, wav: () => wavOf(samples, sampleRate) };
  });
}

/** An event of one movement as one of the whole walk: steps are counted through, and time left is that of all. */
function spread(event: GenerationEvent, at: number, count: number, othersMs: number | undefined): GenerationEvent {
  if (event.type === "step") {
    const etaMs = event.etaMs == null ? null : event.etaMs + (othersMs ?? event.etaMs * (count - 1));
    return { ...event, step: event.step + at * event.steps, steps: event.steps * count, etaMs };
  }
  if (event.type === "stage" && event.etaMs != null) return { ...event, etaMs: event.etaMs + (othersMs ?? 0) };
  return event;
}

/**
 * Between two embeddings: 0 gives `a`, 1 gives `b`. Embeddings say what they say by their direction, so the way between
 * them is an arc (spherical linear interpolation, Shoemake 1985).
 */
export function mix(a: Float32Array, b: Float32Array, amount: number): Float32Array {
  if (a.length !== b.length) throw new RangeError(`embeddings of ${a.length} and ${b.length} numbers cannot be mixed`);
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, at) => sum + value * y[at]!, 0);
  const [lengthA, lengthB] = [Math.sqrt(dot(a, a)) || 1, Math.sqrt(dot(b, b)) || 1];
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / (lengthA * lengthB))));
  // Of directions that are almost the same, or opposite, the straight way is as good.
  const straight = Math.sin(angle) < 1e-4;
  const weight = (share: number) => (straight ? share : Math.sin(share * angle) / Math.sin(angle));
  const [ofA, ofB] = [weight(1 - amount), weight(amount)];
  const length = lengthA + (lengthB - lengthA) * amount;
  return a.map((value, at) => (ofA * (value / lengthA) + ofB * (b[at]! / lengthB)) * length);
}

/** Makes music from the middle of two pictures, or from wherever `amount` says: 0 is the first, 1 the second. */
export function generateMix(
  art2mus: Art2Mus,
  pictures: readonly [Artwork, Artwork],
  amount: number,
  { region, ...options }: GenerateOptions = {},
): Run<Result> {
  return new Run(async (emit) => {
    const calls = options.signal ? { signal: options.signal } : {};
    // The first one's part counts: it is what a person sees and chooses from.
    const first = await art2mus.embed(pictures[0], region ? { ...calls, region } : calls);
    const second = await art2mus.embed(pictures[1], calls);
    const generation = art2mus.generate({ embedding: mix(first, second, amount) }, options);
    for await (const event of generation) emit(event);
    return generation.result;
  });
}
