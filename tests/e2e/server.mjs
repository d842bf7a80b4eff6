// The server of the page for tests that need to interfere: it can answer single paths with other content,
// and it records what was asked for.

import { serve as serveFolder } from "../../pkg-scripts/server.mjs";

/**
 * Serves `root` on any free port. `overrides` maps a path to a function of `(request, response)` that
 * answers instead of the file and returns true, or returns false to leave it to the file. Every answer has
 * `headers`.
 */
export async function serve({ root, overrides = new Map(), headers = {} }) {
  const requests = [];
  const before = (path, request, response) => {
    requests.push({ path, range: request.headers.range, ifRange: request.headers["if-range"] });
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    return overrides.get(path)?.(request, response);
  };
  return { ...(await serveFolder({ root, before })), overrides, requests };
}
