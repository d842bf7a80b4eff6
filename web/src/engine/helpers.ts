/**
 * Workers beside the engine's that compute parts of its work at the same time, each with a module and networks of its own:
 * no memory is shared, so pages need no special headers. What they need they get from the engine's worker, and ask the
 * network for nothing but the script that they run.
 */

import type { Art2MusError } from "../common/errors.js";
import { fault } from "../common/faults.js";
import { readRange } from "../storage/range.js";
import type { ShardStore } from "../storage/shards.js";
import type { Call, Part, Tensor } from "./protocol.js";
import { WorkerClient } from "./worker-client.js";

/** What a helper gets. */
export interface Lent {
  /** The engine's program, compiled. */
  module: WebAssembly.Module;
  /** Files that are no shards, by name. */
  files: ReadonlyMap<string, Uint8Array>;
  /** Shards, by name. */
  shards: ReadonlyMap<string, Blob>;
}

/** More of them would wait for each other's memory. */
const MOST = 3;
/** A device that says it has less memory (in GiB) is left alone. */
const LEAST_MEMORY = 4;

/** How many helpers fit this machine. */
function fitting(): number {
  const { hardwareConcurrency = 1, deviceMemory = LEAST_MEMORY } = navigator as Navigator & { deviceMemory?: number };
  if (typeof Worker === "undefined" || deviceMemory < LEAST_MEMORY) return 0;
  return Math.min(MOST, hardwareConcurrency - 1);
}

export class Helpers {
  readonly #program: string;
  readonly #load: Extract<Call, { kind: "load" }>;
  #ready: WorkerClient[] = [];
  #starting = false;

  /** `program` is the address of the engine's worker, which helpers run too, and `load` what it was opened with. */
  constructor(program: string, load: Extract<Call, { kind: "load" }>) {
    this.#program = program;
    this.#load = load;
  }

  /** How many will compute when a run has so many parts at a time. */
  expected(parts: number): number {
    const { workers = Infinity } = this.#load;
    return Math.max(0, Math.min(fitting(), parts - 1, workers - 1));
  }

  /**
   * Starts those that are expected and not there, and those that were lost, with what `lend` gives. Does not fail: what cannot be
   * started does not help.
   */
  async prepare(parts: number, lend: () => Promise<Lent>): Promise<void> {
    const missing = this.expected(parts) - this.count();
    if (missing <= 0 || this.#starting) return;
    this.#starting = true;
    try {
      const lent = await lend();
      await Promise.all(Array.from({ length: missing }, () => this.#start(lent)));
    } catch {
      // The engine computes everything by itself, as it does where there is one processor.
    } finally {
      this.#starting = false;
    }
  }

  /** How many are ready. */
  count(): number {
    this.#ready = this.#ready.filter((client) => client.alive);
    return this.#ready.length;
  }

  /** What a helper computes of a part. */
  start(helper: number, part: Part): Promise<Tensor> {
    const client = this.#ready[helper];
    const buffers = part.tensors.map(({ data }) => data.buffer);
    return client?.call({ kind: "compute", part }, undefined, buffers).reply ?? Promise.reject(lost());
  }

  async #start(lent: Lent): Promise<void> {
    const client = new WorkerClient(this.#program, "art2mus helper");
    try {
      await client.call({ ...this.#load, allowSlow: true, countsEngine: false, lent }).reply;
      this.#ready.push(client);
    } catch (thrown) {
      client.close(lost());
      throw thrown;
    }
  }
}

/** The bundle of a helper: what it was lent. */
export class LentShards implements ShardStore {
  readonly base: string;
  readonly #lent: Lent;

  constructor(base: string, lent: Lent) {
    this.base = base;
    this.#lent = lent;
  }

  file(name: string): Promise<Uint8Array> {
    const bytes = this.#lent.files.get(name);
    return bytes ? Promise.resolve(bytes) : Promise.reject(lost());
  }

  arrived(shards: { bytes: number }[]): Promise<number> {
    return Promise.resolve(shards.reduce((sum, { bytes }) => sum + bytes, 0));
  }

  prefetch(): void {}

  read(file: string, offset: number, length: number): Uint8Array {
    const blob = this.#lent.shards.get(file);
    if (blob === undefined) throw lost();
    return readRange(blob, offset, length);
  }

  release(): void {}
}

function lost(): Art2MusError {
  return fault("engine.lost", {});
}
