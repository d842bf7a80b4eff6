/** Cancelling: waiting that ends when a signal says so, and the error that says it. */

import { Art2MusError } from "./errors.js";
import { text } from "./texts.js";

/** `promise`, or a rejection with `Cancelled` as soon as `signal` says so. */
export async function orAbort<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  let onAbort = () => {};
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled("error.cancelled"));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  promise.catch(() => {}); // When the signal wins, nobody else looks at what becomes of it.
  try {
    return await Promise.race([abort, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** `Cancelled`, with the sentence `key`. */
export function cancelled(key: string): Art2MusError {
  return new Art2MusError({ name: "Cancelled", message: text(key) });
}
