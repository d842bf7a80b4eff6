/** What the page can make of a picture: a piece, a walk through its parts, or a mixture with another one. */

import { generateMix, walk, type Art2Mus, type Artwork, type Region, type Result, type Run, type Settings, type Timing, type Walk } from "../client.js";
import { text } from "../common/texts.js";
import type { Picture } from "../pictures/picture.js";
import { cutAlong, type Outline } from "../pictures/lasso.js";
import type { Link, PageSettings } from "./settings.js";

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
  /** None where the model has one piece of a picture. */
  seed?: number;
  kernels: string;
  timings: Timing[];
}

/** What it is made from: the picture, or its free form, and the other one of a mixture. Bitmaps are the caller's to close. */
export async function artworksOf(plan: Plan, picture: Picture, lasso: Outline | undefined): Promise<(Blob | ImageBitmap)[]> {
  const whole = await picture.artwork();
  if (plan.kind === "walk") return [whole];
  const others = plan.kind === "mix" ? [await plan.other.artwork()] : [];
  if (lasso === undefined) return [whole, ...others];
  const part = await cutAlong(whole, picture.width, picture.height, lasso);
  if (whole instanceof ImageBitmap) whole.close();
  return [part, ...others];
}

/** Begins to make it of these artworks; of a free form they have the rectangle alone. */
export function make(
  engine: Art2Mus,
  plan: Plan,
  artworks: readonly Artwork[],
  { lasso, generation }: Pick<PageSettings, "lasso" | "generation">,
  signal: AbortSignal,
): Run<Result | Walk> {
  const [artwork, other] = artworks as [Artwork, Artwork];
  const { region, ...rest } = generation;
  const settings: Settings = lasso ? rest : generation;
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
export function describe(plan: Plan, name: string, { lasso, generation: { region } }: PageSettings): string {
  if (plan.kind === "walk") return text("result.ofWalk", { name, count: plan.regions.length });
  if (plan.kind === "mix") {
    return text("result.ofMix", { name, other: plan.other.about.name, percent: Math.round(plan.amount * 100) });
  }
  return text(lasso ? "result.ofLasso" : region ? "result.ofPart" : "result.of", { name });
}
