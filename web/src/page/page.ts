/** The page: one picture, one button, one piece of music. */

import { create, storage, type Art2Mus, type GenerationEvent, type StageInfo } from "../client.js";
import { toError } from "../common/errors.js";
import { formatBytes, formatDuration, text } from "../common/texts.js";
import { byId, keepHeight, show } from "./dom.js";
import { Gallery, type GalleryPicture } from "./gallery.js";
import { PictureInput } from "./picture-input.js";
import { Player, type Download } from "./player.js";
import { ProgressView } from "./progress-view.js";
import { ResultView } from "./result-view.js";
import { fromForm, fromQuery, intoForm, toQuery, type PageSettings } from "./settings.js";
import { StorageView } from "./storage-view.js";

export class Page {
  readonly #make = byId("make", HTMLButtonElement);
  readonly #cancel = byId("cancel", HTMLButtonElement);
  readonly #form = byId("form", HTMLFormElement);
  readonly #cost = byId("cost", HTMLElement);
  readonly #status = byId("status", HTMLElement);
  readonly #state = byId("engine-state", HTMLElement);
  readonly #picture = new PictureInput((name) => {
    this.#announce(text("picture.chosen", { name }));
    this.#beginWhenOpen = false;
    this.#gallery.mark();
    if (this.#engine) this.#hideProblem(); // Another picture does not help a model that did not open.
    this.#refresh();
  });
  readonly #gallery = new Gallery((picture) => this.#begin(picture));
  readonly #progress = new ProgressView((sentence) => this.#announce(sentence));
  readonly #audio = byId("audio", HTMLAudioElement);
  readonly #player = new Player(this.#audio);
  readonly #result = new ResultView(this.#audio);
  readonly #storage = new StorageView((sentence) => this.#announce(sentence), () => this.#refresh());
  #settings = fromQuery(location.search);
  #engine: Art2Mus | undefined;
  #opening: AbortController | undefined;
  #allowSlow = false;
  #beginWhenOpen = false;

  constructor() {
    keepHeight(byId("drop", HTMLElement));
    intoForm(this.#form, this.#settings);
    this.#make.addEventListener("click", () => void this.#generate());
    this.#cancel.addEventListener("click", () => this.#player.cancel());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#player.cancel();
      this.#beginWhenOpen = false;
    });
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", () => this.#applyForm());
    byId("anyway", HTMLButtonElement).addEventListener("click", () => {
      this.#allowSlow = true;
      void this.open();
    });
    byId("ask-download", HTMLButtonElement).addEventListener("click", () => {
      this.#player.agree(this.#bundle());
      void this.#generate();
      this.#make.focus();
    });
    byId("ask-not-now", HTMLButtonElement).addEventListener("click", () => {
      show(byId("ask", HTMLElement), false);
      this.#make.focus();
    });
    this.#refresh();
  }

  /** Opens the bundle on the chosen device, in place of what was open before. */
  async open(): Promise<void> {
    this.#opening?.abort();
    this.#player.cancel();
    this.#engine?.dispose();
    this.#engine = undefined;
    this.#hideProblem();
    show(byId("ask", HTMLElement), false);
    byId("about", HTMLElement).replaceChildren();
    this.#state.textContent = text("engine.starting");
    this.#refresh();
    const opening = (this.#opening = new AbortController());
    try {
      const { bundle, device } = this.#settings;
      const { signal } = opening;
      this.#engine = await create({ bundle, device, signal, allowSlow: this.#allowSlow });
      this.#describe(this.#engine);
    } catch (thrown) {
      if (!opening.signal.aborted) this.#showProblem(thrown);
    }
    if (this.#opening === opening) {
      if (!this.#engine) this.#state.textContent = "";
      this.#refresh();
      if (this.#beginWhenOpen) void this.#generate();
    }
  }

  /** Chooses a picture of the gallery and makes music from it, as soon as the model is open. */
  #begin({ url, title, description, credit }: GalleryPicture): void {
    this.#picture.choose(url, title, description, credit);
    this.#gallery.mark(url);
    this.#beginWhenOpen = this.#engine === undefined;
    void this.#generate();
  }

  async #generate(): Promise<void> {
    const engine = this.#engine;
    const artwork = await this.#picture.artwork();
    const release = () => {
      if (artwork instanceof ImageBitmap) artwork.close();
    };
    if (engine === undefined || artwork === undefined || this.#player.running) return release();
    this.#beginWhenOpen = false;
    const settings = this.#settings;
    let start = 0;
    show(byId("ask", HTMLElement), false);
    try {
      const result = await this.#player.make({
        bundle: this.#bundle(),
        artwork,
        settings: settings.generation,
        open: () => Promise.resolve(engine),
        ask: (download) => void this.#ask(download),
        onBegin: () => {
          start = performance.now();
          const ranked = (settings.generation.candidates ?? 1) > 1;
          this.#showBegin(engine.info.stages.filter(({ ranking }) => ranked || !ranking));
        },
        onEvent: (event) => this.#onEvent(event),
      });
      const elapsedMs = performance.now() - start;
      const seeded = { ...settings, generation: { ...settings.generation, seed: result.seed } };
      const link = new URL(toQuery(seeded), location.href.replace(/[?#].*/, "")).href;
      this.#result.show(result, { pictureName: this.#picture.name ?? "", elapsedMs, link });
      this.#announce(text("run.done"));
    } catch (thrown) {
      if (toError(thrown).name !== "Cancelled") this.#showProblem(thrown);
      else if (start > 0) this.#announce(text("run.cancelled"));
    }
    release(); // The worker has read a copy of its own.
    if (start === 0) return;
    this.#progress.end();
    if (document.activeElement === this.#cancel) this.#make.focus();
    this.#refresh();
  }

  #showBegin(stages: readonly StageInfo[]): void {
    this.#hideProblem();
    this.#result.hide();
    this.#refresh();
    this.#progress.begin(stages);
    void this.#picture.settled.then(() => this.#progress.reach());
    this.#announce(text("run.started"));
  }

  /** The bundle's full address. */
  #bundle(): string {
    return new URL(this.#settings.bundle, document.baseURI).href;
  }

  /** Asks the person before a large download; the buttons are the answer. */
  async #ask(download: Download): Promise<void> {
    const { supported } = await storage();
    const values = { ...download };
    byId("ask-body", HTMLElement).textContent = text(supported ? "ask.stored" : "ask.memory", values);
    byId("ask-download", HTMLButtonElement).textContent = text("ask.download", values);
    show(byId("ask", HTMLElement), true);
    byId("ask-download", HTMLButtonElement).focus();
  }

  #onEvent(event: GenerationEvent): void {
    this.#progress.show(event);
    // For whoever drives the page from outside: the same events, on the page's own window.
    dispatchEvent(new CustomEvent("art2mus", { detail: event }));
  }

  /** Shows which buttons do something now, and what a run would cost. */
  #refresh(): void {
    const ready = this.#engine !== undefined && this.#picture.name !== undefined;
    const running = this.#player.running;
    this.#make.ariaDisabled = String(!ready || running);
    this.#gallery.disabled = running;
    this.#storage.disabled = running;
    if (!running) void this.#storage.refresh();
    show(this.#cancel, running);
    if (this.#picture.name === undefined) this.#cost.textContent = text("run.noPicture");
    else if (this.#engine === undefined) this.#cost.textContent = this.#state.textContent;
    else if (!running) void this.#showCost(this.#engine);
  }

  async #showCost(engine: Art2Mus): Promise<void> {
    try {
      const { ms, download } = await engine.estimate(this.#settings.generation);
      if (engine !== this.#engine) return;
      const weights = download > 0
        ? text("run.costDownload", { bytes: formatBytes(download) })
        : text("run.costStored");
      const time = ms === null ? "" : `${text("run.cost", { time: formatDuration(ms) })} `;
      this.#cost.textContent = time + weights;
    } catch {
      this.#cost.textContent = ""; // Settings out of range: the run itself says so.
    }
  }

  /** Fills the list of facts about model and device. */
  #describe({ info, device, reasons }: Art2Mus): void {
    this.#state.textContent = "";
    this.#announce(text("engine.ready"));
    show(byId("untrained", HTMLElement), !info.trained);
    const adapter = info.adapter ? `: ${info.adapter}` : "";
    const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
    const size = { bytes: formatBytes(info.bytes), parameters: compact.format(info.parameters) };
    const facts: [string, string][] = [
      ["engine.device", text(`device.${device}`) + adapter],
      ["engine.reason", reasons.join(" ")],
      ["engine.model", info.model],
      ["engine.size", text("engine.sizeValue", size)],
      ["engine.licence", info.licence],
      ["engine.credits", info.credits.join(" · ")],
      ["engine.bundle", this.#bundle()],
    ];
    const list = byId("about", HTMLElement);
    list.replaceChildren();
    for (const [key, value] of facts) {
      if (value === "") continue;
      const term = document.createElement("dt");
      term.textContent = text(key);
      const description = document.createElement("dd");
      description.textContent = value;
      list.append(term, description);
    }
    this.#showDefaults(info);
  }

  /** What an empty field stands for, and which lengths the model can make. */
  #showDefaults(info: Art2Mus["info"]): void {
    const input = (name: string) => this.#form.elements.namedItem(name) as HTMLInputElement;
    for (const name of ["seconds", "steps", "guidance"] as const) {
      const range = info[name];
      input(name).placeholder = String(range.default);
      input(name).min = String(range.min);
      input(name).max = String(range.max);
    }
    input("seed").placeholder = text("settings.seed.random");
    if (!this.#settings.generation.scheduler) input("scheduler").value = info.scheduler;
  }

  #applyForm(): void {
    const before = this.#settings;
    this.#settings = fromForm(this.#form, before.bundle);
    this.#dropDefaults(this.#settings);
    history.replaceState(null, "", toQuery(this.#settings) || location.pathname);
    if (before.device !== this.#settings.device) void this.open();
    else this.#refresh();
  }

  /** A scheduler always has a value; it only counts as a setting when it differs from the model's. */
  #dropDefaults({ generation }: PageSettings): void {
    if (generation.scheduler === this.#engine?.info.scheduler) delete generation.scheduler;
  }

  #showProblem(thrown: unknown): void {
    const error = toError(thrown);
    console.error(error);
    byId("problem-title", HTMLElement).textContent = text(`error.${error.name}`);
    byId("problem-message", HTMLElement).textContent = error.message;
    byId("problem-hint", HTMLElement).textContent = error.hint;
    const tooSlow = error.name === "Limits" && this.#engine === undefined && !this.#allowSlow;
    show(byId("anyway", HTMLElement), tooSlow);
    show(byId("problem", HTMLElement), true);
  }

  #hideProblem(): void {
    show(byId("problem", HTMLElement), false);
  }

  #announce(sentence: string): void {
    this.#status.textContent = sentence;
  }
}
