/** Picking, dropping and pasting a picture, and showing it in its frame. */

import { byId, show } from "./dom.js";
import type { Credit } from "./gallery.js";
import { text } from "../common/texts.js";

/** What the engine decodes by itself; anything else is decoded by the browser, if it can. */
const ENGINE_READS = /^(image\/(png|jpeg|webp|gif|bmp|tiff))?$/;

export class PictureInput {
  readonly #preview = byId("preview", HTMLImageElement);
  readonly #prompt = byId("prompt", HTMLElement);
  #artwork: File | URL | undefined;
  #name: string | undefined;
  #shown = false;
  #settled: Promise<void> = Promise.resolve();

  /** `onChange` hears of each new picture. */
  constructor(readonly onChange: (name: string) => void) {
    const input = byId("file", HTMLInputElement);
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) this.#take(file);
      input.value = ""; // Or picking the same file again would not be a change.
    });
    this.#listenForDrops(byId("drop", HTMLElement));
    document.addEventListener("paste", (event) => {
      const file = event.clipboardData?.files[0];
      if (file) this.#take(file);
    });
  }

  get name(): string | undefined {
    return this.#name;
  }

  /** Fulfilled once the chosen picture has its place on the page, shown or not. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** The picture in a form that the engine understands; a bitmap is the caller's to close. */
  async artwork(): Promise<Blob | URL | ImageBitmap | undefined> {
    const artwork = this.#artwork;
    if (artwork instanceof File && this.#shown && !ENGINE_READS.test(artwork.type)) {
      return createImageBitmap(artwork).catch(() => artwork);
    }
    return artwork;
  }

  /** Chooses a picture that lies at an address. */
  choose(url: URL, name: string, description: string, credit: Credit): void {
    this.#set(url, url.href, name, description);
    this.#showCredit(credit);
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
      if (file) this.#take(file);
    });
  }

  #take(file: File): void {
    const name = file.name || text("picture.pasted");
    this.#set(file, URL.createObjectURL(file), name, name);
  }

  #set(artwork: File | URL, source: string, name: string, description: string): void {
    this.#artwork = artwork;
    this.#name = name;
    this.#shown = false;
    if (this.#preview.src.startsWith("blob:")) URL.revokeObjectURL(this.#preview.src);
    this.#settled = new Promise((settle) => {
      const reveal = (shown: boolean) => settle(this.#reveal(name, description, shown));
      this.#preview.onload = () => reveal(true);
      this.#preview.onerror = () => reveal(false);
    });
    this.#preview.src = source;
    byId("picture-name", HTMLElement).textContent = name;
    show(byId("caption", HTMLElement), true);
    this.#showCredit();
    this.onChange(name);
  }

  /** Says under the picture whose it is; nothing is known of a visitor's own. */
  #showCredit(credit?: Credit): void {
    const line = byId("picture-credit", HTMLElement);
    line.replaceChildren(credit?.text ?? "");
    if (credit?.source) {
      const link = document.createElement("a");
      link.href = credit.source.href;
      link.textContent = text("picture.source", { host: credit.source.host });
      line.append(" ", link);
    }
    show(line, credit !== undefined);
  }

  #reveal(name: string, description: string, shown: boolean): void {
    this.#shown = shown;
    this.#preview.alt = text("picture.alt", { name: description });
    this.#prompt.textContent = shown ? text("picture.prompt") : text("picture.noPreview", { name });
    show(this.#preview, shown);
    show(byId("invitation", HTMLElement), !shown);
  }
}
