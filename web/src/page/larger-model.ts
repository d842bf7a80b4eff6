/** A larger model that arrives in the background while a smaller one plays, and takes its place once it is there. */

import { preload, type Art2Mus, type CreateOptions } from "../client.js";
import { toError } from "../common/errors.js";
import { formatBytes, text } from "../common/texts.js";
import { byId, show } from "./dom.js";
import { LARGE_DOWNLOAD } from "./player.js";

export interface LargerModelEvents {
  announce(sentence: string): void;
  /** A person wants the bundle at this full address, although it is large. */
  onAgreed(bundle: string): void;
  /** It is here; whoever takes it disposes of it. */
  onReady(model: Art2Mus, bundle: string): void;
}

export class LargerModel {
  readonly #events: LargerModelEvents;
  readonly #box = byId("larger", HTMLElement);
  readonly #state = byId("larger-state", HTMLElement);
  readonly #bar = byId("larger-bar", HTMLProgressElement);
  readonly #question = byId("larger-ask", HTMLElement);
  readonly #download = byId("larger-download", HTMLButtonElement);
  #fetching: AbortController | undefined;
  /** Takes a person's answer. */
  #answer: (agreed: boolean) => void = () => {};

  constructor(events: LargerModelEvents) {
    this.#events = events;
    this.#download.addEventListener("click", () => this.#answer(true));
    byId("larger-not-now", HTMLButtonElement).addEventListener("click", () => this.#answer(false));
  }

  /** Gives up what is on its way. */
  stop(): void {
    this.#fetching?.abort();
    this.#answer(false);
    show(this.#box, false);
  }

  /** Begins to get the model at the address `bundle`. */
  async start(options: CreateOptions & { bundle: string }): Promise<void> {
    this.stop();
    const { signal } = (this.#fetching = new AbortController());
    try {
      const model = await preload({
        ...options,
        signal,
        agree: async (bytes) => (await this.#agreed(bytes, options.bundle)) && !signal.aborted && this.#begin(bytes),
        onProgress: (fraction) => {
          if (!signal.aborted) this.#bar.value = fraction;
        },
      });
      if (signal.aborted) return model.dispose();
      this.#say(text("larger.ready", { model: model.info.model }));
      this.#events.onReady(model, options.bundle);
    } catch (thrown) {
      if (signal.aborted) return;
      const { name, message: reason } = toError(thrown);
      // A person said no, or it cannot be had: either way nothing else changes.
      if (name === "Cancelled") show(this.#box, false);
      else this.#say(text("larger.failed", { reason }));
    }
  }

  /** Asks before a large download, as the page does for any. */
  #agreed(bytes: number, bundle: string): Promise<boolean> {
    if (bytes <= LARGE_DOWNLOAD) return Promise.resolve(true);
    const address = new URL(bundle, document.baseURI);
    const values = { bytes: formatBytes(bytes), host: address.host };
    this.#state.textContent = text("larger.ask", values);
    this.#download.textContent = text("ask.download", values);
    this.#show(false, true);
    return new Promise((resolve) => {
      this.#answer = (agreed) => {
        if (agreed) this.#events.onAgreed(address.href);
        show(this.#question, false);
        resolve(agreed);
      };
    });
  }

  #begin(bytes: number): boolean {
    this.#state.textContent = text("larger.arriving", { bytes: formatBytes(bytes) });
    this.#bar.value = 0;
    this.#show(true, false);
    return true;
  }

  #say(sentence: string): void {
    this.#state.textContent = sentence;
    this.#show(false, false);
    this.#events.announce(sentence);
  }

  #show(bar: boolean, question: boolean): void {
    show(this.#bar, bar);
    show(this.#question, question);
    show(this.#box, true);
  }
}
