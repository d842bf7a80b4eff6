/**
 * What is made next, and what is done when that fails: takes pictures in turn, has pieces made of them ahead
 * of time and hands them to the jukebox.
 */

import { Jukebox, type Scheduled } from "../audio/jukebox.js";
import { fault } from "../common/faults.js";
import { toError, type Art2MusError } from "../common/errors.js";
import { Composer, type Made, type Plan } from "./composer.js";
import type { Details, Journal } from "./journal.js";
import type { Manifest } from "./manifest.js";
import type { Place, Playlist } from "./playlist.js";
import { loadPicture, type Shown } from "./source.js";
import type { Watchdog } from "./watchdog.js";

/** How often is looked whether a piece is wanted. */
const LOOK_MS = 100;
/** How long nothing is tried after all pictures failed, or the page was loaded again too often. */
const PAUSE_MS = 20_000;

/** What a piece is made from: a picture of the list, or one that a visitor has brought. */
type Target = { index: number; own?: undefined } | { index: undefined; own: Shown };

/** What is known of a piece while it plays. */
export interface PieceLabel {
  target: Target;
  shown: Shown;
  made: Made;
  /** Which one of its picture, from 0. */
  piece: number;
  /** Where the playlist was. */
  place: Place;
}

export interface ConductorParts {
  manifest: Manifest;
  playlist: Playlist;
  journal: Journal;
  watchdog: Watchdog;
  /** A piece of this picture is heard from now on, or would be if there were music; there the playlist is. */
  onPicture(shown: Shown, place: Place): void;
  /** A picture cannot be had: a sentence for those who wait for it. */
  onMissing(sentence: string): void;
  /** The page has to be loaded again. */
  reload(): Promise<void>;
}

export class Conductor {
  readonly jukebox: Jukebox<PieceLabel>;
  readonly composer: Composer;
  readonly #parts: ConductorParts;
  #target: Target;
  #shown: Shown | undefined;
  #plan: Plan | undefined;
  /** Pieces of the target that were made. */
  #made = 0;
  /** When the target's first piece begins, on the audio clock. */
  #since: number | undefined;
  /** When it may begin at the soonest: the picture before has its time. */
  #earliest = 0;
  /** The piece under way takes the place of what plays. */
  #urgent = false;
  /** Pictures in a row that could not be had. */
  #skipped = 0;
  #work = new AbortController();
  /** Pictures in memory. */
  readonly #held = new Set<Shown>();

  constructor(parts: ConductorParts) {
    this.#parts = parts;
    const { manifest, playlist, journal } = parts;
    this.#target = { index: playlist.current };
    const { crossfade, loudness, volume } = manifest;
    this.jukebox = new Jukebox({
      crossfade,
      loudness,
      volume,
      onSchedule: (scheduled) => this.#onSchedule(scheduled),
      onBegin: (scheduled) => this.#onBegin(scheduled),
    });
    this.composer = new Composer(manifest, (change) => journal.note("steps", { ...change, load: round(change.load) }));
  }

  /** Makes pieces for ever, whatever happens. */
  async run(): Promise<never> {
    for (;;) {
      const target = this.#target;
      try {
        while (this.jukebox.full) await pause(LOOK_MS);
        await this.#next();
      } catch (thrown) {
        await this.#recover(toError(thrown), target);
      }
    }
  }

