/** What is stored in this browser: a line that says how much, and two quiet buttons. */

import { deleteStored, persist, storage } from "../client.js";
import { byId, show } from "./dom.js";
import { formatBytes, text } from "../common/texts.js";

export class StorageView {
  readonly #line = byId("storage", HTMLElement);
  readonly #state = byId("storage-state", HTMLElement);
  readonly #keep = byId("storage-keep", HTMLButtonElement);
  readonly #delete = byId("storage-delete", HTMLButtonElement);

  /** `announce` says a sentence to screen readers; `changed` hears that something was deleted. */
  constructor(announce: (sentence: string) => void, changed: () => void) {
    this.#keep.addEventListener("click", async () => {
      announce(text((await persist()) ? "storage.kept" : "storage.notKept"));
      await this.refresh();
    });
    this.#delete.addEventListener("click", async () => {
      await deleteStored();
      announce(text("storage.deleted"));
      await this.refresh();
      changed();
    });
  }

  /** Nothing is deleted under a run's feet. */
  set disabled(disabled: boolean) {
    this.#delete.disabled = disabled;
  }

  /** Shows how it is now; nothing where nothing is stored. */
  async refresh(): Promise<void> {
    const { supported, stored, quota, persisted } = await storage();
    if (!supported) {
      this.#state.textContent = text("storage.none");
      show(this.#keep, false);
      show(this.#delete, false);
      show(this.#line, true);
      return;
    }
    const values = { bytes: formatBytes(stored), quota: formatBytes(quota) };
    const sentence = text(quota > 0 ? "storage.quota" : "storage.stored", values);
    this.#state.textContent = persisted ? `${sentence} ${text("storage.kept")}` : sentence;
    show(this.#keep, !persisted);
    show(this.#line, stored > 0);
  }
}
