/** Walks through a picture, part after part, and mixtures with another picture. */

import type { Region } from "../client.js";
import { text } from "../common/texts.js";
import type { Picture } from "../pictures/picture.js";
import { byId, show } from "./dom.js";
import { cutOut } from "./history.js";
import type { Plan } from "./plan.js";

export interface JourneyEvents {
  /** The part that is chosen now. */
  region(): Region | undefined;
  /** Somebody wants this. */
  onPlan(plan: Plan): void;
}

/** More would not fit into a walk of some minutes. */
const MOST_PARTS = 12;

export class JourneyView {
  readonly #events: JourneyEvents;
  readonly #list = byId("walk-parts", HTMLElement);
  readonly #walkButton = byId("walk-make", HTMLButtonElement);
  readonly #addButton = byId("walk-add", HTMLButtonElement);
  readonly #others = byId("mix-with", HTMLSelectElement);
  readonly #amount = byId("mix-amount", HTMLInputElement);
  #picture: Picture | undefined;
  #parts: Region[] = [];
  /** Pictures of this visit, to mix with. */
  #known: Picture[] = [];

  constructor(events: JourneyEvents) {
    this.#events = events;
    this.#addButton.addEventListener("click", () => {
      this.#parts.push(events.region() ?? { x: 0, y: 0, width: 1, height: 1 });
      this.#show();
    });
    this.#walkButton.addEventListener("click", () => {
      if (this.#parts.length > 0) events.onPlan({ kind: "walk", regions: [...this.#parts] });
    });
    byId("mix-make", HTMLButtonElement).addEventListener("click", () => this.#mix());
    this.#amount.addEventListener("input", () => this.#say());
    this.#say();
  }

  /** Another picture is shown; a walk through the one before ends. */
  set picture(picture: Picture) {
    if (picture === this.#picture) return;
    this.#picture = picture;
    this.#parts = [];
    if (!this.#known.includes(picture)) this.#known.unshift(picture);
    this.#known = this.#known.slice(0, 24);
    this.#others.replaceChildren(
      ...this.#known.filter((known) => known !== picture).map((known) => new Option(known.about.name)),
    );
    show(byId("mix", HTMLElement), this.#others.length > 0);
    this.#show();
  }

  /** Shows a plan that an address or a piece of this visit has. */
  showPlan(plan: Plan): void {
    if (plan.kind === "walk") this.#parts = [...plan.regions];
    if (plan.kind === "mix") this.#amount.value = String(Math.round(plan.amount * 100));
    this.#show();
    this.#say();
  }

  /** Whether a mixture with this picture can still be asked for. */
  holds(picture: Picture): boolean {
    return this.#known.includes(picture);
  }

  #mix(): void {
    const { selectedIndex } = this.#others;
    const other = this.#known.filter((known) => known !== this.#picture)[selectedIndex];
    if (other) this.#events.onPlan({ kind: "mix", other, amount: Number(this.#amount.value) / 100 });
  }

  #say(): void {
    byId("mix-state", HTMLElement).textContent = text("journey.amount", { percent: this.#amount.value });
  }

  #show(): void {
    const picture = this.#picture;
    if (picture === undefined) return;
    show(byId("journey", HTMLElement), picture.url !== undefined);
    this.#addButton.disabled = this.#parts.length >= MOST_PARTS;
    this.#walkButton.disabled = this.#parts.length === 0;
    this.#list.replaceChildren(
      ...this.#parts.map((part, at) => {
        const remove = document.createElement("button");
        remove.type = "button";
        remove.ariaLabel = text("journey.remove", { number: at + 1 });
        remove.append(cutOut(picture, part));
        remove.addEventListener("click", () => {
          this.#parts.splice(at, 1);
          this.#show();
          this.#addButton.focus();
        });
        const item = document.createElement("li");
        item.append(remove);
        return item;
      }),
    );
  }
}
