// The server: whole files, ranges, types, compressed copies, and nothing outside its folder.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { accepts, parseRange, serve } from "../../pkg-scripts/server.mjs";
import { PICTURE, ROOT } from "./harness.mjs";

const MODULE = Buffer.from("a module ".repeat(100));

let folder;
let root;
let servers;
let url;
before(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "art2mus-server-")));
  root = join(folder, "root");
  mkdirSync(join(root, "sub/.hidden"), { recursive: true });
  writeFileSync(join(folder, "secret.txt"), "secret");
  writeFileSync(join(root, "sub/index.html"), "<p>index");
  writeFileSync(join(root, "sub/.hidden/file.txt"), "hidden");
  writeFileSync(join(root, "empty.txt"), "");
  writeFileSync(join(root, "module.wasm"), MODULE);
  writeFileSync(join(root, "module.wasm.gz"), gzipSync(MODULE));
  writeFileSync(join(root, "module.wasm.br"), brotliCompressSync(MODULE));
  writeFileSync(join(root, "old.js"), "new();");
  writeFileSync(join(root, "old.js.gz"), gzipSync("old();"));
  utimesSync(join(root, "old.js.gz"), 1, 1);
  symlinkSync(join(folder, "secret.txt"), join(root, "outside.txt"));
  symlinkSync(folder, join(root, "up"));
  symlinkSync("sub/.hidden/file.txt", join(root, "hidden.txt"));
  symlinkSync("sub/index.html", join(root, "inside.html"));
  servers = [await serve({ root }), await serve({ root: ROOT })];
  url = servers[0].url;
});
after(async () => {
  for (const server of servers) await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A request as it is, without what `fetch` does to addresses, codings and redirections. */
function raw(path, { method = "GET", headers = {} } = {}) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
    });
    sent.on("error", reject).end();
  });
}

test("ranges are read as the standard says", () => {
  assert.deepEqual(parseRange("bytes=0-9", 100), { first: 0, last: 9 });
  assert.deepEqual(parseRange("bytes=90-", 100), { first: 90, last: 99 });
  assert.deepEqual(parseRange("bytes=-5", 100), { first: 95, last: 99 });
  assert.deepEqual(parseRange("bytes=50-500", 100), { first: 50, last: 99 });
  assert.equal(parseRange("bytes=100-", 100), null);
  assert.equal(parseRange(undefined, 100), undefined);
});

test("content codings are read as the standard says", () => {
  assert.ok(accepts("gzip, deflate, br;q=0.5", "br"));
  assert.ok(!accepts("gzip, br; q=0.0", "br"));
  assert.ok(!accepts("gzip", "br"));
  assert.ok(!accepts(undefined, "gzip"));
});

test("files come whole and in parts, and are asked for again each time", async () => {
  const picture = readFileSync(PICTURE);
  const address = `${servers[1].url}tests/fixtures/picture.png`;
  const whole = await fetch(address);
  assert.equal(whole.status, 200);
  assert.equal(whole.headers.get("cache-control"), "no-cache");
  assert.equal(whole.headers.get("x-content-type-options"), "nosniff");
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), picture);
  const part = await fetch(address, { headers: { range: "bytes=10-19" } });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get("content-range"), `bytes 10-19/${picture.length}`);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), picture.subarray(10, 20));
  assert.equal((await fetch(address, { headers: { range: `bytes=${picture.length}-` } })).status, 416);
});

test("a part is of the same file as before, or the whole file comes", async () => {
  const { headers: { etag } } = await raw("/module.wasm");
  const rest = { range: "bytes=5-", "if-range": etag };
  assert.deepEqual((await raw("/module.wasm", { headers: rest })).body, MODULE.subarray(5));
  const other = await raw("/module.wasm", { headers: { ...rest, "if-range": '"other"' } });
  assert.deepEqual([other.status, other.body], [200, MODULE]);
  const known = await raw("/module.wasm", { headers: { "if-none-match": etag } });
  assert.deepEqual([known.status, known.body.length], [304, 0]);
});

