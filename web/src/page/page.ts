/** The page: a picture, a button, and the pieces of music that it made. */

import { create, type Art2Mus, type GenerationEvent } from "../client.js";
import { Art2MusError, toError } from "../common/errors.js";
import { formatBytes, formatDuration, text } from "../common/texts.js";
import type { Picture } from "../pictures/picture.js";
import { describeModel } from "./about-view.js";
import { AskView } from "./ask-view.js";
import { byId, keepHeight, show } from "./dom.js";
import { showEngineBytes } from "./engine-progress.js";
import { Forecast } from "./forecast.js";
import { Gallery } from "./gallery.js";
import { History, type Made } from "./history.js";
import { CrashSentinel, keepForOffline } from "./offline.js";
import { LargerModel } from "./larger-model.js";
import { JourneyView } from "./journey-view.js";
import { PictureInput } from "./picture-input.js";
import { artworksOf, heard, linkOf, make, pieces, type Heard, type Plan } from "./plan.js";
import { offerLanguages } from "./languages.js";
import { Player } from "./player.js";
import { ProblemView } from "./problem-view.js";
import { ProgressView } from "./progress-view.js";
import { partOf, RegionView, type Part } from "./region-view.js";
import { ResultView } from "./result-view.js";
import { fromQuery, refusal, toQuery, fitting, type Link, type PageSettings } from "./settings.js";
import { SettingsView } from "./settings-view.js";
import { StorageView } from "./storage-view.js";
import { WhyView } from "./why-view.js";

/** How a permalink names a file that only its owner has. */
const OWN_FILE = /^sha256:[0-9a-f]{64}$/;

/** What else is known of a run that ended well. */
interface Circumstances {
  engine: Art2Mus;
  picture: Picture;
  plan: Plan;
  settings: PageSettings;
  elapsedMs: number;
  estimateMs: number | null;
}

