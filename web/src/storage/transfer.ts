/** A bundle as one file, out of the browser's storage and into it, for machines without a network. */

import { fault } from "../common/faults.js";
import { toError, type Art2MusError } from "../common/errors.js";
import { startWorker } from "../common/start-worker.js";
import { loadedTexts } from "../common/texts.js";
import type { Shard } from "./download.js";
import type { FromDownloader, ToDownloader } from "./downloader.js";
import { filesOf, keepManifest, MANIFEST, MOST_MANIFEST_BYTES, readManifest } from "./manifest.js";
import { discard, list, openFolder } from "./stored.js";
import { filesOfTar, tarOf, type NamedBlob } from "./tar.js";

export interface TransferOptions {
  signal?: AbortSignal;
  /** Hears what share is done, 0 to 1. */
  onProgress?: (fraction: number) => void;
}

/** Files that a person has chosen: an archive, or those of a bundle's folder. */
export type BundleFiles = Blob | readonly File[];

/**
 * The bundle in the folder `base` as an archive: its manifest and all files that this names. What is not stored yet is
 * downloaded. `program` is the address of the worker that does so.
 */
export async function exportFiles(base: string, program: string, options: TransferOptions): Promise<Blob> {
  const manifest = await readManifest(base);
  const files = filesOf(manifest);
  const blobs = await run(program, { base, shards: files }, files, options);
  return tarOf([
    { path: MANIFEST, blob: new Blob([manifest]) },
    ...files.map(({ file }) => ({ path: file, blob: blobs.get(file)! })),
  ]);
}

/** Stores the files of a bundle for the folder `base`: all of them, each with the hash that the manifest gives, or none. */
export async function importFiles(source: BundleFiles, base: string, program: string, options: TransferOptions): Promise<void> {
  const folder = await openFolder();
  if (folder === undefined) throw fault("import.noStorage");
  const given = await filesIn(source);
  const { path, blob } = manifestAmong(given);
  const manifest = await blob.text().catch((thrown: unknown) => {
    throw fault("import.unreadable", { file: MANIFEST, reason: String(thrown) });
  });
  const files = filesOf(manifest);
  const beside = new Map(given.map((file) => [file.path, file.blob]));
  const sources = files.map((shard) => ({ shard, blob: beside.get(path.slice(0, -MANIFEST.length) + shard.file) }));
  const missing = sources.filter((source) => source.blob === undefined).map(({ shard }) => shard.file);
  if (missing.length > 0) throw fault("import.missing", { list: missing.join(", ") });
  const { shards: before } = await list();
  try {
    await run(program, { imports: sources as { shard: Shard; blob: Blob }[] }, files, options);
    await keepManifest(base, manifest);
  } catch (thrown) {
    for (const { sha256 } of files) if (!before.has(sha256)) await discard(folder, sha256);
    throw toError(thrown, "File");
  }
}

async function filesIn(source: BundleFiles): Promise<NamedBlob[]> {
  const files = source instanceof Blob ? [source] : source;
  const [first] = files;
  if (first === undefined) throw fault("import.noManifest");
  if (files.length === 1 && !(first instanceof File && first.name === MANIFEST)) return filesOfTar(first);
  return (files as readonly File[]).map((file) => ({ path: file.webkitRelativePath || file.name, blob: file }));
}

/** The manifest that lies highest; the files that it names lie beside it. */
function manifestAmong(files: readonly NamedBlob[]): NamedBlob {
  const depth = ({ path }: NamedBlob) => path.split("/").length;
  const [found] = files.filter(({ path }) => path.split("/").at(-1) === MANIFEST).sort((a, b) => depth(a) - depth(b));
  if (found !== undefined && found.blob.size <= MOST_MANIFEST_BYTES) return found;
  throw fault("import.noManifest");
}

type Task = Extract<ToDownloader, { shards: Shard[] } | { imports: unknown }>;

/** Has the worker do it. Gives each file, or ends with the first failure: of an import once everything that it began is put away. */
function run(program: string, task: Task, files: readonly Shard[], { signal, onProgress }: TransferOptions): Promise<Map<string, Blob>> {
  if (signal?.aborted) return Promise.reject(fault("cancelled"));
  const worker = startWorker(program, "art2mus transfer");
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0) || 1;
  const arrived = new Map<string, number>();
  const done = new Map<string, Blob>();
  const waiting = new Set(files.map(({ file }) => file));
  let onAbort = () => {};
  return new Promise<Map<string, Blob>>((resolve, reject) => {
    let failure: Art2MusError | undefined;
    const fail = (thrown: unknown) => {
      failure ??= toError(thrown);
      worker.postMessage("cancel" satisfies ToDownloader);
      if ("shards" in task) reject(failure); // What was downloaded stays, and is gone on with the next time.
    };
    onAbort = () => fail(fault("cancelled"));
    signal?.addEventListener("abort", onAbort, { once: true });
    worker.onmessage = ({ data }: MessageEvent<FromDownloader>) => {
      if ("arrived" in data) {
        arrived.set(data.file, data.arrived);
      } else {
        waiting.delete(data.file);
        if ("error" in data) fail(data.error);
        else done.set(data.file, data.blob);
      }
      const sum = files.reduce((sum, { file, bytes }) => sum + (done.has(file) ? bytes : (arrived.get(file) ?? 0)), 0);
      onProgress?.(Math.min(1, sum / total));
      if (waiting.size > 0) return;
      if (failure) reject(failure);
      else resolve(done);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(event.message ? fault("shard.downloader", { reason: event.message }) : fault("shard.noDownloader"));
    };
    worker.postMessage({ texts: loadedTexts() } satisfies ToDownloader);
    worker.postMessage(task satisfies ToDownloader);
  }).finally(() => {
    signal?.removeEventListener("abort", onAbort);
    worker.terminate();
  });
}
