/** One worker as the page sees it: calls with an answer each, and an end that answers them all. */

import { toError, type Art2MusError } from "../common/errors.js";
import { fault } from "../common/faults.js";
import { cannotStart, startWorker } from "../common/start-worker.js";
import type { Call, FromWorker, GenerationEvent, Replies, ToWorker } from "./protocol.js";

interface Pending {
  resolve(value: never): void;
  reject(error: Art2MusError): void;
  onEvent(event: GenerationEvent): void;
}

/** A call under way. */
export interface Running<T> {
  readonly id: number;
  readonly reply: Promise<T>;
}

export class WorkerClient {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #alive = true;

  /** `program` is the address of the worker's module. */
  constructor(program: string, name: string) {
    this.#worker = startWorker(program, name);
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onmessageerror = () => this.close(lost("messageerror"));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      // Without a message it is the worker's own file that could not be loaded.
      this.close(event.message ? lost(event.message) : cannotStart(program));
    };
  }

  /** False once the worker has crashed or was closed. */
  get alive(): boolean {
    return this.#alive;
  }

  call<C extends Call>(
    call: C,
    onEvent: (event: GenerationEvent) => void = () => {},
    transfer: Transferable[] = [],
  ): Running<Replies[C["kind"]]> {
    const id = this.#nextId++;
    const reply = new Promise<Replies[C["kind"]]>((resolve, reject) => {
      if (!this.#alive) {
        reject(lost());
        return;
      }
      this.#pending.set(id, { resolve, reject, onEvent });
      try {
        this.#post({ id, call }, transfer);
      } catch (thrown) { // What the caller gave cannot be sent.
        this.#pending.delete(id);
        reject(toError(thrown, "Input"));
      }
    });
    return { id, reply };
  }

  /** Asks the worker to stop a call; its reply then rejects with `Cancelled`. */
  cancel(id: number): void {
    if (this.#pending.has(id)) this.#post({ cancel: id });
  }

  /** Ends the worker at once; everything under way rejects with `reason`. */
  close(reason: Art2MusError): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    if (message.kind === "lost") {
      const { error } = message;
      this.close(error.name === "Internal" ? lost(String(error.values?.["reason"] ?? error.message)) : toError(error));
      return;
    }
    const pending = this.#pending.get(message.id);
    if (message.kind === "event") {
      pending?.onEvent(message.event);
      return;
    }
    this.#pending.delete(message.id);
    if (message.kind === "reply") {
      pending?.resolve(message.value as never);
      return;
    }
    const error = toError(message.error);
    pending?.reject(error);
    if (message.fatal) this.close(error);
  }
}

function lost(cause?: string): Art2MusError {
  return fault("engine.lost", {}, cause);
}