  /** Makes the piece that comes next, and hands it over. */
  async #next(): Promise<void> {
    this.#advanceIfDue();
    const work = (this.#work = new AbortController());
    const label = await this.#make(work.signal);
    if (label === undefined || work.signal.aborted) return;
    this.#skipped = 0;
    this.#parts.watchdog.succeeded();
    this.#made += 1;
    const { samples, sampleRate } = label.made;
    this.jukebox.offer({ samples, sampleRate, label }, { now: this.#urgent, notBefore: this.#notBefore(label.piece) });
    this.#urgent = false;
  }

  /** A visitor's choice takes the place of what plays, as soon as there is music for it. */
  choose(choice: number | Shown): void {
    if (typeof choice === "number") this.#parts.playlist.goTo(choice);
    this.#aim(typeof choice === "number" ? { index: choice } : { index: undefined, own: choice });
    this.#jump();
  }

  /** Goes on to the next picture at once. */
  skip(): void {
    this.#aim({ index: this.#parts.playlist.advance() });
    this.#jump();
  }

  /** The visitor is gone: their picture is forgotten. */
  forgetVisitor(): void {
    if (this.#target.own) this.skip();
  }

  /** Which picture pieces are being made of: a number of the list. */
  get index(): number | undefined {
    return this.#target.index;
  }

  /** Makes a piece of the target; undefined when that failed and something was done about it. */
  async #make(signal: AbortSignal): Promise<PieceLabel | undefined> {
    const target = this.#target;
    let shown: Shown;
    try {
      shown = await this.#picture(target, signal);
    } catch (thrown) {
      if (!signal.aborted) await this.#skip(toError(thrown), target);
      return undefined;
    }
    try {
      this.#plan ??= await this.composer.plan(this.#seconds(target), signal);
      const made = await this.composer.compose(shown.bitmap, this.#plan, signal);
      return { target, shown, made, piece: this.#made, place: this.#parts.playlist.place };
    } catch (thrown) {
      if (signal.aborted) return undefined;
      const error = toError(thrown);
      await (error.name === "Input" ? this.#skip(error, target) : this.#recover(error, target));
      return undefined;
    }
  }

  async #picture(target: Target, signal: AbortSignal): Promise<Shown> {
    if (target.own) return target.own;
    const picture = this.#parts.manifest.pictures[target.index];
    if (picture === undefined) throw new Error("no such picture");
    const { source } = picture;
    const old = source.kind === "camera" && this.#shown !== undefined && performance.now() - this.#shown.at > source.every * 1000;
    if (this.#shown === undefined || old) {
      const shown = await loadPicture(picture, this.#parts.manifest.languages, signal);
      if (signal.aborted) {
        shown.release(); // Another picture was asked for meanwhile.
        throw fault("cancelled");
      }
      this.#shown = shown;
      this.#held.add(shown);
      // Without music there is the picture at least.
      if (!this.jukebox.begun) this.#parts.onPicture(shown, this.#parts.playlist.place);
    }
    return this.#shown;
  }

  #seconds({ index }: Target): number {
    const { pictures } = this.#parts.manifest;
    return (index === undefined ? pictures[0] : pictures[index])?.seconds ?? 60;
  }

  /** Aims at another picture. */
  #aim(target: Target): void {
    if (this.#target.own && this.#target.own !== target.own) this.#held.add(this.#target.own);
    this.#target = target;
    this.#shown = target.own;
    this.#plan = undefined;
    this.#made = 0;
    this.#since = undefined;
  }

  #jump(): void {
    this.#urgent = true;
    this.jukebox.drop();
    this.#work.abort();
  }

  /** Goes on when the picture has all its pieces, or no time left for another one. */
  #advanceIfDue(): void {
    const plan = this.#plan;
    if (plan === undefined || this.#made === 0) return;
    const { currentTime } = this.jukebox.context;
    const until = currentTime + this.jukebox.ahead - (this.#since ?? currentTime);
    if (this.#made < plan.pieces && until < this.#seconds(this.#target) - plan.slot / 2) return;
    const since = this.#since;
    const seconds = this.#seconds(this.#target);
    this.#aim({ index: this.#parts.playlist.advance() });
    this.#earliest = since === undefined ? 0 : since + seconds - plan.slot / 2;
  }

  /** A piece keeps its slot, unless half of it would be a repetition otherwise. */
  #notBefore(piece: number): number {
    if (piece === 0) return this.#urgent ? 0 : this.#earliest;
    return (this.#since ?? 0) + (piece - 0.5) * (this.#plan?.slot ?? 0);
  }

  #onSchedule({ label: { target, piece }, repeat, start }: Scheduled<PieceLabel>): void {
    if (piece === 0 && !repeat && target === this.#target) this.#since = start;
  }

  #onBegin(scheduled: Scheduled<PieceLabel>): void {
    this.#note(scheduled);
    const { shown, place } = scheduled.label;
    if (scheduled.repeat) return;
    this.#parts.onPicture(shown, place);
    for (const held of this.#held) {
      if (held === shown || held === this.#shown) continue;
      held.release();
      this.#held.delete(held);
    }
    this.#held.add(shown);
  }

  /** What is heard, for the log. */
  #note({ label, repeat, late, start, end, gap, loudness, gain }: Scheduled<PieceLabel>): void {
    const { journal } = this.#parts;
    const { target, made, piece } = label;
    const clock = { start: round(start), end: round(end) };
    const picture = target.index ?? "visitor";
    if (gap > 0) journal.note("gap", { seconds: round(gap) });
    if (repeat) {
      journal.note("repeat", { picture, piece, ...clock, late });
      return;
    }
    const { seed, steps, ms } = made;
    const settings = { ...(seed !== undefined && { seed }), ...(steps !== undefined && { steps }) };
    const details: Details = { picture, piece, ...clock, ...settings, ms: Math.round(ms), gain: round(gain) };
    // JSON has no -Infinity, which silence has.
    if (Number.isFinite(loudness)) details["lufs"] = round(loudness);
    journal.note("piece", details);
  }

  /** A picture that cannot be had is left out this time. */
  async #skip(error: Art2MusError, target: Target): Promise<void> {
    const { journal, manifest, playlist, onMissing } = this.#parts;
    journal.note("fault", { picture: target.index ?? "visitor", name: error.name, ...codeOf(error), message: error.message });
    onMissing([error.message, error.hint].join(" "));
    this.#skipped += 1;
    if (this.#skipped % manifest.pictures.length === 0) await pause(PAUSE_MS);
    if (target === this.#target) this.#aim({ index: playlist.advance() });
  }

  /** The engine failed: the same picture is tried again. */
  async #recover(error: Art2MusError, target: Target): Promise<void> {
    const { journal, watchdog, reload } = this.#parts;
    const remedy = watchdog.failed();
    journal.note("fault", { picture: target.index ?? "visitor", name: error.name, ...codeOf(error), message: error.message, cause: String(error.cause ?? "") });
    journal.note("restart", { of: remedy === "retry" ? "worker" : remedy, failures: watchdog.failures });
    if (remedy === "engine") this.composer.dispose();
    if (remedy === "page") await reload();
    if (remedy === "wait") {
      this.composer.dispose();
      await pause(PAUSE_MS);
    }
  }
}

/** What says the same in every language. */
const codeOf = ({ code }: Art2MusError): Details => (code === undefined ? {} : { code });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const round = (value: number): number => Math.round(value * 1000) / 1000;
