// Shards without an engine: downloads that fail in every way, storage that is damaged, refused or not
// there, visits that end early, tabs at the same time.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { ROOT, launch } from "./harness.mjs";
import {
  BLANK, BYTES, TAG, always, answerFlipped, answerHtml, answerWhole, checkArrival, cutAt, get, head, makeShard, names,
  offer, server, stallAt, start, stop, stored, visit,
} from "./shards.mjs";

before(start);
after(stop);

describe("a download", { timeout: 120_000 }, () => {
  test("that is cut goes on where it was, wherever that is", async () => {
    const { page, close } = await visit();
    for (const at of [0, 1, 400_001, BYTES - 1]) {
      const shard = makeShard();
      const asked = offer(shard, cutAt(at));
      checkArrival(await get(page, [shard.entry]), shard.entry);
      assert.equal(asked.length, 2, `cut at ${at}`);
      if (at === 0) continue;
      const first = Number(/^bytes=(\d+)-$/.exec(asked[1].range)?.[1]);
      assert.ok(first > 0 && first <= at, `cut at ${at}, then ${asked[1].range}`);
      assert.equal(asked[1].ifRange, TAG);
    }
    await close();
  });

  test("that is cut begins again when the server cannot go on, or the file has changed", async () => {
    const { page, close } = await visit();
    const one = makeShard();
    offer(one, cutAt(500_000), answerWhole);
    checkArrival(await get(page, [one.entry]), one.entry);
    const other = makeShard();
    const refuse = (content, _, response) => response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
    const asked = offer(other, cutAt(500_000), refuse);
    checkArrival(await get(page, [other.entry]), other.entry);
    assert.equal(asked[2].range, undefined);
    await close();
  });

  test("ends with a sentence of its own for each fault, and can be tried again", async () => {
    const { page, close } = await visit();
    const answer = (status, headers, body) => (content, _, response) => response.writeHead(status, headers).end(body(content));
    const long = (content, _, response) => {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      response.end(Buffer.concat([content, Buffer.alloc(10)]));
    };
    const wrongPart = (content, request, response) => {
      const part = content.subarray(100);
      response.writeHead(206, head(part.length, { "content-range": `bytes 100-${content.length - 1}/${content.length}` })).end(part);
    };
    const faults = [
      [[answerHtml], "Integrity", /a web page instead of \d+\.bin/],
      [[answer(200, head(BYTES - 1), (content) => content.subarray(1))], "Integrity", /has 1499999 bytes on the server instead of 1500000/],
      [[long], "Integrity", /is longer than the 1500000 bytes/],
      [[cutAt(500_000), wrongPart], "Integrity", /another part of \d+\.bin/],
      [always(answerFlipped), "Integrity", /does not have the SHA-256/],
      [[answer(404, {}, () => "no")], "Network", /^Cannot fetch .* \(HTTP status 404\)\.$/],
    ];
    for (const [answers, name, sentence] of faults) {
      const shard = makeShard();
      offer(shard, ...answers);
      const { error } = await get(page, [shard.entry]);
      assert.equal(error?.name, name, JSON.stringify(error));
      assert.match(error.message, sentence);
      assert.match(error.hint, /^Check the /);
      offer(shard);
      checkArrival(await get(page, [shard.entry]), shard.entry);
    }
    await close();
  });

  test("gives up after some attempts, and says how far it came", async () => {
    const { page, close } = await visit();
    const shard = makeShard();
    const asked = offer(shard, ...always(cutAt(300_000)));
    const { error } = await get(page, [shard.entry]);
    assert.equal(error.name, "Network");
    assert.match(error.message, /stopped at \d+ of 1500000 bytes/);
    assert.equal(asked.length, 5);
    assert.equal(asked[4].range, undefined, "the last attempt asks for the whole");
    await close();
  });

  test("with a wrong bit is made once more", async () => {
    const { page, close } = await visit();
    const shard = makeShard();
    const asked = offer(shard, answerFlipped);
    checkArrival(await get(page, [shard.entry]), shard.entry);
    assert.equal(asked.length, 2);
    await close();
  });

  test("that is cancelled says so, and goes on later", async () => {
    const { page, close } = await visit();
    const shard = makeShard();
    const asked = offer(shard, stallAt(700_000));
    const { error } = await get(page, [shard.entry], { cancelAt: 300_000 });
    assert.equal(error.name, "Cancelled");
    checkArrival(await get(page, [shard.entry]), shard.entry);
    assert.match(asked[1].range, /^bytes=\d+-$/);
    await close();
  });
});

