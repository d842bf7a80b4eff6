/** Reading parts of blobs without waiting, which only workers can. */

/** Only workers have it, so the types of a page do not know it. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer };

/** `length` bytes of a blob from `offset` on. */
export function readRange(blob: Blob, offset: number, length: number): Uint8Array {
  return new Uint8Array(new FileReaderSync().readAsArrayBuffer(blob.slice(offset, offset + length)));
}
