/** What went wrong, and what to do about it. */

import { sayError, toError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { byId, show } from "./dom.js";

export class ProblemView {
  readonly #box = byId("problem", HTMLElement);
  readonly #anyway = byId("anyway", HTMLButtonElement);

  /** `onAnyway` hears that a person wants a model opened that was refused. */
  constructor(onAnyway: () => void) {
    this.#anyway.addEventListener("click", onAnyway);
  }

  /** Shows an error; `refused` says whether it is about a model that may be opened all the same. */
  show(thrown: unknown, refused: boolean): void {
    const error = toError(thrown);
    console.error(error);
    byId("problem-title", HTMLElement).textContent = text(`error.${error.name}`);
    sayError(error, byId("problem-message", HTMLElement), byId("problem-hint", HTMLElement));
    show(this.#anyway, refused);
    show(this.#box, true);
  }

  hide(): void {
    show(this.#box, false);
  }
}
