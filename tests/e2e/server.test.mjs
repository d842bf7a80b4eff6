// The server: whole files, ranges, types, and nothing outside its folder.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { PICTURE, ROOT, servePage } from "./harness.mjs";
import { parseRange, serve } from "./server.mjs";

let servers;
before(async () => {
  servers = [await serve({ root: ROOT }), await servePage()];
});
after(async () => {
  for (const server of servers) await server.close();
});

const picture = readFileSync(PICTURE);

test("ranges are read as the standard says", () => {
  assert.deepEqual(parseRange("bytes=0-9", 100), { first: 0, last: 9 });
  assert.deepEqual(parseRange("bytes=90-", 100), { first: 90, last: 99 });
  assert.deepEqual(parseRange("bytes=-5", 100), { first: 95, last: 99 });
  assert.deepEqual(parseRange("bytes=50-500", 100), { first: 50, last: 99 });
  assert.equal(parseRange("bytes=100-", 100), null);
  assert.equal(parseRange(undefined, 100), undefined);
});

test("files come whole and in parts", async () => {
  for (const { url } of servers) {
    const whole = await fetch(`${url}tests/fixtures/picture.png`);
    assert.equal(whole.status, 200);
    assert.deepEqual(Buffer.from(await whole.arrayBuffer()), picture);
    const part = await fetch(`${url}tests/fixtures/picture.png`, { headers: { range: "bytes=10-19" } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), `bytes 10-19/${picture.length}`);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), picture.subarray(10, 20));
  }
});

test("types are right and folders have an index", async () => {
  for (const { url } of servers) {
    assert.match((await fetch(url)).headers.get("content-type"), /^text\/html/);
    assert.match((await fetch(`${url}web/texts/en.json`)).headers.get("content-type"), /^application\/json/);
    assert.match((await fetch(`${url}web/dist/page.js`)).headers.get("content-type"), /^text\/javascript/);
  }
});

test("what is not there, or outside, is not found", async () => {
  for (const { url } of servers) {
    for (const path of ["no-such-file", "..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/etc/passwd"]) {
      const { status } = await fetch(url + path);
      assert.ok(status === 404 || status === 403 || status === 400, `${path}: ${status}`);
    }
  }
});

test("the program's server hides hidden files", async () => {
  for (const path of [".gitignore", "%2egitignore", "web/.npmrc"]) {
    assert.equal((await fetch(servers[1].url + path)).status, 404, path);
  }
});

test("many connections at once, kept open, are all answered", async () => {
  const paths = Array.from({ length: 64 }, (_, n) => `tests/fixtures/picture.png?${n}`);
  const sizes = await Promise.all(paths.map(async (path) => {
    const response = await fetch(servers[1].url + path);
    return (await response.arrayBuffer()).byteLength;
  }));
  assert.ok(sizes.every((size) => size === picture.length));
});
