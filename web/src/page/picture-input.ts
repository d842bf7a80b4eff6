/** Choosing a picture, by file, drop, paste or address, and showing it in its frame. */

import { toError, type Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { openAddress } from "../pictures/address.js";
import { photograph } from "../pictures/camera.js";
import { fileReference, Picture, type About, type Credit } from "../pictures/picture.js";
import { byId, show } from "./dom.js";

export interface PictureInputEvents {
  /** Another picture is shown; its file was `before`'s until now. */
  onPicture(picture: Picture, before: Picture | undefined): void;
  /** A file could not be opened; what was shown before still is. */
  onProblem(error: Art2MusError): void;
}

/** A picture, and what is offered beside it once it is shown. */
interface Opened {
  picture: Picture;
  offer?: () => void;
}

export class PictureInput {
  readonly #preview = byId("preview", HTMLImageElement);
  readonly #noPreview = byId("no-preview", HTMLElement);
  readonly #events: PictureInputEvents;
  #picture: Picture | undefined;
  /** Ends the download of a picture in whose place another was chosen. */
  #choosing = new AbortController();

  constructor(events: PictureInputEvents) {
    this.#events = events;
    const input = byId("file", HTMLInputElement);
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) void this.#take(file);
      input.value = ""; // Or picking the same file again would not be a change.
    });
    this.#listenForDrops(byId("drop", HTMLElement));
    document.addEventListener("paste", (event) => {
      const file = event.clipboardData?.files[0];
      if (file) void this.#take(file);
    });
    const address = byId("address", HTMLInputElement);
    byId("address-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.fetch(address.value.trim());
    });
    byId("camera", HTMLButtonElement).addEventListener("click", () => {
      const name = text("picture.photograph");
      void this.#choose(async (signal) => {
        const file = await photograph(signal);
        const reference = await fileReference(file);
        return { picture: await Picture.open(file, { name, description: name, reference }) };
      });
    });
  }

  get picture(): Picture | undefined {
    return this.#picture;
  }

  /** Shows a picture that is open already. */
  show(picture: Picture): void {
    this.#choosing.abort();
    this.#set(picture);
  }

  /** Downloads a picture and shows it; `about` is what is known of it beside its address. Returns whether it is there. */
  fetch(address: string, about: Partial<About> = {}): Promise<boolean> {
    return this.#choose(async (signal) => {
      const { picture, views, view } = await openAddress(address, about, signal);
      return { picture, offer: () => this.#offerViews(address, views, view) };
    });
  }

  /** A museum's object may have several views; one is shown, and the others can be chosen. */
  #offerViews(address: string, views: readonly string[], view: number): void {
    const label = byId("views", HTMLElement);
    const select = byId("view", HTMLSelectElement);
    select.replaceChildren(...views.map((name, at) => new Option(name || String(at + 1), "", at === view, at === view)));
    select.onchange = () => void this.fetch(`${address.replace(/#.*/, "")}#${select.selectedIndex + 1}`);
    show(label, views.length > 1);
  }

  /** The same without showing it; nothing where it cannot be opened, which is told as a problem. */
  async open(address: string, about: Partial<About> = {}): Promise<Picture | undefined> {
    try {
      return (await openAddress(address, about)).picture;
    } catch (thrown) {
      this.#events.onProblem(toError(thrown, "Input"));
      return undefined;
    }
  }

  #listenForDrops(zone: HTMLElement): void {
    const drag = (event: DragEvent) => {
      event.preventDefault();
      zone.classList.add("dragging");
    };
    // The whole page takes a drop: a near miss must not make the browser open the file.
    document.addEventListener("dragover", drag);
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) zone.classList.remove("dragging");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("dragging");
      const file = event.dataTransfer?.files[0];
      const address = event.dataTransfer?.getData("text/uri-list").split("\n")[0]?.trim();
      if (file) void this.#take(file);
      else if (address) void this.fetch(address); // An image dragged from another page.
    });
  }

  #take(file: File): Promise<boolean> {
    const name = file.name || text("picture.pasted");
    return this.#choose(async () => {
      const reference = file.size === 0 ? "" : await fileReference(file);
      return { picture: await Picture.open(file, { name, description: name, reference }) };
    });
  }

  /** Opens a picture and shows it, unless another one is chosen meanwhile. */
  async #choose(open: (signal: AbortSignal) => Promise<Opened>): Promise<boolean> {
    this.#choosing.abort();
    const { signal } = (this.#choosing = new AbortController());
    const pane = byId("drop", HTMLElement);
    pane.ariaBusy = "true";
    try {
      const { picture, offer } = await open(signal);
      if (signal.aborted) {
        picture.release();
        return false;
      }
      show(byId("views", HTMLElement), false);
      offer?.();
      this.#set(picture);
      return true;
    } catch (thrown) {
      if (!signal.aborted) this.#events.onProblem(toError(thrown, "Input"));
      return false;
    } finally {
      if (!signal.aborted) pane.ariaBusy = "false";
    }
  }

  #set(picture: Picture): void {
    const before = this.#picture;
    this.#picture = picture;
    const { about: { name, description, credit }, url } = picture;
    this.#preview.src = url ?? "";
    this.#preview.alt = text("picture.alt", { name: description });
    this.#noPreview.textContent = url ? "" : text("picture.noPreview", { name });
    show(this.#noPreview, url === undefined);
    show(byId("stage", HTMLElement), url !== undefined);
    show(byId("invitation", HTMLElement), false);
    byId("picture-name", HTMLElement).textContent = name;
    show(byId("caption", HTMLElement), true);
    showCredit(byId("picture-credit", HTMLElement), credit);
    this.#events.onPicture(picture, before);
  }
}

/** Says under a picture whose it is; nothing is known of a visitor's own. */
export function showCredit(line: HTMLElement, credit: Credit | undefined): void {
  line.replaceChildren(credit?.text ?? "");
  if (credit?.source) {
    const link = document.createElement("a");
    link.href = credit.source.href;
    link.textContent = text("picture.source", { host: credit.source.host });
    line.append(" ", link);
  }
  show(line, credit !== undefined);
}
