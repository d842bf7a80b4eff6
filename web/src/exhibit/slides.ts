/** The silent attract loop: the pictures go by. */

import type { Manifest } from "./manifest.js";
import { loadPicture, type Shown } from "./source.js";
import type { Stage } from "./stage.js";

/** How long a picture may take to arrive. */
const LOADING_MS = 30_000;

export class Slides {
  readonly #manifest: Manifest;
  readonly #stage: Stage;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #shown: Shown | undefined;
  /** Counts starts and stops, so that what arrives late is known as such. */
  #run = 0;

  constructor(manifest: Manifest, stage: Stage) {
    this.#manifest = manifest;
    this.#stage = stage;
  }

  /** Begins with a picture of the list. */
  start(index: number): void {
    this.stop();
    void this.#show(index, this.#run);
  }

  stop(): void {
    this.#run += 1;
    clearTimeout(this.#timer);
    this.#keep(undefined);
  }

  async #show(index: number, run: number): Promise<void> {
    const { pictures, languages } = this.#manifest;
    const picture = pictures[index % pictures.length];
    // Nobody is photographed for a picture that makes no music.
    if (picture && picture.source.kind !== "camera") {
      try {
        const shown = await loadPicture(picture, languages, AbortSignal.timeout(LOADING_MS));
        if (run !== this.#run) return shown.release();
        await this.#stage.show(shown);
        this.#keep(shown);
      } catch {
        // It is noted when its turn comes with music.
      }
    }
    if (run !== this.#run) return;
    this.#timer = setTimeout(() => void this.#show(index + 1, run), (picture?.seconds ?? 60) * 1000);
  }

  /** Keeps one picture in memory, and lets go of the one before. */
  #keep(shown: Shown | undefined): void {
    this.#shown?.release();
    this.#shown = shown;
  }
}
