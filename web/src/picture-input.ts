/** Picking, dropping and pasting a picture, and showing it in its frame. */

import { byId, show } from "./dom.js";
import { text } from "./texts.js";

/** What the engine decodes by itself; anything else is decoded by the browser, if it can. */
const ENGINE_READS = /^(image\/(png|jpeg|webp|gif|bmp|tiff))?$/;

export class PictureInput {
  readonly #preview = byId("preview", HTMLImageElement);
  readonly #prompt = byId("prompt", HTMLElement);
  #file: File | undefined;
  #shown = false;

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
    return this.#file?.name;
  }

  /** The picture in a form that the engine understands; a bitmap is the caller's to close. */
  async artwork(): Promise<Blob | ImageBitmap | undefined> {
    if (this.#file && this.#shown && !ENGINE_READS.test(this.#file.type)) {
      return createImageBitmap(this.#file).catch(() => this.#file);
    }
    return this.#file;
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
    this.#file = file;
    this.#shown = false;
    const name = file.name || text("picture.pasted");
    if (this.#preview.src !== "") URL.revokeObjectURL(this.#preview.src);
    this.#preview.onload = () => this.#reveal(name, true);
    this.#preview.onerror = () => this.#reveal(name, false);
    this.#preview.src = URL.createObjectURL(file);
    byId("picture-name", HTMLElement).textContent = name;
    show(byId("caption", HTMLElement), true);
    this.onChange(name);
  }

  #reveal(name: string, shown: boolean): void {
    this.#shown = shown;
    this.#preview.alt = text("picture.alt", { name });
    this.#prompt.textContent = shown ? text("picture.prompt") : text("picture.noPreview", { name });
    show(this.#preview, shown);
    show(byId("invitation", HTMLElement), !shown);
  }
}
