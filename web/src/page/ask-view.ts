/** The question before a large download. */

import { storage } from "../client.js";
import { text } from "../common/texts.js";
import { byId, show } from "./dom.js";
import type { Download } from "./player.js";

export class AskView {
  readonly #box = byId("ask", HTMLElement);
  readonly #yes = byId("ask-download", HTMLButtonElement);

  /** `onAnswer` hears what a person says. */
  constructor(onAnswer: (agreed: boolean) => void) {
    this.#yes.addEventListener("click", () => onAnswer(true));
    byId("ask-not-now", HTMLButtonElement).addEventListener("click", () => {
      this.hide();
      onAnswer(false);
    });
  }

  /** Asks; the buttons are the answer. */
  async ask(download: Download): Promise<void> {
    const { supported } = await storage();
    const values = { ...download };
    byId("ask-body", HTMLElement).textContent = text(supported ? "ask.stored" : "ask.memory", values);
    this.#yes.textContent = text("ask.download", values);
    show(this.#box, true);
    this.#yes.focus();
  }

  hide(): void {
    show(this.#box, false);
  }
}