test("compressed copies go to those who take them, but never in parts", async () => {
  for (const [asked, coding, bytes] of [
    ["gzip, deflate, br", "br", brotliCompressSync(MODULE)],
    ["gzip", "gzip", gzipSync(MODULE)],
    ["br;q=0, zstd", undefined, MODULE],
  ]) {
    const { headers, body } = await raw("/module.wasm", { headers: { "accept-encoding": asked } });
    assert.equal(headers["content-encoding"], coding, asked);
    assert.equal(headers["content-type"], "application/wasm");
    assert.equal(headers.vary, "Accept-Encoding");
    assert.deepEqual(body, bytes);
  }
  const part = await raw("/module.wasm", { headers: { "accept-encoding": "br", range: "bytes=0-7" } });
  assert.equal(part.headers["content-encoding"], undefined);
  assert.deepEqual(part.body, MODULE.subarray(0, 8));
  const tags = await Promise.all(["br", "gzip", ""].map(async (coding) =>
    (await raw("/module.wasm", { headers: { "accept-encoding": coding } })).headers.etag));
  assert.equal(new Set(tags).size, 3, "different bytes need different tags");
});

test("a compressed copy that is older than its file is not used", async () => {
  assert.equal((await raw("/old.js", { headers: { "accept-encoding": "gzip" } })).body.toString(), "new();");
});

test("types are right and folders have an index", async () => {
  const { url } = servers[1];
  assert.match((await fetch(url)).headers.get("content-type"), /^text\/html/);
  assert.match((await fetch(`${url}web/texts/en.json`)).headers.get("content-type"), /^application\/json/);
  assert.match((await fetch(`${url}tests/e2e/shards-worker.js`)).headers.get("content-type"), /^text\/javascript/);
  const moved = await raw("/sub");
  assert.deepEqual([moved.status, moved.headers.location], [307, "/sub/"]);
  assert.equal((await raw("/sub/")).body.toString(), "<p>index");
  assert.equal((await raw("//sub")).headers.location, "/sub/", "two slashes would lead to another host");
});

test("what is not there, outside or hidden is not found", async () => {
  const outside = ["/../secret.txt", "/sub/../../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/outside.txt", "/up/secret.txt"];
  const hidden = ["/sub/.hidden/file.txt", "/sub/%2ehidden/file.txt", "/hidden.txt"];
  for (const path of ["/no-such-file", "/", "/%ff", "/a%00b", ...outside, ...hidden]) {
    const { status, body } = await raw(path);
    assert.equal(status, 404, path);
    assert.doesNotMatch(body.toString(), /secret|hidden/);
  }
  assert.equal((await raw("/inside.html")).body.toString(), "<p>index");
});

test("files are only read", async () => {
  assert.equal((await raw("/empty.txt")).headers["content-length"], "0");
  const head = await raw("/module.wasm", { method: "HEAD" });
  assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, String(MODULE.length), 0]);
  const post = await raw("/module.wasm", { method: "POST" });
  assert.deepEqual([post.status, post.headers.allow], [405, "GET, HEAD"]);
});

test("many connections at once, kept open, are all answered", async () => {
  const paths = Array.from({ length: 64 }, (_, n) => `module.wasm?${n}`);
  const sizes = await Promise.all(paths.map(async (path) => (await (await fetch(url + path)).arrayBuffer()).byteLength));
  assert.ok(sizes.every((size) => size === MODULE.length));
});

test("the program names its address, and says when a port is taken", async () => {
  const start = (port) => spawn(process.execPath, [join(ROOT, "pkg-scripts/server.mjs"), root], { env: { ...process.env, PORT: port } });
  const program = start("0");
  const lines = createInterface({ input: program.stdout });
  const [line] = await new Promise((resolve) => lines.once("line", (...found) => resolve(found)));
  const address = /^Serving .* at (http:\/\/127\.0\.0\.1:\d+\/)$/.exec(line)?.[1];
  assert.ok(address, line);
  assert.equal((await fetch(`${address}sub/`)).status, 200);
  const second = start(new URL(address).port);
  let message = "";
  second.stderr.on("data", (data) => { message += data; });
  const status = await new Promise((resolve) => second.once("close", resolve));
  program.kill();
  assert.equal(status, 1);
  assert.match(message, /^error: .*PORT/);
});
