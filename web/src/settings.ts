/** The page's settings: in its form, in its address, and as the engine wants them. */

import type { Device, Scheduler, Settings } from "./protocol.js";

export interface PageSettings {
  bundle: string;
  device: "auto" | Device;
  generation: Settings;
}

export const DEFAULT_BUNDLE = "web/models/default/";

const NUMBERS = ["seed", "seconds", "steps", "guidance"] as const;
const SCHEDULERS: readonly Scheduler[] = ["ddim", "dpmpp"];
const DEVICES: readonly ("auto" | Device)[] = ["auto", "webgpu", "wasm"];

/** Reads an address's query. What is not understood is ignored, as if it were not there. */
export function fromQuery(query: string): PageSettings {
  const params = new URLSearchParams(query);
  const generation: Settings = {};
  for (const name of NUMBERS) {
    const value = params.get(name);
    if (value !== null && value.trim() !== "" && Number.isFinite(Number(value))) {
      generation[name] = Number(value);
    }
  }
  const scheduler = SCHEDULERS.find((name) => name === params.get("scheduler"));
  if (scheduler) generation.scheduler = scheduler;
  return {
    bundle: params.get("bundle") || DEFAULT_BUNDLE,
    device: DEVICES.find((name) => name === params.get("device")) ?? "auto",
    generation,
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
  const params = new URLSearchParams({ bundle });
  for (const [name, value] of new FormData(form)) params.set(name, String(value));
  return fromQuery(params.toString());
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
