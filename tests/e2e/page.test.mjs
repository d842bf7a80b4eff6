// The page with the real engine: the model that is shipped on the CPU, and an untrained one of another
// layout on WebGPU, where a software adapter has no time for more.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  PICTURE, engineReady, finished, launch, missing, open, parseWav, saved, screenshot, servePage, thumbnails,
} from "./harness.mjs";

const SECONDS = 2;
const STEPS = 4;
const BUNDLES = { wasm: "web/models/default/", webgpu: "web/models/untrained/" };
const STAGES = ["encode", "condition", "denoise", "decode", "vocode"];

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

/** Opens the page with short settings. */
const openPage = (device, query = "") =>
  open(browser, `${server.url}?device=${device}&bundle=${BUNDLES[device]}&seconds=${SECONDS}&steps=${STEPS}${query}`);

/** Loads a picture, makes music from it and returns the saved file. */
async function makeMusic(page) {
  await page.setInputFiles("#file", PICTURE);
  await page.evaluate(() => { globalThis.seen.length = 0; });
  await page.click("#make");
  await page.locator("#progress").waitFor();
  await finished(page);
  return saved(page);
}

/** Everything that is promised about the events of one run. */
function checkEvents(events) {
  const loads = events.filter(({ type }) => type === "load");
  assert.ok(loads.length > 0, "no load events");
  assert.equal(new Set(loads.map(({ total }) => total)).size, 1, "the total changes");
  loads.reduce((before, { loaded }) => {
    assert.ok(loaded >= before, `loaded falls from ${before} to ${loaded}`);
    return loaded;
  }, 0);
  assert.equal(loads.at(-1).loaded, loads.at(-1).total, "the total is not reached");

  const stages = events.filter(({ type }) => type === "stage");
  assert.deepEqual(stages.map(({ stage }) => stage), STAGES);
  assert.deepEqual(stages.map(({ index }) => index), STAGES.map((_, index) => index));
  assert.ok(stages.every(({ count }) => count === STAGES.length));

  const steps = events.filter(({ type }) => type === "step");
  assert.deepEqual(steps.map(({ step }) => step), Array.from({ length: STEPS }, (_, n) => n + 1));
  assert.ok(steps.every((event) => event.steps === STEPS && event.stage === "denoise"));
  for (const { etaMs } of [...stages, ...steps]) assert.ok(etaMs == null || etaMs >= 0, `etaMs ${etaMs}`);
  assert.equal(events.at(-1).type, "done");
}

function checkMusic({ samples, sampleRate, channels }) {
  assert.equal(sampleRate, 16000);
  assert.equal(channels, 1);
  assert.equal(samples.length, SECONDS * 16000);
  assert.ok(samples.every(Number.isFinite), "a sample is not finite");
  const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  assert.ok(loudness > 1e-4, `silent: ${loudness}`);
}

const needs = (device) =>
  missing(`web/dist/${device}/art2mus_bg.wasm`, `${BUNDLES[device]}manifest.json`, "tests/fixtures/picture.png");

test("a picture of the gallery becomes music with one click", { skip: needs("wasm"), timeout: 300_000 }, async () => {
  const { page, faults, close } = await openPage("wasm", "&seed=1");
  const buttons = await thumbnails(page);
  assert.equal(await buttons.count(), 18);
  await buttons.first().click(); // At once: the model need not be open yet.
  await finished(page);
  checkEvents(await page.evaluate(() => globalThis.seen));
  const first = parseWav((await saved(page)).bytes);
  checkMusic(first);
  await buttons.last().click();
  await page.locator("#progress").waitFor();
  await finished(page);
  const last = parseWav((await saved(page)).bytes);
  checkMusic(last);
  assert.notDeepEqual(last.samples, first.samples, "every picture gives the same music");
  assert.deepEqual(faults, []);
  await close();
});

