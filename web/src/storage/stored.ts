/**
 * Shards in the browser's own storage (OPFS). A shard's name there is its SHA-256, so another version
 * of a model never reads an old one. What is still arriving ends in `.part` and gets its name last.
 */

/** Synchronous access to a file, for a worker. */
interface SyncHandle {
  getSize(): number;
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(length: number): void;
  flush(): void;
  close(): void;
}

/** A file of OPFS in a worker, which the types of a page do not know. */
interface StoredFile extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncHandle>;
  move(name: string): Promise<void>;
}

const FOLDER = "art2mus";
const PART = ".part";
/** Beside a part: what the server said identifies the file that the part is of. */
const TAG = ".tag";

/** What a part of a shard is written to. */
export interface PartialShard {
  /** Bytes that it has. */
  readonly length: number;
  /** Adds bytes at the end. */
  write(bytes: Uint8Array): void;
  /** Those that it has, piece by piece. */
  pieces(): Iterable<Uint8Array>;
  /** Begins again. */
  clear(): void;
  /** All is there and right: the whole. */
  finish(): Promise<Blob>;
  /** Leaves it as it is. */
  close(): void;
  /** What the server called this version of the file, for going on later. */
  tag: string | undefined;
  /** False where it is kept in memory. */
  readonly stored: boolean;
}

const PIECE = 1 << 20;

/** The folder; undefined where the browser has none, or gives none to this page. */
export async function openFolder(create = true): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create });
  } catch {
    return undefined;
  }
}

/** The stored shard; undefined when it is not there. */
export async function find(folder: FileSystemDirectoryHandle, sha256: string): Promise<File | undefined> {
  try {
    return await (await folder.getFileHandle(sha256)).getFile();
  } catch {
    return undefined;
  }
}

export async function remove(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  await folder.removeEntry(name).catch(() => {}); // Not there, or in use: then it stays.
}

/** Removes a shard with all that belongs to it. */
export async function discard(folder: FileSystemDirectoryHandle, sha256: string): Promise<void> {
  for (const name of [sha256, sha256 + PART, sha256 + TAG]) await remove(folder, name);
}

/** The hashes of whole shards, and the bytes of everything. */
export async function list(): Promise<{ shards: Set<string>; bytes: number }> {
  const shards = new Set<string>();
  let bytes = 0;
  const folder = await openFolder(false);
  if (folder === undefined) return { shards, bytes };
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind !== "file") continue;
    try {
      bytes += (await (handle as FileSystemFileHandle).getFile()).size;
      if (/^[0-9a-f]{64}$/.test(name)) shards.add(name);
    } catch {
      // Removed in this moment.
    }
  }
  return { shards, bytes };
}

/** Removes everything that nobody is writing. */
export async function removeAll(): Promise<void> {
  const folder = await openFolder(false);
  if (folder === undefined) return;
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  for (const name of names) await remove(folder, name);
}

/** A part in the folder, with what an earlier visit left; in memory where storage refuses. */
export async function openPartialShard(folder: FileSystemDirectoryHandle | undefined, sha256: string): Promise<PartialShard> {
  if (folder === undefined) return new MemoryPartialShard();
  try {
    const file = (await folder.getFileHandle(sha256 + PART, { create: true })) as StoredFile;
    const handle = await file.createSyncAccessHandle();
    try {
      const tag = await find(folder, sha256 + TAG);
      return new StoredPartialShard(folder, sha256, file, handle, await tag?.text());
    } catch (error) {
      handle.close();
      throw error;
    }
  } catch {
    return new MemoryPartialShard();
  }
}

class MemoryPartialShard implements PartialShard {
  #pieces: Uint8Array[] = [];
  length = 0;
  tag: string | undefined;
  readonly stored = false;

  write(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.length += bytes.length;
  }

  pieces(): Iterable<Uint8Array> {
    return this.#pieces;
  }

  clear(): void {
    this.#pieces = [];
    this.length = 0;
  }

  async finish(): Promise<Blob> {
    const blob = new Blob(this.#pieces as Uint8Array<ArrayBuffer>[]);
    this.clear();
    return blob;
  }

  close(): void {}
}

/** In the folder, until the quota is used up; then all of it in memory. */
class StoredPartialShard implements PartialShard {
  #memory: MemoryPartialShard | undefined;
  #length: number;
  #tag: string | undefined;
  /** One write of the tag after the other: two handles at once are refused. */
  #tagging: Promise<void> = Promise.resolve();

  constructor(
    readonly folder: FileSystemDirectoryHandle,
    readonly sha256: string,
    readonly file: StoredFile,
    readonly handle: SyncHandle,
    tag: string | undefined,
  ) {
    this.#length = handle.getSize();
    this.#tag = tag;
  }

  get length(): number {
    return this.#memory?.length ?? this.#length;
  }

  get stored(): boolean {
    return this.#memory === undefined;
  }

  get tag(): string | undefined {
    return this.#tag;
  }

  set tag(tag: string | undefined) {
    if (tag === this.#tag) return;
    this.#tag = tag;
    this.#tagging = this.#tagging.then(() => this.#writeTag(tag ?? ""));
  }

  write(bytes: Uint8Array): void {
    if (this.#memory !== undefined) return this.#memory.write(bytes);
    try {
      const written = this.handle.write(bytes, { at: this.#length });
      if (written !== bytes.length) throw new Error("the storage took only a part");
      this.#length += written;
    } catch {
      this.#leaveStorage().write(bytes);
    }
  }

  *pieces(): Iterable<Uint8Array> {
    if (this.#memory !== undefined) {
      yield* this.#memory.pieces();
      return;
    }
    for (let at = 0; at < this.#length; ) {
      const piece = new Uint8Array(Math.min(PIECE, this.#length - at));
      const read = this.handle.read(piece, { at });
      if (read !== piece.length) throw new Error("the storage gave only a part");
      at += read;
      yield piece;
    }
  }

  clear(): void {
    this.tag = undefined;
    this.#memory?.clear();
    if (this.#memory === undefined) {
      this.handle.truncate(0);
      this.#length = 0;
    }
  }

  async finish(): Promise<Blob> {
    if (this.#memory !== undefined) return this.#memory.finish();
    try {
      this.handle.flush();
    } catch {
      return this.#leaveStorage().finish(); // The disk is full, only now.
    }
    this.handle.close();
    try {
      await this.file.move(this.sha256);
    } catch {
      // It stays a part, in which the next visit finds all that there is.
    }
    await this.#tagging;
    await remove(this.folder, this.sha256 + TAG);
    return this.file.getFile();
  }

  close(): void {
    this.handle.close();
    if (this.#memory === undefined) return;
    void remove(this.folder, this.sha256 + PART);
    void this.#tagging.then(() => remove(this.folder, this.sha256 + TAG));
  }

  #leaveStorage(): MemoryPartialShard {
    const memory = new MemoryPartialShard();
    for (const piece of this.pieces()) memory.write(piece);
    this.handle.truncate(0);
    return (this.#memory = memory);
  }

  /** Lost when it cannot be written: then a later visit goes on without it. */
  async #writeTag(tag: string): Promise<void> {
    try {
      const file = (await this.folder.getFileHandle(this.sha256 + TAG, { create: true })) as StoredFile;
      const handle = await file.createSyncAccessHandle();
      handle.truncate(0);
      handle.write(new TextEncoder().encode(tag), { at: 0 });
      handle.close();
    } catch {
      // As said above.
    }
  }
}
