/** What outlives the page: where the exhibit is, and how often the page was loaded again. */

import type { Place } from "./playlist.js";

export interface Remembered {
  place?: Place;
  /** When, in milliseconds since 1970. */
  reloads: readonly number[];
}

export class Memory {
  readonly #key: string;

  /** Each exhibit has its own, by its address. */
  constructor(address: URL) {
    this.#key = `art2mus-exhibit:${address.href}`;
  }

  read(): Remembered {
    try {
      const value = JSON.parse(localStorage.getItem(this.#key) ?? "{}") as Partial<Remembered>;
      const reloads = Array.isArray(value.reloads) ? value.reloads.filter((at) => typeof at === "number") : [];
      const numbers = value.place && [value.place.count, value.place.seed, value.place.round, value.place.at];
      return numbers?.every(Number.isInteger) ? { place: value.place as Place, reloads } : { reloads };
    } catch {
      return { reloads: [] }; // No storage, or not ours: the exhibit begins with its first picture.
    }
  }

  write(remembered: Remembered): void {
    try {
      localStorage.setItem(this.#key, JSON.stringify(remembered));
    } catch {
      // Then a new page begins with the first picture.
    }
  }
}
