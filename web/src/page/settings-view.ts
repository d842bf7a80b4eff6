/** The form with the settings: what an empty field stands for, its limits, and presets with the time that they take. */

import type { Info, Settings } from "../client.js";
import { formatDuration, text } from "../common/texts.js";
import { byId, show } from "./dom.js";
import { fromForm, intoForm, offered, type PageSettings } from "./settings.js";

/** Steps of each quality, as multiples of what the model suggests. */
const QUALITIES = { draft: 0.5, good: 1, fine: 2 } as const;

export class SettingsView {
  readonly #form = byId("form", HTMLFormElement);
  readonly #quality = byId("quality", HTMLSelectElement);
  #info: Info | undefined;

  /** `onChange` hears of each change that a person makes. */
  constructor(onChange: () => void) {
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#quality.addEventListener("change", () => {
      const steps = this.#steps()[this.#quality.selectedIndex];
      if (steps !== undefined) this.#field("steps").value = steps === this.#info?.steps?.default ? "" : String(steps);
    });
    this.#form.addEventListener("change", () => {
      this.#mark();
      onChange();
    });
  }

  show(settings: PageSettings): void {
    intoForm(this.#form, settings);
    this.#mark();
  }

  /** What the form says; what it has no field for comes from `before`. */
  read(before: PageSettings): PageSettings {
    const settings = fromForm(this.#form, before);
    // A scheduler always has a value; it only counts as a setting when it differs from the model's, which may have none.
    const own = this.#info?.scheduler;
    if (this.#info && (own === undefined || settings.generation.scheduler === own)) delete settings.generation.scheduler;
    return settings;
  }

  /** Shows what an empty field stands for, and what the model can do. */
  describe(info: Info, { scheduler }: Settings): void {
    this.#info = info;
    for (const name of ["seconds", "steps", "guidance", "candidates"] as const) {
      const range = info[name];
      if (range === undefined) continue;
      const field = this.#field(name);
      field.placeholder = String(range.default);
      field.min = String(range.min);
      field.max = String(range.max);
    }
    this.#field("seed").placeholder = text("settings.seed.random");
    for (const name of ["prompt", "negative"] as const) this.#field(name).placeholder = info.prompts?.[name] ?? "";
    for (const [name, there] of Object.entries(offered(info))) show(this.#row(this.#field(name)), there);
    show(this.#row(this.#quality), info.steps !== undefined);
    show(this.#row(this.#field("candidates")), info.candidates.max > 1);
    if (info.takesComment) byId("settings", HTMLDetailsElement).open = true;
    if (!scheduler && info.scheduler) this.#field("scheduler").value = info.scheduler;
    this.#mark();
  }

  /** Says beside each preset how long it takes; `forecast` knows that of a number of steps. */
  async showTimes(forecast: (steps: number) => Promise<number | null>): Promise<void> {
    const times = await Promise.all(this.#steps().map(forecast));
    for (const [at, name] of Object.keys(QUALITIES).entries()) {
      const option = this.#quality.options[at];
      const ms = times[at];
      if (option === undefined) continue;
      const label = text(`settings.quality.${name}`);
      option.text = ms == null ? label : text("settings.quality.time", { label, time: formatDuration(ms) });
    }
  }

  #steps(): number[] {
    const range = this.#info?.steps;
    if (range === undefined) return [];
    return Object.values(QUALITIES).map((times) => Math.min(Math.max(Math.round(range.default * times), range.min), range.max));
  }

  /** Shows the preset that the steps are, if they are one. */
  #mark(): void {
    const steps = Number(this.#field("steps").value) || this.#info?.steps?.default;
    this.#quality.selectedIndex = steps === undefined ? 1 : this.#steps().indexOf(steps);
  }

  /** A field with its label and help. */
  #row(field: HTMLElement): HTMLElement {
    return field.closest("label") ?? field;
  }

  #field(name: string): HTMLInputElement {
    return this.#form.elements.namedItem(name) as HTMLInputElement;
  }
}
