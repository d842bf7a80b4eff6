/** Turns what a caller may call an artwork into what the worker can take. */

import { Art2MusError } from "../common/errors.js";
import { fault, oursOr } from "../common/faults.js";
import type { Picture } from "../engine/protocol.js";

/** An encoded picture file, decoded pixels, or the address of a file. */
export type Artwork = Blob | ImageBitmap | ImageData | URL;

/** Files beyond this are not read: they would fill the memory before the engine could refuse them. */
const MOST_BYTES = 256_000_000;

export async function readArtwork(artwork: Artwork, signal?: AbortSignal): Promise<Picture> {
  if (artwork instanceof ImageData) {
    const { data, width, height } = artwork;
    return { kind: "pixels", rgba: new Uint8ClampedArray(data), width, height };
  }
  if (artwork instanceof ImageBitmap) return { kind: "bitmap", bitmap: artwork };
  if (artwork instanceof Blob) {
    checkSize(artwork.size);
    return { kind: "file", bytes: await bytesOf(artwork) };
  }
  if (artwork instanceof URL) {
    const file = await downloadPicture(artwork, signal);
    return { kind: "file", bytes: await bytesOf(file) };
  }
  throw fault("picture.notArtwork");
}

function checkSize(bytes: number): void {
  if (bytes > MOST_BYTES) throw fault("picture.fileLarge", { size: bytes, limit: MOST_BYTES });
}

async function bytesOf(source: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await source.arrayBuffer());
  } catch (thrown) {
    throw oursOr(thrown, "picture.unreadable");
  }
}

/** Downloads a picture's file. Says which of the two is wrong where a host does not answer pages of other hosts. */
export async function downloadPicture(url: URL, signal?: AbortSignal): Promise<Blob> {
  try {
    const response = await fetch(url, signal ? { signal } : {});
    if (!response.ok) {
      void response.body?.cancel();
      throw fault("picture.status", { url: url.href, status: response.status });
    }
    try {
      checkSize(Number(response.headers.get("content-length")));
    } catch (error) {
      void response.body?.cancel();
      throw error;
    }
    return await response.blob();
  } catch (thrown) {
    if (thrown instanceof Art2MusError || signal?.aborted) throw thrown;
    const elsewhere = url.protocol.startsWith("http") && url.origin !== location.origin;
    throw elsewhere ? fault("picture.origin", { host: url.host }) : fault("picture.unreachable", { url: url.href });
  }
}
