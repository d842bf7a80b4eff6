/**
 * Endless play through Web Audio: pieces follow each other with crossfades, and while the next one is not
 * there the last one is played once more. Everything is scheduled on the audio clock ahead of time, repetitions
 * too: they are taken back when the next piece comes in time. So a page that is held up for seconds plays on.
 */

import { equalPowerCurve, passage, type Passage } from "./crossfade.js";
import { matchingGain } from "./loudness.js";

/** Seconds ahead for which there is always something scheduled. */
const LEAD = 6;
/** How often is looked whether something has to be scheduled. */
const LOOK_MS = 250;
/** The soonest that something can be scheduled for. */
const SOON = 0.05;
/** Seconds in which a visitor's choice takes the place of what plays. */
const CUT_FADE = 0.8;

/** A piece of one channel, and what it belongs to. */
export interface Track<T> {
  samples: Float32Array;
  sampleRate: number;
  label: T;
}

/** A piece, or once more the same one, on the audio clock. */
export interface Scheduled<T> {
  label: T;
  repeat: boolean;
  /** It is heard once more because nothing else was there. */
  late: boolean;
  /** Seconds of the audio clock; the crossfades on both sides belong to it. */
  start: number;
  end: number;
  /** Seconds without anything since the piece before; 0 as it should be. */
  gap: number;
  /** LUFS of the piece's loudest three seconds, and the gain that it got for it. */
  loudness: number;
  gain: number;
}

interface Prepared<T> extends Passage {
  buffer: AudioBuffer;
  loudness: number;
  gain: number;
  label: T;
  notBefore: number;
}

/** What is scheduled and not over. */
interface Playing<T> extends Prepared<T> {
  scheduled: Scheduled<T>;
  end: number;
  /** When the crossfade to what follows begins. */
  handover: number;
  source: AudioBufferSourceNode;
  /** Silences it early. */
  cut: GainNode;
  heard: boolean;
  /** It was cut and is about to end. */
  ending: boolean;
}

export interface JukeboxOptions<T> {
  /** Seconds of a crossfade. */
  crossfade: number;
  /** LUFS that pieces are brought to. */
  loudness: number;
  volume: number;
  /** Something was scheduled; it may still be cut before it is heard. */
  onSchedule(scheduled: Scheduled<T>): void;
  /** It is heard from now on. */
  onBegin(scheduled: Scheduled<T>): void;
}

export class Jukebox<T> {
  readonly context = new AudioContext();
  readonly #options: JukeboxOptions<T>;
  readonly #master: GainNode;
  readonly #timer: ReturnType<typeof setInterval>;
  #next: Prepared<T> | undefined;
  /** In the order of their starts. */
  #tail: Playing<T>[] = [];
  #volume: number;
  #stopped = false;

