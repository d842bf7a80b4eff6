/** A bundle that stays open although its worker may be lost. */

import { cancelled, orAbort } from "../common/abort.js";
import { toError } from "../common/errors.js";
import { WorkerHost, type Running } from "../engine/host.js";
import type { Device, Estimate, GenerationEvent, Info, RawResult, Settings } from "../engine/protocol.js";
import { readArtwork, type Artwork } from "./artwork.js";

/** How long a cancelled run may take to let go before its worker is replaced. */
const LET_GO_MS = 2000;

/** A bundle on a device, together with the worker that has it open; survives the worker. */
export class Session {
  readonly #what: { bundle: string; device: Device; allowSlow: boolean };
  #host: WorkerHost | undefined;
  #disposed = false;

  constructor(what: { bundle: string; device: Device; allowSlow: boolean }) {
    this.#what = what;
  }

  /** Starts a worker and opens the bundle in it. */
  async open(signal?: AbortSignal): Promise<Info> {
    let host: WorkerHost | undefined;
    try {
      host = this.#host = new WorkerHost();
      return await orAbort(host.call({ kind: "load", ...this.#what }).reply, signal);
    } catch (thrown) {
      const error = toError(thrown);
      host?.close(error);
      throw error;
    }
  }

  async estimate(settings: Settings): Promise<Estimate> {
    return (await this.#ready()).call({ kind: "estimate", settings }).reply;
  }

  /** `free` is called when the worker can take the next call, which is after a cancelled result. */
  async generate(
    artwork: Artwork,
    settings: Settings,
    emit: (event: GenerationEvent) => void,
    free: () => void,
    signal?: AbortSignal,
  ): Promise<RawResult> {
    let host: WorkerHost | undefined;
    let running: Running<RawResult> | undefined;
    try {
      const picture = await orAbort(readArtwork(artwork, signal), signal);
      host = await this.#ready(signal);
      const transfer = picture.kind === "file" ? [picture.bytes.buffer] : [];
      running = host.call({ kind: "generate", picture, settings }, emit, transfer);
      const raw = await orAbort(running.reply, signal);
      free();
      return raw;
    } catch (thrown) {
      const error = toError(thrown, "Input");
      if (error.name === "Cancelled" && host && running) void letGo(host, running).then(free);
      else free();
      throw error;
    }
  }

  dispose(): void {
    this.#disposed = true;
    this.#host?.close(cancelled("error.disposed"));
  }

  /** The worker, started again if it was lost. */
  async #ready(signal?: AbortSignal): Promise<WorkerHost> {
    if (this.#disposed) throw cancelled("error.disposed");
    if (!this.#host?.alive) await this.open(signal);
    if (!this.#host?.alive) throw cancelled("error.disposed");
    return this.#host;
  }
}

/** Tells the worker to stop, and ends it when it does not listen. */
async function letGo(host: WorkerHost, running: Running<unknown>): Promise<void> {
  host.cancel(running.id);
  const timer = setTimeout(() => host.close(cancelled("error.cancelled")), LET_GO_MS);
  await running.reply.catch(() => {});
  clearTimeout(timer);
}
