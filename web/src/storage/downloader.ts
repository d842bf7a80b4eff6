/**
 * A worker of the engine's worker, which computes for seconds without looking up: here shards are
 * downloaded, hashed and stored meanwhile, and taken from files of the visitor's. What is done goes over as a `Blob`, which is a file or
 * memory of the browser and is read piece by piece; no bytes are copied.
 */

import { fault } from "../common/faults.js";
import { download, type Shard } from "./download.js";
import { importShard } from "./import-shard.js";
import { toPlain, type PlainError } from "../common/errors.js";
import { toHex } from "./sha256.js";
import { find, openFolder, openPartialShard, remove } from "./stored.js";
import { fileAddress } from "../common/address.js";
import { useTexts, type Texts } from "../common/texts.js";

/**
 * To the downloader: first the texts; shards to fetch from beneath `base`, in this order; files to take into storage; or to
 * stop everything.
 */
export type ToDownloader =
  | { texts: Texts }
  | { base: string; shards: Shard[] }
  | { imports: { shard: Shard; blob: Blob }[] }
  | "cancel";

/** From it: how many bytes of a file are there; the file; why it cannot be had. */
export type FromDownloader =
  | { file: string; arrived: number }
  | { file: string; blob: Blob }
  | { file: string; error: PlainError };

interface Scope {
  postMessage(message: FromDownloader): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToDownloader>) => void): void;
}

/** Downloads at a time: enough that none waits for another's first byte. */
const AT_ONCE = 2;
/** Bytes between two reports. */
const REPORT = 1 << 18;

/** A shard, and where it comes from: the folder at an address, or a file. */
interface Task {
  shard: Shard;
  from: string | Blob;
}

const scope = self as unknown as Scope;
const folder = openFolder();
/** Stored shards that this visit has hashed. */
const verified = new Set<string>();
let queue: Task[] = [];
let running = 0;
let stop = new AbortController();

scope.addEventListener("message", ({ data }) => {
  if (data === "cancel") {
    const dropped = queue;
    queue = [];
    for (const task of dropped) if (task.from instanceof Blob) given(task);
    stop.abort();
    stop = new AbortController();
    return;
  }
  if ("texts" in data) return useTexts(data.texts);
  if ("imports" in data) for (const { shard, blob } of data.imports) queue.push({ shard, from: blob });
  else for (const shard of data.shards) queue.push({ shard, from: data.base });
  work();
});

/** An import that is given up is told too: whoever waits for it has to know that nothing is written any more. */
function given({ shard: { file } }: Task): void {
  scope.postMessage({ file, error: toPlain(fault("cancelled")) });
}

function work(): void {
  while (running < AT_ONCE && queue.length > 0) {
    const task = queue.shift()!;
    running += 1;
    void get(task, stop.signal).finally(() => {
      running -= 1;
      work();
    });
  }
}

async function get(task: Task, signal: AbortSignal): Promise<void> {
  const { shard, from } = task;
  const { file } = shard;
  let reported = 0;
  const onProgress = (arrived: number) => {
    if (signal.aborted || (arrived > reported && arrived < reported + REPORT)) return;
    reported = arrived;
    scope.postMessage({ file, arrived });
  };
  try {
    const directory = await folder;
    const fetching = () => fetchShard(from, shard, directory, signal, onProgress);
    // Another tab may be at it: then this one waits, and finds the file.
    const blob = directory === undefined || !("locks" in navigator)
      ? await fetching()
      : await navigator.locks.request(`art2mus ${shard.sha256}`, { signal }, fetching);
    if (!signal.aborted) scope.postMessage({ file, blob });
    else if (from instanceof Blob) given(task);
  } catch (thrown) {
    if (!signal.aborted) scope.postMessage({ file, error: toPlain(thrown) });
    else if (from instanceof Blob) given(task);
  }
}

/** The shard from storage, when it is there and right; else from the server, or from a file. */
async function fetchShard(
  from: string | Blob,
  shard: Shard,
  folder: FileSystemDirectoryHandle | undefined,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<Blob> {
  const { file, sha256 } = shard;
  const found = folder && (await find(folder, sha256));
  if (found && (verified.has(sha256) || (await isRight(found, shard)))) {
    verified.add(sha256);
    return found;
  }
  if (folder && found) await remove(folder, sha256);
  if (from instanceof Blob) {
    if (folder === undefined) throw fault("import.noStorage");
    const blob = await importShard(from, shard, folder, { signal, onProgress });
    verified.add(sha256);
    return blob;
  }
  const part = await openPartialShard(folder, sha256);
  try {
    await download(fileAddress(from, file), shard, part, { signal, onProgress, stored: folder !== undefined });
    const blob = await part.finish();
    verified.add(sha256);
    return blob;
  } finally {
    part.close();
  }
}

/**
 * Hashes what an earlier visit has stored: storage can be damaged too. The browser's own digest is ten
 * times as fast as ours; it wants a whole shard at once, which here is no loss, and where there is
 * storage it is there too.
 */
async function isRight(found: File, { bytes, sha256 }: Shard): Promise<boolean> {
  if (found.size !== bytes) return false;
  try {
    const digest = await crypto.subtle.digest("SHA-256", await found.arrayBuffer());
    return toHex(new Uint8Array(digest)) === sha256;
  } catch {
    return false; // It cannot be read.
  }
}
