/** Draws and saves a finished piece, and shows where its player is. */

import type { Result } from "../client.js";
import { byId, show } from "./dom.js";
import { drawSpectrogram } from "./spectrogram.js";
import { formatDuration, text } from "../common/texts.js";
import { drawWaveform } from "./waveform.js";

/** What else is known about the piece. */
export interface Circumstances {
  pictureName: string;
  elapsedMs: number;
  /** Address of a page with the same settings and seed. */
  link: string;
}

export class ResultView {
  readonly #waveform = byId("waveform", HTMLCanvasElement);
  readonly #spectrogram = byId("spectrogram", HTMLCanvasElement);
  readonly #save = byId("save", HTMLAnchorElement);
  readonly #playheads = document.querySelectorAll<HTMLElement>(".playhead");
  #result: Result | undefined;

  /** `audio` plays the piece. */
  constructor(readonly audio: HTMLAudioElement) {
    for (const canvas of [this.#waveform, this.#spectrogram]) {
      canvas.addEventListener("click", (event) => this.#seek(event.offsetX / canvas.clientWidth));
    }
    this.audio.addEventListener("play", () => this.#follow());
    this.audio.addEventListener("timeupdate", () => this.#movePlayheads());
    this.audio.addEventListener("seeked", () => this.#movePlayheads());
    new ResizeObserver(() => this.#draw()).observe(this.#waveform);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  show(result: Result, { pictureName, elapsedMs, link }: Circumstances): void {
    this.#result = result;
    const { samples, sampleRate, seed } = result;
    const seconds = (samples.length / sampleRate).toFixed(1);
    this.#save.href = this.audio.src;
    this.#save.download = `${baseName(pictureName)}-seed-${seed}.wav`;
    byId("permalink", HTMLAnchorElement).href = link;
    this.#waveform.ariaLabel = text("result.waveform.label", { seconds });
    this.#spectrogram.ariaLabel = text("result.spectrogram.label", { seconds });
    const silent = samples.every((sample) => Math.abs(sample) < 1e-4);
    const meta = text("result.meta", { seconds, seed, time: formatDuration(elapsedMs) });
    byId("meta", HTMLElement).textContent = silent ? `${meta} · ${text("result.silent")}` : meta;
    show(byId("result", HTMLElement), true);
    this.#movePlayheads();
    this.#draw();
  }

  hide(): void {
    this.#result = undefined;
    show(byId("result", HTMLElement), false);
  }

  #draw(): void {
    if (this.#result === undefined || this.#waveform.clientWidth === 0) return;
    drawWaveform(this.#waveform, this.#result.samples);
    drawSpectrogram(this.#spectrogram, this.#result.samples, this.#result.sampleRate);
  }

  #seek(fraction: number): void {
    if (Number.isFinite(this.audio.duration)) {
      this.audio.currentTime = fraction * this.audio.duration;
    }
  }

  #follow(): void {
    this.#movePlayheads();
    if (!this.audio.paused) requestAnimationFrame(() => this.#follow());
  }

  #movePlayheads(): void {
    const { currentTime, duration } = this.audio;
    const place = duration > 0 ? currentTime / duration : 0;
    for (const playhead of this.#playheads) playhead.style.left = `${place * 100}%`;
  }
}

/** A file's name without its extension, with only what every file system takes. */
function baseName(name: string): string {
  return name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_-]+/gu, "-") || "art2mus";
}
