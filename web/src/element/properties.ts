/** The properties of `<art-to-mus>` that mirror its attributes, as HTML's own elements do it. */

import type { Device, Scheduler } from "../client.js";

/** `HTMLElement`; where there is none, as on a server, something that can be extended all the same. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** What may be set: null and undefined remove the attribute. */
type Settable<T> = T | null | undefined;

const DEVICES: readonly ("auto" | Device)[] = ["auto", "webgpu", "wasm"];
const SCHEDULERS: readonly Scheduler[] = ["ddim", "dpmpp", "unipc"];

/** The attributes, which are called as their properties. */
export const ATTRIBUTES = [
  "src", "alt", "poster", "bundle", "device", "seconds", "steps", "guidance", "scheduler", "seed", "comment", "prompt",
  "negative",
  "loading", "controls", "autoplay", "loop",
] as const;

function numberOf(element: Element, name: string): number | null {
  const value = element.getAttribute(name)?.trim() ?? "";
  return value !== "" && Number.isFinite(Number(value)) ? Number(value) : null;
}

function set(element: Element, name: string, value: Settable<string | number>): void {
  if (value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, String(value));
}

/** The base of `ArtToMus`: attributes as typed properties. */
export abstract class ElementProperties extends Base {
  /** Address of the picture that becomes music, relative to the page; another one ends what was made from the first. */
  get src(): string {
    return this.getAttribute("src") ?? "";
  }
  set src(value: Settable<string>) {
    set(this, "src", value);
  }

  /** What the picture shows, for who cannot see it. */
  get alt(): string {
    return this.getAttribute("alt") ?? "";
  }
  set alt(value: Settable<string>) {
    set(this, "alt", value);
  }

  /** Address of a smaller picture that is shown until music is made from `src`. */
  get poster(): string {
    return this.getAttribute("poster") ?? "";
  }
  set poster(value: Settable<string>) {
    set(this, "poster", value);
  }

  /** Address of the model's folder, relative to the page; empty for the model that lies beside this package. */
  get bundle(): string {
    return this.getAttribute("bundle") ?? "";
  }
  set bundle(value: Settable<string>) {
    set(this, "bundle", value);
  }

  /** Where to compute; `auto`, the default, takes the GPU where a real one answers. */
  get device(): "auto" | Device {
    return DEVICES.find((name) => name === this.getAttribute("device")) ?? "auto";
  }
  set device(value: Settable<"auto" | Device>) {
    set(this, "device", value);
  }

  /** Length of the music in seconds; null for what the model suggests. */
  get seconds(): number | null {
    return numberOf(this, "seconds");
  }
  set seconds(value: Settable<number>) {
    set(this, "seconds", value);
  }

  /** Denoising steps; null for what the model suggests. */
  get steps(): number | null {
    return numberOf(this, "steps");
  }
  set steps(value: Settable<number>) {
    set(this, "steps", value);
  }

  /** How strongly the picture steers the music; null for what the model suggests. */
  get guidance(): number | null {
    return numberOf(this, "guidance");
  }
  set guidance(value: Settable<number>) {
    set(this, "guidance", value);
  }

  /** The sampler; null for what the model suggests. */
  get scheduler(): Scheduler | null {
    return SCHEDULERS.find((name) => name === this.getAttribute("scheduler")) ?? null;
  }
  set scheduler(value: Settable<Scheduler>) {
    set(this, "scheduler", value);
  }

  /** The same seed and settings give the same music; null for another seed each time. */
  get seed(): number | null {
    return numberOf(this, "seed");
  }
  set seed(value: Settable<number>) {
    set(this, "seed", value);
  }

  /** What a person says of the picture, in words; null for nothing. Only some models take it. */
  get comment(): string | null {
    return this.getAttribute("comment");
  }
  set comment(value: Settable<string>) {
    set(this, "comment", value);
  }

  /** What the music should be beside the picture, in words; null for the model's own. Only some models take others. */
  get prompt(): string | null {
    return this.getAttribute("prompt");
  }
  set prompt(value: Settable<string>) {
    set(this, "prompt", value);
  }

  /** What the music should not be, in words, likewise. */
  get negative(): string | null {
    return this.getAttribute("negative");
  }
  set negative(value: Settable<string>) {
    set(this, "negative", value);
  }

  /** `lazy` loads the picture, and begins by itself where it does, only when the element is near the visible part. */
  get loading(): "eager" | "lazy" {
    return this.getAttribute("loading")?.toLowerCase() === "lazy" ? "lazy" : "eager";
  }
  set loading(value: Settable<"eager" | "lazy">) {
    set(this, "loading", value);
  }

  /** Show button, progress and player. Without it a script calls `generate()` and `play()`. */
  get controls(): boolean {
    return this.hasAttribute("controls");
  }
  set controls(value: Settable<boolean>) {
    this.toggleAttribute("controls", Boolean(value));
  }

  /** Make the music without being asked, and play it when it is ready, where the browser allows sound. */
  get autoplay(): boolean {
    return this.hasAttribute("autoplay");
  }
  set autoplay(value: Settable<boolean>) {
    this.toggleAttribute("autoplay", Boolean(value));
  }

  /** Begin again at the end of the music. */
  get loop(): boolean {
    return this.hasAttribute("loop");
  }
  set loop(value: Settable<boolean>) {
    this.toggleAttribute("loop", Boolean(value));
  }
}
