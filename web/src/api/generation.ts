/** One generation as its caller sees it: events to iterate over and a result to wait for. */

import { Art2MusError, toError } from "../common/errors.js";
import type { GenerationEvent, RawPiece, RawResult, Tensor } from "../engine/protocol.js";

/** A finished piece of music. */
export interface Piece extends Omit<RawPiece, "wav" | "latents" | "latentsShape"> {
  /** What the samples were decoded from: `Art2Mus.decode()` gives them again. */
  latents: Tensor;
  /** The music as a WAV file that names model, seed, settings and kernels. */
  wav(): Blob;
}

/** What a generation gives: all pieces, best first, and the best one's samples. */
export interface Result extends Omit<RawResult, "pieces"> {
  pieces: Piece[];
  /** Samples of the best piece: one channel, between -1 and 1. */
  samples: Float32Array;
  /** The best piece as a WAV file. */
  wav(): Blob;
}

/**
 * Something that takes a while. Each iteration sees every event from the first one on and ends with the run, throwing
 * what `result` rejects with. Neither has to be used: an ignored failure is not an unhandled rejection.
 */
export class Run<R> implements AsyncIterable<GenerationEvent> {
  readonly result: Promise<R>;
  readonly #events: GenerationEvent[] = [];
  #state: "running" | "done" | Art2MusError = "running";
  #wake: () => void = () => {};
  #changed = this.#next();

  /** `run` does the work and reports its events. @internal */
  constructor(run: (emit: (event: GenerationEvent) => void) => Promise<R>) {
    const emit = (event: GenerationEvent) => {
      if (this.#state !== "running") return;
      this.#events.push(event);
      this.#notify();
    };
    this.result = run(emit).then(
      (result) => {
        this.#state = "done";
        this.#notify();
        return result;
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

/** The making of one piece of music, or of several candidates. */
export class Generation extends Run<Result> {
  /** `run` gives what the engine answers. @internal */
  constructor(run: (emit: (event: GenerationEvent) => void) => Promise<RawResult>) {
    super((emit) => run(emit).then(resultOf));
  }
}

function resultOf({ pieces: raw, ...rest }: RawResult): Result {
  const pieces = raw.map(({ wav, latents, latentsShape, ...piece }) => ({
    ...piece,
    latents: { data: latents, shape: latentsShape },
    wav: () => new Blob([wav as Uint8Array<ArrayBuffer>], { type: "audio/wav" }),
  }));
  const [best] = pieces;
  if (best === undefined) throw new Error("no music came out");
  return { ...rest, pieces, samples: best.samples, wav: best.wav };
}
