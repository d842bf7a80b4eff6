/** A bundle that stays open although its worker may be lost. */

import { orAbort } from "../common/abort.js";
import { toError } from "../common/errors.js";
import { fault } from "../common/faults.js";
import { loadedTexts } from "../common/texts.js";
import { DOWNLOADER, ENGINES, WORKER } from "../engine/files.js";
import { WorkerClient, type Running } from "../engine/worker-client.js";
import type { Call, Estimate, GenerationEvent, Info, Opened, Replies, Settings } from "../engine/protocol.js";

/** How long a cancelled run may take to end before its worker is terminated. */
const CANCEL_TIMEOUT_MS = 2000;

/** A bundle on a device, together with the worker that has it open; survives the worker. */
export class Session {
  readonly #what: Opened;
  #client: WorkerClient | undefined;
  #disposed = false;

  constructor(what: Opened) {
    this.#what = what;
  }

  /** Starts a worker and opens the bundle in it. */
  async open(signal?: AbortSignal, onBytes?: (loaded: number, total: number) => void): Promise<Info> {
    let client: WorkerClient | undefined;
    try {
      client = this.#client = new WorkerClient(WORKER, "art2mus");
      const surroundings = {
        engine: ENGINES[this.#what.device],
        countsEngine: onBytes !== undefined,
        downloader: DOWNLOADER,
        texts: loadedTexts(),
      };
      const onEvent = (event: GenerationEvent) => {
        if (event.type === "load") onBytes?.(event.loaded, event.total);
      };
      return await orAbort(client.call({ kind: "load", ...this.#what, ...surroundings }, onEvent).reply, signal);
    } catch (thrown) {
      const error = toError(thrown);
      client?.close(error);
      throw error;
    }
  }

  async estimate(settings: Settings): Promise<Estimate> {
    return (await this.#ready()).call({ kind: "estimate", settings }).reply;
  }

  /**
   * Makes a call that can be cancelled. `prepare` gives it, and the buffers that go over without a copy; `free` is
   * called when the worker can take the next call, which is after a cancelled result.
   */
  async run<C extends Call>(
    prepare: () => Promise<{ call: C; transfer?: Transferable[] }>,
    emit: (event: GenerationEvent) => void,
    free: () => void,
    signal?: AbortSignal,
  ): Promise<Replies[C["kind"]]> {
    let client: WorkerClient | undefined;
    let running: Running<Replies[C["kind"]]> | undefined;
    try {
      const { call, transfer } = await orAbort(prepare(), signal);
      client = await this.#ready(signal);
      running = client.call(call, emit, transfer);
      const reply = await orAbort(running.reply, signal);
      free();
      return reply;
    } catch (thrown) {
      const error = toError(thrown, "Input");
      if (error.name === "Cancelled" && client && running) void cancelOrTerminate(client, running).then(free);
      else free();
      throw error;
    }
  }

  dispose(): void {
    this.#disposed = true;
    this.#client?.close(fault("engine.disposed"));
  }

  /** The worker, started again if it was lost. */
  async #ready(signal?: AbortSignal): Promise<WorkerClient> {
    if (this.#disposed) throw fault("engine.disposed");
    if (!this.#client?.alive) await this.open(signal);
    if (!this.#client?.alive) throw fault("engine.disposed");
    return this.#client;
  }
}

/** Tells the worker to stop, and ends it when it does not listen. */
async function cancelOrTerminate(client: WorkerClient, running: Running<unknown>): Promise<void> {
  client.cancel(running.id);
  const timer = setTimeout(() => client.close(fault("cancelled")), CANCEL_TIMEOUT_MS);
  await running.reply.catch(() => {});
  clearTimeout(timer);
}
