/** The pieces of this visit, each with the picture that it was made from. */

import type { Region, Result } from "../client.js";
import { text } from "../common/texts.js";
import type { Picture } from "../pictures/picture.js";
import { byId, show } from "./dom.js";
import type { PageSettings } from "./settings.js";

/** What a run made. */
export interface Made {
  id: number;
  picture: Picture;
  region: Region | undefined;
  /** What the person had set, without the seed that came out. */
  settings: PageSettings;
  result: Result;
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

  /** `onChoose` hears which of them should be shown again. */
  constructor(readonly onChoose: (made: Made) => void) {}

  /** Adds a piece, and forgets the oldest where there are too many. */
  add(piece: Omit<Made, "id" | "take">): Made {
    const made = { ...piece, id: this.#next++, take: 0 };
    this.#all.unshift(made);
    for (const { picture } of this.#all.splice(MOST)) if (!this.holds(picture)) picture.release();
    return made;
  }

  /** Whether a piece of this picture is there. */
  holds(picture: Picture): boolean {
    return this.#all.some((made) => made.picture === picture);
  }

  find(id: unknown): Made | undefined {
    return this.#all.find((made) => made.id === id);
  }

  /** Lists them, newest first, with the one that is shown marked. One alone needs no list. */
  show(current: Made): void {
    this.#list.replaceChildren(...this.#all.map((made) => this.#item(made, made === current)));
    show(byId("history", HTMLElement), this.#all.length > 1);
  }

  #item(made: Made, current: boolean): HTMLElement {
    const button = document.createElement("button");
    button.type = "button";
    if (current) button.ariaCurrent = "true";
    const { picture, result } = made;
    const seconds = (result.samples.length / result.sampleRate).toFixed(0);
    const label = document.createElement("span");
    label.textContent = text(made.region ? "history.partPiece" : "history.piece", { name: picture.about.name, seconds, seed: result.seed });
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

/** A small picture with the part marked that was heard. */
export function thumbnail({ picture, region }: Made): HTMLElement {
  const frame = document.createElement("span");
  frame.className = "thumbnail";
  const image = new Image();
  image.alt = "";
  if (picture.url !== undefined) image.src = picture.url;
  frame.append(image);
  if (region) {
    const part = document.createElement("span");
    part.className = "part";
    const percent = (value: number) => `${value * 100}%`;
    Object.assign(part.style, {
      left: percent(region.x), top: percent(region.y), width: percent(region.width), height: percent(region.height),
    });
    frame.append(part);
  }
  return frame;
}
