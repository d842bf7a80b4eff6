/** Takes one shard from a file of the visitor's into storage: the whole and right, or nothing. */

import type { PlainError } from "../common/errors.js";
import { text } from "../common/texts.js";
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
  if (source.size !== bytes) throw integrity("import.length", { file, bytes, length: source.size });
  const part = await openPartialShard(folder, sha256);
  try {
    part.clear();
    const hash = new Sha256();
    for await (const piece of piecesOf(source, file)) {
      signal.throwIfAborted();
      hash.update(piece);
      part.write(piece);
      if (!part.stored) throw full(file);
      onProgress(part.length);
    }
    if (hash.hex() !== sha256) throw integrity("error.shard.hash.message", { file });
    const blob = await part.finish();
    if (!part.stored) throw full(file);
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
      const message = text("import.unreadable", { file, reason: String(thrown) });
      throw { name: "File", message, hint: text("import.hint") } satisfies PlainError;
    });
    if (done) return;
    yield value;
  }
}

function integrity(key: string, values: Record<string, string | number>): PlainError {
  return { name: "Integrity", message: text(key, values), hint: text("import.hint.again") };
}

function full(file: string): PlainError {
  return { name: "File", message: text("import.full", { file }), hint: text("import.hint.full") };
}
