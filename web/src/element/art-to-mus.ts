/**
 * `<art-to-mus src="painting.jpg" controls>`: a picture with a button that turns it into music, for any page.
 *
 * Attributes and properties are in `properties.ts`, events in `types.ts`; parts, slots and states in `view.ts`.
 */

import { Art2MusError, storage, type Art2Mus, type GenerationEvent, type Result, type Settings, type StageInfo } from "../client.js";
import { fileNameOf, folderAddress, pieceName } from "../common/address.js";
import { sayError, toError } from "../common/errors.js";
import { fault } from "../common/faults.js";
import { formatDuration, loadTexts, text } from "../common/texts.js";
import { DEFAULT_BUNDLE } from "../engine/files.js";
import { Player, type Download } from "../page/player.js";
import { stageLabel } from "../page/progress-view.js";
import { acquireEngine, releaseEngine } from "./engines.js";
import { ATTRIBUTES, ElementProperties } from "./properties.js";
import type { ArtToMusEventMap } from "./types.js";
import { View } from "./view.js";

/** How far from the visible part a lazy element begins. */
const NEAR = "200px";

/** The element that is heard: another one's music pauses it. */
let heard: ArtToMus | undefined;

/** The element `<art-to-mus>`. */
export class ArtToMus extends ElementProperties {
  static readonly observedAttributes = ATTRIBUTES;

  readonly #view = new View(this);
  readonly #player = new Player(this.#view.audio);
  #run: Promise<Result> | undefined;
  #result: Result | null = null;
  #stages: readonly StageInfo[] = [];
  /** Whether this browser stores weights for this page. */
  #stores = true;
  /** Whether the texts are there. */
  #speaks = false;
  /** A large download that the button asks about; the next press agrees to it. */
  #asked: (Download & { bundle: string }) | undefined;
  #failed = false;
  /** The first stages are short and say nothing of the rest: time is told from the first step on. */
  #stepped = false;
  #playing = false;
  /** The picture that `autoplay` has begun with: once for each. */
  #begun = "";
  #nearby: IntersectionObserver | undefined;

