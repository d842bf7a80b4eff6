// What becomes of a run whose GPU goes away or has no memory left: an error with a name of its own, and an
// engine that can be used again. And what becomes of the memory of a run.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, missing, open, servePage } from "./harness.mjs";

const skip = missing("web/dist/webgpu/art2mus_bg.wasm");

/** Stands in front of the worker's own code: lets the page reach the worker's GPU. */
const REACH = `
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...rest) {
    const device = await request.apply(this, rest);
    new BroadcastChannel("gpu").onmessage = ({ data }) => {
      if (data === "full") {
        const error = new GPUOutOfMemoryError("none left");
        device.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
      }
      device.destroy();
    };
    return device;
  };
`;

/** The same: counts the bytes of buffers for numbers that are destroyed. */
const COUNT = `
  const destroy = GPUBuffer.prototype.destroy;
  let bytes = 0;
  GPUBuffer.prototype.destroy = function () {
    if (this.usage & GPUBufferUsage.STORAGE) bytes += this.size;
    destroy.call(this);
  };
  new BroadcastChannel("gpu").onmessage = () => new BroadcastChannel("bytes").postMessage(bytes);
`;

/** A page whose engine has `code` in front of it. */
async function openWith(code) {
  const opened = await open(browser, `${server.url}tests/fixtures/picture.png`);
  await opened.page.route("**/web/dist/engine/worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: code + (await response.text()) });
  });
  return opened;
}

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

/** Runs in the page: what comes of a run that is disturbed after its first step, and of the next one. */
async function disturbed(what) {
  const { create } = await import("/web/dist/client.js");
  const art2mus = await create({ bundle: "/web/models/default/", device: "webgpu" });
  const picture = await (await fetch("/tests/fixtures/picture.png")).blob();
  const settings = { seconds: 0.5, seed: 1, guidance: 1 };
  const generation = art2mus.generate(picture, { ...settings, steps: 6 });
  let error;
  try {
    for await (const { type } of generation) {
      if (type === "step") new BroadcastChannel("gpu").postMessage(what);
    }
    await generation.result;
  } catch (thrown) {
    error = { name: thrown.name, message: thrown.message, hint: thrown.hint };
  }
  generation.result.catch(() => {});
  const { samples } = await art2mus.generate(picture, { ...settings, steps: 1 }).result;
  art2mus.dispose();
  return { error, samples: samples.length, finite: samples.every(Number.isFinite) };
}

for (const [what, name] of [
  ["lost", "DeviceLost"],
  ["full", "OutOfMemory"],
]) {
  test(`a device that is ${what} in a step ends in ${name}, and the next run works`, { skip, timeout: 300_000 }, async () => {
    const { page, close } = await openWith(REACH);
    const { error, samples, finite } = await page.evaluate(disturbed, what);
    await close();
    assert.equal(error?.name, name, error?.message);
    assert.ok(error.hint);
    assert.equal(samples, 8000);
    assert.ok(finite);
  });
}

/** Runs in the page: makes music twice, and says how many bytes of buffers were destroyed and how many the networks have. */
async function twice() {
  const { create } = await import("/web/dist/client.js");
  const bundle = "/web/models/default/";
  const { stages } = await (await fetch(`${bundle}manifest.json`)).json();
  const used = stages.filter(({ name }) => !["learn", "training", "rank"].includes(name));
  const network = used.flatMap(({ tensors }) => tensors).filter(({ name }) => !name.startsWith("constants."));
  const numbers = network.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  // Networks that stay would not be destroyed.
  const art2mus = await create({ bundle, device: "webgpu", memoryBudget: 0 });
  const picture = await (await fetch("/tests/fixtures/picture.png")).blob();
  const settings = { seconds: 0.5, seed: 1, guidance: 1, steps: 1 };
  const pieces = [];
  for (let run = 0; run < 2; run += 1) pieces.push((await art2mus.generate(picture, settings).result).samples);
  const destroyed = await new Promise((resolve) => {
    new BroadcastChannel("bytes").onmessage = ({ data }) => resolve(data);
    new BroadcastChannel("gpu").postMessage("");
  });
  art2mus.dispose();
  return { numbers, destroyed, same: pieces[0].every((sample, i) => sample === pieces[1][i]) };
}

test("a stage that is done destroys its network's buffers, and the next run makes the same", { skip, timeout: 300_000 }, async () => {
  const { page, close } = await openWith(COUNT);
  const { numbers, destroyed, same } = await page.evaluate(twice);
  await close();
  // A number takes a byte at least, in each of the two runs.
  assert.ok(destroyed >= 2 * numbers, `${destroyed} bytes of two times ${numbers} numbers`);
  assert.ok(same);
});
