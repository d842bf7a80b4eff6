/** One piece at a time, from the question before a large download to the sound: for the page and the element. */

import { persist, type Art2Mus, type GenerationEvent, type Run, type Settings } from "../client.js";
import { orAbort } from "../common/abort.js";
import { fault } from "../common/faults.js";
import { formatBytes, loadTexts } from "../common/texts.js";

/** Bytes above which a person is asked before a download. */
export const LARGE_DOWNLOAD = 100_000_000;

/** What a person is asked about: `bytes` from `host`, both written for people. */
export interface Download {
  bytes: string;
  host: string;
}

/** What to make, and who hears of it. */
export interface Job<R> {
  /** Full address of the bundle. */
  bundle: string;
  /** Settings whose cost counts for the question before a large download. */
  settings: Settings;
  /** Begins to make it. */
  generate(engine: Art2Mus, signal: AbortSignal): Run<R>;
  /** Gives the opened bundle. */
  open(): Promise<Art2Mus>;
  /** The run begins: it was agreed to. */
  onBegin?(): void;
  onEvent(event: GenerationEvent): void;
  /** Puts the question before a large download. The run ends with what it throws, or with `Cancelled`. */
  ask?(download: Download): void;
}

export class Player {
  readonly #audio: HTMLAudioElement;
  /** Addresses of bundles that a person has agreed to download. */
  readonly #agreed = new Set<string>();
  #run: AbortController | undefined;

  /** Plays in `audio`. */
  constructor(audio: HTMLAudioElement) {
    this.#audio = audio;
  }

  get running(): boolean {
    return this.#run !== undefined;
  }

  /** A person wants this bundle, however large it is. */
  agree(bundle: string): void {
    this.#agreed.add(bundle);
    void persist(); // So large a download should not vanish when space gets short.
  }

  /** Makes a piece; what the audio element has stays there. A run that is under way is cancelled first. */
  async make<R>(job: Job<R>): Promise<R> {
    this.cancel();
    const run = (this.#run = new AbortController());
    const { signal } = run;
    try {
      await orAbort(loadTexts(), signal);
      const engine = await orAbort(job.open(), signal);
      const download = job.ask && (await orAbort(this.#question(engine, job), signal));
      if (download) {
        job.ask?.(download);
        throw fault("cancelled");
      }
      job.onBegin?.();
      const making = job.generate(engine, signal);
      for await (const event of making) job.onEvent(event);
      return await making.result;
    } finally {
      if (this.#run === run) this.#run = undefined;
    }
  }

  /** Stops the run that is under way, if any. */
  cancel(): void {
    this.#run?.abort();
    this.#run = undefined;
  }

  /** Gives a piece to the audio element, in place of what it has. */
  load(wav: Blob): void {
    this.forget();
    this.#audio.src = URL.createObjectURL(wav);
  }

  /** Stops and forgets the last piece. */
  forget(): void {
    this.#audio.pause();
    if (this.#audio.src !== "") URL.revokeObjectURL(this.#audio.src);
    this.#audio.removeAttribute("src");
  }

  async #question(engine: Art2Mus, { bundle, settings }: Pick<Job<unknown>, "bundle" | "settings">): Promise<Download | undefined> {
    if (this.#agreed.has(bundle) || engine.info.bytes <= LARGE_DOWNLOAD) return undefined;
    // Settings out of range: the run itself says so.
    const estimate = await engine.estimate(settings).catch(() => undefined);
    if (estimate === undefined || estimate.download <= LARGE_DOWNLOAD) return undefined;
    return { bytes: formatBytes(estimate.download), host: new URL(bundle).host };
  }
}