  constructor() {
    super();
    const { buttonSlot, audio } = this.#view;
    buttonSlot.addEventListener("click", () => {
      if (this.#player.running) this.cancel();
      else this.#generate(true).catch(() => {}); // Shown in the element, and told by an event.
    });
    audio.addEventListener("play", () => {
      if (heard !== this) heard?.pause();
      heard = this;
    });
    audio.addEventListener("playing", () => this.#hear(true));
    audio.addEventListener("pause", () => this.#hear(false));
    audio.addEventListener("emptied", () => this.#hear(false));
  }

  connectedCallback(): void {
    this.#upgrade();
    void loadTexts().then(() => {
      this.#speaks = true;
      this.#view.label();
      this.#refresh();
    });
    if (this.#result && this.audio.src === "") this.#offer(this.#result);
    this.#beginAlone();
  }

  disconnectedCallback(): void {
    // Elements that are only moved are connected again before this.
    queueMicrotask(() => {
      if (!this.isConnected) this.#leave();
    });
  }

  attributeChangedCallback(name: (typeof ATTRIBUTES)[number], before: string | null, after: string | null): void {
    if (name === "src" && before !== after) this.#dropPiece();
    this.#refresh();
    if (name === "src" || name === "autoplay" || name === "loading") this.#beginAlone();
  }

  /** The last piece of music; null while there is none. Its `wav()` is a file. */
  get result(): Result | null {
    return this.#result;
  }

  /** The audio element that plays, for whoever shows controls of their own. */
  get audio(): HTMLAudioElement {
    return this.#view.audio;
  }

  /** Whether music is being made. */
  get running(): boolean {
    return this.#player.running;
  }

  /** Whether nothing is heard. */
  get paused(): boolean {
    return this.audio.paused;
  }

  /** Makes music from `src`. A run that is under way is cancelled first. */
  generate(): Promise<Result> {
    return this.#generate(false);
  }

  /** Stops the run that is under way, if any. */
  cancel(): void {
    this.#player.cancel();
  }

  /**
   * Plays the music, which is made first where there is none. Rejects with the browser's own `NotAllowedError` where it
   * wants the visitor to press something before there is sound.
   */
  async play(): Promise<void> {
    if (this.#result === null) await (this.#run ?? this.generate());
    await this.audio.play();
  }

  pause(): void {
    this.audio.pause();
  }

  #generate(careful: boolean): Promise<Result> {
    const run = this.#make(careful).finally(() => {
      if (this.#run === run) this.#run = undefined;
      if (!this.isConnected && this.#run === undefined) releaseEngine(this);
    });
    run.catch(() => {}); // `play()` may wait for it or not.
    this.#run = run;
    return run;
  }

  /** `careful`: a person has pressed the button, or nobody has; they are asked before a large download. */
  async #make(careful: boolean): Promise<Result> {
    try {
      const bundle = folderAddress(this.bundle || DEFAULT_BUNDLE, document.baseURI);
      const agreed = careful && this.#asked?.bundle === bundle;
      if (agreed) this.#player.agree(bundle);
      this.#asked = undefined;
      const artwork = new URL(this.src, document.baseURI);
      const settings = this.#settings();
      const result = await this.#player.make({
        bundle,
        settings,
        generate: (engine, signal) => engine.generate(artwork, { ...settings, signal }),
        open: () => this.#open(bundle),
        onEvent: (event) => this.#onEvent(event),
        ...(careful && {
          ask: (download: Download) => {
            this.#asked = { ...download, bundle };
            throw new Art2MusError({ name: "Cancelled", message: text("ask.element", { ...download }) });
          },
        }),
      });
      this.#player.load(result.wav());
      this.#result = result;
      this.#view.status.textContent = text(this.#stores ? "run.done" : "element.doneWithoutStorage");
      this.#view.showPlayer(this.#fileName(result));
      this.#refresh();
      this.#tell("art2mus-done", result);
      if (this.autoplay) await this.audio.play().catch(() => {}); // The browser wants a press first: so be it.
      return result;
    } catch (thrown) {
      const error = toError(thrown, "Input"); // Our own errors aside, only an address can be wrong.
      this.#fail(error);
      throw error;
    }
  }

  async #open(bundle: string): Promise<Art2Mus> {
    this.#failed = false;
    this.#stepped = false;
    this.#view.progress.removeAttribute("value");
    this.#view.status.textContent = text("run.started");
    this.#refresh();
    if (this.src === "") throw fault("picture.none");
    const opened = await acquireEngine(this, { bundle, device: this.device });
    this.#stages = opened.info.stages;
    this.#stores = (await storage()).supported;
    return opened;
  }

  #settings(): Settings {
    const { seconds, steps, guidance, seed, scheduler, comment, prompt, negative } = this;
    return Object.fromEntries(
      Object.entries({ seconds, steps, guidance, seed, scheduler, comment, prompt, negative }).filter(([, value]) => value !== null),
    );
  }

  #onEvent(event: GenerationEvent): void {
    const { status, progress } = this.#view;
    if (event.type === "stage") {
      const left = event.etaMs == null || !this.#stepped ? "" : ` · ${text("progress.left", { time: formatDuration(event.etaMs) })}`;
      status.textContent = stageLabel(this.#stages, event.stage) + left;
    } else if (event.type === "step") {
      this.#stepped = true;
      progress.value = event.step / event.steps;
    } else if (event.type === "load") {
      this.#tell("art2mus-load", event);
    }
    this.#tell("art2mus-progress", event);
  }

