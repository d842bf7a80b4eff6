/** Opening a model in the background: one that takes long to download, while a smaller one plays. */

import { fault } from "../common/faults.js";
import { create, type Art2Mus, type CreateOptions, type DownloadOptions } from "./art2mus.js";

export interface PreloadOptions extends CreateOptions, Pick<DownloadOptions, "onProgress"> {
  /** Asked before the download, with its bytes; `false` gives it up, and the promise rejects with `Cancelled`. */
  agree?: (bytes: number) => boolean | Promise<boolean>;
}

/**
 * Opens a model and downloads all that a piece with default settings needs. When the promise resolves, its first piece
 * begins as fast as any; until then its worker computes nothing. Whoever has a smaller model open disposes of that one then.
 */
export async function preload({ agree, onProgress, ...options }: PreloadOptions): Promise<Art2Mus> {
  const { signal } = options;
  const art2mus = await create(options);
  try {
    const { download } = await art2mus.estimate();
    if (agree && !(await agree(download))) throw fault("cancelled");
    await art2mus.download({ ...(signal && { signal }), ...(onProgress && { onProgress }) });
    return art2mus;
  } catch (thrown) {
    art2mus.dispose();
    throw thrown;
  }
}
