/** What this site keeps in the browser: how much it is, keeping it for good, and deleting it. */

import { list, openFolder, removeAll } from "./stored.js";

export interface StorageState {
  /** False where this browser gives the page no storage: then weights stay in memory. */
  supported: boolean;
  /** Bytes of weights that are stored. */
  stored: number;
  /** Bytes that the whole site uses, and may use; 0 where the browser does not say. */
  usage: number;
  quota: number;
  /** Whether the browser has promised to keep it until somebody deletes it. */
  persisted: boolean;
}

/** How much is stored, and how much could be. */
export async function storage(): Promise<StorageState> {
  const supported = (await openFolder()) !== undefined;
  const { bytes } = await list();
  // On plain http there is no manager, which the types do not know.
  const manager = navigator.storage as StorageManager | undefined;
  const estimate = await manager?.estimate().catch(() => undefined);
  const persisted = await manager?.persisted().catch(() => false);
  return {
    supported,
    stored: bytes,
    usage: estimate?.usage ?? 0,
    quota: estimate?.quota ?? 0,
    persisted: persisted ?? false,
  };
}

/** Asks the browser to keep what is stored until somebody deletes it; false when it does not promise. */
export async function persist(): Promise<boolean> {
  const manager = navigator.storage as StorageManager | undefined;
  return (await manager?.persist().catch(() => false)) ?? false;
}

/** Deletes all weights that are stored. What a generation needs it downloads again. */
export function deleteStored(): Promise<void> {
  return removeAll();
}
