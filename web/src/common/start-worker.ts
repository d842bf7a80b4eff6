/**
 * Starts a module worker from wherever its file lies. A browser only takes workers of the page's own origin: for one
 * of another origin a module of this origin, a blob, imports it. Where the page has no origin, in a sandboxed frame,
 * that module is a `data:` address, as Chromium loads no module from a blob there.
 */

import type { Art2MusError } from "./errors.js";
import { fault } from "./faults.js";

/** Trusted Types, which the types of TypeScript do not know. */
interface Policy {
  createScriptURL(address: string): string;
}
interface PolicyFactory {
  createPolicy(name: string, rules: Policy): Policy;
}

/** Addresses that the policy lets pass: those that `startWorker` is just starting. */
const starting = new Set<string>();
let policy: Policy | undefined;

/** `address` as a policy of Trusted Types wants it; as it is where there are none, or the policy was refused. */
function trusted(address: string): string {
  const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
  if (factory === undefined) return address;
  try {
    policy ??= factory.createPolicy("art2mus", {
      createScriptURL(wanted) {
        if (!starting.has(wanted)) throw new TypeError(`art2mus starts no worker from ${wanted}`);
        return wanted;
      },
    });
  } catch {
    return address; // The page does not allow the policy; it may not ask for one either.
  }
  return policy.createScriptURL(address);
}

function isOurOrigin(address: string): boolean {
  return self.origin !== "null" && new URL(address).origin === self.origin;
}

/** Starts the worker whose module lies at the full address `address`. Throws where that is refused. */
export function startWorker(address: string, name: string): Worker {
  if (isOurOrigin(address)) return start(address, address, name);
  const source = `import ${JSON.stringify(address)};`;
  if (self.origin === "null") return start(`data:text/javascript,${encodeURIComponent(source)}`, address, name);
  const blob = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const revoke = () => URL.revokeObjectURL(blob);
  try {
    const worker = start(blob, address, name);
    // Not before it has been read, which only its first sign tells.
    worker.addEventListener("message", revoke, { once: true });
    worker.addEventListener("error", revoke, { once: true });
    return worker;
  } catch (thrown) {
    revoke();
    throw thrown;
  }
}

function start(from: string, address: string, name: string): Worker {
  starting.add(from);
  try {
    return new Worker(trusted(from), { type: "module", name });
  } catch (thrown) {
    throw cannotStart(address, thrown instanceof Error ? thrown.message : String(thrown));
  } finally {
    starting.delete(from);
  }
}

/** Why the worker at `address` does not run, and what the page or the host must allow. */
export function cannotStart(address: string, cause?: string): Art2MusError {
  return fault(isOurOrigin(address) ? "worker.sameOrigin" : "worker.otherOrigin", { address }, cause);
}
