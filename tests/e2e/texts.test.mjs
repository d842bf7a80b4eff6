// Prompts and negative prompts that are not the model's own: the text encoders are downloaded for them, and only then.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PICTURE, ROOT, axeFaults, engineReady, finished, launch, missing, open, parseWav, saved, screenshot, servePage } from "./harness.mjs";

const BUNDLE = "web/models/untrained/";
const PLAIN = "web/models/default/";
const skip = missing("web/dist/wasm/art2mus_bg.wasm", `${BUNDLE}manifest.json`, `${PLAIN}manifest.json`);

let browser;
let server;
/** The files of the stage `text`. */
let encoders;
before(async () => {
  server = await servePage();
  browser = await launch();
  if (skip) return;
  const { stages, shards, assets } = JSON.parse(readFileSync(join(ROOT, BUNDLE, "manifest.json"), "utf8"));
  // It is the last stage, and begins with a shard of its own.
  assert.equal(stages.at(-1).name, "text");
  let offset = 0;
  const own = shards.filter(({ bytes }) => {
    offset += bytes;
    return offset > stages.at(-1).tensors[0].offset;
  });
  encoders = [...own, ...assets].map(({ file }) => file).sort();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Notes which of the encoders' files are asked for. */
function watch(page) {
  const asked = [];
  page.context().on("request", (request) => {
    const file = new URL(request.url()).pathname.split("/").at(-1);
    if (encoders.includes(file)) asked.push(file);
  });
  return asked;
}

test("another text changes the sound, the model's own does not, and the encoders come only for the first", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  const asked = watch(page);
  await page.evaluate(async (bundle) => {
    const { create } = await import("/web/dist/client.js");
    globalThis.art2mus = await create({ bundle: `/${bundle}`, device: "wasm" });
    globalThis.make = async (texts) => {
      const settings = { seconds: 0.5, steps: 2, seed: 3, ...texts };
      const { download, stages } = await art2mus.estimate(settings);
      const run = art2mus.generate(new URL("/tests/fixtures/picture.png", location.href), settings);
      const events = [];
      for await (const event of run) events.push(event);
      const { samples, settings: used } = await run.result;
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", samples));
      return {
        sound: digest.join(), used, download, planned: stages,
        stages: events.filter(({ type }) => type === "stage").map(({ stage }) => stage),
        loads: events.filter(({ type }) => type === "load"),
      };
    };
  }, BUNDLE);
  const make = (texts) => page.evaluate((texts) => make(texts), texts);
  const { prompts, stages } = await page.evaluate(() => art2mus.info);
  assert.deepEqual(prompts, { prompt: "Music representing the content of this artwork", negative: "Low quality" });
  assert.equal(stages[0].name, "text");
  assert.equal(stages[0].label, "Reading the text");

  const plain = await make({});
  const own = await make({ prompt: prompts.prompt, negative: prompts.negative });
  assert.equal(own.sound, plain.sound);
  assert.deepEqual(own.used, plain.used);
  assert.ok(!plain.stages.includes("text") && !own.stages.includes("text"));
  assert.equal(own.download, 0);
  assert.deepEqual(asked, [], "encoders were downloaded for nothing");

  const other = await make({ negative: "Shrill noise" });
  assert.notEqual(other.sound, plain.sound);
  assert.equal(other.used.negative, "Shrill noise");
  assert.equal(other.stages[0], "text");
  assert.deepEqual(other.stages, other.planned);
  assert.ok(other.download > 0);
  assert.ok(other.loads.some(({ stage }) => stage === "text"));
  assert.equal(new Set(other.loads.map(({ total }) => total)).size, 1, "the total changes");
  assert.equal(other.loads.at(-1).loaded, other.loads.at(-1).total);
  assert.deepEqual(asked.sort(), encoders);

  const again = await make({ negative: "Shrill noise" });
  assert.equal(again.sound, other.sound);
  assert.deepEqual(again.stages, plain.stages, "the same text is encoded twice");
  const prompted = await make({ prompt: "A slow waltz" });
  assert.ok(![plain.sound, other.sound].includes(prompted.sound));
  assert.equal((await make({})).sound, plain.sound);

  const cancelled = await page.evaluate(async () => {
    const stop = new AbortController();
    const picture = new URL("/tests/fixtures/picture.png", location.href);
    const run = art2mus.generate(picture, { seconds: 0.5, steps: 2, negative: "Bells", signal: stop.signal });
    for await (const { type } of run) if (type === "load") stop.abort();
  }).catch((error) => error.message);
  assert.match(cancelled, /Cancelled/);
  const without = await page.evaluate(async (bundle) => {
    const { create } = await import("/web/dist/client.js");
    const plain = await create({ bundle: `/${bundle}`, device: "wasm" });
    const picture = new URL("/tests/fixtures/picture.png", location.href);
    const error = await plain.generate(picture, { negative: "Bells" }).result.catch((error) => error);
    return { name: error.name, code: error.code, message: error.message, prompts: plain.info.prompts ?? null };
  }, PLAIN);
  assert.deepEqual(without, {
    name: "Input", code: "settings.noTexts", prompts: null,
    message: "This model takes no other prompt or negative prompt than its own.",
  });
  assert.deepEqual(faults, []);
  await close();
});

const query = `device=wasm&seconds=0.5&steps=2&seed=3`;

test("the page takes texts where its model does, and a link carries them", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}?bundle=${BUNDLE}&${query}`);
  await engineReady(page);
  await page.setInputFiles("#file", PICTURE);
  const make = async () => {
    await page.click("#make");
    await page.locator("#progress").waitFor();
    await finished(page);
    return parseWav((await saved(page)).bytes).samples;
  };
  const plain = await make();
  await page.click("#settings summary");
  const field = page.getByLabel("Negative prompt");
  assert.equal(await field.getAttribute("placeholder"), "Low quality");
  await field.fill("Shrill noise");
  await field.blur();
  await page.getByText(/Downloads .* of weights/).waitFor();
  assert.deepEqual(await axeFaults(page), []);
  await screenshot(page, "texts");
  const other = await make();
  assert.notDeepEqual(other, plain);
  assert.match(await page.locator("#stages").textContent(), /^Read/);
  const link = await page.locator("#permalink").getAttribute("href");
  assert.equal(new URL(link).searchParams.get("negative"), "Shrill noise");
  await close();

  const linked = await open(browser, link);
  await engineReady(linked.page);
  assert.equal(await linked.page.locator("[name=negative]").inputValue(), "Shrill noise");
  await linked.page.setInputFiles("#file", PICTURE);
  await linked.page.click("#make");
  await linked.page.locator("#progress").waitFor();
  await finished(linked.page);
  const { samples, chunks } = parseWav((await saved(linked.page)).bytes);
  assert.deepEqual(samples, other);
  assert.match(chunks.get("LIST").toString("latin1"), /"negative":"Shrill noise"/);
  assert.deepEqual([...faults, ...linked.faults], []);
  await linked.close();
});

test("a model without text encoders leaves texts of a link out, and says so", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}?bundle=${PLAIN}&${query}&picture=gallery:01.jpg&negative=Shrill+noise`);
  await engineReady(page);
  await finished(page);
  assert.match(await page.locator("#notice").innerText(), /left out: negative=Shrill noise\./);
  await page.click("#settings summary");
  assert.ok(!(await page.getByLabel("Negative prompt").isVisible()));
  assert.ok(!(await page.locator("#permalink").getAttribute("href")).includes("negative"));
  assert.deepEqual(faults, []);
  await close();
});

test("<art-to-mus> takes texts as attributes", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/e2e/element.html`);
  const found = await page.evaluate(async (bundle) => {
    const element = document.createElement("art-to-mus");
    Object.assign(element, { src: "/tests/fixtures/picture.png", bundle: `/${bundle}`, device: "wasm", seconds: 0.5, steps: 2, seed: 3 });
    document.body.append(element);
    const before = element.negative;
    const plain = await element.generate();
    element.setAttribute("negative", "Shrill noise");
    element.prompt = "A slow waltz";
    const other = await element.generate();
    return {
      before, attribute: element.getAttribute("prompt"), settings: [other.settings.prompt, other.settings.negative],
      different: other.samples.some((sample, at) => sample !== plain.samples[at]),
    };
  }, BUNDLE);
  assert.deepEqual(found, { before: null, attribute: "A slow waltz", settings: ["A slow waltz", "Shrill noise"], different: true });
  assert.deepEqual(faults, []);
  await close();
});
