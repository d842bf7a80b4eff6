/** Turns what a caller may call an artwork into what the worker can take. */

import { Art2MusError, toError } from "../common/errors.js";
import type { Picture } from "../engine/protocol.js";
import { formatBytes, text } from "../common/texts.js";

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
  throw new Art2MusError({ name: "Input", message: text("error.notAnArtwork") });
}

function checkSize(bytes: number): void {
  if (bytes <= MOST_BYTES) return;
  const sizes = { bytes: formatBytes(bytes), most: formatBytes(MOST_BYTES) };
  const message = text("error.pictureTooLarge", sizes);
  throw new Art2MusError({ name: "Limits", message, hint: text("hint.pictureTooLarge") });
}

async function bytesOf(source: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await source.arrayBuffer());
  } catch (thrown) {
    throw toError(thrown, "Input");
  }
}

/** Downloads a picture's file. Says which of the two is wrong where a host does not answer pages of other hosts. */
export async function downloadPicture(url: URL, signal?: AbortSignal): Promise<Blob> {
  const failed = (key: string, values: Record<string, string | number> = {}) =>
    new Art2MusError({
      name: "Network",
      message: text(key, { ...values, url: url.href, host: url.host }),
      hint: text(key === "error.pictureOrigin" ? "hint.pictureOrigin" : "hint.pictureStatus"),
    });
  try {
    const response = await fetch(url, signal ? { signal } : {});
    if (!response.ok) {
      void response.body?.cancel();
      throw failed("error.pictureStatus", { status: response.status });
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
    throw failed(elsewhere ? "error.pictureOrigin" : "error.pictureUnreachable");
  }
}
