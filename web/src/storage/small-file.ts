/** Small files of a bundle, such as its manifest: fetched whole at each visit, and not stored. */

import { fileNameOf } from "../common/address.js";
import type { PlainError } from "../common/errors.js";
import { text } from "../common/texts.js";

/** The bytes of the file at `url`, which may have at most `most`. */
export async function fetchSmallFile(url: string, most: number): Promise<Uint8Array> {
  const file = fileNameOf(new URL(url));
  const failed = (reason: string, hint: string): PlainError =>
    ({ name: "Network", message: text("shard.fetch", { url, reason }), hint: text(hint) });
  const unfit = (message: string): PlainError => ({ name: "Integrity", message, hint: text("shard.hint.address") });
  let response: Response;
  try {
    response = await fetch(url);
  } catch (thrown) {
    throw failed(String(thrown), "shard.hint.network");
  }
  const { status, ok, headers, body } = response;
  // A server that is busy may answer later; any other refusal is about the address.
  const passing = status === 408 || status === 429 || status >= 500;
  if (!ok) throw failed(text("shard.status", { status }), passing ? "shard.hint.network" : "shard.hint.address");
  if (/^text\/html\b/i.test(headers.get("content-type") ?? "")) throw unfit(text("shard.html", { file }));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for (const reader = body!.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > most) {
        void reader.cancel();
        break;
      }
      parts.push(value);
    }
  } catch (thrown) {
    throw failed(String(thrown), "shard.hint.network");
  }
  if (length > most) throw unfit(text("shard.long", { file, bytes: most }));
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
