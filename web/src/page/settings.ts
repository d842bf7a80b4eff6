/** Settings as texts: in the page's form and address, and in an element's attributes. */

import type { Device, Info, Region, Scheduler, Settings } from "../client.js";
import { Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { boundsOf, readOutline, writeOutline, type Outline } from "../pictures/lasso.js";

export interface PageSettings {
  bundle: string;
  /** A bundle that takes this one's place once it is downloaded. */
  larger?: string | undefined;
  device: "auto" | Device;
  /** The free form of the part that is heard; `generation.region` is the rectangle around it. */
  lasso?: Outline | undefined;
  generation: Settings;
}

/** All that an address can say: settings, and what makes a piece the same again. */
export interface Link extends PageSettings {
  /** The picture, as `Picture.about.reference` names it. */
  picture?: string | undefined;
  /** The kernels that computed the piece. */
  kernels?: string | undefined;
  /** The parts of a walk, in order. */
  walk?: Region[] | undefined;
  /** Another picture that this one is mixed with, and how far it is the other: 0 to 1. */
  mix?: { picture: string; amount: number } | undefined;
}

export const DEFAULT_BUNDLE = "web/models/default/";

const NUMBERS = ["seed", "seconds", "steps", "guidance", "candidates"] as const;
/** In words. */
const WORDS = ["comment", "prompt", "negative"] as const;
/** Those of the numbers that must be whole. */
const WHOLE: readonly string[] = ["seed", "steps", "candidates"];
const SCHEDULERS: readonly Scheduler[] = ["ddim", "dpmpp", "unipc"];
const DEVICES: readonly ("auto" | Device)[] = ["auto", "webgpu", "wasm"];

/** The text of a setting, or null where there is none. */
type TextOf = (name: string) => string | null;

/** Hears of a text that says nothing that its setting could be. */
type OnRefused = (name: string, value: string) => void;

/** Reads settings of a generation; an empty text is as good as none. */
export function readGeneration(textOf: TextOf, onRefused: OnRefused = () => {}): Settings {
  const generation: Settings = {};
  for (const name of NUMBERS) {
    const value = textOf(name)?.trim() ?? "";
    if (value === "") continue;
    const number = Number(value);
    if (Number.isFinite(number) && (Number.isSafeInteger(number) || !WHOLE.includes(name))) generation[name] = number;
    else onRefused(name, value);
  }
  for (const name of WORDS) {
    const value = textOf(name)?.trim() ?? "";
    if (value !== "") generation[name] = value;
  }
  const scheduler = textOf("scheduler");
  const known = SCHEDULERS.find((name) => name === scheduler);
  if (known) generation.scheduler = known;
  else if (scheduler) onRefused("scheduler", scheduler);
  const region = textOf("region");
  const part = region ? readRegion(region) : undefined;
  if (part) generation.region = part;
  else if (region) onRefused("region", region);
  return generation;
}

/** `x,y,width,height`, in fractions of the picture. */
function readRegion(text: string): Region | undefined {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const [x = NaN, y = NaN, width = NaN, height = NaN] = numbers;
  const inside = x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= 1.0001 && y + height <= 1.0001;
  if (numbers.length !== 4 || !inside) return undefined;
  return { x, y, width: Math.min(width, 1 - x), height: Math.min(height, 1 - y) };
}

function writeRegion({ x, y, width, height }: Region): string {
  return [x, y, width, height].map((value) => Number(value.toFixed(4))).join(",");
}

/** Reads a device's name; what is none is `auto`. */
export function readDevice(text: string | null, onRefused: OnRefused = () => {}): "auto" | Device {
  const known = DEVICES.find((name) => name === text);
  if (known === undefined && text) onRefused("device", text);
  return known ?? "auto";
}

/** `x,y,width,height` of each part, with semicolons between them. */
function readWalk(text: string): Region[] | undefined {
  const regions = text.split(";").map(readRegion);
  return regions.every((region) => region !== undefined) ? regions : undefined;
}

/** Reads an address's query. */
export function fromQuery(query: string, onRefused?: OnRefused): Link {
  const params = new URLSearchParams(query);
  const textOf: TextOf = (name) => params.get(name);
  const [walkText, mixed, amount] = [params.get("walk"), params.get("mix"), Number(params.get("amount") ?? 0.5)];
  const walk = walkText ? readWalk(walkText) : undefined;
  if (walkText && walk === undefined) onRefused?.("walk", walkText);
  const form = params.get("lasso");
  const lasso = form ? readOutline(form) : undefined;
  if (form && lasso === undefined) onRefused?.("lasso", form);
  const generation = readGeneration(textOf, onRefused);
  if (lasso) generation.region = boundsOf(lasso);
  const between = amount >= 0 && amount <= 1;
  if (!between) onRefused?.("amount", params.get("amount") ?? "");
  return {
    bundle: params.get("bundle") || DEFAULT_BUNDLE,
    larger: params.get("larger") || undefined,
    device: readDevice(textOf("device"), onRefused),
    lasso,
    generation,
    picture: params.get("picture") || undefined,
    kernels: params.get("kernels") || undefined,
    walk,
    mix: mixed ? { picture: mixed, amount: between ? amount : 0.5 } : undefined,
  };
}

/** The query that `fromQuery` reads back; empty when everything is as it is by default. */
export function toQuery({ bundle, larger, device, lasso, generation, picture, kernels, walk, mix }: Link): string {
  const params = new URLSearchParams();
  for (const name of [...NUMBERS, "scheduler", ...WORDS] as const) {
    const value = generation[name];
    if (value !== undefined) params.set(name, String(value));
  }
  if (lasso) params.set("lasso", writeOutline(lasso));
  else if (generation.region) params.set("region", writeRegion(generation.region));
  if (bundle !== DEFAULT_BUNDLE) params.set("bundle", bundle);
  if (larger) params.set("larger", larger);
  if (device !== "auto") params.set("device", device);
  if (picture) params.set("picture", picture);
  if (kernels) params.set("kernels", kernels);
  if (walk) params.set("walk", walk.map(writeRegion).join(";"));
  if (mix) params.set("mix", mix.picture);
  if (mix) params.set("amount", String(mix.amount));
  // These stand for themselves in a query, and are read more easily.
  const encoded = params.toString().replaceAll("%3A", ":").replaceAll("%2F", "/").replaceAll("%2C", ",").replaceAll("%3B", ";");
  return encoded === "" ? "" : `?${encoded}`;
}

/** Reads the form; an empty field means the model's default. What has no field comes from `rest`. */
export function fromForm(form: HTMLFormElement, rest: PageSettings): PageSettings {
  const data = new FormData(form);
  const textOf: TextOf = (name) => {
    const value = data.get(name);
    return typeof value === "string" ? value : null;
  };
  const generation = readGeneration(textOf);
  if (rest.generation.region) generation.region = rest.generation.region;
  const { bundle, larger, lasso } = rest;
  return { bundle, larger, lasso, device: readDevice(textOf("device")), generation };
}

/** Writes settings into the form; a field without a setting becomes empty. */
export function intoForm(form: HTMLFormElement, { device, generation }: PageSettings): void {
  const values: Record<string, unknown> = { ...generation, device };
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement) field.value = String(values[field.name] ?? "");
    else if (field instanceof HTMLSelectElement && values[field.name] !== undefined) {
      field.value = String(values[field.name]);
    }
  }
}

