// The page after its first visit, when there is no network any more; with the real model on the CPU.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  PICTURE, engineReady, finished, launch, missing, open, saved, serveFake, servePage, thumbnails,
} from "./harness.mjs";

const skip = missing("web/dist/wasm/art2mus_bg.wasm", "web/models/default/manifest.json", "web/dist/offline/shell.js");
const QUERY = "?device=wasm&seconds=1&steps=1&seed=3";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test("works without a network once it was visited, and makes the same music", { skip, timeout: 240_000 }, async () => {
  const server = await servePage();
  const { page, faults, close } = await open(browser, server.url + QUERY, { serviceWorkers: "allow" });
  await engineReady(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  // The first page was loaded before there was a service worker; the second one's module and manifest go through it.
  await page.reload();
  await engineReady(page);
  await (await thumbnails(page)).first().click();
  await finished(page);
  const online = (await saved(page)).bytes;
  await server.close();
  await page.goto(server.url + QUERY);
  await engineReady(page);
  await (await thumbnails(page)).first().click();
  await finished(page);
  assert.deepEqual((await saved(page)).bytes, online);
  await page.setInputFiles("#file", PICTURE);
  await page.getByAltText("The chosen picture: picture.png").waitFor();
  await page.click("#make");
  await page.locator("#progress").waitFor();
  await finished(page);
  assert.deepEqual(faults, []);
  await close();
});

test("does not mix two versions of itself", { skip, timeout: 120_000 }, async () => {
  const server = await servePage();
  const { page, close } = await open(browser, server.url + QUERY, { serviceWorkers: "allow" });
  await engineReady(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  const cached = () => page.evaluate(async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith("art2mus-shell-"));
    const cache = await caches.open(names[0]);
    return { names, main: await (await cache.match("/web/dist/main.js")).text() };
  });
  const before = await cached();
  assert.equal(before.names.length, 1);
  // A file that is newer than the list of the version must not get into the set.
  server.overrides.set("/web/dist/main.js", (_, response) => {
    response.writeHead(200, { "content-type": "text/javascript" }).end(`globalThis.newer = true;\n${before.main}`);
    return true;
  });
  await page.reload();
  await engineReady(page);
  assert.equal(await page.evaluate(() => globalThis.newer), true, "with a network the newest is seen");
  assert.equal((await cached()).main, before.main);
  await close();
  await server.close();
});

test("weights that are deleted while they are used come again by themselves", { skip, timeout: 120_000 }, async () => {
  const server = await servePage();
  const { page, faults, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  const seen = await page.evaluate(async () => {
    const { create } = await import("/web/dist/client.js");
    // Nothing stays in memory, so every piece reads what is stored.
    const art2mus = await create({ bundle: "/web/models/default/", device: "wasm", memoryBudget: 0 });
    const picture = await createImageBitmap(await (await fetch("/tests/fixtures/picture.png")).blob());
    const settings = { seconds: 1, steps: 1, seed: 1 };
    const reference = (await art2mus.generate(picture, settings).result).samples;
    const outcomes = [];
    for (const when of ["encode", "condition", "denoise", "decode"]) {
      const generation = art2mus.generate(picture, settings);
      for await (const event of generation) {
        if (event.type !== "stage" || event.stage !== when) continue;
        await (await navigator.storage.getDirectory()).removeEntry("art2mus", { recursive: true }).catch(() => {});
      }
      const { samples } = await generation.result;
      outcomes.push(samples.length === reference.length && samples.every((sample, n) => sample === reference[n]));
    }
    art2mus.dispose();
    return outcomes;
  });
  assert.deepEqual(seen, [true, true, true, true]);
  assert.deepEqual(faults, []);
  await close();
  await server.close();
});

test("a page that closed twice while its model opened asks before it tries again", { timeout: 60_000 }, async () => {
  const server = await serveFake();
  const { page, faults, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  await page.evaluate((bundle) => {
    localStorage.setItem("art2mus-opening", JSON.stringify({ bundle, count: 2 }));
  }, `${server.url}good/`);
  await page.goto(`${server.url}?bundle=good/`);
  await page.locator("#problem").waitFor();
  assert.match(await page.locator("#problem-message").innerText(), /closed while it opened this model/);
  await page.click("#anyway");
  await engineReady(page);
  assert.ok(!(await page.locator("#problem").isVisible()));
  await page.reload();
  await engineReady(page);
  // Leaving a page is no crash.
  const slow = `${server.url}?bundle=slow-to-open/`;
  for (let visit = 0; visit < 3; visit += 1) await page.goto(slow);
  await engineReady(page);
  assert.deepEqual(faults, []);
  await close();
  await server.close();
});
