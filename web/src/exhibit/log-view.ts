/** The log as staff see it: over the stage, by a key. */

import { saveFile } from "../common/save-file.js";
import { formatDuration, text } from "../common/texts.js";
import type { Entry, Journal } from "./journal.js";

/** Entries that are shown; the file has all that are kept. */
const SHOWN = 200;

export class LogView {
  readonly #journal: Journal;
  readonly #since = Date.now();
  #root: HTMLElement | undefined;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  get open(): boolean {
    return this.#root !== undefined;
  }

  async toggle(): Promise<void> {
    if (this.#root) this.close();
    else await this.#show();
  }

  close(): void {
    this.#root?.remove();
    this.#root = undefined;
  }

  async #show(): Promise<void> {
    const root = (this.#root = document.createElement("section"));
    root.className = "log";
    root.ariaLabel = text("exhibit.log.title");
    document.body.append(root);
    const entries = await this.#journal.read();
    const count = (kind: Entry["kind"]) => entries.filter((entry) => entry.kind === kind).length;
    const title = document.createElement("h2");
    title.textContent = text("exhibit.log.title");
    const summary = document.createElement("p");
    summary.textContent = text("exhibit.log.summary", {
      time: formatDuration(Date.now() - this.#since),
      pieces: count("piece"),
      repeats: count("repeat"),
      faults: count("fault"),
      restarts: count("restart"),
      gaps: count("gap"),
    });
    const save = this.#button(text("exhibit.log.save"), () => void this.#save());
    root.append(title, summary, save, this.#button(text("exhibit.log.close"), () => this.close()), table(entries));
    save.focus();
  }

  #button(label: string, onClick: () => void): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", onClick);
    return button;
  }

  async #save(): Promise<void> {
    saveFile(await this.#journal.export(), `exhibit-${new Date().toISOString().slice(0, 10)}.jsonl`);
  }
}

/** The newest entries first. */
function table(entries: readonly Entry[]): HTMLElement {
  const table = document.createElement("table");
  const row = (tag: "th" | "td", values: readonly string[]) => {
    const made = table.insertRow();
    for (const value of values) {
      const cell = document.createElement(tag);
      cell.textContent = value;
      made.append(cell);
    }
  };
  row("th", [text("exhibit.log.at"), text("exhibit.log.kind"), text("exhibit.log.details")]);
  for (const { at, kind, ...details } of entries.slice(-SHOWN).toReversed()) {
    const told = Object.entries(details).map(([key, value]) => `${key} ${value}`);
    row("td", [at.replace("T", " ").slice(0, 19), kind, told.join(" · ")]);
  }
  const scroll = document.createElement("div");
  scroll.className = "log-entries";
  scroll.tabIndex = 0;
  scroll.append(table);
  return scroll;
}