describe("the storage", { timeout: 120_000 }, () => {
  test("spares the second visit every download", async () => {
    const { page, openPage, close } = await visit();
    const shards = [makeShard(), makeShard(10), makeShard()];
    const asked = shards.map((shard) => offer(shard));
    const entries = shards.map(({ entry }) => entry);
    checkArrival(await get(page, entries), ...entries);
    await page.close();
    const again = await openPage();
    checkArrival(await get(again, entries), ...entries);
    assert.deepEqual(asked.map(({ length }) => length), [1, 1, 1]);
    assert.deepEqual((await names(again)).sort(), entries.map(({ sha256 }) => sha256).sort(), "nothing else is left");
    await close();
  });

  test("keeps what a visit that ended early had, and goes on from there", async () => {
    const { page, openPage, close } = await visit();
    const shard = makeShard();
    const asked = offer(shard, stallAt(900_000));
    void get(page, [shard.entry]).catch(() => {});
    await page.waitForFunction(() => globalThis.known > 500_000);
    // What If-Range needs is written beside the bytes; a visit that ends before goes on without it.
    await page.waitForFunction(async (name) => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("art2mus");
      const file = await folder.getFileHandle(name).catch(() => undefined);
      return (await file?.getFile())?.size > 0;
    }, `${shard.entry.sha256}.tag`);
    await page.close();
    const again = await openPage();
    checkArrival(await get(again, [shard.entry]), shard.entry);
    const first = Number(/^bytes=(\d+)-$/.exec(asked[1].range)?.[1]);
    assert.ok(first > 500_000, asked[1].range);
    assert.equal(asked[1].ifRange, TAG);
    await close();
  });

  test("with a flipped bit is noticed, and repaired", async () => {
    const { page, openPage, close } = await visit();
    const shard = makeShard();
    const asked = offer(shard);
    await get(page, [shard.entry]);
    await page.evaluate(async (name) => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("art2mus");
      const file = await folder.getFileHandle(name);
      const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
      bytes[1000] ^= 1;
      const out = await file.createWritable();
      await out.write(bytes);
      await out.close();
    }, shard.entry.sha256);
    await page.close();
    checkArrival(await get(await openPage(), [shard.entry]), shard.entry);
    assert.equal(asked.length, 2);
    checkArrival(await get(await openPage(), [shard.entry]), shard.entry);
    assert.equal(asked.length, 2, "it was not repaired");
    await close();
  });

  test("that is emptied before it is read says so", async () => {
    const { page, close } = await visit();
    const shard = makeShard();
    offer(shard);
    const { error } = await get(page, [shard.entry], { forget: true });
    assert.equal(error?.name, "File", JSON.stringify(error));
    assert.match(error.message, /^The stored copy of \d+\.bin cannot be read/);
    checkArrival(await get(page, [shard.entry]), shard.entry);
    await close();
  });

  test("that is full is done without", async () => {
    const { page, context, close } = await visit();
    const session = await context.newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(server.url).origin, quotaSize: 2_000_000 });
    const shards = [makeShard(), makeShard(), makeShard()];
    const asked = shards.map((shard) => offer(shard));
    const entries = shards.map(({ entry }) => entry);
    checkArrival(await get(page, entries), ...entries);
    assert.deepEqual(asked.map(({ length }) => length), [1, 1, 1], "what had arrived was thrown away");
    assert.ok((await stored(page)).stored <= 2_000_000);
    await close();
  });

  test("that is not there is done without", async () => {
    const source = readFileSync(`${ROOT}/web/dist/storage/downloader.js`);
    server.overrides.set("/web/dist/storage/downloader.js", (_, response) => {
      response.writeHead(200, { "content-type": "text/javascript" });
      response.end(`delete StorageManager.prototype.getDirectory;${source}`);
      return true;
    });
    const { page, close } = await visit();
    const shard = makeShard();
    const asked = offer(shard, cutAt(600_000));
    checkArrival(await get(page, [shard.entry]), shard.entry);
    assert.match(asked[1].range, /^bytes=\d+-$/, "it goes on from memory too");
    assert.equal((await stored(page)).stored, 0);
    server.overrides.delete("/web/dist/storage/downloader.js");
    await close();
  });

  test("that plain http does not give is done without", async () => {
    const elsewhere = await launch("--host-resolver-rules=MAP art2mus.test 127.0.0.1");
    const page = await elsewhere.newPage();
    await page.goto(server.url.replace("127.0.0.1", "art2mus.test") + BLANK);
    assert.equal(await page.evaluate(() => isSecureContext), false);
    const shard = makeShard();
    const asked = offer(shard, cutAt(600_000));
    checkArrival(await get(page, [shard.entry]), shard.entry);
    assert.equal(asked.length, 2);
    const { supported, stored: bytes, persisted } = await stored(page);
    assert.deepEqual({ supported, bytes, persisted }, { supported: false, bytes: 0, persisted: false });
    await elsewhere.close();
  });

  test("that a private window refuses to a frame of another site is done without", async () => {
    const { page, close } = await visit();
    await page.goto(server.url.replace("127.0.0.1", "localhost") + BLANK);
    await page.evaluate((address) => new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.addEventListener("load", done);
      frame.src = address;
      document.body.append(frame);
    }), server.url + BLANK);
    const frame = page.frames()[1];
    const shard = makeShard();
    offer(shard);
    checkArrival(await get(frame, [shard.entry]), shard.entry);
    assert.equal((await stored(frame)).supported, false);
    await close();
  });

  test("is shared by two tabs: one of them downloads", async () => {
    const { page, openPage, close } = await visit();
    const other = await openPage();
    const shards = [makeShard(), makeShard()];
    const slowly = (content, _, response) => {
      response.writeHead(200, head(content.length)).write(content.subarray(0, 400_000));
      setTimeout(() => response.end(content.subarray(400_000)), 1000);
    };
    const asked = shards.map((shard) => offer(shard, slowly));
    const entries = shards.map(({ entry }) => entry);
    for (const arrival of await Promise.all([get(page, entries), get(other, entries)])) {
      checkArrival(arrival, ...entries);
    }
    assert.deepEqual(asked.map(({ length }) => length), [1, 1]);
    await close();
  });

  test("tells how much it holds, and is deleted on demand", async () => {
    const { page, close } = await visit();
    const shard = makeShard();
    const asked = offer(shard);
    assert.equal((await stored(page)).stored, 0);
    await get(page, [shard.entry]);
    const state = await stored(page);
    assert.equal(state.supported, true);
    assert.equal(state.stored, BYTES);
    assert.ok(state.quota > state.usage && state.usage >= BYTES, JSON.stringify(state));
    const kept = await page.evaluate(async () => {
      const { deleteStored, persist } = await import("/web/dist/client.js");
      await deleteStored();
      return persist();
    });
    assert.equal(typeof kept, "boolean");
    assert.equal((await stored(page)).stored, 0);
    checkArrival(await get(page, [shard.entry]), shard.entry);
    assert.equal(asked.length, 2);
    await close();
  });
});
