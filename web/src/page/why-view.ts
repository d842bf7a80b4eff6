/** Why a piece sounds as it does: a map of what in the picture moves the music, and what is heard without each part. */

import type { Art2Mus } from "../client.js";
import { heardInfluence, influence, type HeardInfluence, type HeardPart } from "../api/influence.js";
import { QUALITIES, type Quality } from "../audio/qualities.js";
import { wavOf } from "../audio/wav.js";
import { toError, type Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { cutAlong } from "../pictures/lasso.js";
import { byId, show } from "./dom.js";
import type { Made } from "./history.js";
import { colour } from "./spectrogram.js";

/** Changes that are smaller cannot be heard as such: octaves, onsets a second, decibels, octaves. */
const NOTICEABLE: Record<Quality, number> = { register: 0.08, pace: 0.35, loudness: 0.5, brightness: 0.12 };

/** What a map needs of the page. */
export interface WhyEvents {
  /** The opened model, if it is, and does nothing else. */
  engine(): Art2Mus | undefined;
  /** Whether the opened model has tokens that parts of a picture can move. */
  hasTokens(): boolean;
  announce(sentence: string): void;
  onProblem(error: Art2MusError): void;
}

export class WhyView {
  readonly #events: WhyEvents;
  readonly #ask = byId("why-ask", HTMLButtonElement);
  readonly #card = byId("why", HTMLElement);
  readonly #image = byId("why-picture", HTMLImageElement);
  readonly #map = byId("why-map", HTMLCanvasElement);
  readonly #parts = byId("why-parts", HTMLElement);
  readonly #doing = byId("why-doing", HTMLElement);
  readonly #progress = byId("why-progress", HTMLProgressElement);
  readonly #said = byId("why-said", HTMLElement);
  readonly #audio = new Audio();
  #made: Made | undefined;
  #under: AbortController | undefined;

  constructor(events: WhyEvents) {
    this.#events = events;
    this.#ask.addEventListener("click", () => void this.#explain());
    byId("why-cancel", HTMLButtonElement).addEventListener("click", () => {
      this.#under?.abort();
      this.#ask.focus();
    });
  }

  /** Offers to explain a piece; what was explained of another one goes away. */
  offer(made: Made): void {
    if (made === this.#made) return;
    this.#under?.abort();
    this.#made = made;
    this.#hush();
    show(this.#card, false);
    show(this.#ask, this.#events.hasTokens() && made.picture.url !== undefined && made.plan.kind === "piece");
  }

  /** Offers nothing more of this piece: the model that made it is not open. What was explained stays. */
  withdraw(): void {
    this.#under?.abort();
    show(this.#ask, false);
  }

  /** Gives way to a run: there is one engine. */
  interrupt(): void {
    this.#under?.abort();
  }

  async #explain(): Promise<void> {
    const engine = this.#events.engine();
    const made = this.#made;
    if (engine === undefined || made === undefined) return;
    this.#under?.abort();
    const { signal } = (this.#under = new AbortController());
    this.#parts.replaceChildren();
    this.#said.textContent = "";
    this.#map.width = 0;
    show(this.#card, true);
    const working = byId("why-working", HTMLElement);
    show(working, true);
    const doing = (key: string) => {
      this.#doing.textContent = text(key);
      this.#events.announce(text(key));
      this.#progress.value = 0;
    };
    const options = { signal, onProgress: (fraction: number) => void (this.#progress.value = fraction) };
    try {
      const picture = await this.#cut(made);
      doing("why.looking");
      this.#draw(await influence(engine, picture, options));
      doing("why.listening");
      const { comment, prompt, negative } = made.settings.generation;
      const { seed } = made.result;
      const given = Object.fromEntries(Object.entries({ comment, prompt, negative, seed }).filter(([, value]) => value !== undefined));
      this.#offerParts(await heardInfluence(engine, picture, { ...options, ...given }));
      this.#said.textContent = text("why.ready");
      this.#events.announce(text("why.ready"));
    } catch (thrown) {
      if (!signal.aborted) this.#events.onProblem(toError(thrown));
    }
    if (this.#under?.signal !== signal) return;
    show(working, false);
    if (this.#map.width === 0) show(this.#card, false);
  }

  /** The part of the picture that the piece was made from, which is shown too. */
  async #cut({ picture, region, settings: { lasso } }: Made): Promise<ImageBitmap> {
    const artwork = await picture.artwork();
    const { x, y, width, height } = region ?? { x: 0, y: 0, width: 1, height: 1 };
    const [across, down] = [picture.width, picture.height];
    const bitmap = lasso
      ? await cutAlong(artwork, across, down, lasso)
      : await createImageBitmap(artwork, x * across, y * down, Math.max(1, width * across), Math.max(1, height * down));
    const canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    this.#image.src = canvas.toDataURL("image/jpeg", 0.85);
    return bitmap;
  }

  /** Bright where the music is moved, up to the part that moves it most. */
  #draw({ columns, rows, moved }: { columns: number; rows: number; moved: Float32Array }): void {
    const most = moved.reduce((a, b) => Math.max(a, b), 1e-6);
    this.#map.width = columns;
    this.#map.height = rows;
    const context = this.#map.getContext("2d");
    moved.forEach((far, at) => {
      if (context === null) return;
      context.fillStyle = colour(far / most);
      context.fillRect(at % columns, Math.floor(at / columns), 1, 1);
    });
    const percent = Math.round(most * 100);
    this.#map.ariaLabel = text("why.map", { percent, place: text(`why.place.${place(strongest(columns, rows, moved))}`) });
    byId("why-scale", HTMLElement).textContent = text("why.scale", { percent });
  }

  #offerParts(heard: HeardInfluence): void {
    this.#parts.replaceChildren(...heard.parts.map((part) => this.#part(part, heard)));
  }

  #part(part: HeardPart, heard: HeardInfluence): HTMLElement {
    const button = document.createElement("button");
    button.type = "button";
    const sentence = `${text(`why.place.${place(part.region)}`)}: ${effect(part)}`;
    button.ariaLabel = sentence;
    const say = () => (this.#said.textContent = sentence);
    button.addEventListener("pointerenter", say);
    button.addEventListener("focus", say);
    button.addEventListener("click", () => {
      this.#hush();
      this.#said.textContent = `${sentence} ${text("why.without")}`;
      this.#audio.src = URL.createObjectURL(wavOf(part.samples, heard.sampleRate));
      void this.#audio.play().catch(() => {});
    });
    return button;
  }

  #hush(): void {
    this.#audio.pause();
    if (this.#audio.src !== "") URL.revokeObjectURL(this.#audio.src);
    this.#audio.removeAttribute("src");
  }
}

/** What a part does to the music, in words. */
function effect({ change }: HeardPart): string {
  const heard = QUALITIES.filter((quality) => Math.abs(change[quality]) >= NOTICEABLE[quality]);
  if (heard.length === 0) return text("why.nothing");
  const words = heard.map((quality) => text(`why.${quality}.${change[quality] > 0 ? "more" : "less"}`));
  return text("why.makes", { effects: words.join(", ") });
}

/** Which of the nine places of a picture the middle of a part lies in. */
function place({ x, y, width, height }: { x: number; y: number; width: number; height: number }): string {
  const third = (value: number) => Math.min(2, Math.floor(value * 3));
  return `${["top", "middle", "bottom"][third(y + height / 2)]}.${["left", "centre", "right"][third(x + width / 2)]}`;
}

function strongest(columns: number, rows: number, moved: Float32Array) {
  const at = moved.indexOf(Math.max(...moved));
  return { x: (at % columns) / columns, y: Math.floor(at / columns) / rows, width: 1 / columns, height: 1 / rows };
}
