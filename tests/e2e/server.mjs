// A static file server for tests that need to interfere: it can answer single paths with other
// content, and it records what was asked for. Everything else is served by `art2mus serve`.
//
// As a program: node tests/e2e/server.mjs [ROOT] [PORT]

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = {
  ".bin": "application/octet-stream",
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** First and last byte of a `Range` header; undefined when there is none, null when unsatisfiable. */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const [from, to] = [match[1], match[2]].map((digits) => (digits === "" ? NaN : Number(digits)));
  const first = Number.isNaN(from) ? Math.max(0, size - to) : from;
  const last = Number.isNaN(from) || Number.isNaN(to) ? size - 1 : Math.min(to, size - 1);
  return first > last || first >= size ? null : { first, last };
}

/**
 * Serves `root` on `port` (0: any free one). `overrides` maps a path to a function of
 * `(request, response)` that answers instead of the file and returns true, or returns false to
 * leave it to the file.
 */
export async function serve({ root, port = 0, overrides = new Map() }) {
  const folder = resolve(root);
  const requests = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    requests.push({ path, range: request.headers.range, ifRange: request.headers["if-range"] });
    try {
      if (await overrides.get(path)?.(request, response)) return;
      await sendFile(join(folder, normalize(path.endsWith("/") ? `${path}index.html` : path)), request, response);
    } catch {
      if (!response.headersSent) response.writeHead(404, { "content-type": "text/plain" });
      response.end("not found");
    }
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    overrides,
    requests,
    close() {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

async function sendFile(path, request, response) {
  const { size, mtimeMs } = await stat(path);
  const etag = `"${size}-${Math.round(mtimeMs)}"`;
  const headers = {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    etag,
  };
  const unchanged = [undefined, etag].includes(request.headers["if-range"]);
  const range = unchanged ? parseRange(request.headers.range, size) : undefined;
  if (range === null) {
    response.writeHead(416, { ...headers, "content-range": `bytes */${size}` }).end();
    return;
  }
  if (range) headers["content-range"] = `bytes ${range.first}-${range.last}/${size}`;
  headers["content-length"] = range ? range.last - range.first + 1 : size;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === "HEAD") response.end();
  else createReadStream(path, range && { start: range.first, end: range.last }).pipe(response);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serve({ root: process.argv[2] ?? ".", port: Number(process.argv[3] ?? 8080) });
  console.log(`Serving ${process.argv[2] ?? "."} at ${url}`);
}
