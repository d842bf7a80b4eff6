// What a large model costs besides computing: seconds on the first and on the second visit, bytes that are
// downloaded, WebAssembly's memory and the GPU's. In headless Chromium.
//
//   node benches/streaming.mjs [BUNDLE [DEVICE]]
//   node benches/streaming.mjs --ballast MB
//
// BUNDLE lies beneath the repository, such as bundle/; DEVICE is wasm or webgpu. Without one it is the
// model that is shipped, with MB (1200 if not given) that no network reads added to its first stage:
// as much as the largest stage of the published networks has. Needs what pkg-scripts/build makes.
// Prints a line for each visit, and JSON behind them. The GPU's memory is the bytes of all buffers that
// were made and are not yet destroyed or collected, at most, beside the bytes of the largest stage.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addBallast } from "../tests/e2e/ballast.mjs";
import { ROOT, launch } from "../tests/e2e/harness.mjs";
import { serve } from "../tests/e2e/server.mjs";

const [first = "--ballast", second] = process.argv.slice(2);
const server = await serve({ root: ROOT });
let [bundle, device] = [first, second ?? "webgpu"];
if (first === "--ballast") {
  [bundle, device] = ["ballast/", "wasm"];
  const shards = Math.ceil((Number(second ?? 1200) * 1e6) / (32 << 20));
  addBallast(server, { model: "web/models/default/", path: bundle, shards });
}
const worker = readFileSync(join(ROOT, "web/dist/engine/worker.js"));
server.overrides.set("/web/dist/engine/worker.js", (_, response) => {
  response.writeHead(200, { "content-type": "text/javascript" }).end(`(${countBuffers})();\n${worker}`);
  return true;
});
const browser = await launch();
const context = await browser.newContext();
const visits = [];
for (const name of ["first", "second"]) {
  server.requests.length = 0;
  const page = await context.newPage();
  await page.goto(`${server.url}tests/fixtures/picture.png`);
  const visit = await page.evaluate(async ({ bundle, device }) => {
    let gpuBytes = 0;
    new BroadcastChannel("gpu").onmessage = ({ data }) => (gpuBytes = data);
    const { stages, shards } = await (await fetch(`/${bundle}manifest.json`)).json();
    const starts = [...stages.map(({ tensors }) => tensors[0].offset), shards.reduce((sum, { bytes }) => sum + bytes, 0)];
    const largest = Math.max(...stages.map((_, i) => starts[i + 1] - starts[i]));
    const { create, storage } = await import("/web/dist/client.js");
    const art2mus = await create({ bundle: `/${bundle}`, device, allowSlow: true });
    const { download } = await art2mus.estimate();
    const picture = new URL("/tests/fixtures/picture.png", location.href);
    const start = performance.now();
    const generation = art2mus.generate(picture, { seconds: 0.64, steps: 1, seed: 1 });
    const { wasmBytes, timings } = await generation.result;
    const seconds = (performance.now() - start) / 1e3;
    art2mus.dispose();
    return { download, seconds, wasmBytes, gpuBytes, largest, timings, stored: (await storage()).stored };
  }, { bundle, device });
  await page.close();
  const requests = server.requests.filter(({ path }) => path.endsWith(".bin")).length;
  visits.push({ name, ...visit, requests });
  const mb = (bytes) => `${Math.round(bytes / 1e6)} MB`;
  console.log(`${name} visit: ${visit.seconds.toFixed(1)} s, ${requests} shards (${mb(visit.download)}) downloaded, ` +
    `${mb(visit.stored)} stored, ${mb(visit.wasmBytes)} of WebAssembly memory, ` +
    `${mb(visit.gpuBytes)} of GPU memory (largest stage: ${mb(visit.largest)})`);
}
await browser.close();
await server.close();
console.log(JSON.stringify(visits));

/** Runs in front of the engine's worker: says how many bytes of GPU buffers there were at most. */
function countBuffers() {
  const channel = new BroadcastChannel("gpu");
  let [now, most] = [0, 0];
  const collected = new FinalizationRegistry((size) => (now -= size));
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    collected.register(buffer, descriptor.size, buffer);
    now += descriptor.size;
    if (now > most) channel.postMessage((most = now));
    return buffer;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    if (collected.unregister(this)) now -= this.size;
    destroy.call(this);
  };
}
