/** Settings as texts: in the page's form and address, and in an element's attributes. */

import type { Device, Scheduler, Settings } from "../client.js";

export interface PageSettings {
  bundle: string;
  device: "auto" | Device;
  generation: Settings;
}

export const DEFAULT_BUNDLE = "web/models/default/";

const NUMBERS = ["seed", "seconds", "steps", "guidance"] as const;
const SCHEDULERS: readonly Scheduler[] = ["ddim", "dpmpp"];
const DEVICES: readonly ("auto" | Device)[] = ["auto", "webgpu", "wasm"];

/** The text of a setting, or null where there is none. */
type TextOf = (name: string) => string | null;

/** Reads settings of a generation. What is not understood is ignored, as if it were not there. */
export function readGeneration(textOf: TextOf): Settings {
  const generation: Settings = {};
  for (const name of NUMBERS) {
    const value = textOf(name);
    if (value !== null && value.trim() !== "" && Number.isFinite(Number(value))) {
      generation[name] = Number(value);
    }
  }
  const scheduler = SCHEDULERS.find((name) => name === textOf("scheduler"));
  if (scheduler) generation.scheduler = scheduler;
  return generation;
}

/** Reads a device's name; what is none is `auto`. */
export function readDevice(text: string | null): "auto" | Device {
  return DEVICES.find((name) => name === text) ?? "auto";
}

/** Reads an address's query. */
export function fromQuery(query: string): PageSettings {
  const params = new URLSearchParams(query);
  const textOf: TextOf = (name) => params.get(name);
  return {
    bundle: params.get("bundle") || DEFAULT_BUNDLE,
    device: readDevice(textOf("device")),
    generation: readGeneration(textOf),
  };
}

/** The query that `fromQuery` reads back; empty when everything is as it is by default. */
export function toQuery({ bundle, device, generation }: PageSettings): string {
  const params = new URLSearchParams();
  for (const name of [...NUMBERS, "scheduler"] as const) {
    const value = generation[name];
    if (value !== undefined) params.set(name, String(value));
  }
  if (bundle !== DEFAULT_BUNDLE) params.set("bundle", bundle);
  if (device !== "auto") params.set("device", device);
  const query = params.toString();
  return query === "" ? "" : `?${query}`;
}

/** Reads the form; an empty field means the model's default. */
export function fromForm(form: HTMLFormElement, bundle: string): PageSettings {
  const data = new FormData(form);
  const textOf: TextOf = (name) => {
    const value = data.get(name);
    return typeof value === "string" ? value : null;
  };
  return { bundle, device: readDevice(textOf("device")), generation: readGeneration(textOf) };
}

/** Writes settings into the form. */
export function intoForm(form: HTMLFormElement, { device, generation }: PageSettings): void {
  const values: Record<string, unknown> = { ...generation, device };
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) {
      const value = values[field.name];
      if (value !== undefined) field.value = String(value);
    }
  }
}
