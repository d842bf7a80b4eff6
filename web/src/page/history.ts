/** The pieces of this visit, each with the picture that it was made from. */

import type { Region } from "../client.js";
import { text } from "../common/texts.js";
import type { Picture } from "../pictures/picture.js";
import { byId, layOver, show } from "./dom.js";
import { describe, type Heard, type Plan } from "./plan.js";
import type { PageSettings } from "./settings.js";

/** What a run made. */
export interface Made {
  id: number;
  picture: Picture;
  region: Region | undefined;
  plan: Plan;
  /** What the person had set, without the seed that came out. */
  settings: PageSettings;
  /** The name of the model that made it. */
  model: string;
  result: Heard;
  elapsedMs: number;
  /** Address of a page that makes the same again. */
  link: string;
  /** Which of the result's pieces is heard. */
  take: number;
}

/** So many are kept; a piece of a minute has 4 MB. */
const MOST = 24;

export class History {
  readonly #list = byId("history-list", HTMLElement);
  #all: Made[] = [];
  #next = 1;

  /** `onChoose` hears which of them should be shown again, `onForgotten` of pictures of pieces that are gone. */
  constructor(
    readonly onChoose: (made: Made) => void,
    readonly onForgotten: (picture: Picture) => void,
  ) {}

  /** Adds a piece, and forgets the oldest where there are too many. */
  add(piece: Omit<Made, "id" | "take">): Made {
    const made = { ...piece, id: this.#next++, take: 0 };
    this.#all.unshift(made);
    for (const { picture, plan } of this.#all.splice(MOST)) {
      this.onForgotten(picture);
      if (plan.kind === "mix") this.onForgotten(plan.other);
    }
    return made;
  }

  /** Whether a piece of this picture is there. */
  holds(picture: Picture): boolean {
    return this.#all.some((made) => made.picture === picture || (made.plan.kind === "mix" && made.plan.other === picture));
  }

  find(id: unknown): Made | undefined {
    return this.#all.find((made) => made.id === id);
  }

  /** Lists them, newest first, with the one that is shown marked. One alone needs no list. */
  show(current: Made): void {
    const several = new Set(this.#all.map(({ model }) => model)).size > 1;
    this.#list.replaceChildren(...this.#all.map((made) => this.#item(made, made === current, several)));
    show(byId("history", HTMLElement), this.#all.length > 1);
  }

  #item(made: Made, current: boolean, nameModel: boolean): HTMLElement {
    const button = document.createElement("button");
    button.type = "button";
    if (current) button.ariaCurrent = "true";
    const label = document.createElement("span");
    label.textContent = nameModel ? text("history.byModel", { piece: titleOf(made), model: made.model }) : titleOf(made);
    button.append(thumbnail(made), label);
    button.addEventListener("click", () => {
      this.onChoose(made);
      // The list was made anew; the focus stays with the piece.
      this.#list.querySelector<HTMLElement>("[aria-current]")?.focus();
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  }
}

/** A piece in a few words. */
export function titleOf({ picture, settings, plan, result, take }: Made): string {
  const seconds = ((result.pieces[take]?.samples.length ?? 0) / result.sampleRate).toFixed(0);
  const values = { seconds, of: describe(plan, picture.about.name, settings) };
  const { seed } = result;
  return seed === undefined ? text("history.onlyPiece", values) : text("history.piece", { ...values, seed });
}

/** A small picture with the part marked that was heard. */
export function thumbnail({ picture, region, plan }: Made): HTMLElement {
  const parts = plan.kind === "walk" ? plan.regions : region ? [region] : [];
  const frame = imageOf(picture);
  for (const part of parts) {
    const box = document.createElement("span");
    box.className = "part";
    layOver(box, part);
    frame.append(box);
  }
  if (parts.length === 1) frame.classList.add("dimmed");
  if (plan.kind === "mix") frame.append(imageOf(plan.other));
  return frame;
}

/** A small picture of a part alone. */
export function cutOut(picture: Picture, part: Region): HTMLElement {
  const frame = imageOf(picture);
  frame.classList.add("cut");
  const image = frame.querySelector("img");
  const shape = (part.width * picture.width) / (part.height * picture.height);
  frame.style.aspectRatio = String(shape);
  if (image) {
    image.style.width = `${100 / part.width}%`;
    image.style.height = `${100 / part.height}%`;
    image.style.left = `${(-part.x / part.width) * 100}%`;
    image.style.top = `${(-part.y / part.height) * 100}%`;
  }
  return frame;
}

function imageOf(picture: Picture): HTMLElement {
  const frame = document.createElement("span");
  frame.className = "thumbnail";
  const image = new Image();
  image.alt = "";
  if (picture.url !== undefined) image.src = picture.url;
  frame.append(image);
  return frame;
}
