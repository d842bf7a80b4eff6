// A model that takes a comment: what the page and the element offer of it, and from a comment to sound.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PICTURE, axeFaults, engineReady, finished, launch, missing, open, parseWav, saved, screenshot, servePage } from "./harness.mjs";

const BUNDLE = "web/models/art2music/";
const skip = missing("web/dist/wasm/art2mus_bg.wasm", `${BUNDLE}manifest.json`);

let browser;
let server;
before(async () => {
  server = await servePage();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Loads a picture, makes music from it and returns the saved file. */
async function makeMusic(page) {
  // The piece may be ready before anybody has looked whether it is being made.
  const began = page.evaluate(() => {
    const { promise, resolve } = Promise.withResolvers();
    new MutationObserver(resolve).observe(document.querySelector("#progress"), { attributeFilter: ["hidden"] });
    return promise.then(() => undefined);
  });
  await page.click("#make");
  await began;
  await finished(page);
  const { name, bytes } = await saved(page);
  return { name, ...parseWav(bytes) };
}

test("a comment becomes music, and its link makes the same again", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}?device=wasm&bundle=${BUNDLE}&seed=3&steps=9`);
  await engineReady(page);
  // What the model has not is left out, and said.
  assert.match(await page.locator("#notice").innerText(), /seed=3.*steps=9|steps=9.*seed=3/);
  const field = (name) => page.locator(`#form [name=${name}]`);
  for (const name of ["comment", "seconds", "device"]) assert.ok(await field(name).isVisible(), name);
  for (const name of ["seed", "steps", "guidance", "scheduler", "prompt", "negative", "candidates"]) {
    assert.ok(!(await field(name).isVisible()), name);
  }
  assert.deepEqual(await axeFaults(page), []);
  await page.setInputFiles("#file", PICTURE);
  const silent = await makeMusic(page);
  await field("comment").fill("The quiet lake makes me feel calm.");
  const made = await makeMusic(page);
  await screenshot(page, "comment");
  assert.equal(made.sampleRate, 22050);
  assert.equal(made.samples.length, 13230);
  assert.equal(made.name, "picture.wav");
  assert.notDeepEqual(made.samples, silent.samples, "the comment decides nothing");
  const query = new URL(page.url()).searchParams;
  assert.equal(query.get("comment"), "The quiet lake makes me feel calm.");
  assert.ok(!query.has("seed") && query.has("kernels"), page.url());
  assert.ok(!(await page.locator("#why-ask").isVisible()), "without tokens there is nothing to explain");
  assert.deepEqual(await makeMusic(page).then(({ samples }) => samples), made.samples);
  assert.deepEqual(faults, []);
  await close();
});

test("the element gives its comment to the model, which refuses what it has not", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/e2e/element.html`);
  const found = await page.evaluate(async (bundle) => {
    await customElements.whenDefined("art-to-mus");
    const element = document.createElement("art-to-mus");
    Object.assign(element, { src: "/tests/fixtures/picture.png", bundle: `/${bundle}`, device: "wasm", comment: "So much anger!" });
    document.body.append(element);
    const { settings, seed, sampleRate } = await element.generate();
    element.seed = 4;
    const refused = await element.generate().catch(({ code, values }) => ({ code, values }));
    return { settings, seed, sampleRate, refused, attribute: element.getAttribute("comment") };
  }, BUNDLE);
  assert.equal(found.settings.comment, "So much anger!");
  assert.equal(found.attribute, "So much anger!");
  assert.deepEqual([found.seed, found.sampleRate], [undefined, 22050]);
  assert.deepEqual(found.refused, { code: "settings.none", values: { setting: "seed" } });
  assert.deepEqual(faults, []);
  await close();
});