export class Page {
  readonly #make = byId("make", HTMLButtonElement);
  readonly #cancel = byId("cancel", HTMLButtonElement);
  readonly #cost = byId("cost", HTMLElement);
  readonly #desk = byId("desk", HTMLElement);
  readonly #status = byId("status", HTMLElement);
  readonly #state = byId("engine-state", HTMLElement);
  readonly #input = new PictureInput({
    onPicture: (picture, before) => this.#onPicture(picture, before),
    onProblem: (error) => this.#showProblem(error),
  });
  readonly #region = new RegionView((part) => this.#onPart(part));
  readonly #gallery = new Gallery((picture) => {
    this.#wanted = { kind: "piece" };
    void this.#input.fetch(picture.url.href, picture.about);
  });
  readonly #problem = new ProblemView(() => {
    this.#allowSlow = true;
    void this.open();
  });
  readonly #ask = new AskView((agreed) => {
    if (agreed) this.#player.agree(this.#bundle());
    if (agreed) void this.#generate(this.#asked);
    this.#make.focus();
  });
  readonly #progress = new ProgressView((sentence) => this.#announce(sentence));
  readonly #audio = byId("audio", HTMLAudioElement);
  readonly #player = new Player(this.#audio);
  readonly #result = new ResultView(this.#audio, this.#player, (error) => this.#showProblem(error));
  readonly #why = new WhyView({
    engine: () => (this.#busy ? undefined : this.#engine),
    hasTokens: () => this.#engine?.info.hasTokens === true,
    announce: (sentence) => this.#announce(sentence),
    onProblem: (error) => this.#showProblem(error),
  });
  readonly #history: History = new History((made) => this.#recall(made), (picture) => this.#release(picture));
  readonly #journey = new JourneyView({
    region: () => this.#region.part?.region,
    onPlan: (plan) => {
      this.#player.cancel();
      this.#wanted = plan;
      this.#begin();
    },
  });
  readonly #storage = new StorageView({
    announce: (sentence) => this.#announce(sentence),
    onProblem: (error) => this.#showProblem(error),
    onDeleted: () => this.#refresh(),
    onImported: (bundle) => void (bundle === this.#bundle() && this.open()),
    bundle: () => this.#bundle(),
  });
  readonly #larger = new LargerModel({
    announce: (sentence) => this.#announce(sentence),
    onAgreed: (bundle) => this.#player.agree(bundle),
    onReady: (model, bundle) => {
      this.#waiting = { model, bundle };
      this.#switch();
    },
  });
  readonly #settingsView = new SettingsView(() => this.#applyForm());
  #settings: PageSettings;
  /** What the address asks for that is not there yet. */
  #link: Link;
  #engine: Art2Mus | undefined;
  /** The larger model, while the other one makes a piece. */
  #waiting: { model: Art2Mus; bundle: string } | undefined;
  #opening: AbortController | undefined;
  #allowSlow = false;
  /** What the address asks for and was left out. */
  #refused: string[] = [];
  /** What else a person should know of it. */
  #remark = "";
  /** What is wanted as soon as there are a picture and a model. */
  #wanted: Plan | undefined;
  /** What a person was asked about before a large download. */
  #asked: Plan = { kind: "piece" };
  /** A run is under way, or about to begin. */
  #busy = false;

  constructor() {
    keepHeight(byId("drop", HTMLElement));
    offerLanguages(byId("language", HTMLSelectElement));
    this.#link = this.#readAddress();
    this.#settings = structuredClone(this.#link);
    this.#settingsView.show(this.#settings);
    this.#make.addEventListener("click", () => void this.#generate({ kind: "piece" }));
    this.#cancel.addEventListener("click", () => this.#player.cancel());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#player.cancel();
      this.#wanted = undefined;
    });
    addEventListener("popstate", ({ state }) => {
      const made = this.#history.find((state as { piece?: number } | null)?.piece);
      if (made) this.#show(made);
      else void this.#follow(this.#readAddress());
    });
    byId("new-seed", HTMLButtonElement).addEventListener("click", () => {
      delete this.#settings.generation.seed;
      this.#settingsView.show(this.#settings);
      this.#applyForm();
      this.#make.focus();
    });
    this.#refresh();
  }

  /** Opens the model and the picture that the address names. */
  async start(): Promise<void> {
    if (CrashSentinel.isLooping(this.#bundle())) {
      this.#state.textContent = "";
      this.#problem.show(new Art2MusError({ name: "OutOfMemory", message: text("error.crashed"), hint: text("hint.crashed") }), true);
      await this.#openLinkedPicture();
    } else {
      await Promise.all([this.open(), this.#openLinkedPicture()]);
    }
    keepForOffline();
  }

  /** Opens the bundle on the chosen device, in place of what was open before. */
  async open(): Promise<void> {
    this.#opening?.abort();
    this.#player.cancel();
    this.#engine?.dispose();
    this.#engine = undefined;
    this.#problem.hide();
    this.#ask.hide();
    describeModel(undefined, "");
    this.#larger.stop();
    this.#waiting?.model.dispose();
    this.#waiting = undefined;
    this.#state.textContent = text("engine.starting");
    this.#refresh();
    const opening = (this.#opening = new AbortController());
    CrashSentinel.opening(this.#bundle());
    try {
      this.#engine = await this.#create(opening.signal);
      this.#announce(text("engine.ready"));
      this.#describe(this.#engine);
    } catch (thrown) {
      if (!opening.signal.aborted) this.#showProblem(thrown);
    }
    if (this.#opening === opening) {
      CrashSentinel.opened();
      this.#state.textContent = "";
      showEngineBytes(0, 0);
      this.#begin();
      const { larger, device } = this.#settings;
      if (larger) void this.#larger.start({ bundle: larger, device, allowSlow: this.#allowSlow });
    }
  }

  /** Puts the larger model in the place of the one that is open, once nothing runs in that one. */
  #switch(): void {
    const next = this.#waiting;
    if (next === undefined || this.#busy) return;
    this.#waiting = undefined;
    this.#why.withdraw(); // What it would explain is a piece of the other model.
    this.#engine?.dispose();
    this.#engine = next.model;
    this.#settings = { ...this.#settings, bundle: next.bundle, larger: undefined };
    this.#problem.hide();
    this.#describe(next.model);
    this.#begin();
  }

  /** With the kernels of the piece that the address names, where this device has them. */
  async #create(signal: AbortSignal): Promise<Art2Mus> {
    const { bundle, device } = this.#settings;
    const options = { bundle, device, signal, allowSlow: this.#allowSlow, onEngineBytes: showEngineBytes };
    const { kernels } = this.#link;
    if (kernels === undefined) return create(options);
    try {
      return await create({ ...options, kernels });
    } catch (thrown) {
      if (toError(thrown).name !== "Input") throw thrown;
      this.#notice(text("link.otherKernels", { kernels }));
      return create(options);
    }
  }

  /** Reads the address, and says what in it is not understood. */
  #readAddress(): Link {
    this.#refused = [];
    const link = fromQuery(location.search, (name, value) => this.#refused.push(`${name}=${value}`));
    this.#notice("");
    return link;
  }

  /** Leaves out what the open model does not take, and says so. */
  #fitSettings(): void {
    const info = this.#engine?.info;
    if (info === undefined) return;
    this.#settings = fitting(this.#settings, info, (name, value) => this.#refused.push(`${name}=${value}`));
    this.#settingsView.show(this.#settings);
    this.#notice(this.#remark);
  }

  /** Does what another address of this page says, without loading the page again. */
  async #follow(link: Link): Promise<void> {
    const { bundle, device } = this.#settings;
    this.#link = link;
    this.#settings = structuredClone(link);
    this.#settingsView.show(link);
    this.#refresh();
    const reopen = bundle !== link.bundle || device !== link.device;
    if (!reopen) this.#fitSettings();
    await Promise.all([reopen ? this.open() : undefined, this.#openLinkedPicture()]);
  }

  /** Brings the picture that the address names, and makes its piece; a file of somebody's own has to be given again. */
  async #openLinkedPicture(): Promise<void> {
    const { picture: reference, generation, kernels } = this.#link;
    if (reference === undefined) return;
    if (reference === this.#input.picture?.about.reference) {
      this.#region.part = partOf(this.#link);
      return;
    }
    if (OWN_FILE.test(reference)) {
      this.#notice(text("link.ownFile"));
      return;
    }
    const known = await this.#gallery.find(reference);
    const there = await this.#input.fetch(known?.url.href ?? reference, known?.about);
    const plan = there ? await this.#linkedPlan() : undefined;
    if (plan === undefined) return;
    this.#journey.showPlan(plan);
    if (generation.seed === undefined && kernels === undefined) return; // Not the link of a piece.
    this.#wanted = plan;
    this.#begin();
  }

  /** What the address asks to make of its picture; nothing where that takes a file which is not there. */
  async #linkedPlan(): Promise<Plan | undefined> {
    const { walk, mix } = this.#link;
    if (walk) return { kind: "walk", regions: walk };
    if (mix === undefined) return { kind: "piece" };
    if (OWN_FILE.test(mix.picture)) {
      this.#notice(text("link.ownOther"));
      return undefined;
    }
    const known = await this.#gallery.find(mix.picture);
    const other = await this.#input.open(known?.url.href ?? mix.picture, known?.about);
    return other && { kind: "mix", other, amount: mix.amount };
  }

  #onPicture(picture: Picture, before: Picture | undefined): void {
    const { name, reference } = picture.about;
    this.#announce(text("picture.chosen", { name }));
    this.#gallery.mark(reference);
    const linked = reference === this.#link.picture;
    if (linked || OWN_FILE.test(this.#link.picture ?? "")) {
      const other = !linked && this.#settings.generation.seed !== undefined;
      this.#notice(other ? text("link.otherFile", { name }) : "");
    }
    this.#region.part = linked ? partOf(this.#link) : undefined;
    this.#setPart(this.#region.part);
    this.#journey.picture = picture;
    if (before) this.#release(before);
    if (this.#engine) this.#problem.hide(); // Another picture does not help a model that did not open.
    this.#begin();
  }

  #onPart(part: Part | undefined): void {
    this.#setPart(part);
    this.#player.cancel();
    this.#wanted = { kind: "piece" };
    this.#begin();
  }

  /** Gives a picture back that nothing shows any more. */
  #release(picture: Picture): void {
    const held = picture === this.#input.picture || this.#busy || this.#history.holds(picture) || this.#journey.holds(picture);
    if (!held) picture.release();
  }

  #setPart(part: Part | undefined): void {
    this.#settings.lasso = part?.lasso;
    if (part) this.#settings.generation.region = part.region;
    else delete this.#settings.generation.region;
  }

  /** Makes the piece that is wanted, if there is all that it takes. */
  #begin(): void {
    this.#refresh();
    if (this.#wanted && this.#engine && this.#input.picture) void this.#generate(this.#wanted);
  }

  async #generate(plan: Plan): Promise<void> {
    const engine = this.#engine;
    const picture = this.#input.picture;
    if (engine === undefined || picture === undefined || this.#busy) return;
    this.#wanted = undefined;
    this.#asked = plan;
    this.#why.interrupt();
    this.#setBusy(true);
    const settings = structuredClone(this.#settings);
    const { generation } = settings;
    let start = 0;
    let artworks: (Blob | ImageBitmap)[] = [];
    this.#ask.hide();
    try {
      const refused = refusal(generation, engine.info);
      if (refused) throw refused;
      const { ms, stages } = await engine.estimate(generation);
      artworks = await artworksOf(plan, picture, settings.lasso);
      const result = await this.#player.make({
        bundle: this.#bundle(),
        settings: generation,
        open: () => Promise.resolve(engine),
        generate: (opened, signal) => make(opened, plan, artworks, settings, signal),
        ask: (download) => void this.#ask.ask(download),
        onBegin: () => {
          start = performance.now();
          this.#showBegin(engine, stages);
        },
        onEvent: (event) => this.#onEvent(event),
      });
      this.#finish(heard(result), { engine, picture, plan, settings, elapsedMs: performance.now() - start, estimateMs: ms });
    } catch (thrown) {
      if (toError(thrown).name !== "Cancelled") this.#showProblem(thrown);
      else if (start > 0) this.#announce(text("run.cancelled"));
    }
    for (const artwork of artworks) if (artwork instanceof ImageBitmap) artwork.close(); // The worker has copies.
    this.#setBusy(false);
    this.#release(picture);
    this.#progress.end();
    if (document.activeElement === this.#cancel) this.#make.focus();
    this.#switch();
    this.#begin();
  }

  /** Shows, plays, remembers and links what was made. */
  #finish(result: Heard, circumstances: Circumstances): void {
    const { engine, picture, plan, settings, elapsedMs, estimateMs } = circumstances;
    this.#forecast(engine).learn(estimateMs === null ? null : estimateMs * pieces(plan), elapsedMs, result.timings);
    const { kernels, seed } = result;
    const generation = { ...settings.generation, ...(seed !== undefined && { seed }) };
    // A piece's link names the model that made it, and no other.
    const link = this.#address({ ...settings, larger: undefined, generation, kernels, picture: picture.about.reference, ...linkOf(plan) });
    const { region } = settings.generation;
    const made = this.#history.add({ picture, region, plan, settings, model: engine.info.model, result, elapsedMs, link });
    history.pushState({ piece: made.id }, "", made.link);
    this.#show(made);
    this.#announce(text("run.done"));
    // Whoever asked for it wants to hear it; a browser that does not allow that leaves it paused.
    void this.#audio.play().catch(() => {});
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy;
    this.#desk.ariaBusy = String(busy);
  }

  #showBegin(engine: Art2Mus, stages: readonly string[]): void {
    this.#problem.hide();
    this.#refresh();
    this.#progress.begin(engine.info.stages.filter(({ name }) => stages.includes(name)));
    this.#progress.reach();
    this.#announce(text("run.started"));
  }

  /** Shows a piece of this visit. */
  #show(made: Made): void {
    this.#result.show(made);
    this.#why.offer(made);
    if (made.settings.bundle !== this.#settings.bundle) this.#why.withdraw();
    this.#history.show(made);
  }

  /** Goes back to a piece of this visit: its music, its picture and its settings. */
  #recall(made: Made): void {
    const { bundle, larger, device } = this.#settings;
    this.#settings = { ...structuredClone(made.settings), bundle, larger, device };
    this.#settingsView.show(this.#settings);
    this.#refused = [];
    this.#fitSettings();
    this.#link = { ...structuredClone(this.#settings), picture: made.picture.about.reference };
    this.#input.show(made.picture);
    this.#journey.showPlan(made.plan);
    this.#show(made);
    history.pushState({ piece: made.id }, "", made.link);
  }

  /** A full address of this page. */
  #address(link: Link): string {
    return new URL(toQuery(link), location.href.replace(/[?#].*/, "")).href;
  }

  /** The bundle's full address. */
  #bundle(): string {
    return new URL(this.#settings.bundle, document.baseURI).href;
  }

  #forecast({ device }: Art2Mus): Forecast {
    return new Forecast(`${device} ${this.#bundle()}`);
  }

  #onEvent(event: GenerationEvent): void {
    this.#progress.show(event);
    // For whoever drives the page from outside: the same events, on the page's own window.
    dispatchEvent(new CustomEvent("art2mus", { detail: event }));
  }

  /** Shows which buttons do something now, and what a run would cost. */
  #refresh(): void {
    const picture = this.#input.picture;
    const running = this.#busy;
    this.#make.ariaDisabled = String(this.#engine === undefined || picture === undefined || running);
    this.#gallery.disabled = running;
    this.#storage.disabled = running;
    if (!running) void this.#storage.refresh();
    show(this.#cancel, running);
    const { seed } = this.#settings.generation;
    byId("pinned-seed", HTMLElement).textContent = seed === undefined ? "" : text("run.pinned", { seed: Number(seed) });
    show(byId("pinned", HTMLElement), seed !== undefined);
    if (picture === undefined) this.#cost.textContent = text("run.noPicture");
    else if (this.#engine === undefined) this.#cost.textContent = this.#state.textContent;
    else if (!running) void this.#showCost(this.#engine);
  }

  async #showCost(engine: Art2Mus): Promise<void> {
    const { generation } = this.#settings;
    const refused = refusal(generation, engine.info);
    if (refused) {
      this.#cost.textContent = refused.message;
      return;
    }
    const forecast = this.#forecast(engine);
    const estimated = await engine.estimate(generation).catch((thrown: unknown) => {
      if (engine === this.#engine) throw thrown; // Otherwise another model has taken its place.
    });
    if (estimated === undefined || engine !== this.#engine || generation !== this.#settings.generation) return;
    const { ms: estimateMs, download } = estimated;
    const ms = forecast.ms(estimateMs);
    const weights = download > 0 ? text("run.costDownload", { bytes: formatBytes(download) }) : text("run.costStored");
    const time = ms === null ? "" : `${text("run.cost", { time: formatDuration(ms) })} `;
    this.#cost.textContent = time + weights;
    const msOf = async (steps: number) => forecast.ms((await engine.estimate({ ...generation, steps })).ms);
    await this.#settingsView.showTimes(msOf).catch((thrown: unknown) => {
      if (engine === this.#engine) throw thrown;
    });
  }

  /** Shows what the model that was opened is and can do. */
  #describe(engine: Art2Mus): void {
    describeModel(engine, this.#bundle());
    this.#fitSettings();
    this.#settingsView.describe(engine.info, this.#settings.generation);
  }

  #applyForm(): void {
    const before = this.#settings;
    this.#settings = this.#settingsView.read(before);
    history.replaceState(null, "", toQuery({ ...this.#settings, picture: this.#link.picture }) || location.pathname);
    if (before.device !== this.#settings.device) void this.open();
    else this.#refresh();
  }

  #showProblem(thrown: unknown): void {
    const tooSlow = toError(thrown).name === "Limits" && this.#engine === undefined && !this.#allowSlow;
    this.#problem.show(thrown, tooSlow);
  }

  /** Something about the address that a person should know; nothing when it is empty. */
  #notice(sentence: string): void {
    this.#remark = sentence;
    const refused = this.#refused.length > 0 ? text("link.refused", { list: this.#refused.join(", ") }) : "";
    byId("notice", HTMLElement).textContent = [refused, sentence].filter((part) => part !== "").join(" ");
    show(byId("notice", HTMLElement), refused + sentence !== "");
  }

  #announce(sentence: string): void {
    this.#status.textContent = sentence;
  }
}
