/** One generation as its caller sees it: events to iterate over and a result to wait for. */

import { Art2MusError, toError } from "../common/errors.js";
import type { GenerationEvent, RawResult } from "../engine/protocol.js";

/** A finished piece of music. */
export interface Result extends Omit<RawResult, "wav"> {
  /** The music as a WAV file that names model, seed and settings. */
  wav(): Blob;
}

/**
 * Each iteration sees every event from the first one on and ends with the run, throwing what
 * `result` rejects with. Neither has to be used: an ignored failure is not an unhandled rejection.
 */
export class Generation implements AsyncIterable<GenerationEvent> {
  readonly result: Promise<Result>;
  readonly #events: GenerationEvent[] = [];
  #state: "running" | "done" | Art2MusError = "running";
  #wake: () => void = () => {};
  #changed = this.#next();

  /** `run` does the work and reports its events. */
  constructor(run: (emit: (event: GenerationEvent) => void) => Promise<RawResult>) {
    const emit = (event: GenerationEvent) => {
      if (this.#state !== "running") return;
      this.#events.push(event);
      this.#notify();
    };
    this.result = run(emit).then(
      (raw) => {
        this.#state = "done";
        this.#notify();
        return withBlob(raw);
      },
      (thrown: unknown) => {
        this.#state = toError(thrown);
        this.#notify();
        throw this.#state;
      },
    );
    this.result.catch(() => {});
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationEvent, void, undefined> {
    for (let at = 0; ; ) {
      const event = this.#events[at];
      if (event !== undefined) {
        at += 1;
        yield event;
      } else if (this.#state === "running") {
        await this.#changed;
      } else if (this.#state === "done") {
        return;
      } else {
        throw this.#state;
      }
    }
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#changed = this.#next();
    wake();
  }
}

function withBlob({ wav, ...rest }: RawResult): Result {
  return { ...rest, wav: () => new Blob([wav as Uint8Array<ArrayBuffer>], { type: "audio/wav" }) };
}
