// A small model that plays at once, and a larger one that takes its place when it has arrived.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  PICTURE, axeFaults, engineReady, finished, launch, missing, open, parseWav, saved, screenshot, serveFake, servePage,
} from "./harness.mjs";

const skip = missing("web/dist/wasm/art2mus_bg.wasm", "web/models/default/manifest.json", "web/models/untrained/manifest.json");

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const arrived = (page) => page.getByText(/^The larger model is here/).first().waitFor();

async function make(page) {
  await page.click("#make");
  await page.locator("#progress").waitFor();
  await finished(page);
}

describe("a larger model", { timeout: 120_000 }, () => {
  let server;
  /** Lets the shard arrive. */
  let deliver;
  before(async () => {
    server = await serveFake();
  });
  after(() => server?.close());

  /** A page whose larger model's shard comes when the test says so. */
  async function visit(query = "?seconds=1&larger=larger/") {
    const wait = new Promise((resolve) => { deliver = resolve; });
    server.overrides.set("/larger/000.bin", (_, response) => {
      response.writeHead(200, { "content-length": 600_000 });
      response.write(Buffer.alloc(300_000));
      void wait.then(() => response.end(Buffer.alloc(300_000)));
      return true;
    });
    const opened = await open(browser, server.url + query);
    await engineReady(opened.page);
    await opened.page.setInputFiles("#file", PICTURE);
    await opened.page.getByAltText("The chosen picture: picture.png").waitFor();
    return opened;
  }

  test("arrives while the small one plays, and then makes what is asked for", async () => {
    const { page, faults, close } = await visit();
    await page.getByText("A larger model is on its way (600 kB); until then this one plays.").waitFor();
    await page.waitForFunction(() => document.getElementById("larger-bar").value > 0.3);
    assert.deepEqual(await axeFaults(page), []);
    await screenshot(page, "larger");
    await make(page);
    assert.match(await page.locator("#about").innerText(), /\nStand-in\n/);
    const engines = () => page.workers().filter((worker) => worker.url().endsWith("/engine/worker.js")).length;
    assert.equal(engines(), 2, "one that plays, and one that waits");
    // An address of this page that does not name it: it arrives all the same.
    await page.evaluate(() => {
      for (const query of ["?seconds=1", "?seconds=1&seed=5"]) history.pushState(null, "", query);
    });
    await page.goBack();
    deliver();
    await arrived(page);
    await page.waitForFunction(() => document.getElementById("about").innerText.includes("Larger stand-in"));
    assert.ok(!(await page.locator("#larger-bar").isVisible()));
    assert.equal(await page.locator("[name=steps]").getAttribute("max"), "50");
    assert.ok(!(await page.locator("#why-ask").isVisible()), "the piece is not of the model that could explain it");
    await make(page);
    assert.equal(engines(), 1, "the small one's worker is gone");
    assert.deepEqual(await page.locator("#history-list button").allInnerTexts(), [
      "made from picture.png, 1 s, seed 7, by Larger stand-in", "made from picture.png, 1 s, seed 7, by Stand-in",
    ]);
    assert.equal(new URL(page.url()).searchParams.get("bundle"), "larger/");
    assert.ok(await page.locator("#why-ask").isVisible());
    await page.locator("#history-list button").last().click();
    assert.ok(!new URL(page.url()).search.includes("larger"), "the small one's piece has a link of its own");
    assert.ok(!(await page.locator("#why-ask").isVisible()));
    assert.deepEqual(faults, []);
    await close();
  });

  test("waits for the end of a run", async () => {
    const { page, faults, close } = await visit();
    await page.evaluate(() => { document.querySelector("#settings").open = true; });
    await page.fill("[name=steps]", "40");
    await page.dispatchEvent("[name=steps]", "change");
    await page.click("#make");
    await page.waitForFunction(() => globalThis.seen.some(({ type }) => type === "step"));
    deliver();
    await arrived(page);
    assert.match(await page.locator("#about").innerText(), /\nStand-in\n/);
    await finished(page);
    await page.waitForFunction(() => document.getElementById("about").innerText.includes("Larger stand-in"));
    assert.ok(!new URL(await page.locator("#permalink").getAttribute("href")).searchParams.has("bundle"));
    assert.deepEqual(faults, []);
    await close();
  });

  test("that cannot be had is told in a sentence, and the small one stays", async () => {
    for (const [larger, sentence] of [
      ["nowhere/", /cannot be used, so this one stays: Cannot fetch .*nowhere\/000\.bin \(HTTP status 404\)/],
      ["too-large/", /so this one stays: One generation would take about 3 hours/],
    ]) {
      const { page, faults, close } = await visit(`?seconds=1&larger=${larger}`);
      await page.getByText(sentence).first().waitFor();
      assert.ok(!(await page.locator("#problem").isVisible()));
      await make(page);
      assert.match(await page.locator("#about").innerText(), /\nStand-in\n/);
      assert.deepEqual(faults, []);
      await close();
    }
  });

  test("of more than 100 MB is asked about first", async () => {
    const { page, faults, close } = await visit("?seconds=1&larger=large/");
    await page.getByText(/640 MB come from 127\.0\.0\.1:\d+, once\./).waitFor();
    assert.equal(await page.locator("#larger-download").innerText(), "Download 640 MB");
    assert.deepEqual(await axeFaults(page), []);
    await page.click("#larger-not-now");
    await page.locator("#larger").waitFor({ state: "hidden" });
    assert.ok(!server.requests.some(({ path }) => path === "/large/000.bin"));
    await make(page);
    assert.deepEqual(faults, []);
    await close();
  });
});

test("two real models follow each other, and nothing is downloaded in the second one's piece", { skip, timeout: 300_000 }, async () => {
  const server = await servePage();
  const { page, faults, close } = await open(browser, `${server.url}?bundle=web/models/untrained/&larger=web/models/default/&device=wasm&seconds=1&steps=1&seed=3`);
  await engineReady(page);
  await arrived(page);
  await page.waitForFunction(() => document.getElementById("about").innerText.includes("art2mus small"));
  assert.ok(!(await page.locator("#untrained").isVisible()));
  const before = server.requests.filter(({ path }) => path.endsWith(".bin")).length;
  await page.setInputFiles("#file", PICTURE);
  await page.getByAltText("The chosen picture: picture.png").waitFor();
  await make(page);
  assert.equal(server.requests.filter(({ path }) => path.endsWith(".bin")).length, before);
  const name = Buffer.from("art2mus small");
  const { bytes } = await saved(page);
  assert.ok(bytes.includes(name), "the file names the model that made it");
  assert.ok(parseWav(bytes).samples.length >= 16_000);
  assert.deepEqual(faults, []);
  await close();
  await server.close();
});
