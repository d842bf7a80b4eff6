// The page before its program is there, and where that never comes.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, test } from "node:test";
import { ROOT, axeFaults, engineReady, launch, missing, open, screenshot, serveFake, servePage } from "./harness.mjs";

const skip = missing("web/dist/wasm/art2mus_bg.wasm", "web/models/default/manifest.json");

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** What is seen of buttons, links, labels and headings, and has no words. */
const wordless = (page) => page.evaluate(() =>
  [...document.querySelectorAll("button, a, label, summary, h1, h2, h3")]
    .filter((element) => element.checkVisibility() && !element.innerText.trim() && !element.querySelector("img, svg, select, input"))
    .map(({ outerHTML }) => outerHTML));

test("before its program has arrived it has words, and it says when that does not come", { timeout: 60_000 }, async () => {
  const server = await serveFake();
  let arrive;
  const wait = new Promise((resolve) => { arrive = resolve; });
  server.overrides.set("/web/dist/main.js", (_, response) => {
    void wait.then((status) => response.writeHead(status).end());
    return true;
  });
  const context = await browser.newContext({ serviceWorkers: "block" });
  const page = await context.newPage();
  await page.goto(server.url, { waitUntil: "commit" });
  await page.getByText("Drop a picture here, paste one, or choose a file").waitFor();
  assert.equal(await page.locator("#make").innerText(), "Make music");
  assert.equal(await page.locator("#cost").innerText(), "Getting the model ready…");
  assert.deepEqual(await wordless(page), []);
  assert.deepEqual(await axeFaults(page), []);
  await screenshot(page, "before");
  arrive(503);
  await page.locator("#not-loaded").waitFor();
  assert.ok(!(await page.locator("#make").isVisible()));
  assert.deepEqual(await axeFaults(page), []);
  // An exhibit takes the page's place: nobody should see the page before it.
  server.overrides.set("/web/dist/main.js", () => true);
  await page.goto(`${server.url}?exhibit=examples/exhibit/`, { waitUntil: "commit" });
  await page.locator("[data-start=elsewhere]").waitFor({ state: "attached" });
  await page.locator(".layout").waitFor({ state: "attached" });
  assert.ok(!(await page.locator(".masthead").isVisible()) && !(await page.locator(".layout").isVisible()));
  await context.close();
  await server.close();
});

test("opened as a file it says how to serve it, built or not", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "art2mus-file-"));
  mkdirSync(join(folder, "web"));
  for (const path of ["index.html", "web/before.js", "web/styles"]) cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  for (const place of [ROOT, folder]) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(pathToFileURL(join(place, "index.html")).href);
    await page.locator("#opened-as-file").waitFor();
    assert.match(await page.locator("#opened-as-file").innerText(), /opened as a file.*pkg-scripts\/serve/);
    assert.ok(!(await page.locator("#not-loaded").isVisible()) && !(await page.locator("#make").isVisible()));
    assert.deepEqual(await axeFaults(page), []);
    await screenshot(page, "file");
    await context.close();
  }
  rmSync(folder, { recursive: true });
});

for (const coding of ["none", "gzip"]) {
  test(`on a slow net a bar shows how much of the engine has arrived (compression: ${coding})`, { skip, timeout: 120_000 }, async () => {
    const server = await servePage();
    const path = "/web/dist/wasm/art2mus_bg.wasm";
    const file = join(ROOT, path + (coding === "gzip" ? ".gz" : ""));
    let arrive;
    const wait = new Promise((resolve) => { arrive = resolve; });
    server.overrides.set(path, (request, response) => {
      if (request.headers.range) return false; // From the file itself, as pkg-scripts/server.mjs does.
      const headers = { "content-type": "application/wasm", "content-length": statSync(file).size };
      response.writeHead(200, coding === "gzip" ? { ...headers, "content-encoding": "gzip" } : headers);
      const bytes = readFileSync(file);
      // A half in parts, so that time passes between them; the rest when the test says so.
      const half = Math.floor(bytes.length / 2);
      let at = 0;
      const timer = setInterval(() => {
        if (at < half) response.write(bytes.subarray(at, Math.min(half, (at += half / 10))));
        else clearInterval(timer);
      }, 100);
      void wait.then(() => {
        clearInterval(timer);
        response.end(bytes.subarray(Math.min(half, at)));
      });
      return true;
    });
    const { page, faults, close } = await open(browser, `${server.url}?device=wasm`);
    // Near the half: what has arrived is then told in MB, as the whole is.
    await page.waitForFunction(() => {
      const bar = document.getElementById("engine-bar");
      return bar.checkVisibility() && bar.hasAttribute("value") && bar.value > 0.4 && bar.value < 0.9;
    });
    const { size } = statSync(join(ROOT, path));
    const [, arrived, total] = /: ([\d.]+) MB of ([\d.]+) MB\.$/.exec(await page.locator("#engine-bytes").innerText());
    assert.equal(total, (size / 1e6).toPrecision(2));
    assert.ok(Number(arrived) < Number(total));
    assert.deepEqual(await axeFaults(page), []);
    await screenshot(page, `engine-${coding}`);
    arrive();
    await engineReady(page);
    assert.ok(!(await page.locator("#engine-arriving").isVisible()));
    assert.deepEqual(faults, []);
    await close();
    await server.close();
  });
}