  constructor(options: JukeboxOptions<T>) {
    this.#options = options;
    this.#volume = options.volume;
    this.#master = this.context.createGain();
    this.#master.gain.value = options.volume;
    this.#master.connect(this.context.destination);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Whether a piece waits to be scheduled: no other one should be made yet. */
  get full(): boolean {
    return this.#next !== undefined;
  }

  /** Seconds until what is scheduled and what waits have been played. */
  get ahead(): number {
    // A repetition that is not heard yet does not count: it can be taken back.
    const last = this.#tail.findLast(({ scheduled, heard }) => heard || !scheduled.repeat);
    const scheduled = Math.max(0, (last?.handover ?? 0) - this.context.currentTime);
    const next = this.#next;
    return scheduled + (next ? next.exit - next.entry - next.fade : 0);
  }

  get volume(): number {
    return this.#volume;
  }

  set volume(volume: number) {
    this.#volume = Math.min(1, Math.max(0, volume));
    this.#ramp();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether anything was scheduled yet. */
  get begun(): boolean {
    return this.#tail.length > 0;
  }

  /** Whether the browser lets sound through. It may need a person's press first. */
  get running(): boolean {
    return this.context.state === "running";
  }

  /** Goes on; false where the browser does not allow sound yet. */
  async start(): Promise<boolean> {
    this.#stopped = false;
    // Where sound is not allowed the promise stays open.
    await Promise.race([this.context.resume(), new Promise((resolve) => setTimeout(resolve, 300))]);
    this.#ramp();
    return this.running;
  }

  /** Stops where it is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ramp();
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Also where it does not run yet: a press somewhere must not make it begin later.
    if (this.#stopped) await this.context.suspend();
  }

  /**
   * Takes a piece that follows the ones before, though no sooner than at `notBefore` on the audio clock: until then
   * the one before is repeated. With `now` it takes their place.
   */
  offer({ samples, sampleRate, label }: Track<T>, { notBefore = 0, now = false } = {}): void {
    const buffer = this.context.createBuffer(1, samples.length, sampleRate);
    buffer.getChannelData(0).set(samples);
    const { crossfade, loudness: target } = this.#options;
    const level = matchingGain(samples, sampleRate, target);
    this.#next = { buffer, label, notBefore, ...passage(samples, sampleRate, crossfade), ...level };
    if (now) this.#cut();
    else this.#takeBack();
    this.#look();
  }

  /** Forgets the piece that waits. */
  drop(): void {
    this.#next = undefined;
  }

  /** What plays and what waits ends softly. */
  silence(): void {
    this.#next = undefined;
    this.#cut();
    this.#tail = [];
  }

  close(): void {
    clearInterval(this.#timer);
    void this.context.close();
  }

  #look(): void {
    const now = this.context.currentTime;
    for (const playing of this.#tail) {
      if (playing.heard || playing.scheduled.start > now) continue;
      playing.heard = true;
      this.#options.onBegin({ ...playing.scheduled, late: playing.scheduled.repeat && this.#next === undefined });
    }
    // The last one stays, even when it is over: it is what would be repeated.
    this.#tail = this.#tail.filter(({ end }, at) => end > now || at === this.#tail.length - 1);
    if (!this.running || this.#stopped) return;
    for (;;) {
      const last = this.#tail.at(-1);
      if (last && last.handover - now > LEAD) return;
      const next = this.#next && (last === undefined || last.handover >= this.#next.notBefore) ? this.#next : undefined;
      const piece = next ?? last;
      if (piece === undefined) return;
      this.#schedule(piece, next === undefined);
      if (next) this.#next = undefined;
    }
  }

  #schedule(piece: Prepared<T>, repeat: boolean): void {
    const { context } = this;
    const last = this.#tail.at(-1);
    const soon = context.currentTime + SOON;
    const start = Math.max(soon, last?.handover ?? soon);
    const gap = Math.max(0, start - (last?.end ?? start));
    const { fade, gain, buffer, loudness, label, entry, exit, notBefore } = piece;
    const seconds = exit - entry;
    // As long as the fall of the piece before, or their powers would not add up to one.
    const rise = Math.min(last?.fade ?? fade, seconds - fade);
    const source = context.createBufferSource();
    source.buffer = buffer;
    const envelope = context.createGain();
    envelope.gain.setValueAtTime(0, 0);
    envelope.gain.setValueCurveAtTime(equalPowerCurve("rise", gain), start, rise);
    envelope.gain.setValueCurveAtTime(equalPowerCurve("fall", gain), start + seconds - fade, fade);
    const cut = context.createGain();
    source.connect(envelope).connect(cut).connect(this.#master);
    source.start(start, entry, seconds);
    source.onended = () => {
      for (const node of [source, envelope, cut]) node.disconnect();
    };
    const end = start + seconds;
    const scheduled = { label, repeat, late: false, start, end, gap, loudness, gain };
    const passage = { entry, exit, fade, buffer, loudness, gain, label, notBefore };
    this.#tail.push({ ...passage, scheduled, end, handover: end - fade, source, cut, heard: false, ending: false });
    this.#options.onSchedule(scheduled);
  }

  /** Takes back repetitions that nobody hears yet. */
  #takeBack(): void {
    const soon = this.context.currentTime + 2 * SOON;
    for (let last = this.#tail.at(-1); last?.scheduled.repeat && last.scheduled.start > soon; last = this.#tail.at(-1)) {
      remove(last);
      this.#tail.pop();
    }
  }

  /** Ends early what plays, and takes back what is scheduled; what follows begins at once. */
  #cut(): void {
    const now = this.context.currentTime;
    const soon = now + SOON;
    this.#tail = this.#tail.filter((playing) => {
      if (playing.scheduled.start > now) {
        remove(playing);
        return false;
      }
      if (playing.ending) return true;
      playing.cut.gain.setValueCurveAtTime(equalPowerCurve("fall"), soon, CUT_FADE);
      Object.assign(playing, { handover: soon, end: Math.min(playing.end, soon + CUT_FADE), fade: CUT_FADE, ending: true });
      return true;
    });
  }

  #ramp(): void {
    const { gain } = this.#master;
    gain.cancelScheduledValues(0);
    gain.setTargetAtTime(this.#stopped ? 0 : this.#volume, this.context.currentTime, 0.06);
  }
}

/** Takes back what has not begun. */
function remove({ source, cut }: Playing<unknown>): void {
  source.stop();
  source.disconnect();
  cut.disconnect();
}
