// How weights reach the engine: downloads that fail in every way, storage that is damaged, refused or
// not there, visits that end early, tabs at the same time. What needs no engine is tested without it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { addBallast } from "./ballast.mjs";
import { ROOT, launch, missing, open, requireWeb, screenshot, serveFake } from "./harness.mjs";
import { parseRange, serve } from "./server.mjs";

const BYTES = 1_500_000;
const BLANK = "tests/fixtures/picture.png";

let browser;
let server;
before(async () => {
  server = await serve({ root: ROOT });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

let made = 0;
/** A shard that nobody has stored, with what the manifest says of it. */
function makeShard(bytes = BYTES) {
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
function offer({ content, entry }, ...answers) {
  const asked = [];
  server.overrides.set(`/bundle/${entry.file}`, (request, response) => {
    asked.push({ range: request.headers.range, ifRange: request.headers["if-range"] });
    (answers[asked.length - 1] ?? answerWell)(content, request, response);
    return true;
  });
  return asked;
}

const TAG = '"first"';
const head = (length, more = {}) => ({
  "content-type": "application/octet-stream", "content-length": length, etag: TAG, "cache-control": "no-cache", ...more,
});

function answerWell(content, request, response) {
  const range = request.headers["if-range"] === TAG || !request.headers["if-range"]
    ? parseRange(request.headers.range, content.length) : undefined;
  if (!range) return response.writeHead(200, head(content.length)).end(content);
  const part = content.subarray(range.first, range.last + 1);
  const place = `bytes ${range.first}-${range.last}/${content.length}`;
  response.writeHead(206, head(part.length, { "content-range": place })).end(part);
}

/** Answers well, and cuts the connection after byte `at`. */
const cutAt = (at) => (content, request, response) => {
  const first = parseRange(request.headers.range, content.length)?.first ?? 0;
  const place = first > 0 ? { "content-range": `bytes ${first}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(first > 0 ? 206 : 200, head(content.length - first, place));
  response.write(content.subarray(first, at), () => setTimeout(() => response.destroy(), 50));
};
/** Sends the first `at` bytes, and then nothing more. */
const stallAt = (at) => (content, _, response) => {
  response.writeHead(200, head(content.length)).write(content.subarray(0, at));
};
const answerWhole = (content, _, response) => response.writeHead(200, head(content.length)).end(content);
const answerHtml = (_, __, response) =>
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<!doctype html><title>Log in</title>");
const answerFlipped = (content, _, response) => {
  const wrong = Buffer.from(content);
  wrong[wrong.length >> 1] ^= 4;
  response.writeHead(200, head(wrong.length)).end(wrong);
};
const always = (answer) => Array.from({ length: 9 }, () => answer);

/** Gets shards in a worker of `page`: `{ progress, hashes }` or `{ progress, error }`. */
function get(page, wanted, options = {}) {
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
async function visit() {
  const context = await browser.newContext();
  const openPage = async () => {
    const page = await context.newPage();
    await page.goto(server.url + BLANK);
    return page;
  };
  return { context, page: await openPage(), openPage, close: () => context.close() };
}

/** What the browser keeps, as the client tells it. */
const stored = (page) => page.evaluate(async () => (await (await import("/web/dist/client.js")).storage()));
/** The names in the storage. */
const names = (page) => page.evaluate(async () => {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("art2mus");
  return Array.fromAsync(folder.keys());
});

function checkArrival({ progress, hashes, error }, ...entries) {
  assert.equal(error, undefined, JSON.stringify(error));
  assert.deepEqual(hashes, entries.map(({ sha256 }) => sha256));
  assert.equal(progress.at(-1), entries.reduce((sum, { bytes }) => sum + bytes, 0));
  progress.reduce((before, known) => {
    assert.ok(known > before, `progress goes from ${before} to ${known}`);
    return known;
  }, -1);
}

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
      [[answer(404, {}, () => "no")], "Network", /cannot fetch .* \(HTTP status 404\)/],
    ];
    for (const [answers, name, sentence] of faults) {
      const shard = makeShard();
      offer(shard, ...answers);
      const { error } = await get(page, [shard.entry]);
      assert.equal(error?.name, name, JSON.stringify(error));
      assert.match(error.message, sentence);
      assert.match(error.hint, /^check the /);
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
    assert.match(error.message, /^the stored copy of \d+\.bin cannot be read/);
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
    const source = readFileSync(`${ROOT}/web/dist/downloader.js`);
    server.overrides.set("/web/dist/downloader.js", (_, response) => {
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
    server.overrides.delete("/web/dist/downloader.js");
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

// With the engine, on the CPU: the model that is shipped.

const MODEL = "web/models/default/";
const skip = missing("web/dist/wasm/art2mus_bg.wasm", `${MODEL}manifest.json`);
const shardRequests = () => server.requests.filter(({ path }) => path.startsWith(`/${MODEL}`) && path.endsWith(".bin"));

/** Makes a little music with the bundle at `path`; `{ events, result }` or `{ events, error }`. */
function music(page, path = MODEL) {
  return page.evaluate(async (path) => {
    const { create } = await import("/web/dist/client.js");
    const art2mus = await create({ bundle: `/${path}`, device: "wasm", allowSlow: true });
    const events = [];
    try {
      const before = await art2mus.estimate();
      const picture = new URL("/tests/fixtures/picture.png", location.href);
      const generation = art2mus.generate(picture, { seconds: 0.64, steps: 1, seed: 3 });
      for await (const event of generation) events.push(event);
      const { samples, wasmBytes } = await generation.result;
      return { events, samples: Array.from(samples), wasmBytes, before, after: await art2mus.estimate() };
    } catch ({ name, message, hint }) {
      return { events, error: { name, message, hint } };
    } finally {
      art2mus.dispose();
    }
  }, path);
}

describe("the engine", { skip, timeout: 240_000 }, () => {
  test("downloads every shard once, in order, and nothing on the second visit", async () => {
    const { page, openPage, close } = await visit();
    server.requests.length = 0;
    const first = await music(page);
    assert.equal(first.error, undefined, JSON.stringify(first.error));
    const files = shardRequests().map(({ path }) => path);
    assert.deepEqual(files, [...new Set(files)].sort(), "each once, in the order of the stages");
    const { bytes } = first.before;
    assert.ok(bytes > 1e6);
    assert.deepEqual([first.before.download, first.after.download], [bytes, 0]);
    assert.equal((await stored(page)).stored, bytes);
    const loads = first.events.filter(({ type }) => type === "load");
    assert.ok(loads.every(({ total }) => total === bytes));
    loads.reduce((before, { loaded }) => (assert.ok(loaded >= before), loaded), 0);
    assert.equal(loads.at(-1).loaded, bytes);
    await page.close();

    server.requests.length = 0;
    const second = await music(await openPage());
    assert.deepEqual(shardRequests(), []);
    assert.deepEqual(second.samples, first.samples);
    await close();
  });

  test("gets the next stage's shards while it computes", async () => {
    const { page, close } = await visit();
    const { stages, shards } = JSON.parse(readFileSync(`${ROOT}/${MODEL}manifest.json`, "utf8"));
    const { offset } = stages.find(({ name }) => name === "decode").tensors[0];
    let end = 0;
    const { file } = shards.find(({ bytes }) => (end += bytes) > offset);
    let askedAt;
    server.overrides.set(`/${MODEL}${file}`, () => ((askedAt = Date.now()), false));
    const stepAt = await page.evaluate(async (path) => {
      const { create } = await import("/web/dist/client.js");
      const art2mus = await create({ bundle: `/${path}`, device: "wasm" });
      const picture = new URL("/tests/fixtures/picture.png", location.href);
      const generation = art2mus.generate(picture, { seconds: 2, steps: 4 });
      let at;
      for await (const { type, step } of generation) if (type === "step" && step === 4) at = Date.now();
      art2mus.dispose();
      return at;
    }, MODEL);
    server.overrides.delete(`/${MODEL}${file}`);
    assert.ok(askedAt < stepAt, `${file} was asked for ${askedAt - stepAt} ms after the last step before it is needed`);
    await close();
  });

  test("says what is wrong with a shard, and recovers", async () => {
    const { page, close } = await visit();
    const path = `/${MODEL}001.bin`;
    server.overrides.set(path, (request, response) => (answerHtml(null, request, response), true));
    const { error } = await music(page);
    server.overrides.delete(path);
    assert.equal(error.name, "Integrity");
    assert.equal(error.message, "the server sent a web page instead of 001.bin: check the address of the bundle, or copy it to the server again.");
    assert.equal((await music(page)).error, undefined);
    await close();
  });

  test("can be cancelled while a shard does not arrive, and keeps its worker", async () => {
    const { page, close } = await visit();
    const path = `/${MODEL}000.bin`;
    let stalled = false;
    server.overrides.set(path, (_, response) => {
      if (stalled) return false;
      stalled = true;
      const content = readFileSync(ROOT + path);
      response.writeHead(200, head(content.length)).write(content.subarray(0, 300_000));
      return true;
    });
    let workers = 0;
    page.on("worker", () => (workers += 1));
    const outcome = await page.evaluate(async (path) => {
      const { create } = await import("/web/dist/client.js");
      const art2mus = await create({ bundle: `/${path}`, device: "wasm" });
      const picture = new URL("/tests/fixtures/picture.png", location.href);
      const controller = new AbortController();
      const run = art2mus.generate(picture, { signal: controller.signal });
      for await (const { type } of run) if (type === "load") break;
      const start = performance.now();
      controller.abort();
      const name = await run.result.catch((error) => error.name);
      const ms = performance.now() - start;
      const next = await art2mus.generate(picture, { seconds: 0.64, steps: 1 }).result;
      return { name, ms, samples: next.samples.length };
    }, MODEL);
    server.overrides.delete(path);
    assert.equal(outcome.name, "Cancelled");
    assert.ok(outcome.ms < 300, `${outcome.ms} ms`);
    assert.ok(outcome.samples > 0);
    assert.equal(workers, 2, "the engine's worker and the one that downloads for it");
    await close();
  });

  test("keeps shards out of WebAssembly's memory", async () => {
    const small = await visit();
    const plain = await music(small.page);
    await small.close();
    const ballast = addBallast(server, { model: MODEL, path: "ballast/", shards: 4 });
    const large = await visit();
    const { wasmBytes, error } = await music(large.page, "ballast/");
    ballast.remove();
    assert.equal(error, undefined, JSON.stringify(error));
    const grown = wasmBytes - plain.wasmBytes;
    console.log(`WebAssembly's memory: ${plain.wasmBytes / 1e6} MB; with ${ballast.bytes / 1e6} MB more in a stage, ${grown / 1e6} MB more`);
    assert.ok(grown < 8e6, `it grew by ${grown} bytes`);
    await large.close();
  });
});

/** Fails on what axe calls a fault. */
async function checkAccess(page, name) {
  await screenshot(page, name);
  await page.evaluate(readFileSync(requireWeb.resolve("axe-core/axe.min.js"), "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
}

describe("the page", { timeout: 60_000 }, () => {
  test("asks before a large download, and only then", async () => {
    const fake = await serveFake();
    const { page, faults, close } = await open(browser, `${fake.url}?bundle=large/`);
    await page.locator("#thumbnails button").first().click();
    await page.locator("#ask").waitFor();
    assert.match(await page.locator("#ask").innerText(), /640 MB of weights come from 127\.0\.0\.1/);
    assert.ok(!(await page.locator("#progress").isVisible()));
    await checkAccess(page, "ask");
    await page.click("#ask-not-now");
    assert.ok(!(await page.locator("#ask").isVisible()));
    assert.equal(await page.evaluate(() => document.activeElement.id), "make");
    await page.click("#make");
    await page.click("#ask-download");
    await page.locator("#result").waitFor();
    await page.click("#make");
    await page.locator("#progress").waitFor();
    assert.ok(!(await page.locator("#ask").isVisible()), "it was answered before");
    assert.deepEqual(faults, []);
    await close();

    const element = await open(browser, fake.url);
    const seen = await element.page.evaluate(async () => {
      await import("/web/dist/element.js");
      const element = document.createElement("art-to-mus");
      Object.assign(element, { src: "/tests/fixtures/picture.png", bundle: "large/", steps: "1", controls: true });
      document.body.append(element);
      const [button, status] = ["button", "status"].map((part) => element.shadowRoot.querySelector(`[part=${part}]`));
      button.click();
      await new Promise((done) => element.addEventListener("art2mus-error", done, { once: true }));
      await new Promise((done) => setTimeout(done));
      const asked = [button.textContent, status.textContent];
      button.click();
      await new Promise((done) => element.addEventListener("art2mus-done", done, { once: true }));
      return asked;
    });
    assert.equal(seen[0], "Download 640 MB");
    assert.match(seen[1], /a model of 640 MB from 127\.0\.0\.1/);
    await element.close();
    await fake.close();
  });

  test("says how much is stored, and deletes it", async () => {
    const fake = await serveFake();
    const { page, faults, close } = await open(browser, fake.url);
    await page.locator("#about dd").first().waitFor();
    assert.ok(!(await page.locator("#storage").isVisible()), "nothing is stored yet");
    await page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("art2mus", { create: true });
      const out = await (await folder.getFileHandle("0".repeat(64), { create: true })).createWritable();
      await out.write(new Uint8Array(2_500_000));
      await out.close();
    });
    await page.reload();
    await page.locator("#storage").waitFor();
    assert.match(await page.locator("#storage").innerText(), /^2\.5 MB of weights are stored in this browser/);
    await checkAccess(page, "storage");
    await page.locator("#thumbnails button").first().click();
    await page.locator("#cancel").click();
    assert.match(await page.locator("#cost").innerText(), /Its weights are stored/);
    await page.click("#storage-delete");
    await page.locator("#storage").waitFor({ state: "hidden" });
    await page.waitForFunction(() => /Downloads 3\.4 MB/.test(document.getElementById("cost").textContent));
    assert.deepEqual(faults, []);
    await close();
    await fake.close();
  });
});
