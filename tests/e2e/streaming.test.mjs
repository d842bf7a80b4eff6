// Streaming as a visitor meets it: the engine on the CPU with the model that is shipped, and the page.
// What needs no engine is in shards.test.mjs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { addBallast } from "./ballast.mjs";
import { ROOT, axeFaults, missing, open, screenshot, serveFake, thumbnails } from "./harness.mjs";
import { answerHtml, browser, head, server, start, stop, stored, visit } from "./shards.mjs";

before(start);
after(stop);

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
    } catch ({ name, message, hint, code, values }) {
      return { events, error: { name, message, hint, code, values } };
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
    assert.equal(error.message, "The server sent a web page instead of 001.bin.");
    assert.deepEqual([error.code, error.values.file], ["shard.html", "001.bin"]);
    assert.equal((await music(page)).error, undefined);
    await close();
  });

  test("opens a bundle whose address has a query, and asks for every file with it", async () => {
    const { page, close } = await visit();
    const names = ["manifest.json", ...JSON.parse(readFileSync(`${ROOT}/${MODEL}manifest.json`, "utf8")).shards.map(({ file }) => file)];
    const asked = new Set();
    for (const name of names) {
      server.overrides.set(`/${MODEL}${name}`, (request, response) => {
        asked.add(request.url);
        if (request.url.endsWith(`${name}?sig=x%2Fy`)) return false;
        response.writeHead(403).end();
        return true;
      });
    }
    const { error } = await music(page, `${MODEL}?sig=x%2Fy`);
    for (const name of names) server.overrides.delete(`/${MODEL}${name}`);
    assert.equal(error, undefined, JSON.stringify(error));
    assert.ok(asked.has(`/${MODEL}manifest.json?sig=x%2Fy`) && asked.size > 2, [...asked].join(" "));
    await close();
  });

  test("says that a bundle is not there, and that its address is to be checked", async () => {
    const { page, close } = await visit();
    const error = await page.evaluate(async () => {
      const { create } = await import("/web/dist/client.js");
      return create({ bundle: "/web/models/nowhere/", device: "wasm" }).catch(({ name, code, message, hint }) => ({ name, code, message, hint }));
    });
    assert.deepEqual([error.name, error.code], ["Network", "shard.refused"]);
    assert.match(error.message, /^Cannot fetch .*\/nowhere\/manifest\.json \(HTTP status 404\)\.$/);
    assert.match(error.hint, /^Check the address of the bundle/);
    await close();
  });

  test("is said on a German page in German, whatever fails", async () => {
    const path = `/${MODEL}001.bin`;
    server.overrides.set(path, (_, response) => {
      const content = readFileSync(ROOT + path);
      content[content.length >> 1] ^= 4;
      response.writeHead(200, head(content.length)).end(content);
      return true;
    });
    const { page, faults, close } = await open(browser, `${server.url}?lang=de&device=wasm`);
    await (await thumbnails(page)).first().click();
    await page.locator("#problem").waitFor({ timeout: 120_000 });
    const said = (id) => page.locator(id).innerText();
    assert.equal(await said("#problem-title"), "Die Dateien des Modells sind beschädigt");
    assert.equal(await said("#problem-message"), "001.bin hat nicht den SHA-256-Wert, den das Manifest angibt.");
    assert.match(await said("#problem-hint"), /^Prüfen Sie die Adresse des Modells/);
    assert.equal(await page.locator("#problem [lang]").count(), 0);
    server.overrides.delete(path);
    // What the engine itself finds: a manifest of a later version.
    const manifest = `/${MODEL}manifest.json`;
    server.overrides.set(manifest, (_, response) => {
      const content = readFileSync(ROOT + manifest, "utf8").replace(/"version":\s*\d+/, '"version": 99');
      response.writeHead(200, { "content-type": "application/json" }).end(content);
      return true;
    });
    await page.reload();
    await page.locator("#problem").waitFor({ timeout: 120_000 });
    assert.match(await said("#problem-message"), /^Das Modell hat die Formatversion 99; dieses Programm liest 1 bis \d+\.$/);
    assert.match(await said("#problem-hint"), /^Laden Sie die Seite neu/);
    server.overrides.delete(manifest);
    assert.deepEqual(faults, []);
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
      const art2mus = await create({ bundle: `/${path}`, device: "wasm", workers: 1 });
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
  assert.deepEqual(await axeFaults(page), []);
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
      await new Promise((done) => element.addEventListener("art2mus-cancel", done, { once: true }));
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
    await page.getByText("This browser has no weights stored.").waitFor();
    assert.ok(!(await page.locator("#storage-delete").isVisible()), "there is nothing to delete yet");
    await page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("art2mus", { create: true });
      const out = await (await folder.getFileHandle("0".repeat(64), { create: true })).createWritable();
      await out.write(new Uint8Array(2_500_000));
      await out.close();
    });
    await page.reload();
    await page.locator("#storage-delete").waitFor();
    assert.match(await page.locator("#storage").innerText(), /^2\.5 MB of weights are stored in this browser/);
    await checkAccess(page, "storage");
    await page.locator("#thumbnails button").first().click();
    await page.locator("#cancel").click();
    assert.match(await page.locator("#cost").innerText(), /Its weights are stored/);
    await page.click("#storage-delete");
    await page.locator("#storage-delete").waitFor({ state: "hidden" });
    await page.waitForFunction(() => /Downloads 3\.4 MB/.test(document.getElementById("cost").textContent));
    assert.deepEqual(faults, []);
    await close();
    await fake.close();
  });
});