/** What a model may lack of what can be set. */
export type Abilities = Pick<Info, "steps" | "guidance" | "scheduler" | "hasSeed" | "takesComment" | "prompts">;

/** Which of the settings that a model may lack it has. */
export function offered({ steps, guidance, scheduler, hasSeed, takesComment, prompts }: Abilities) {
  const texts = prompts != null;
  return {
    steps: steps !== undefined, guidance: guidance !== undefined, scheduler: scheduler !== undefined,
    seed: hasSeed, comment: takesComment, prompt: texts, negative: texts,
  };
}

/** Settings without those that a model lacks, which `onRefused` hears of. */
export function fitting<S extends PageSettings>(settings: S, info: Abilities, onRefused: OnRefused): S {
  const generation = { ...settings.generation };
  for (const [name, there] of Object.entries(offered(info)) as [keyof ReturnType<typeof offered>, boolean][]) {
    if (there) continue;
    if (generation[name] !== undefined) onRefused(name, String(generation[name]));
    delete generation[name];
  }
  return { ...settings, generation };
}

/** Why a model cannot run with these settings, if it cannot. */
export function refusal(generation: Settings, info: Info): Art2MusError | undefined {
  for (const name of ["seconds", "steps", "guidance", "candidates"] as const) {
    const range = info[name];
    const value = generation[name];
    if (value === undefined || range === undefined) continue;
    const { min, max } = range;
    if (value >= min && value <= max) continue;
    const values = { setting: text(`settings.${name}`), value, min, max };
    return new Art2MusError({ name: "Input", message: text("error.range", values), hint: text("hint.range") });
  }
  return undefined;
}
