/** Shows where a run stands: its stages, its steps, the bytes that arrive and the time left. */

import { byId, show } from "./dom.js";
import type { GenerationEvent, LoadEvent, StageEvent, StageInfo, StepEvent } from "../engine/protocol.js";
import { formatBytes, formatDuration, text, textOr } from "../common/texts.js";

/** What a person reads while a stage runs: these texts', or the bundle's own words. */
export function stageLabel(stages: readonly StageInfo[], name: string): string {
  const label = stages.find((stage) => stage.name === name)?.label;
  return textOr(`stage.${name}`, label ?? name);
}

export class ProgressView {
  readonly #overall = byId("overall", HTMLProgressElement);
  readonly #doing = byId("doing", HTMLElement);
  readonly #left = byId("left", HTMLElement);
  readonly #list = byId("stages", HTMLOListElement);
  #stages: readonly StageInfo[] = [];
  #start = 0;
  #fraction = 0;
  /** The first stages are short and say nothing of the rest: time is told from the first step on. */
  #stepped = false;

  /** `announce` says a sentence to screen readers. */
  constructor(readonly announce: (sentence: string) => void) {}

  /** Shows the empty progress of a run through `stages`. */
  begin(stages: readonly StageInfo[]): void {
    this.#stages = stages;
    this.#start = performance.now();
    this.#fraction = 0;
    this.#stepped = false;
    this.#overall.removeAttribute("value");
    this.#doing.textContent = text("run.started");
    this.#left.textContent = "";
    this.#list.replaceChildren(
      ...stages.map(({ name, label }) => {
        const item = document.createElement("li");
        item.textContent = textOr(`stage.short.${name}`, label);
        item.dataset["stage"] = name;
        return item;
      }),
    );
    show(byId("bytes-row", HTMLElement), false);
    show(byId("progress", HTMLElement), true);
  }

  /** Scrolls it into view: on a small screen it lies below what was pressed. */
  reach(): void {
    byId("progress", HTMLElement).scrollIntoView({ block: "nearest" });
  }

  end(): void {
    show(byId("progress", HTMLElement), false);
  }

  show(event: GenerationEvent): void {
    if (event.type === "load") this.#load(event);
    else if (event.type === "stage") this.#stage(event);
    else if (event.type === "step") this.#step(event);
  }

  #load({ loaded, total }: LoadEvent): void {
    show(byId("bytes-row", HTMLElement), true);
    byId("bytes-bar", HTMLProgressElement).value = total > 0 ? loaded / total : 1;
    byId("bytes", HTMLElement).textContent = text("progress.bytes", {
      loaded: formatBytes(loaded),
      total: formatBytes(total),
    });
  }

  #stage({ stage, etaMs }: StageEvent): void {
    const sentence = stageLabel(this.#stages, stage);
    this.#doing.textContent = sentence;
    this.announce(sentence);
    let reached = false;
    for (const item of this.#list.children as HTMLCollectionOf<HTMLElement>) {
      const active = item.dataset["stage"] === stage;
      reached ||= active;
      item.className = active ? "active" : reached ? "" : "done";
      if (active) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    }
    this.#time(etaMs);
  }

  #step({ stage, step, steps, etaMs }: StepEvent): void {
    this.#stepped = true;
    this.#doing.textContent = text("progress.step", { stage: stageLabel(this.#stages, stage), step, steps });
    this.#time(etaMs);
  }

  /** The bar shows time, as that is what a person waits for; it never goes backwards. */
  #time(etaMs: number | null | undefined): void {
    if (etaMs == null || !Number.isFinite(etaMs) || !this.#stepped) return;
    const elapsed = performance.now() - this.#start;
    this.#fraction = Math.max(this.#fraction, elapsed / (elapsed + etaMs + 1));
    this.#overall.value = this.#fraction;
    this.#left.textContent = text("progress.left", { time: formatDuration(etaMs) });
  }
}
