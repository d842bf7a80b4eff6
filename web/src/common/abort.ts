/** Cancelling: waiting that ends when a signal says so, and the error that says it. */

import { fault } from "./faults.js";

/** `promise`, or a rejection with `Cancelled` as soon as `signal` says so. */
export async function orAbort<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  let onAbort = () => {};
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => reject(fault("cancelled"));
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
