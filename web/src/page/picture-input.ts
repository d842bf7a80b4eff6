/** Choosing a picture, by file, drop, paste or address, and showing it in its frame. */

import { downloadPicture } from "../api/artwork.js";
import { Art2MusError, toError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { fileReference, Picture, type About, type Credit } from "../pictures/picture.js";
import { byId, show } from "./dom.js";

export interface PictureInputEvents {
  /** Another picture is shown; its file was `before`'s until now. */
  onPicture(picture: Picture, before: Picture | undefined): void;
  /** A file could not be opened; what was shown before still is. */
  onProblem(error: Art2MusError): void;
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
    return this.#choose((signal) => openAddress(address, about, signal));
  }

  /** The same without showing it; nothing where it cannot be opened, which is told as a problem. */
  async open(address: string, about: Partial<About> = {}): Promise<Picture | undefined> {
    try {
      return await openAddress(address, about);
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
      return Picture.open(file, { name, description: name, reference });
    });
  }

  /** Opens a picture and shows it, unless another one is chosen meanwhile. */
  async #choose(open: (signal: AbortSignal) => Promise<Picture>): Promise<boolean> {
    this.#choosing.abort();
    const { signal } = (this.#choosing = new AbortController());
    const pane = byId("drop", HTMLElement);
    pane.ariaBusy = "true";
    try {
      const picture = await open(signal);
      if (signal.aborted) picture.release();
      else this.#set(picture);
      return !signal.aborted;
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

async function openAddress(address: string, about: Partial<About>, signal?: AbortSignal): Promise<Picture> {
  const url = addressOf(address);
  const file = await downloadPicture(url, signal);
  const name = about.name ?? (decodeURIComponent(url.pathname.split("/").at(-1) ?? "") || url.host);
  const credit = about.credit ?? { text: url.host, source: url };
  return Picture.open(file, { name, description: name, credit, reference: url.href, ...about });
}

function addressOf(address: string): URL {
  const url = URL.canParse(address, document.baseURI) ? new URL(address, document.baseURI) : undefined;
  if (url && ["http:", "https:", "data:", "blob:"].includes(url.protocol)) return url;
  throw new Art2MusError({ name: "Input", message: text("error.address", { address }), hint: text("hint.address") });
}
