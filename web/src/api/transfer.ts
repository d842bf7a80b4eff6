/** A bundle as one file: for machines without a network. */

import { folderAddress } from "../common/address.js";
import { loadTexts } from "../common/texts.js";
import { toError } from "../common/errors.js";
import { DEFAULT_BUNDLE, DOWNLOADER } from "../engine/files.js";
import { exportFiles, importFiles, type BundleFiles, type TransferOptions } from "../storage/transfer.js";

export interface BundleTransferOptions extends TransferOptions {
  /** Address of the bundle's folder, as `create()` takes it. */
  bundle?: string;
}

/**
 * A bundle as one file, an uncompressed tar archive of its manifest and of every file that this names. What this browser has
 * stored is taken from there, and what is missing is downloaded. Shards are not copied into memory.
 */
export function exportBundle({ bundle, ...options }: BundleTransferOptions = {}): Promise<Blob> {
  return withAddress(bundle, (base) => exportFiles(base, DOWNLOADER, options));
}

/**
 * Stores a bundle that was exported, or the files of its folder, so that `create()` opens it at this address even where its
 * host does not answer. Every file must be there with the hash that the manifest gives; otherwise nothing is stored.
 */
export function importBundle(source: BundleFiles, { bundle, ...options }: BundleTransferOptions = {}): Promise<void> {
  return withAddress(bundle, (base) => importFiles(source, base, DOWNLOADER, options));
}

async function withAddress<T>(bundle: string | undefined, transfer: (base: string) => Promise<T>): Promise<T> {
  await loadTexts();
  try {
    return await transfer(folderAddress(bundle ?? DEFAULT_BUNDLE, document.baseURI));
  } catch (thrown) {
    throw toError(thrown, "Input"); // Our own errors aside, only the bundle's address can be wrong.
  }
}
