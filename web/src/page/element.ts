/**
 * `<art-to-mus src="painting.jpg" bundle="models/default/" seconds="10" seed="1" controls>`
 *
 * A picture with a button that turns it into music, for any page. Attributes and properties mirror
 * each other: `src`, `bundle`, `device`, `seconds`, `steps`, `guidance`, `scheduler`, `seed`,
 * `controls`. Without `controls` nothing but the picture shows, and a script calls `generate()`.
 * Events, which bubble and are composed: `art2mus-progress` (its detail is a generation event),
 * `art2mus-done` (the result), `art2mus-error` (the error).
 * Parts for styling: `picture`, `controls`, `button`, `progress`, `status`, `audio`.
 */

import { Art2MusError, create, type Art2Mus, type GenerationEvent, type Result, type StageInfo } from "../client.js";
import { toError } from "../common/errors.js";
import { formatDuration, loadTexts, text } from "../common/texts.js";
import { Player, type Download } from "./player.js";
import { stageLabel } from "./progress-view.js";
import { readDevice, readGeneration } from "./settings.js";

const ATTRIBUTES = ["src", "bundle", "device", "seconds", "steps", "guidance", "scheduler", "seed"] as const;

/** What plays when no `bundle` is named: the model that is shipped beside this module. */
const DEFAULT_BUNDLE = new URL("../../models/default/", import.meta.url);

const STYLE = `
:host { display: inline-block; max-width: 100%; font-family: system-ui, sans-serif; }
:host([hidden]), [hidden] { display: none !important; }
img { display: block; max-width: 100%; }
.controls { display: grid; gap: 0.5rem; margin-top: 0.5rem; }
button { justify-self: start; padding: 0.5rem 1rem; font: inherit; cursor: pointer; }
button:focus-visible { outline: 3px solid; outline-offset: 2px; }
progress, audio { width: 100%; }
p { margin: 0; }
`;

interface Shared {
  engine: Promise<Art2Mus>;
  users: Set<ArtToMus>;
}

/** Elements with the same bundle and device share one engine, which ends with the last of them. */
const engines = new Map<string, Shared>();

export class ArtToMus extends HTMLElement {
  static readonly observedAttributes = ["src", "controls"];

