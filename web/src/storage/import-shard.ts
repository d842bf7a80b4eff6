/** Takes one shard from a file of the visitor's into storage: the whole and right, or nothing. */

import { fault } from "../common/faults.js";
import type { Options, Shard } from "./download.js";
import { Sha256 } from "./sha256.js";
import { discard, openPartialShard } from "./stored.js";

/** Copies `source` into the folder, hashing it on the way. */
export async function importShard(
  source: Blob,
  shard: Shard,
  folder: FileSystemDirectoryHandle,
  { signal, onProgress }: Pick<Options, "signal" | "onProgress">,
): Promise<Blob> {
  const { file, bytes, sha256 } = shard;
  if (source.size !== bytes) throw fault("import.length", { file, bytes, length: source.size });
  const part = await openPartialShard(folder, sha256);
  try {
    part.clear();
    const hash = new Sha256();
    for await (const piece of piecesOf(source, file)) {
      signal.throwIfAborted();
      hash.update(piece);
      part.write(piece);
      if (!part.stored) throw fault("import.full", { file });
      onProgress(part.length);
    }
    if (hash.hex() !== sha256) throw fault("import.hash", { file });
    const blob = await part.finish();
    if (!part.stored) throw fault("import.full", { file });
    return blob;
  } catch (thrown) {
    part.close();
    await discard(folder, sha256);
    throw thrown;
  }
}

async function* piecesOf(source: Blob, file: string): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = source.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((thrown: unknown) => {
      throw fault("import.unreadable", { file, reason: String(thrown) });
    });
    if (done) return;
    yield value;
  }
}
