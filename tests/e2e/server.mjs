// The server of the page for tests that need to interfere: it can answer single paths with other content,
// and it records what was asked for.

import { serve as serveFolder } from "../../pkg-scripts/server.mjs";

/**
 * Serves `root` on any free port. `overrides` maps a path to a function of `(request, response)` that
 * answers instead of the file and returns true, or returns false to leave it to the file.
 */
export async function serve({ root, overrides = new Map() }) {
  const requests = [];
  const before = (path, request, response) => {
    requests.push({ path, range: request.headers.range, ifRange: request.headers["if-range"] });
    return overrides.get(path)?.(request, response);
  };
  return { ...(await serveFolder({ root, before })), overrides, requests };
}