  readonly #picture = document.createElement("img");
  readonly #controls = document.createElement("div");
  readonly #button = document.createElement("button");
  readonly #progress = document.createElement("progress");
  readonly #status = document.createElement("p");
  readonly #audio = document.createElement("audio");
  readonly #player = new Player(this.#audio);
  #stages: readonly StageInfo[] = [];
  /** A large download that the button asks about; the next press agrees to it. */
  #asked: (Download & { bundle: string }) | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    this.#picture.part.add("picture");
    this.#picture.alt = "";
    this.#controls.className = "controls";
    this.#controls.part.add("controls");
    this.#button.type = "button";
    this.#button.part.add("button");
    this.#progress.part.add("progress");
    this.#status.part.add("status");
    this.#status.role = "status";
    this.#audio.part.add("audio");
    this.#audio.controls = true;
    this.#progress.hidden = this.#audio.hidden = true;
    this.#controls.append(this.#button, this.#progress, this.#status, this.#audio);
    root.append(this.#picture, this.#controls);
    this.#button.addEventListener("click", () => {
      if (this.#player.running) this.cancel();
      else this.#generate(true).catch(() => {}); // Shown in the element, and told by an event.
    });
  }

  connectedCallback(): void {
    void loadTexts().then(() => this.#label());
    this.attributeChangedCallback();
  }

  disconnectedCallback(): void {
    this.cancel();
    for (const [key, { engine, users }] of engines) {
      if (!users.delete(this) || users.size > 0) continue;
      engines.delete(key);
      engine.then((opened) => opened.dispose(), () => {});
    }
  }

  attributeChangedCallback(): void {
    this.#controls.hidden = !this.controls;
    if (this.src === "") this.#picture.removeAttribute("src");
    else if (this.#picture.getAttribute("src") !== this.src) this.#picture.src = this.src;
  }

  get controls(): boolean {
    return this.hasAttribute("controls");
  }

  set controls(value: boolean) {
    this.toggleAttribute("controls", value);
  }

  /** Makes music from `src`. A run that is under way is cancelled first. */
  generate(): Promise<Result> {
    return this.#generate(false);
  }

  /** `pressed`: a person pressed the button, and is asked before a large download. */
  async #generate(pressed: boolean): Promise<Result> {
    try {
      const bundle = this.#bundle();
      if (pressed && this.#asked?.bundle === bundle) this.#player.agree(bundle);
      this.#asked = undefined;
      const artwork = new URL(this.src, document.baseURI);
      const settings = readGeneration((name) => this.getAttribute(name));
      const result = await this.#player.make({
        bundle,
        settings,
        generate: (engine, signal) => {
          const run = engine.generate(artwork, { ...settings, signal });
          return { run, heard: () => run.result };
        },
        open: () => this.#open(bundle),
        onEvent: (event) => this.#onEvent(event),
        ...(pressed && {
          ask: (download: Download) => {
            this.#asked = { ...download, bundle };
            throw new Art2MusError({ name: "Cancelled", message: text("ask.element", { ...download }) });
          },
        }),
      });
      this.#player.load(result.wav());
      this.#finish(text("run.done"));
      this.#audio.hidden = false;
      this.#tell("done", result);
      return result;
    } catch (thrown) {
      const error = toError(thrown, "Input"); // Our own errors aside, only an address can be wrong.
      // What a newer run shows is left alone.
      if (!this.#player.running) this.#finish(error.message);
      this.#tell("error", error);
      throw error;
    } finally {
      this.#label();
    }
  }

  /** Stops the run that is under way, if any. */
  cancel(): void {
    this.#player.cancel();
  }

  #bundle(): string {
    return this.bundle === "" ? DEFAULT_BUNDLE.href : new URL(this.bundle, document.baseURI).href;
  }

  async #open(bundle: string): Promise<Art2Mus> {
    this.#begin();
    if (this.src === "") {
      const hint = text("hint.noSource");
      throw new Art2MusError({ name: "Input", message: text("error.noSource"), hint });
    }
    const opened = await this.#engine(bundle);
    this.#stages = opened.info.stages;
    return opened;
  }

  #engine(bundle: string): Promise<Art2Mus> {
    const device = readDevice(this.device);
    const key = `${device} ${bundle}`;
    const shared = engines.get(key) ?? { engine: create({ bundle, device }), users: new Set() };
    if (!engines.has(key)) {
      engines.set(key, shared);
      // What could not be opened is tried again the next time.
      shared.engine.catch(() => {
        if (engines.get(key) === shared) engines.delete(key);
      });
    }
    shared.users.add(this);
    return shared.engine;
  }

  #begin(): void {
    this.#player.forget();
    this.#audio.hidden = true;
    this.#progress.removeAttribute("value");
    this.#progress.hidden = false;
    this.#status.textContent = text("run.started");
    this.#label();
  }

  #finish(sentence: string): void {
    this.#progress.hidden = true;
    this.#status.textContent = sentence;
  }

  #onEvent(event: GenerationEvent): void {
    if (event.type === "stage") {
      const left = event.etaMs == null ? "" : ` · ${text("progress.left", { time: formatDuration(event.etaMs) })}`;
      this.#status.textContent = stageLabel(this.#stages, event.stage) + left;
    } else if (event.type === "step") {
      this.#progress.value = event.step / event.steps;
    }
    this.#tell("progress", event);
  }

  #label(): void {
    if (this.#player.running) this.#button.textContent = text("run.cancel");
    else if (!this.#asked) this.#button.textContent = text("run.make");
    else this.#button.textContent = text("ask.download", { bytes: this.#asked.bytes });
    this.#progress.ariaLabel = text("progress.label");
  }

  #tell(what: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(`art2mus-${what}`, { detail, bubbles: true, composed: true }));
  }
}

/** Properties that mirror attributes; text, as in the attributes. */
export interface ArtToMus extends Record<(typeof ATTRIBUTES)[number], string> {}

for (const name of ATTRIBUTES) {
  Object.defineProperty(ArtToMus.prototype, name, {
    get(this: ArtToMus) {
      return this.getAttribute(name) ?? "";
    },
    set(this: ArtToMus, value: string | number) {
      this.setAttribute(name, String(value));
    },
    enumerable: true,
  });
}

if (!customElements.get("art-to-mus")) customElements.define("art-to-mus", ArtToMus);

declare global {
  interface HTMLElementTagNameMap {
    "art-to-mus": ArtToMus;
  }
}
