// What becomes of a run whose GPU goes away or has no memory left: an error with a name of its own, and an
// engine that can be used again.

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
    const { page, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
    await page.route("**/web/dist/worker.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: REACH + (await response.text()) });
    });
    const { error, samples, finite } = await page.evaluate(disturbed, what);
    await close();
    assert.equal(error?.name, name, error?.message);
    assert.ok(error.hint);
    assert.equal(samples, 8000);
    assert.ok(finite);
  });
}
