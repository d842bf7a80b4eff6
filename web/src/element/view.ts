/** What `<art-to-mus>` shows: its shadow tree, with parts and slots. */

import { text } from "../common/texts.js";

const STYLE = `
:host { display: inline-block; max-width: 100%; font-family: system-ui, sans-serif; }
:host([hidden]), [hidden] { display: none !important; }
img { display: block; max-width: 100%; }
.controls { display: grid; gap: var(--art2mus-gap, 0.5rem); margin-top: var(--art2mus-gap, 0.5rem); }
button { justify-self: start; padding: 0.5rem 1rem; font: inherit; cursor: pointer; }
:focus-visible { outline: 3px solid; outline-offset: 2px; }
progress, audio { width: 100%; accent-color: var(--art2mus-accent, auto); }
a { justify-self: start; color: inherit; }
p { margin: 0; }
`;

let shared: CSSStyleSheet | undefined;

/** One for all elements: browsers keep each. */
function styles(): CSSStyleSheet {
  if (shared === undefined) {
    shared = new CSSStyleSheet();
    shared.replaceSync(STYLE);
  }
  return shared;
}

/** States for styling: `art-to-mus:state(running)`. */
export type State = "running" | "asking" | "ready" | "playing" | "failed";

/** An element of the shadow tree that is a part. */
function part<K extends keyof HTMLElementTagNameMap>(tag: K, name: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.part.add(name);
  return element;
}

export class View {
  readonly picture = part("img", "picture");
  readonly controls = part("div", "controls");
  readonly button = part("button", "button");
  readonly progress = part("progress", "progress");
  readonly status = part("p", "status");
  readonly audio = part("audio", "audio");
  readonly download = part("a", "download");
  /** Holds the button, or what a page puts in its place. */
  readonly buttonSlot = document.createElement("slot");
  readonly #internals: ElementInternals;

  constructor(host: HTMLElement) {
    const root = host.attachShadow({ mode: "open" });
    this.#internals = host.attachInternals();
    root.adoptedStyleSheets = [styles()];
    this.controls.className = "controls";
    this.button.type = "button";
    this.status.role = "status";
    this.audio.controls = true;
    this.buttonSlot.name = "button";
    this.buttonSlot.append(this.button);
    const playerSlot = document.createElement("slot");
    playerSlot.name = "player";
    playerSlot.append(this.audio, this.download);
    this.controls.append(this.buttonSlot, this.progress, this.status, playerSlot);
    this.progress.hidden = this.audio.hidden = this.download.hidden = true;
    root.append(this.picture, this.controls);
  }

  /** Texts that never change, as soon as there are texts. */
  label(): void {
    this.progress.ariaLabel = text("progress.label");
    this.audio.ariaLabel = text("result.audio");
    this.download.textContent = text("save.wav");
  }

  showPicture(src: string): void {
    if (src === "") this.picture.removeAttribute("src");
    else if (this.picture.getAttribute("src") !== src) this.picture.src = src;
  }

  /** Shows the player with what the audio element holds, which is to be saved as `fileName`; or hides it. */
  showPlayer(fileName: string | undefined): void {
    this.audio.hidden = this.download.hidden = fileName === undefined;
    if (fileName === undefined) return;
    this.download.href = this.audio.src;
    this.download.download = fileName;
  }

  setState(state: State, on: boolean): void {
    try {
      if (on) this.#internals.states.add(state);
      else this.#internals.states.delete(state);
    } catch {
      // Browsers of before 2024 have no states, or only take names that begin with two hyphens.
    }
  }
}