for (const device of ["wasm", "webgpu"]) {
  describe(`the page on ${device}`, { skip: needs(device), timeout: 600_000 }, () => {
    test("makes, plays, draws and saves music; the same again after a reload", async () => {
      const { page, faults, close } = await openPage(device, "&seed=11");
      await engineReady(page);
      assert.match(await page.locator("#about").innerText(), device === "wasm" ? /CPU/ : /GPU/);
      const untrained = BUNDLES[device].includes("untrained");
      assert.equal(await page.locator("#untrained").isVisible(), untrained, "the page must say what a model is");
      const first = await makeMusic(page);
      await screenshot(page, `${device}-result`);
      assert.match(first.name, /^picture-seed-11\.wav$/);
      checkMusic(parseWav(first.bytes));
      checkEvents(await page.evaluate(() => globalThis.seen));
      const audio = await page.evaluate(async () => {
        const player = document.querySelector("audio");
        player.muted = true;
        await player.play();
        return { duration: player.duration, error: player.error?.message };
      });
      assert.equal(audio.error, undefined);
      assert.ok(Math.abs(audio.duration - SECONDS) < 0.05, `plays ${audio.duration} s`);
      for (const id of ["waveform", "spectrogram"]) {
        const colours = await page.evaluate((canvas) => {
          const { width, height } = document.getElementById(canvas);
          const { data } = document.getElementById(canvas).getContext("2d").getImageData(0, 0, width, height);
          return new Set(new Uint32Array(data.buffer)).size;
        }, id);
        assert.ok(colours > 1, `the ${id} is empty`);
      }

      await page.reload();
      await engineReady(page);
      const second = await makeMusic(page);
      assert.deepEqual(parseWav(second.bytes).samples, parseWav(first.bytes).samples, "the same seed gives other samples");
      assert.deepEqual(faults, []);
      await close();
    });

    test("cancels mid-way and works again; another seed gives other music", async () => {
      const { page, faults, close } = await openPage(device, "&seed=1");
      await engineReady(page);
      await page.setInputFiles("#file", PICTURE);
      await page.click("#settings summary");
      await page.fill("[name=steps]", "500");
      await page.dispatchEvent("[name=steps]", "change");
      await page.click("#make");
      await page.waitForFunction(() => globalThis.seen.some(({ type }) => type === "step"), undefined, { timeout: 120_000 });
      await page.click("#cancel");
      await page.locator("#progress").waitFor({ state: "hidden", timeout: 2000 });
      assert.ok(!(await page.locator("#problem").isVisible()), "a cancelled run is not a problem");
      await page.fill("[name=steps]", String(STEPS));
      await page.dispatchEvent("[name=steps]", "change");
      const one = parseWav((await makeMusic(page)).bytes);
      checkMusic(one);
      await page.fill("[name=seed]", "2");
      await page.dispatchEvent("[name=seed]", "change");
      assert.match(page.url(), /seed=2/);
      const two = parseWav((await makeMusic(page)).bytes);
      assert.notDeepEqual(two.samples, one.samples);
      assert.deepEqual(faults, []);
      await close();
    });

    test("says clearly that a file is not a picture", async () => {
      const { page, close } = await openPage(device);
      await engineReady(page);
      await page.setInputFiles("#file", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") });
      await page.locator("#problem").waitFor({ timeout: 60_000 });
      await screenshot(page, `${device}-not-a-picture`);
      assert.ok((await page.locator("#problem-message").innerText()).length > 10);
      await makeMusic(page);
      await close();
    });

    test("the JavaScript surface: every kind of artwork, exact repeats, cancel below 300 ms", async () => {
      const { page, faults, close } = await open(browser, `${server.url}?device=wasm`);
      const seen = await page.evaluate(async ({ device, bundle, seconds, steps }) => {
        const { create } = await import("/web/dist/client.js");
        const art2mus = await create({ bundle, device });
        const url = new URL("/tests/fixtures/picture.png", location.href);
        const settings = { seconds, steps, seed: 5 };
        const make = async (artwork) => (await art2mus.generate(artwork, settings).result).samples;
        const reference = await make(url);
        const same = (samples) => samples.length === reference.length && samples.every((sample, n) => sample === reference[n]);
        const near = (samples) => {
          const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
          return norm(samples.map((sample, n) => sample - reference[n])) / norm(reference);
        };
        const image = new Image();
        image.src = url.href;
        await image.decode();
        const bitmap = await createImageBitmap(image);
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
        canvas.getContext("2d").drawImage(bitmap, 0, 0);
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const bytes = await (await fetch(url)).blob();
        const repeats = { blob: same(await make(bytes)), again: same(await make(url)) };
        const decoded = { bitmap: near(await make(bitmap)), pixels: near(await make(pixels)), stillUsable: bitmap.width > 0 };

        const controller = new AbortController();
        const long = art2mus.generate(url, { ...settings, steps: 500, signal: controller.signal });
        for await (const event of long) if (event.type === "step") break;
        const start = performance.now();
        controller.abort();
        const name = await long.result.then(() => "no error", (error) => error.name);
        const cancel = { name, ms: performance.now() - start };
        const afterwards = same(await make(url));
        const range = await art2mus.generate(url, { ...settings, steps: 0 }).result.catch(({ name, message }) => ({ name, message }));
        const { estimateMs, ...info } = art2mus.info;
        const estimate = await art2mus.estimate({ seconds, steps });
        art2mus.dispose();
        const disposed = await art2mus.generate(url).result.catch((error) => error.name);
        return { repeats, decoded, cancel, afterwards, range, info, estimate, disposed };
      }, { device, bundle: BUNDLES[device], seconds: SECONDS, steps: STEPS });
      assert.deepEqual(seen.repeats, { blob: true, again: true });
      assert.ok(seen.decoded.bitmap < 0.05 && seen.decoded.pixels < 0.05 && seen.decoded.stillUsable, JSON.stringify(seen.decoded));
      assert.equal(seen.cancel.name, "Cancelled");
      assert.ok(seen.cancel.ms < 300, `cancelling took ${seen.cancel.ms} ms`);
      assert.ok(seen.afterwards, "after a cancelled run the same seed gives other samples");
      assert.equal(seen.range.name, "Input");
      assert.ok(seen.info.bytes > 0 && seen.info.parameters > 0, JSON.stringify(seen.info));
      assert.equal(seen.info.trained, !BUNDLES[device].includes("untrained"));
      assert.ok(seen.estimate.ms >= 0 && seen.estimate.gflop > 0, JSON.stringify(seen.estimate));
      assert.equal(seen.disposed, "Cancelled");
      assert.deepEqual(faults, []);
      await close();
    });
  });
}
