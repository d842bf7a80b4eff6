/**
 * Manifests of bundles. The one at the bundle's address counts; where that does not answer, the one that an import or the
 * service worker has kept.
 */

import { fileAddress } from "../common/address.js";
import { Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import type { Shard } from "./download.js";

export const MANIFEST = "manifest.json";
/** Where the service worker keeps manifests and reads them, by address; it has the same name for it. */
const KEPT = "art2mus-used";
/** A host that says nothing for so long counts as none, where there is a copy. */
const PATIENCE_MS = 4000;

/** The manifest of the bundle in the folder `base`; `request` is how the network is asked. */
export async function fetchManifest(base: string, request: typeof fetch = fetch): Promise<Response> {
  const address = fileAddress(base, MANIFEST);
  const copy = await keptCopy(address);
  if (copy === undefined) return request(address);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const response = await request(address, { signal: patience.signal });
    return response.ok ? response : copy;
  } catch {
    return copy;
  } finally {
    clearTimeout(timer);
  }
}

/** The text of that manifest. */
export async function readManifest(base: string): Promise<string> {
  const url = fileAddress(base, MANIFEST);
  try {
    const response = await fetchManifest(base);
    if (!response.ok) throw new Error(text("shard.status", { status: response.status }));
    return await response.text();
  } catch (thrown) {
    const message = text("shard.fetch", { url, reason: thrown instanceof Error ? thrown.message : String(thrown) });
    throw new Art2MusError({ name: "Network", message, hint: text("shard.hint.network") });
  }
}

/** Keeps a manifest for the bundle in the folder `base`. */
export async function keepManifest(base: string, manifest: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  await (await caches.open(KEPT)).put(fileAddress(base, MANIFEST), new Response(manifest, { headers }));
}

/** What the service worker keeps of a file; nothing where this page may keep nothing. */
export async function keptCopy(address: string): Promise<Response | undefined> {
  try {
    return await caches.match(address);
  } catch {
    return undefined;
  }
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
  throw new Art2MusError({ name: "Format", message: text("import.noManifest"), hint: text("import.hint") });
}

function isFile({ file, bytes, sha256 }: Shard): boolean {
  return /^[\w-][\w.-]{0,99}$/.test(file) && Number.isSafeInteger(bytes) && bytes >= 0 && /^[0-9a-f]{64}$/.test(sha256);
}
