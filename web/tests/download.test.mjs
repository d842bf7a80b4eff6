// Downloads without a network: what a server can answer, and when. Run after the TypeScript was compiled.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { download } from "../dist/storage/download.js";
import { fetchSmallFile } from "../dist/storage/small-file.js";
import { Sha256 } from "../dist/storage/sha256.js";
import { openPartialShard } from "../dist/storage/stored.js";

const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex");
const content = randomBytes(1000);
const shard = { file: "000.bin", bytes: content.length, sha256: hashOf(content) };

/** Downloads with a server that answers by these functions in turn; gives the requests and the bytes. */
async function attempt(answers, { part, ...options } = {}) {
  part ??= await openPartialShard(undefined, shard.sha256);
  const asked = [];
  const fetch = (url, { headers, cache, signal }) => {
    asked.push({ ...headers, cache });
    return Promise.resolve(answers[asked.length - 1](signal, headers));
  };
  const progress = [];
  const onProgress = (bytes) => progress.push(bytes);
  const settings = { signal: new AbortController().signal, onProgress, fetch, delays: [1, 1], stallMs: 50, ...options };
  const error = await download("https://example.org/000.bin", shard, part, settings).then(() => undefined, (thrown) => thrown);
  return { asked, error, progress, bytes: Buffer.concat([...part.pieces()]), part };
}

const whole = (headers = {}) => () => new Response(content, { headers });
const rest = (from, headers = {}) => () => {
  const place = `bytes ${from}-${content.length - 1}/${content.length}`;
  return new Response(content.subarray(from), { status: 206, headers: { "content-range": place, ...headers } });
};
/** The first `at` bytes; then an error, an end, or silence until it is given up. */
const first = (at, then, headers = {}) => (signal) => new Response(new ReadableStream({
  start(controller) {
    controller.enqueue(new Uint8Array(content.subarray(0, at)));
    if (then === "end") controller.close();
    else if (then === "error") setTimeout(() => controller.error(new TypeError("network error")));
    else signal.addEventListener("abort", () => controller.error(signal.reason));
  },
}), { headers });

test("SHA-256 of bytes in parts is what others compute", () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 100_003]) {
    const bytes = randomBytes(length);
    const hash = new Sha256();
    for (let at = 0; at < length; ) {
      const end = Math.min(length, at + 1 + Math.floor(Math.random() * 200));
      hash.update(bytes.subarray(at, end));
      at = end;
    }
    assert.equal(hash.hex(), hashOf(bytes), `${length} bytes`);
  }
});

test("a download that ends, fails or stalls early goes on where it was", async () => {
  for (const then of ["end", "error", "silence"]) {
    const { asked, error, bytes } = await attempt([first(400, then, { etag: '"a"' }), rest(400)]);
    assert.equal(error, undefined, then);
    assert.deepEqual(bytes, content);
    assert.deepEqual(asked[1], { Range: "bytes=400-", "If-Range": '"a"', cache: "default" });
  }
});

test("If-Range needs a tag for every byte, or a date", async () => {
  const date = "Sat, 21 Nov 2026 12:00:00 GMT";
  for (const [headers, expected] of [
    [{ etag: 'W/"a"' }, undefined],
    [{ etag: 'W/"a"', "last-modified": date }, date],
    [{}, undefined],
  ]) {
    const { asked, bytes } = await attempt([first(10, "end", headers), rest(10)]);
    assert.equal(asked[1]["If-Range"], expected);
    assert.deepEqual(bytes, content);
  }
});

test("a server that sends the whole instead of the rest begins again", async () => {
  const { progress, bytes } = await attempt([first(400, "error"), whole()]);
  assert.deepEqual(bytes, content);
  assert.deepEqual(progress, [0, 400, 0, 1000]);
});

test("the last attempt asks for the whole", async () => {
  const refuse = () => new Response("", { status: 503 });
  const { asked, error } = await attempt([first(400, "error"), refuse, whole()]);
  assert.equal(error, undefined);
  assert.deepEqual(asked.map(({ Range }) => Range), [undefined, "bytes=400-", undefined]);
});