  #fail(error: Art2MusError): void {
    const cancelled = error.name === "Cancelled";
    // What a newer run shows is left alone.
    if (!this.#player.running) {
      this.#failed = !cancelled;
      if (cancelled) this.#view.status.textContent = error.message;
      else sayError(error, this.#view.status);
      this.#refresh();
    }
    if (cancelled) this.#tell("art2mus-cancel", error);
    else this.#tell("art2mus-error", error);
  }

  /** Gives a piece that was made before to the audio element again. */
  #offer(result: Result): void {
    this.audio.src = URL.createObjectURL(result.wav());
    this.#view.showPlayer(this.#fileName(result));
  }

  /** Ends what belongs to a picture that is not shown any more. */
  #dropPiece(): void {
    this.cancel();
    this.#result = null;
    this.#asked = undefined;
    this.#failed = false;
    this.#begun = "";
    this.#view.status.textContent = "";
    this.#silence();
  }

  /** Frees the music in the browser: forgetting its address would leave all of it in the player's memory. */
  #silence(): void {
    this.#player.forget();
    this.audio.load();
    this.#view.showPlayer(undefined);
  }

  #leave(): void {
    this.cancel();
    this.#nearby?.disconnect();
    this.#nearby = undefined;
    this.#silence();
    if (heard === this) heard = undefined;
    releaseEngine(this);
  }

  /** Begins without being asked, once for each picture, where `autoplay` says so. */
  #beginAlone(): void {
    this.#nearby?.disconnect();
    this.#nearby = undefined;
    if (!this.autoplay || !this.isConnected || this.src === "" || this.#begun === this.src) return;
    const begin = () => {
      if (!this.autoplay || !this.isConnected || this.src === "" || this.#begun === this.src) return;
      this.#begun = this.src;
      if (!this.#player.running && this.#result === null) this.#generate(true).catch(() => {});
    };
    if (this.loading === "eager") {
      queueMicrotask(begin); // Whoever sets several attributes sets the others first.
      return;
    }
    this.#nearby = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      this.#nearby?.disconnect();
      begin();
    }, { rootMargin: NEAR });
    this.#nearby.observe(this);
  }

  #hear(playing: boolean): void {
    if (this.#playing === playing) return;
    this.#playing = playing;
    this.#refresh();
    this.#tell(playing ? "art2mus-play" : "art2mus-pause", null);
  }

  /** Shows what attributes and the state say. */
  #refresh(): void {
    const view = this.#view;
    const { running } = this.#player;
    view.controls.hidden = !this.controls;
    view.audio.loop = this.loop;
    view.picture.loading = this.loading; // Before its address.
    view.picture.alt = this.alt;
    const begun = running || this.#result !== null;
    view.showPicture(begun ? this.src : this.poster || this.src);
    view.progress.hidden = !running;
    view.setState("running", running);
    view.setState("asking", !running && this.#asked !== undefined);
    view.setState("ready", !running && this.#result !== null);
    view.setState("failed", !running && this.#failed);
    view.setState("playing", this.#playing);
    if (!this.#speaks) return;
    if (running) view.button.textContent = text("run.cancel");
    else if (!this.#asked) view.button.textContent = text("run.make");
    else view.button.textContent = text("ask.download", { bytes: this.#asked.bytes });
  }

  /** Of what every file system takes; pictures in `data:` and `blob:` addresses have no name. */
  #fileName({ seed }: Result): string {
    const url = new URL(this.src, document.baseURI);
    const name = /^(https?|file):$/.test(url.protocol) ? fileNameOf(url) : "";
    return `${pieceName(name, seed)}.wav`;
  }

  /** Properties that were set before the element was defined hide the accessors: they are set again. */
  #upgrade(): void {
    for (const name of ATTRIBUTES) {
      if (!Object.hasOwn(this, name)) continue;
      const value: unknown = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
  }

  #tell<Name extends keyof ArtToMusEventMap>(name: Name, detail: ArtToMusEventMap[Name]["detail"]): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "art-to-mus": ArtToMus;
  }
}
