/** The shards of one bundle as the engine reads them; a worker of their own downloads them. */

import type { Shard } from "./download.js";
import type { FromDownloader, ToDownloader } from "./downloader.js";
import { toError, type Art2MusError } from "../common/errors.js";
import { fault } from "../common/faults.js";
import { fileAddress } from "../common/address.js";
import { startWorker } from "../common/start-worker.js";
import { loadedTexts } from "../common/texts.js";
import { readRange } from "./range.js";
import { fetchSmallFile } from "./small-file.js";

interface Entry {
  arrived: number;
  blob?: Blob;
  error?: Art2MusError;
}

/** Where the engine gets a bundle from: shards stay on this side, tensors go over one by one. */
export interface ShardStore {
  /** Address of the bundle's folder. */
  readonly base: string;
  /** A file that is no shard, such as the manifest, of at most `most` bytes. */
  file(name: string, most: number): Promise<Uint8Array>;
  /**
   * Asks for shards; resolves with how many of their bytes have arrived as soon as that is more than
   * `known`. Only when all of them can be read it is the sum of their lengths.
   */
  arrived(shards: Shard[], known: number): Promise<number>;
  /** Asks for shards that will be needed soon, and does not wait. */
  prefetch(shards: Shard[]): void;
  /** Bytes of a shard that has arrived. */
  read(file: string, offset: number, length: number): Uint8Array;
  /** The shard will not be read any more. */
  release(file: string): void;
}

export class Shards implements ShardStore {
  readonly base: string;
  readonly #program: string;
  readonly #entries = new Map<string, Entry>();
  /** Started again after a crash. */
  #downloader: Worker | undefined;
  /** Files that are no shards, as they came. */
  readonly #files = new Map<string, Uint8Array>();
  /** Shards that are lent, or will be when they arrive. */
  readonly #lent = new Map<string, Blob | undefined>();
  /** What was stored cannot be read any more: all of it may be gone. */
  #stale = false;
  #wake: () => void = () => {};
  #changed = this.#next();

  /** `base` is the address of the bundle's folder, `program` that of the worker that downloads. */
  constructor(base: string, program: string) {
    this.base = base;
    this.#program = program;
    this.#downloader = this.#start(); // Now: it gets ready while the engine does.
  }

  async file(name: string, most: number): Promise<Uint8Array> {
    const bytes = await fetchSmallFile(fileAddress(this.base, name), most);
    this.#files.set(name, bytes);
    return bytes;
  }

  /**
   * These shards, and the files that were read, for engines in other workers. Shards are downloaded where they are not
   * there, and can be read there whatever is released here.
   */
  async lend(shards: Shard[]): Promise<{ files: ReadonlyMap<string, Uint8Array>; shards: ReadonlyMap<string, Blob> }> {
    for (const { file } of shards) {
      if (!this.#lent.has(file)) this.#lent.set(file, this.#entries.get(file)?.blob);
    }
    const missing = () => shards.filter(({ file }) => this.#lent.get(file) === undefined);
    this.prefetch(missing());
    for (;;) {
      const waited = missing();
      if (waited.length === 0) break;
      for (const { file } of waited) {
        const entry = this.#entries.get(file);
        if (entry === undefined) throw fault("cancelled");
        if (entry.error !== undefined) throw entry.error;
      }
      await this.#changed;
    }
    const lent = shards.map(({ file }) => [file, this.#lent.get(file)] as [string, Blob]);
    return { files: this.#files, shards: new Map(lent) };
  }

  async arrived(shards: Shard[], known: number): Promise<number> {
    this.prefetch(shards);
    const all = shards.reduce((sum, { bytes }) => sum + bytes, 0);
    for (;;) {
      let sum = 0;
      for (const { file, bytes } of shards) {
        const entry = this.#entries.get(file);
        if (entry === undefined) throw fault("cancelled");
        if (entry.error !== undefined) {
          this.#entries.delete(file); // Whoever asks again gets another attempt.
          throw entry.error;
        }
        // What is not hashed yet is not there yet.
        sum += entry.blob ? bytes : Math.min(entry.arrived, bytes - 1);
      }
      if (sum > known || sum === all) return sum;
      await this.#changed;
    }
  }

  prefetch(shards: Shard[]): void {
    const missing = shards.filter(({ file }) => {
      const entry = this.#entries.get(file);
      return entry === undefined || entry.error !== undefined;
    });
    if (missing.length === 0) return;
    for (const { file } of missing) this.#entries.set(file, { arrived: 0 });
    this.#post({ base: this.base, shards: missing });
  }

  read(file: string, offset: number, length: number): Uint8Array {
    try {
      const blob = this.#entries.get(file)?.blob;
      if (blob === undefined) throw new Error(`${file} was not asked for`);
      return readRange(blob, offset, length);
    } catch (thrown) {
      // Somebody has deleted it since, or the disk failed.
      this.#stale = true;
      throw fault("shard.unreadable", { file, reason: String(thrown) });
    }
  }

  release(file: string): void {
    this.#entries.delete(file);
  }

  /** Whether a read has failed since this was last asked; then everything is forgotten, and comes again when asked for. */
  forgetStale(): boolean {
    const stale = this.#stale;
    this.#stale = false;
    if (stale) {
      this.#entries.clear();
      this.#lent.clear();
    }
    return stale;
  }

  /** Stops all downloads; whoever waits for one gets `Cancelled`. */
  cancel(): void {
    if (this.#downloader === undefined) return;
    this.#post("cancel");
    for (const [file, { blob }] of this.#entries) {
      if (blob === undefined) this.#entries.delete(file);
    }
    this.#notify();
  }

  #post(message: ToDownloader): void {
    this.#downloader ??= this.#start();
    this.#downloader.postMessage(message);
  }

  #start(): Worker {
    const worker = startWorker(this.#program, "art2mus downloads");
    worker.onmessage = ({ data }: MessageEvent<FromDownloader>) => {
      const entry = this.#entries.get(data.file);
      if (entry === undefined) return; // Nobody wants it any more.
      if ("arrived" in data) entry.arrived = data.arrived;
      else if ("blob" in data) {
        entry.blob = data.blob;
        if (this.#lent.has(data.file)) this.#lent.set(data.file, data.blob);
      }
      else entry.error = toError(data.error);
      this.#notify();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      this.#downloader = undefined;
      // An event without a message: the worker's own files could not be loaded.
      const { message: reason } = event;
      const error = reason ? fault("shard.downloader", { reason }) : fault("shard.noDownloader");
      for (const entry of this.#entries.values()) if (entry.blob === undefined) entry.error = error;
      this.#notify();
    };
    worker.postMessage({ texts: loadedTexts() } satisfies ToDownloader);
    return worker;
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
