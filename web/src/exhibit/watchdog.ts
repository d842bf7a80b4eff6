/** What is done about failures, and noticing that nothing moves any more. */

import { fault } from "../common/faults.js";

/**
 * `retry`: once more, with a new worker if the old one is lost; `engine`: another engine, opened afresh;
 * `page`: the page is loaded again; `wait`: it was loaded again too often already, so try again later.
 */
export type Remedy = "retry" | "engine" | "page" | "wait";

/** Failures in a row: each third one is answered with another engine, each sixth with the page. */
const ENGINE_AFTER = 3;
const PAGE_AFTER = 6;
/** The page is loaded again at most so often in so long: a fault that survives this is not cured by it. */
const MOST_RELOADS = 3;
const RELOADS_WITHIN_MS = 10 * 60_000;

export class Watchdog {
  #failures = 0;
  #reloads: number[];
  readonly #now: () => number;

  /** `reloads`: when the page was loaded again before, in milliseconds, as `reloads` of an earlier one tells. */
  constructor(reloads: readonly number[] = [], now: () => number = Date.now) {
    this.#reloads = [...reloads];
    this.#now = now;
  }

  /** When the page was loaded again lately; kept where the next page finds it. */
  get reloads(): readonly number[] {
    const since = this.#now() - RELOADS_WITHIN_MS;
    return this.#reloads.filter((at) => at > since);
  }

  get failures(): number {
    return this.#failures;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Something failed: what is to be done. */
  failed(): Remedy {
    this.#failures += 1;
    if (this.#failures % PAGE_AFTER === 0) return this.mayReload() ? "page" : "wait";
    return this.#failures % ENGINE_AFTER === 0 ? "engine" : "retry";
  }

  /** Whether the page may be loaded again now; if so, it is counted. */
  mayReload(): boolean {
    const lately = this.reloads;
    if (lately.length >= MOST_RELOADS) return false;
    this.#reloads = [...lately, this.#now()];
    return true;
  }
}

/** Aborts its signal when nobody has called `beat` for some time. */
export class Heartbeat {
  readonly #ms: number;
  readonly #stuck = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number) {
    this.#ms = ms;
    this.beat();
  }

  get signal(): AbortSignal {
    return this.#stuck.signal;
  }

  beat(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stuck.abort(fault("cancelled")), this.#ms);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
