/** Shows, plays and saves a finished piece, beside the picture that it was made from. */

import type { Art2MusError } from "../common/errors.js";
import { byId, show } from "./dom.js";
import { thumbnail, type Made } from "./history.js";
import { describe } from "./plan.js";
import type { Player } from "./player.js";
import { SaveView } from "./save-view.js";
import { drawSpectrogram } from "./spectrogram.js";
import { formatDuration, text } from "../common/texts.js";
import { drawWaveform } from "./waveform.js";

export class ResultView {
  readonly #waveform = byId("waveform", HTMLCanvasElement);
  readonly #spectrogram = byId("spectrogram", HTMLCanvasElement);
  readonly #save = new SaveView((error) => this.onProblem(error));
  readonly #loop = byId("loop", HTMLButtonElement);
  readonly #takes = byId("takes", HTMLFieldSetElement);
  readonly #playheads = document.querySelectorAll<HTMLElement>(".playhead");
  #made: Made | undefined;

  /** `player` plays the piece in `audio`; `onProblem` hears why a file could not be made of it. */
  constructor(
    readonly audio: HTMLAudioElement,
    readonly player: Player,
    readonly onProblem: (error: Art2MusError) => void,
  ) {
    for (const canvas of [this.#waveform, this.#spectrogram]) {
      canvas.addEventListener("click", (event) => this.#seek(event.offsetX / canvas.clientWidth));
    }
    this.#loop.addEventListener("click", () => {
      this.audio.loop = !this.audio.loop;
      this.#loop.ariaPressed = String(this.audio.loop);
    });
    this.audio.addEventListener("play", () => this.#follow());
    this.audio.addEventListener("timeupdate", () => this.#movePlayheads());
    this.audio.addEventListener("seeked", () => this.#movePlayheads());
    new ResizeObserver(() => this.#draw()).observe(this.#waveform);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  get made(): Made | undefined {
    return this.#made;
  }

  show(made: Made): void {
    this.#made = made;
    const { picture, settings, plan, link } = made;
    byId("result-picture", HTMLElement).replaceChildren(thumbnail(made));
    byId("result-of", HTMLElement).textContent = describe(plan, picture.about.name, settings);
    byId("permalink", HTMLAnchorElement).href = link;
    this.#showTakes(made);
    show(byId("result", HTMLElement), true);
    this.#hear(made.take);
  }

  /** Several candidates are there to choose from, with what the model thinks of them. */
  #showTakes({ result: { pieces }, take }: Made): void {
    show(this.#takes, pieces.length > 1);
    const labels = pieces.map(({ score }, at) => {
      const input = document.createElement("input");
      input.type = "radio";
      input.name = "take";
      input.checked = at === take;
      input.addEventListener("change", () => this.#hear(at));
      const label = document.createElement("label");
      const known = score === null ? "result.take" : "result.scoredTake";
      label.append(input, text(known, { number: at + 1, score: (score ?? 0).toFixed(2) }));
      return label;
    });
    byId("takes-list", HTMLElement).replaceChildren(...labels);
  }

  #hear(take: number): void {
    const made = this.#made;
    const piece = made?.result.pieces[take];
    if (made === undefined || piece === undefined) return;
    made.take = take;
    this.player.load(piece.wav());
    void this.#save.show(made);
    const { seed, sampleRate } = made.result;
    const seconds = (piece.samples.length / sampleRate).toFixed(1);
    this.#waveform.ariaLabel = text("result.waveform.label", { seconds });
    this.#spectrogram.ariaLabel = text("result.spectrogram.label", { seconds });
    const silent = piece.samples.every((sample) => Math.abs(sample) < 1e-4);
    const values = { seconds, time: formatDuration(made.elapsedMs) };
    const meta = seed === undefined ? text("result.meta.once", values) : text("result.meta", { ...values, seed });
    byId("meta", HTMLElement).textContent = silent ? `${meta} · ${text("result.silent")}` : meta;
    this.#movePlayheads();
    this.#draw();
  }

  #draw(): void {
    const piece = this.#made?.result.pieces[this.#made.take];
    if (this.#made === undefined || piece === undefined || this.#waveform.clientWidth === 0) return;
    drawWaveform(this.#waveform, piece.samples);
    drawSpectrogram(this.#spectrogram, piece.samples, this.#made.result.sampleRate);
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
