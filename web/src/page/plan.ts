/** What the page can make of a picture: a piece, a walk through its parts, or a mixture with another one. */

import { generateMix, walk, type Art2Mus, type Artwork, type Region, type Result, type Run, type Settings, type Timing, type Walk } from "../client.js";
import { text } from "../common/texts.js";
import type { Picture } from "../pictures/picture.js";
import type { Link } from "./settings.js";

export type Plan =
  | { kind: "piece" }
  | { kind: "walk"; regions: Region[] }
  /** `amount` is how far it is the other picture: 0 to 1. */
  | { kind: "mix"; other: Picture; amount: number };

/** A piece as the page shows, plays and saves it. */
export interface Take {
  samples: Float32Array;
  /** How well it fits the picture, where that was asked for. */
  score: number | null;
  wav(): Blob;
}

/** What came out. */
export interface Heard {
  pieces: Take[];
  sampleRate: number;
  seed: number;
  kernels: string;
  timings: Timing[];
}

/** Begins to make it. `artworks` are the picture, and the other one of a mixture. */
export function make(
  engine: Art2Mus,
  plan: Plan,
  artworks: readonly Artwork[],
  settings: Settings,
  signal: AbortSignal,
): Run<Result | Walk> {
  const [artwork, other] = artworks as [Artwork, Artwork];
  const { region, ...rest } = settings;
  if (plan.kind === "walk") {
    return walk(engine, plan.regions.map((part) => ({ source: artwork, region: part })), { ...rest, signal });
  }
  if (plan.kind === "mix") return generateMix(engine, [artwork, other], plan.amount, { ...settings, signal });
  return engine.generate(artwork, { ...settings, signal });
}

/** What is heard of what came out: a walk is one piece. */
export function heard(result: Result | Walk): Heard {
  if ("pieces" in result) return result;
  const { samples, wav } = result;
  return { ...result, pieces: [{ samples, score: null, wav }] };
}

/** How many times the cost of one piece it has. */
export function pieces(plan: Plan): number {
  return plan.kind === "walk" ? plan.regions.length : 1;
}

/** What a permalink says of it. */
export function linkOf(plan: Plan): Pick<Link, "walk" | "mix"> {
  if (plan.kind === "walk") return { walk: plan.regions };
  return plan.kind === "mix" ? { mix: { picture: plan.other.about.reference, amount: plan.amount } } : {};
}

/** Of what a piece was made, for people. */
export function describe(plan: Plan, name: string, region: Region | undefined): string {
  if (plan.kind === "walk") return text("result.ofWalk", { name, count: plan.regions.length });
  if (plan.kind === "mix") {
    return text("result.ofMix", { name, other: plan.other.about.name, percent: Math.round(plan.amount * 100) });
  }
  return text(region ? "result.ofPart" : "result.of", { name });
}
