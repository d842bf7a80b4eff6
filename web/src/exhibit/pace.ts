/** How many steps a piece may have, so that it is made in well under the time that the one before plays. */

/** Parts of the playing time that making may take: below the first, steps may rise; above the second, they fall. */
const COMFORT = 0.4;
const LIMIT = 0.7;
/** What is aimed at when steps fall. */
const AIM = 0.55;
/** How much steps rise at a time: slowly, or they would swing. */
const RISE = 1.1;

export interface Change {
  from: number;
  to: number;
  /** Making as a part of playing. */
  load: number;
}

export class Pace {
  readonly #min: number;
  readonly #wanted: number;
  #steps: number;

  /** Between `min` and `wanted` steps. */
  constructor(min: number, wanted: number) {
    this.#min = Math.min(min, wanted);
    this.#wanted = wanted;
    this.#steps = wanted;
  }

  get steps(): number {
    return this.#steps;
  }

  /** A piece with `steps` took so long, or would (an estimate), and so long plays what has to bridge it. */
  took(steps: number, makingMs: number, playingMs: number): Change | undefined {
    const load = makingMs / playingMs;
    if (load > LIMIT) return this.#set(Math.min(this.#steps, Math.floor((steps * AIM) / load)), load);
    // A piece of other steps says nothing about more than these.
    if (load < COMFORT && steps >= this.#steps) return this.#set(Math.max(this.#steps + 1, Math.floor(this.#steps * RISE)), load);
    return undefined;
  }

  #set(steps: number, load: number): Change | undefined {
    const from = this.#steps;
    this.#steps = Math.min(this.#wanted, Math.max(this.#min, steps));
    return this.#steps === from ? undefined : { from, to: this.#steps, load };
  }
}
