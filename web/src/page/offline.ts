/** Making the page work without a network, and noticing a page that closed while its model was opening. */

/** Keeps the page's files for the next visit, where the browser does that. */
export function keepForOffline(): void {
  if (!("serviceWorker" in navigator) || window !== window.top) return;
  const script = new URL("../../../sw.js", import.meta.url);
  // A page that is built by somebody else has none; then it works with a network only.
  navigator.serviceWorker.register(script, { updateViaCache: "none" }).catch((error: unknown) => {
    console.warn("art2mus: the page cannot be kept for offline use", error);
  });
}

const OPENING = "art2mus-opening";
/** So many pages in a row that did not survive opening their model are no accident. */
const FATAL = 2;

/**
 * Phones close a page that takes too much memory and load it again, which would go on for ever. Before its model is
 * opened the page leaves a mark that `opened()` takes away.
 */
export class CrashSentinel {
  /** Whether the pages before this one closed while they opened this bundle. */
  static isLooping(bundle: string): boolean {
    return read(bundle) >= FATAL;
  }

  static opening(bundle: string): void {
    write(JSON.stringify({ bundle, count: read(bundle) + 1 }));
    // Leaving is not crashing.
    addEventListener("pagehide", () => CrashSentinel.opened(), { once: true });
  }

  static opened(): void {
    write(undefined);
  }
}

function read(bundle: string): number {
  try {
    const mark: unknown = JSON.parse(localStorage.getItem(OPENING) ?? "null");
    if (typeof mark !== "object" || mark === null || !("bundle" in mark) || mark.bundle !== bundle) return 0;
    return "count" in mark && typeof mark.count === "number" ? mark.count : 0;
  } catch {
    return 0;
  }
}

function write(mark: string | undefined): void {
  try {
    if (mark === undefined) localStorage.removeItem(OPENING);
    else localStorage.setItem(OPENING, mark);
  } catch {
    // Without storage nothing is remembered, and a loop is the browser's to end.
  }
}
