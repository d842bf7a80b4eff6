/** Saves a piece: as a WAV file at once, compressed or as a video when a person asks for it. */

import { to16Bit } from "../audio/wav.js";
import { pieceName } from "../common/address.js";
import { toError, type Art2MusError } from "../common/errors.js";
import { saveFile } from "../common/save-file.js";
import { text } from "../common/texts.js";
import { byId, show } from "./dom.js";
import { titleOf, type Made } from "./history.js";
import { canRecord, recordSound, recordVideo, type Recorded, type Recording } from "./video.js";

/** Makes a file; hears what part is done. */
type Record = (recording: Recording, signal: AbortSignal, onProgress: (fraction: number) => void) => Promise<Recorded>;

export class SaveView {
  readonly #wav = byId("save", HTMLAnchorElement);
  readonly #state = byId("save-state", HTMLElement);
  #made: Made | undefined;
  #under: AbortController | undefined;

  /** `onProblem` hears why a file could not be made. */
  constructor(readonly onProblem: (error: Art2MusError) => void) {
    const { sound, video } = canRecord();
    this.#button("save-sound", sound, recordSound);
    this.#button("save-video", video, async (recording, signal, onProgress) => {
      const painting = new Image();
      painting.src = this.#made?.picture.url ?? "";
      await painting.decode();
      return recordVideo(recording, painting, signal, onProgress);
    });
    byId("save-cancel", HTMLButtonElement).addEventListener("click", () => this.#under?.abort());
  }

  /** Offers the take that is heard; a file that is being made of another one is given up. */
  async show(made: Made): Promise<void> {
    this.#under?.abort();
    this.#made = made;
    show(byId("save-video", HTMLElement), canRecord().video && made.picture.url !== undefined);
    const piece = made.result.pieces[made.take];
    if (piece === undefined) return;
    const file = new Uint8Array(await piece.wav().arrayBuffer());
    if (made !== this.#made || piece !== made.result.pieces[made.take]) return;
    URL.revokeObjectURL(this.#wav.href);
    const wav = made.plan.kind === "walk" ? file : to16Bit(file); // A walk has 16 bits already.
    this.#wav.href = URL.createObjectURL(new Blob([wav], { type: "audio/wav" }));
    this.#wav.download = `${nameOf(made)}.wav`;
  }

  #button(id: string, offered: boolean, record: Record): void {
    const button = byId(id, HTMLButtonElement);
    show(button, offered);
    button.addEventListener("click", () => void this.#save(record));
  }

  async #save(record: Record): Promise<void> {
    const made = this.#made;
    const piece = made?.result.pieces[made.take];
    if (made === undefined || piece === undefined) return;
    this.#under?.abort();
    const { signal } = (this.#under = new AbortController());
    const row = byId("save-row", HTMLElement);
    const progress = (fraction: number) => {
      this.#state.textContent = text("save.making", { percent: Math.round(fraction * 100) });
    };
    progress(0);
    show(row, true);
    try {
      const { sampleRate } = made.result;
      const recording = { samples: piece.samples, sampleRate, title: titleOf(made), comment: made.link };
      const { blob, extension } = await record(recording, signal, progress);
      signal.throwIfAborted();
      saveFile(blob, `${nameOf(made)}.${extension}`);
    } catch (thrown) {
      if (!signal.aborted) this.onProblem(toError(thrown, "Unsupported"));
    } finally {
      if (this.#under?.signal === signal) show(row, false);
    }
  }
}

function nameOf({ picture, result }: Made): string {
  return pieceName(picture.about.name, result.seed);
}
