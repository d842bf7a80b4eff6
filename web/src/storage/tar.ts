/**
 * Archives as `tar` writes them (POSIX.1-1988, ustar): written without compression, and read as ustar, GNU and pax
 * write them. Contents stay `Blob`s: neither way takes the memory that they would.
 */

import { fault } from "../common/faults.js";

/** A file by its path, with slashes between folders. */
export interface NamedBlob {
  path: string;
  blob: Blob;
}

/** Headers have one block, and contents begin at the next one. */
const BLOCK = 512;
/** No name or list of fields needs more. */
const MOST_HEADER_BYTES = 1 << 20;

/** Where a header's fields are: their first byte and their length. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
  prefix: [345, 155],
} as const;

type Field = keyof typeof FIELDS;

const utf8 = new TextEncoder();

/** An archive of these files. Paths are in ASCII and have at most 100 characters. */
export function tarOf(files: readonly NamedBlob[]): Blob {
  const parts: BlobPart[] = [];
  for (const { path, blob } of files) {
    parts.push(header(path, blob.size), blob, new Uint8Array(rest(blob.size)));
  }
  return new Blob([...parts, new Uint8Array(2 * BLOCK)], { type: "application/x-tar" });
}

/** How much a length lacks of a whole block. */
const rest = (length: number) => (BLOCK - (length % BLOCK)) % BLOCK;

function header(path: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK);
  const put = (field: Field, value: string) => bytes.set(utf8.encode(value), FIELDS[field][0]);
  const number = (field: Field, value: number) => put(field, value.toString(8).padStart(FIELDS[field][1] - 1, "0"));
  if (path.length > FIELDS.name[1]) throw new RangeError(`${path} is too long a name`);
  put("name", path);
  number("mode", 0o644);
  number("uid", 0);
  number("gid", 0);
  number("size", size);
  number("mtime", 0);
  put("type", "0");
  put("magic", "ustar\u000000");
  put("checksum", `${checksum(bytes).toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

/** The sum of a header's bytes, in which its own field counts as spaces. */
function checksum(bytes: Uint8Array): number {
  const [first, length] = FIELDS.checksum;
  return bytes.reduce((sum, byte, at) => sum + (at >= first && at < first + length ? 0x20 : byte), 0);
}

/** The files of an archive, in its order; links, folders and the like are left out. */
export async function filesOfTar(tar: Blob): Promise<NamedBlob[]> {
  const files: NamedBlob[] = [];
  /** What headers before say of the next file. */
  let next: { path?: string; size?: number } = {};
  for (let at = 0; at + BLOCK <= tar.size; ) {
    const block = await bytesOf(tar, at, BLOCK);
    at += BLOCK;
    if (block.every((byte) => byte === 0)) return files;
    if (at === BLOCK && block[0] === 0x1f && block[1] === 0x8b) throw fault("tar.compressed");
    if (octal(block, "checksum") !== checksum(block)) throw fault(at === BLOCK ? "tar.none" : "tar.damaged");
    const type = string(block, "type");
    const size = next.size ?? octal(block, "size");
    if (!(at + size <= tar.size)) throw fault("tar.cut");
    const content = tar.slice(at, at + size);
    at += size + rest(size);
    if (type === "x" || type === "L") {
      if (size > MOST_HEADER_BYTES) throw fault("tar.damaged");
      const said = await content.text();
      next = type === "L" ? { ...next, path: said.replace(/\0.*$/s, "") } : { ...next, ...paxFields(said) };
      continue;
    }
    // Of GNU's link names and pax's fields for all files nothing is needed.
    if (type === "K" || type === "g") continue;
    const prefix = string(block, "magic").startsWith("ustar") && block[263] === 0x30 ? string(block, "prefix") : "";
    const path = next.path ?? (prefix ? `${prefix}/` : "") + string(block, "name");
    next = {};
    if ((type === "0" || type === "" || type === "7") && !path.endsWith("/")) files.push({ path, blob: content });
  }
  if (files.length === 0) throw fault("tar.none");
  throw fault("tar.cut");
}

async function bytesOf(tar: Blob, from: number, length: number): Promise<Uint8Array> {
  return new Uint8Array(await tar.slice(from, from + length).arrayBuffer());
}

function string(block: Uint8Array, field: Field): string {
  const [first, length] = FIELDS[field];
  const bytes = block.subarray(first, first + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}

/** A number in octal digits or, as GNU writes one that needs more room, in binary after a set bit; NaN where it is none. */
function octal(block: Uint8Array, field: Field): number {
  const [first, length] = FIELDS[field];
  if (block[first]! & 0x80) {
    return block.subarray(first + 1, first + length).reduce((sum, byte) => sum * 256 + byte, block[first]! & 0x7f);
  }
  const digits = string(block, field).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : NaN;
}

/** Path and size from a list of `LENGTH KEY=VALUE`, each on a line of its own. */
function paxFields(said: string): { path?: string; size?: number } {
  const fields: { path?: string; size?: number } = {};
  for (const [, key, value = ""] of said.matchAll(/^\d+ ([^=\n]+)=(.*)$/gm)) {
    if (key === "path") fields.path = value;
    if (key === "size") fields.size = Number(value);
  }
  return fields;
}
