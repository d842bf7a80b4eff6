// What the tests of streaming share: shards that nobody has stored, a server that answers for them in
// every way, visits that ask for them, and what must have arrived.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseRange } from "../../pkg-scripts/server.mjs";
import { ROOT, launch } from "./harness.mjs";
import { serve } from "./server.mjs";

export const BYTES = 1_500_000;
/** A page of the site without any program. */
export const BLANK = "tests/fixtures/picture.png";

export let browser;
export let server;

export async function start() {
  server = await serve({ root: ROOT });
  browser = await launch();
}

export async function stop() {
  await browser?.close();
  await server?.close();
}

let made = 0;
/** A shard that nobody has stored, with what the manifest says of it. */
export function makeShard(bytes = BYTES) {
  made += 1;
  const content = Buffer.alloc(bytes);
  for (let n = 0, state = made; n + 4 <= bytes; n += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content.writeUInt32LE(state, n);
  }
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { content, entry: { file: `${String(made).padStart(3, "0")}.bin`, bytes, sha256 } };
}

/** Serves `content`: the n-th request by the n-th of `answers`, all further ones as it should be. */
export function offer({ content, entry }, ...answers) {
  const asked = [];
  server.overrides.set(`/bundle/${entry.file}`, (request, response) => {
    asked.push({ range: request.headers.range, ifRange: request.headers["if-range"] });
    (answers[asked.length - 1] ?? answerWell)(content, request, response);
    return true;
  });
  return asked;
}

export const TAG = '"first"';
export const head = (length, more = {}) => ({
  "content-type": "application/octet-stream", "content-length": length, etag: TAG, "cache-control": "no-cache", ...more,
});

export function answerWell(content, request, response) {
  const range = request.headers["if-range"] === TAG || !request.headers["if-range"]
    ? parseRange(request.headers.range, content.length) : undefined;
  if (!range) return response.writeHead(200, head(content.length)).end(content);
  const part = content.subarray(range.first, range.last + 1);
  const place = `bytes ${range.first}-${range.last}/${content.length}`;
  response.writeHead(206, head(part.length, { "content-range": place })).end(part);
}

/** Answers well, and cuts the connection after byte `at`. */
export const cutAt = (at) => (content, request, response) => {
  const first = parseRange(request.headers.range, content.length)?.first ?? 0;
  const place = first > 0 ? { "content-range": `bytes ${first}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(first > 0 ? 206 : 200, head(content.length - first, place));
  response.write(content.subarray(first, at), () => setTimeout(() => response.destroy(), 50));
};
/** Sends the first `at` bytes, and then nothing more. */
export const stallAt = (at) => (content, _, response) => {
  response.writeHead(200, head(content.length)).write(content.subarray(0, at));
};
export const answerWhole = (content, _, response) => response.writeHead(200, head(content.length)).end(content);
export const answerHtml = (_, __, response) =>
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<!doctype html><title>Log in</title>");
export const answerFlipped = (content, _, response) => {
  const wrong = Buffer.from(content);
  wrong[wrong.length >> 1] ^= 4;
  response.writeHead(200, head(wrong.length)).end(wrong);
};
export const always = (answer) => Array.from({ length: 9 }, () => answer);

/** Gets shards in a worker of `page`: `{ progress, hashes }` or `{ progress, error }`. */
export function get(page, wanted, options = {}) {
  return page.evaluate(({ wanted, options }) => new Promise((done, fail) => {
    const worker = new Worker("/tests/e2e/shards-worker.js", { type: "module" });
    globalThis.known = 0;
    worker.onmessage = ({ data }) => {
      if ("known" in data) globalThis.known = data.known;
      else done(data);
    };
    worker.onerror = ({ message }) => fail(new Error(message));
    worker.postMessage({ wanted, ...options });
  }), { wanted, options });
}

/** A visit: pages with a storage of their own. */
export async function visit() {
  const context = await browser.newContext();
  const openPage = async () => {
    const page = await context.newPage();
    await page.goto(server.url + BLANK);
    return page;
  };
  return { context, page: await openPage(), openPage, close: () => context.close() };
}

/** What the browser keeps, as the client tells it. */
export const stored = (page) => page.evaluate(async () => (await (await import("/web/dist/client.js")).storage()));
/** The names in the storage. */
export const names = (page) => page.evaluate(async () => {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("art2mus");
  return Array.fromAsync(folder.keys());
});

export function checkArrival({ progress, hashes, error }, ...entries) {
  assert.equal(error, undefined, JSON.stringify(error));
  assert.deepEqual(hashes, entries.map(({ sha256 }) => sha256));
  assert.equal(progress.at(-1), entries.reduce((sum, { bytes }) => sum + bytes, 0));
  progress.reduce((before, known) => {
    assert.ok(known > before, `progress goes from ${before} to ${known}`);
    return known;
  }, -1);
}
