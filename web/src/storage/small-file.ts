/**
 * Small files of a bundle, such as its manifest: fetched whole at each visit. Where the bundle's host does not answer, the
 * copy counts that an import or the service worker has kept.
 */

import { fileNameOf } from "../common/address.js";
import type { Art2MusError } from "../common/errors.js";
import { fault, oursOr } from "../common/faults.js";
import { text } from "../common/texts.js";

/** A host that says nothing for so long counts as none, where there is a copy. */
const PATIENCE_MS = 4000;

/** The bytes of the file at `url`, which may have at most `most`. */
export async function fetchSmallFile(url: string, most: number): Promise<Uint8Array> {
  const file = fileNameOf(new URL(url));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    const { status, ok, headers, body } = await fetchOrKept(url);
    if (!ok) throw refusal(url, status);
    if (/^text\/html\b/i.test(headers.get("content-type") ?? "")) throw fault("shard.html", { file });
    for (const reader = body!.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > most) {
        void reader.cancel();
        throw fault("shard.long", { file, bytes: most });
      }
      parts.push(value);
    }
  } catch (thrown) {
    throw oursOr(thrown, "shard.fetch", { url });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function fetchOrKept(url: string): Promise<Response> {
  const copy = await keptCopy(url);
  if (copy === undefined) return fetch(url);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const response = await fetch(url, { signal: patience.signal });
    return response.ok ? response : copy;
  } catch {
    return copy;
  } finally {
    clearTimeout(timer);
  }
}

/** What the service worker keeps of a file; nothing where this page may keep nothing. */
export async function keptCopy(address: string): Promise<Response | undefined> {
  try {
    return await caches.match(address);
  } catch {
    return undefined;
  }
}

/** A server that is busy may answer later; any other refusal is about the address. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** Why the server does not give what is at `url`. */
export function refusal(url: string, status: number): Art2MusError {
  return fault(isPassing(status) ? "shard.fetch" : "shard.refused", { url, reason: text("shard.status", { status }) });
}
