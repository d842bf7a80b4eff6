/** The pictures of `web/gallery/`, for a visitor who brings none: one press begins with one of them. */

import { byId, show } from "./dom.js";
import { text } from "../common/texts.js";
import type { About, Credit } from "../pictures/picture.js";

export interface GalleryPicture {
  url: URL;
  about: About & { credit: Credit };
}

/** How a permalink begins that names a picture of the gallery. */
const REFERENCE = "gallery:";

/** `gallery.json`: every picture with its file beside it. */
interface GalleryFile {
  pictures: { file: string; title: string; alt: string; credit: string; source?: string }[];
}

/** How far each key moves the focus. */
const MOVES: Record<string, number> = {
  ArrowLeft: -1,
  ArrowUp: -1,
  ArrowRight: 1,
  ArrowDown: 1,
  Home: -Infinity,
  End: Infinity,
};

export class Gallery {
  readonly #thumbnails = byId("thumbnails", HTMLElement);
  readonly #loading: Promise<void>;
  #pictures: GalleryPicture[] = [];
  #buttons: HTMLButtonElement[] = [];
  #disabled = false;

  /** `onChoose` hears of each picture that is pressed while the gallery is not disabled. */
  constructor(readonly onChoose: (picture: GalleryPicture) => void) {
    this.#thumbnails.addEventListener("keydown", (event) => this.#move(event));
    this.#loading = this.#load();
  }

  /** Whether a press does nothing. The buttons keep the focus all the same. */
  set disabled(disabled: boolean) {
    this.#disabled = disabled;
    for (const button of this.#buttons) button.ariaDisabled = String(disabled);
  }

  /** Marks the chosen picture by its reference, if it is one of these. */
  mark(reference: string): void {
    for (const [at, button] of this.#buttons.entries()) {
      button.ariaCurrent = this.#pictures[at]?.about.reference === reference ? "true" : null;
    }
  }

  /** The picture that a permalink names; none where it names something else. */
  async find(reference: string): Promise<GalleryPicture | undefined> {
    await this.#loading;
    return this.#pictures.find(({ about }) => about.reference === reference);
  }

  /** Without its pictures the gallery is not shown; nothing else breaks. */
  async #load(): Promise<void> {
    const address = new URL("../../gallery/gallery.json", import.meta.url);
    try {
      const response = await fetch(address);
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { pictures } = (await response.json()) as GalleryFile;
      this.#pictures = pictures.map(({ file, title, alt, credit, source }) => ({
        url: new URL(file, address),
        about: {
          name: title,
          description: alt,
          credit: { text: credit, source: source === undefined ? undefined : new URL(source) },
          reference: REFERENCE + file,
        },
      }));
      this.#buttons = this.#pictures.map((picture) => this.#thumbnail(picture));
      this.#thumbnails.replaceChildren(...this.#buttons);
      this.#stopAt(0);
      this.disabled = this.#disabled;
    } catch (error) {
      console.warn("art2mus: the gallery could not be loaded", error);
    }
    show(byId("gallery", HTMLElement), this.#buttons.length > 0);
  }

  #thumbnail(picture: GalleryPicture): HTMLButtonElement {
    const { url, about: { name: title, description } } = picture;
    const image = new Image();
    image.loading = "lazy";
    image.decoding = "async";
    image.fetchPriority = "low"; // The engine is more urgent.
    image.alt = text("gallery.picture", { title, alt: description });
    image.src = url.href;
    const button = document.createElement("button");
    button.type = "button";
    button.title = title;
    button.append(image);
    button.addEventListener("click", () => {
      if (!this.#disabled) this.onChoose(picture);
    });
    button.addEventListener("focus", () => this.#stopAt(this.#buttons.indexOf(button)));
    return button;
  }

  /** The Tab key stops only once in the gallery: the way to the next control must stay short. */
  #stopAt(index: number): void {
    for (const [at, button] of this.#buttons.entries()) button.tabIndex = at === index ? 0 : -1;
  }

  #move(event: KeyboardEvent): void {
    const step = MOVES[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const last = this.#buttons.length - 1;
    const from = this.#buttons.findIndex((button) => button === document.activeElement);
    this.#buttons[Math.min(Math.max(from + step, 0), last)]?.focus();
  }
}
