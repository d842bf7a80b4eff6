/** Elements with the same model and device share one engine, which ends with the last of them. */

import { create, type Art2Mus, type CreateOptions } from "../client.js";

interface Shared {
  engine: Promise<Art2Mus>;
  users: Set<object>;
}

const engines = new Map<string, Shared>();

/** The engine for this model and device; any other one that `user` had is released. */
export function acquireEngine(user: object, options: CreateOptions): Promise<Art2Mus> {
  const key = JSON.stringify([options.bundle, options.device]);
  let shared = engines.get(key);
  if (shared === undefined) {
    const opening: Shared = { engine: create(options), users: new Set() };
    engines.set(key, (shared = opening));
    // What could not be opened is tried again the next time.
    opening.engine.catch(() => {
      if (engines.get(key) === opening) engines.delete(key);
    });
  }
  shared.users.add(user);
  release(user, shared);
  return shared.engine;
}

/** `user` needs no engine any more. */
export function releaseEngine(user: object): void {
  release(user, undefined);
}

function release(user: object, except: Shared | undefined): void {
  for (const [key, shared] of engines) {
    if (shared === except || !shared.users.delete(user) || shared.users.size > 0) continue;
    engines.delete(key);
    shared.engine.then((engine) => engine.dispose(), () => {});
  }
}
