/** Manifests of bundles: what of them the page itself reads and keeps. */

import { fileAddress } from "../common/address.js";
import { fault } from "../common/faults.js";
import type { Shard } from "./download.js";
import { fetchSmallFile } from "./small-file.js";

export const MANIFEST = "manifest.json";
/** Where the service worker keeps manifests and reads them, by address; it has the same name for it. */
const KEPT = "art2mus-used";
/** A manifest has at most so many bytes; the engine accepts no more. */
export const MOST_MANIFEST_BYTES = 4 << 20;

/** The text of the manifest in the folder `base`. */
export async function readManifest(base: string): Promise<string> {
  return new TextDecoder().decode(await fetchSmallFile(fileAddress(base, MANIFEST), MOST_MANIFEST_BYTES));
}

/** Keeps a manifest for the bundle in the folder `base`. */
export async function keepManifest(base: string, manifest: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  await (await caches.open(KEPT)).put(fileAddress(base, MANIFEST), new Response(manifest, { headers }));
}

/** All files that a manifest names. The engine reads the rest of it, and more strictly. */
export function filesOf(manifest: string): Shard[] {
  try {
    const { format, shards, assets = [] } = JSON.parse(manifest) as Record<string, unknown>;
    const files = [...(shards as Shard[]), ...(assets as Shard[])];
    if (format === "art2mus-bundle" && files.length > 0 && files.every(isFile)) {
      return files.map(({ file, bytes, sha256 }) => ({ file, bytes, sha256 }));
    }
  } catch {
    // Not even JSON, or no lists: as below.
  }
  throw fault("import.noManifest");
}

function isFile({ file, bytes, sha256 }: Shard): boolean {
  return /^[\w-][\w.-]{0,99}$/.test(file) && Number.isSafeInteger(bytes) && bytes >= 0 && /^[0-9a-f]{64}$/.test(sha256);
}
