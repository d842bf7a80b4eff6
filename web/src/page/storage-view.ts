/** What is stored in this browser: a line that says how much, and quiet buttons that keep, delete, save and bring it. */

import { deleteStored, exportBundle, importBundle, persist, storage, type BundleFiles } from "../client.js";
import { toError, type Art2MusError } from "../common/errors.js";
import { saveFile } from "../common/save-file.js";
import { formatBytes, text } from "../common/texts.js";
import { byId, show } from "./dom.js";

/** What it needs of the page. */
export interface StorageEvents {
  announce(sentence: string): void;
  onProblem(error: Art2MusError): void;
  /** Something was deleted. */
  onDeleted(): void;
  /** A bundle was brought for this address. */
  onImported(bundle: string): void;
  /** Full address of the bundle that is open, or asked for. */
  bundle(): string;
}

export class StorageView {
  readonly #events: StorageEvents;
  readonly #line = byId("storage", HTMLElement);
  readonly #state = byId("storage-state", HTMLElement);
  readonly #keep = byId("storage-keep", HTMLButtonElement);
  readonly #delete = byId("storage-delete", HTMLButtonElement);
  readonly #export = byId("storage-export", HTMLButtonElement);
  readonly #import = byId("storage-import", HTMLButtonElement);
  readonly #importFolder = byId("storage-import-folder", HTMLButtonElement);
  readonly #working = byId("storage-working", HTMLElement);
  readonly #cancel = byId("storage-cancel", HTMLButtonElement);
  #disabled = false;
  /** Ends what is being saved or brought. */
  #transfer: AbortController | undefined;

  constructor(events: StorageEvents) {
    this.#events = events;
    this.#keep.addEventListener("click", async () => {
      events.announce(text((await persist()) ? "storage.kept" : "storage.notKept"));
      await this.refresh();
    });
    this.#delete.addEventListener("click", async () => {
      await deleteStored();
      events.announce(text("storage.deleted"));
      await this.refresh();
      events.onDeleted();
    });
    this.#export.addEventListener("click", () => void this.#save());
    this.#import.addEventListener("click", () => this.#choose(false));
    this.#importFolder.addEventListener("click", () => this.#choose(true));
    this.#cancel.addEventListener("click", () => this.#transfer?.abort());
  }

  /** Nothing is deleted or brought under a run's feet. */
  set disabled(disabled: boolean) {
    this.#disabled = disabled;
    this.#enable();
  }

  /** Shows how it is now. */
  async refresh(): Promise<void> {
    const { supported, stored, quota, persisted } = await storage();
    const sentence = (key: string) => text(key, { bytes: formatBytes(stored), quota: formatBytes(quota) });
    const kept = stored > 0 && persisted;
    if (!supported) this.#state.textContent = text("storage.none");
    else if (stored === 0) this.#state.textContent = text("storage.empty");
    else this.#state.textContent = sentence(quota > 0 ? "storage.quota" : "storage.stored") + (kept ? ` ${text("storage.kept")}` : "");
    show(this.#keep, supported && stored > 0 && !persisted);
    for (const button of [this.#delete, this.#export]) show(button, supported && stored > 0);
    show(this.#import, supported);
    show(this.#importFolder, supported && "webkitdirectory" in HTMLInputElement.prototype);
    show(this.#line, true);
  }

  #enable(): void {
    const busy = this.#transfer !== undefined;
    for (const button of [this.#delete, this.#import, this.#importFolder]) button.disabled = this.#disabled || busy;
    this.#export.disabled = busy;
    show(this.#working, busy);
  }

  async #save(): Promise<void> {
    const bundle = this.#events.bundle();
    await this.#move("storage.exporting", async (options) => {
      const archive = await exportBundle({ bundle, ...options });
      const folder = new URL(bundle).pathname.split("/").filter((name) => name !== "").at(-1) ?? "model";
      saveFile(archive, `${folder}.tar`);
      this.#events.announce(text("storage.exported"));
    });
    this.#export.focus();
  }

  /** Has a person choose an archive or the files of a folder, or a whole folder. */
  #choose(folder: boolean): void {
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = true;
    input.webkitdirectory = folder;
    input.addEventListener("change", () => void this.#bring([...(input.files ?? [])], folder ? this.#importFolder : this.#import));
    input.click();
  }

  async #bring(files: BundleFiles, button: HTMLButtonElement): Promise<void> {
    const bundle = this.#events.bundle();
    await this.#move("storage.importing", async (options) => {
      await importBundle(files, { bundle, ...options });
      await persist(); // What somebody has carried here should not vanish when space gets short.
      this.#events.announce(text("storage.imported"));
      this.#events.onImported(bundle);
    });
    button.focus();
  }

  /** Shows how far `transfer` is, which `key` names; one at a time. */
  async #move(key: string, transfer: (options: { signal: AbortSignal; onProgress: (fraction: number) => void }) => Promise<void>): Promise<void> {
    const { signal } = (this.#transfer = new AbortController());
    const tell = (fraction: number) => {
      byId("storage-progress", HTMLElement).textContent = text(key, { percent: Math.floor(100 * fraction) });
    };
    tell(0);
    this.#enable();
    this.#cancel.focus();
    try {
      await transfer({ signal, onProgress: tell });
    } catch (thrown) {
      if (!signal.aborted) this.#events.onProblem(toError(thrown));
    }
    this.#transfer = undefined;
    this.#enable();
    await this.refresh();
  }
}
