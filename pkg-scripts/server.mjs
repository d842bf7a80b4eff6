// A static file server for this machine: the page, its modules and bundles.
//
//   [PORT=8080] [HOST=127.0.0.1] node pkg-scripts/server.mjs [ROOT]
//
// Prints its address as soon as it answers. PORT=0 takes a free port. Only this machine can ask it, unless HOST is another
// of its addresses; 0.0.0.0 is all of them. Browsers on other machines give WebGPU and storage only to https: put a
// server with a certificate in front.
// Sends FILE.br or FILE.gz in place of FILE where they exist, are not older, and the client takes them.

import { createReadStream, realpathSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, relative, resolve, sep } from "node:path";
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
  ".wav": "audio/wav",
  ".webmanifest": "application/manifest+json",
};

/** Precompressed variants, the preferred one first: content coding and file extension. */
const CODINGS = [
  ["br", ".br"],
  ["gzip", ".gz"],
];

/** First and last byte of a `Range` header; undefined when there is none, null when unsatisfiable. */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const [from, to] = [match[1], match[2]].map((digits) => (digits === "" ? NaN : Number(digits)));
  const first = Number.isNaN(from) ? Math.max(0, size - to) : from;
  const last = Number.isNaN(from) || Number.isNaN(to) ? size - 1 : Math.min(to, size - 1);
  return first > last || first >= size ? null : { first, last };
}

/** Whether an `Accept-Encoding` header allows a content coding. */
export function accepts(header, coding) {
  return (header ?? "").split(",").some((item) => {
    const [name, ...parameters] = item.trim().toLowerCase().split(/\s*;\s*/);
    return name === coding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}

/**
 * Serves `root` on `port`; 0 takes a free one. `before(path, request, response)` may answer a request
 * itself and return true, or return false to leave it to the file.
 */
export async function serve({ root, port = 0, host = "127.0.0.1", before = () => false }) {
  const folder = await realpath(resolve(root));
  const server = createServer(async (request, response) => {
    response.setHeader("Cache-Control", "no-cache"); // Clients may store files, but ask whether they are still current.
    response.setHeader("X-Content-Type-Options", "nosniff");
    try {
      const path = decodeURIComponent(request.url.replace(/[?#].*$/s, ""));
      if (await before(path, request, response)) return;
      await send(folder, path, request, response);
    } catch {
      if (response.headersSent) response.destroy();
      else refuse(response, 404, "There is no such file here.");
    }
  });
  await new Promise((done, failed) => {
    server.once("error", failed);
    server.listen(port, host, done);
  });
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${server.address().port}/`,
    close() {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

function refuse(response, status, message, headers = {}) {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", ...headers }).end(message);
}

async function send(folder, path, request, response) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    refuse(response, 405, "Files can only be read.", { Allow: "GET, HEAD" });
    return;
  }
  const file = await locate(folder, path);
  const original = await stat(file);
  if (original.isDirectory()) {
    // With a slash at the end, as relative addresses in its index need it.
    const address = relative(folder, file).split(sep).map(encodeURIComponent).join("/");
    refuse(response, 307, "", { Location: `/${address}/` });
    return;
  }

  const ranged = request.headers.range !== undefined;
  const variants = await variantsOf(file, original);
  // A range counts the bytes of the file itself.
  const variant = ranged ? undefined : variants.find(({ coding }) => accepts(request.headers["accept-encoding"], coding));
  const { size, mtimeMs } = variant ?? original;
  const etag = `"${size.toString(16)}-${Math.round(mtimeMs).toString(16)}${variant ? `-${variant.coding}` : ""}"`;
  const headers = { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", "Accept-Ranges": "bytes", ETag: etag };
  if (variants.length > 0) headers.Vary = "Accept-Encoding";
  if (variant) headers["Content-Encoding"] = variant.coding;

  const known = (request.headers["if-none-match"] ?? "").split(/\s*,\s*/);
  if (!ranged && known.includes(etag)) {
    response.writeHead(304, headers).end();
    return;
  }
  const unchanged = [undefined, etag].includes(request.headers["if-range"]);
  const range = unchanged ? parseRange(request.headers.range, size) : undefined;
  if (range === null) {
    refuse(response, 416, "", { "Content-Range": `bytes */${size}` });
    return;
  }
  if (range) headers["Content-Range"] = `bytes ${range.first}-${range.last}/${size}`;
  headers["Content-Length"] = range ? range.last - range.first + 1 : size;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === "HEAD" || headers["Content-Length"] === 0) {
    response.end();
    return;
  }
  const bytes = createReadStream(variant?.file ?? file, range && { start: range.first, end: range.last });
  bytes.on("error", () => response.destroy());
  response.on("close", () => bytes.destroy());
  bytes.pipe(response);
}

/** The real place of what `path` names; throws when there is nothing, or it is outside or hidden. */
async function locate(folder, path) {
  const file = await realpath(join(folder, path.endsWith("/") ? `${path}index.html` : path));
  const inside = relative(folder, file);
  // Nobody needs hidden files, and some of them hold secrets. `..` begins with a dot too.
  if (inside.split(sep).some((name) => name.startsWith(".")) || resolve(folder, inside) !== file) {
    throw new Error(`${path} is not for clients`);
  }
  return file;
}

/** The compressed copies of a file. One that is older than the file was made from another. */
async function variantsOf(file, original) {
  const found = await Promise.all(
    CODINGS.map(async ([coding, extension]) => {
      const copy = await stat(file + extension).catch(() => undefined);
      if (!copy?.isFile() || copy.mtimeMs < original.mtimeMs) return undefined;
      return { coding, file: file + extension, size: copy.size, mtimeMs: copy.mtimeMs };
    }),
  );
  return found.filter((variant) => variant !== undefined);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = resolve(process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url)));
  const port = Number(process.env.PORT || 8080);
  try {
    const { url } = await serve({ root, port, host: process.env.HOST || undefined });
    console.log(`Serving ${root} at ${url}`);
  } catch (error) {
    console.error(`error: ${root} cannot be served on port ${port} (${error.message}): choose another with PORT`);
    process.exit(1);
  }
}