test("a header that the server keeps to itself is not needed", async () => {
  const hidden = () => new Response(content.subarray(400), { status: 206 });
  assert.deepEqual((await attempt([first(400, "error"), hidden])).bytes, content);
});

test("a part may be shorter than asked for, but no other one", async () => {
  const place = (range) => ({ "content-range": range });
  const short = () => new Response(content.subarray(400, 600), { status: 206, headers: place("bytes 400-599/1000") });
  assert.deepEqual((await attempt([first(400, "error"), short, rest(600)], { delays: [1, 1, 1] })).bytes, content);
  for (const range of ["bytes 399-999/1000", "bytes 400-999/1001", "bytes 400-999", "items 400-999/1000"]) {
    const { asked, error } = await attempt([first(400, "error"), rest(400, place(range))]);
    assert.equal(error?.name, "Integrity", range);
    assert.equal(asked.length, 2);
  }
});

test("the length that another origin tells is no evidence: its files may be compressed on their way", async () => {
  const answer = (type) => () => Object.defineProperty(new Response(content, { headers: { "content-length": "700" } }), "type", { value: type });
  assert.deepEqual((await attempt([answer("cors")])).bytes, content);
  assert.equal((await attempt([answer("basic")])).error?.name, "Integrity");
});

test("what was left of another file is noticed by its hash", async () => {
  const part = await openPartialShard(undefined, shard.sha256);
  part.write(randomBytes(400));
  const { asked, error, bytes } = await attempt([rest(400), whole()], { part });
  assert.equal(error, undefined);
  assert.deepEqual(bytes, content);
  assert.deepEqual(asked.map(({ cache }) => cache), ["default", "reload"]);
});

test("what was left and is complete needs no request", async () => {
  const part = await openPartialShard(undefined, shard.sha256);
  part.write(content);
  assert.deepEqual((await attempt([], { part })).asked, []);
});

test("a download that was cancelled makes no further attempt", async () => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 20);
  const { asked, error } = await attempt([first(400, "silence"), whole()], { signal: stop.signal, stallMs: 1000 });
  assert.equal(error.name, "AbortError");
  assert.equal(asked.length, 1);
  const before = await attempt([whole()], { signal: AbortSignal.abort() });
  assert.deepEqual([before.error.name, before.asked.length], ["AbortError", 0]);
});

test("a refusal is final, an overload is not", async () => {
  for (const [status, requests] of [[404, 1], [403, 1], [429, 3], [500, 3], [503, 3]]) {
    const { asked, error } = await attempt(Array.from({ length: 3 }, () => () => new Response("", { status })));
    assert.equal(error.name, "Network");
    assert.equal(asked.length, requests, `${status}`);
  }
});

test("a small file is fetched whole, and each fault has a code of its own", async () => {
  const url = "https://example.org/model/manifest.json?sig=x";
  const real = globalThis.fetch;
  const get = async (answer, most = 1000) => {
    globalThis.fetch = async (asked) => (assert.equal(asked, url), answer());
    return fetchSmallFile(url, most);
  };
  try {
    assert.deepEqual(Buffer.from(await get(() => new Response(content))), content);
    assert.deepEqual(await get(() => new Response("")), new Uint8Array());
    const broken = () => new Response(new ReadableStream({ pull: (controller) => controller.error(new TypeError("cut")) }));
    const faults = [
      [() => new Response("", { status: 404 }), "shard.refused", "Network"],
      [() => new Response("", { status: 503 }), "shard.fetch", "Network"],
      [() => { throw new TypeError("no network"); }, "shard.fetch", "Network"],
      [broken, "shard.fetch", "Network"],
      [() => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }), "shard.html", "Integrity"],
    ];
    for (const [answer, code, name] of faults) await assert.rejects(get(answer), { code, name });
    await assert.rejects(get(() => new Response(content), 999), ({ code, values }) => {
      assert.deepEqual([code, values], ["shard.long", { file: "manifest.json", bytes: 999 }]);
      return true;
    });
  } finally {
    globalThis.fetch = real;
  }
});
