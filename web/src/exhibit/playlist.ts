/** In which order pictures come, and where the exhibit is. */

/** A place that outlives the page: plain data. */
export interface Place {
  /** How many pictures there were; with another number the place means nothing. */
  count: number;
  /** Decides the order of every round. */
  seed: number;
  round: number;
  /** Which one of the round, from 0. */
  at: number;
}

/** Numbers from 0 to 1 that a seed decides: mulberry32. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Playlist {
  readonly #shuffled: boolean;
  #place: Place;

  /** Begins at `place`, if it fits; otherwise a new order begins that `seed` decides. */
  constructor(count: number, order: "listed" | "shuffled", seed: number, place?: Place) {
    this.#shuffled = order === "shuffled";
    const fits = place?.count === count && place.at >= 0 && place.at < count;
    this.#place = fits ? { ...place } : { count, seed, round: 0, at: 0 };
  }

  /** Which picture it is now, as numbered in the list. */
  get current(): number {
    return this.#order(this.#place.round)[this.#place.at] ?? 0;
  }

  get place(): Place {
    return { ...this.#place };
  }

  /** Goes on to the next picture, at the end of a round to the first one of the next. */
  advance(): number {
    const { count, round, at } = this.#place;
    this.#place = { ...this.#place, ...(at + 1 < count ? { at: at + 1 } : { at: 0, round: round + 1 }) };
    return this.current;
  }

  /** Goes to a picture; what follows it in this round comes next. */
  goTo(picture: number): void {
    const at = this.#order(this.#place.round).indexOf(picture);
    if (at !== -1) this.#place.at = at;
  }

  /** All pictures in the order of a round. */
  #order(round: number): number[] {
    const order = Array.from({ length: this.#place.count }, (_, index) => index);
    if (!this.#shuffled || order.length < 3) return order;
    const shuffled = this.#shuffle(order, round);
    // No picture twice in a row where a round ends. The swap leaves the last one, which the next round looks at.
    if (round > 0 && shuffled[0] === this.#shuffle(order, round - 1).at(-1)) {
      [shuffled[0], shuffled[1]] = [shuffled[1] as number, shuffled[0] as number];
    }
    return shuffled;
  }

  /** Fisher and Yates: every order is equally likely. */
  #shuffle(order: number[], round: number): number[] {
    const next = random(Math.imul(this.#place.seed, 0x9e3779b1) + round);
    const shuffled = [...order];
    for (let last = shuffled.length - 1; last > 0; last -= 1) {
      const other = Math.floor(next() * (last + 1));
      [shuffled[last], shuffled[other]] = [shuffled[other] as number, shuffled[last] as number];
    }
    return shuffled;
  }
}
