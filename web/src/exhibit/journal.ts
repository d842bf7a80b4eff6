/**
 * What happened, for staff: pieces, faults, restarts. It is kept in IndexedDB, which outlives the page, and
 * has a largest size: what is oldest goes first.
 */

/** What an entry tells of. */
export type EntryKind =
  | "start" // the exhibit was opened
  | "piece" // a piece begins to play
  | "repeat" // the piece plays once more, as the next one is not ready
  | "gap" // nothing was scheduled for some time
  | "steps" // fewer or more steps from now on
  | "fault" // something failed
  | "restart" // the engine or the page is started again
  | "visitor" // what a visitor did
  | "staff" // what staff did
  | "idle"; // nobody was there: back to the attract loop

export interface Entry {
  /** When, as ISO 8601 in UTC. */
  at: string;
  kind: EntryKind;
  [detail: string]: string | number | boolean;
}

export type Details = Record<string, string | number | boolean>;

const STORE = "entries";
/** Entries that are kept: some days of pieces of a minute. */
export const MOST_ENTRIES = 5000;

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export class Journal {
  readonly #database: IDBDatabase | undefined;
  readonly #most: number;
  /** Where the browser gives no storage. */
  readonly #memory: Entry[] = [];
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(database: IDBDatabase | undefined, most: number) {
    this.#database = database;
    this.#most = most;
  }

  static async open(most = MOST_ENTRIES): Promise<Journal> {
    try {
      const request = indexedDB.open("art2mus-exhibit", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { autoIncrement: true });
      return new Journal(await settled(request), most);
    } catch (error) {
      console.warn("art2mus: the exhibit's log is kept in memory only", error);
      return new Journal(undefined, most);
    }
  }

  /** Notes something; it never fails, as nobody is there to hear of it. */
  note(kind: EntryKind, details: Details = {}): void {
    const entry: Entry = { at: new Date().toISOString(), kind, ...details };
    // For whoever drives the page from outside.
    dispatchEvent(new CustomEvent("art2mus-exhibit", { detail: entry }));
    this.#writing = this.#writing.then(() => this.#write(entry)).catch((error) => console.warn("art2mus: the log", error));
  }

  /** Fulfilled once everything that was noted is stored: before the page goes. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Everything that is kept, the oldest first. */
  async read(): Promise<Entry[]> {
    await this.#writing;
    if (this.#database === undefined) return [...this.#memory];
    return settled(this.#database.transaction(STORE).objectStore(STORE).getAll() as IDBRequest<Entry[]>);
  }

  /** The log as JSON Lines. */
  async export(): Promise<Blob> {
    const lines = (await this.read()).map((entry) => `${JSON.stringify(entry)}\n`);
    return new Blob(lines, { type: "application/jsonl" });
  }

  async #write(entry: Entry): Promise<void> {
    if (this.#database === undefined) {
      this.#memory.push(entry);
      this.#memory.splice(0, this.#memory.length - this.#most);
      return;
    }
    const store = this.#database.transaction(STORE, "readwrite").objectStore(STORE);
    const key = Number(await settled(store.add(entry)));
    // Keys count up, so the oldest of more than the most has this one.
    if (key > this.#most) await settled(store.delete(IDBKeyRange.upperBound(key - this.#most)));
  }
}
