/** Makes pieces with the engine, at a pace that the device can keep. */

import { create, type Art2Mus, type Settings } from "../client.js";
import { Art2MusError, toError } from "../common/errors.js";
import { text } from "../common/texts.js";
import type { Manifest } from "./manifest.js";
import { Pace, type Change } from "./pace.js";
import { Heartbeat } from "./watchdog.js";

export interface Made {
  samples: Float32Array;
  sampleRate: number;
  /** None where the model has one piece of a picture. */
  seed?: number;
  /** None where the model has none. */
  steps?: number;
  /** Milliseconds that it took. */
  ms: number;
}

/** Pieces of one picture: how many there are, and how long each is. */
export interface Plan {
  pieces: number;
  /** Seconds of one. */
  seconds: number;
  /** Seconds that one has until the next should begin. */
  slot: number;
}

export class Composer {
  readonly #manifest: Manifest;
  readonly #onSteps: (change: Change) => void;
  #engine: Art2Mus | undefined;
  #pace: Pace | undefined;

  /** `onSteps` hears that pieces get more or fewer steps from now on. */
  constructor(manifest: Manifest, onSteps: (change: Change) => void) {
    this.#manifest = manifest;
    this.#onSteps = onSteps;
  }

  /** Steps of the next piece; undefined before the model is open. */
  get steps(): number | undefined {
    return this.#pace?.steps;
  }

  /** How a picture's time is divided into pieces. Opens the model. */
  async plan(pictureSeconds: number, signal: AbortSignal): Promise<Plan> {
    const { info } = await this.#open(signal);
    const { piece, variations, crossfade } = this.#manifest;
    // A piece hands over a crossfade before its end; the rest of the time it plays alone.
    const wanted = Math.min(piece ?? info.seconds.default, pictureSeconds + crossfade);
    const seconds = Math.min(info.seconds.max, Math.max(info.seconds.min, wanted));
    const alone = Math.max(seconds / 2, seconds - crossfade);
    const pieces = Math.max(1, Math.min(variations ?? Infinity, Math.round(pictureSeconds / alone)));
    return { pieces, seconds, slot: pictureSeconds / pieces };
  }

  /** Makes a piece from a picture. Rejects with `Cancelled` when `signal` says so; any other error is a fault. */
  async compose(bitmap: ImageBitmap, { seconds, slot }: Plan, signal: AbortSignal): Promise<Made> {
    const engine = await this.#open(signal);
    const pace = await this.#paceOf(engine, { seconds, slot });
    const steps = pace?.steps ?? this.#manifest.steps;
    const heart = new Heartbeat(this.#manifest.stuck * 1000);
    try {
      const begin = performance.now();
      const settings: Settings = { seconds };
      if (steps !== undefined) settings.steps = steps;
      if (engine.info.hasSeed) settings.seed = Math.floor(Math.random() * 2 ** 32);
      const generation = engine.generate(bitmap, { ...settings, signal: AbortSignal.any([signal, heart.signal]) });
      for await (const _ of generation) heart.beat();
      const { samples, sampleRate, seed } = await generation.result;
      const ms = performance.now() - begin;
      if (pace && steps !== undefined) this.#tell(pace.took(steps, ms, slot * 1000));
      return { samples, sampleRate, ms, ...(seed !== undefined && { seed }), ...(steps !== undefined && { steps }) };
    } catch (thrown) {
      throw this.#explain(thrown, heart, signal);
    } finally {
      heart.end();
    }
  }

  /** Ends the engine; the next piece opens it afresh. */
  dispose(): void {
    this.#engine?.dispose();
    this.#engine = undefined;
  }

  async #open(signal: AbortSignal): Promise<Art2Mus> {
    if (this.#engine) return this.#engine;
    const { bundle, device, stuck } = this.#manifest;
    const heart = new Heartbeat(stuck * 1000);
    try {
      // However slow it is here: steps are lowered until it can keep up, and pieces are repeated meanwhile.
      this.#engine = await create({ bundle, device, allowSlow: true, signal: AbortSignal.any([signal, heart.signal]) });
      return this.#engine;
    } catch (thrown) {
      throw this.#explain(thrown, heart, signal);
    } finally {
      heart.end();
    }
  }

  /** The first pace is what the model estimates; what pieces take corrects it. A model without steps has none. */
  async #paceOf(engine: Art2Mus, { seconds, slot }: Pick<Plan, "seconds" | "slot">): Promise<Pace | undefined> {
    if (this.#pace || engine.info.steps === undefined) return this.#pace;
    const { min, max, default: usual } = engine.info.steps;
    const wanted = Math.min(max, Math.max(min, this.#manifest.steps ?? usual));
    const pace = (this.#pace = new Pace(Math.max(1, min), wanted));
    const { ms } = await engine.estimate({ seconds, steps: wanted });
    if (ms !== null) this.#tell(pace.took(wanted, ms, slot * 1000));
    return pace;
  }

  #tell(change: Change | undefined): void {
    if (change) this.#onSteps(change);
  }

  #explain(thrown: unknown, heart: Heartbeat, signal: AbortSignal): Art2MusError {
    const error = toError(thrown);
    if (!heart.signal.aborted || signal.aborted) return error;
    const message = text("exhibit.stuck", { seconds: this.#manifest.stuck });
    return new Art2MusError({ name: "Internal", message });
  }
}
