// What a kernel launch from WebAssembly costs, against plain JavaScript in the same page.
//
// A run of the full model launches some ten thousand kernels a second. A healthy launch costs a
// few times what the same calls cost in JavaScript (bookkeeping, crossing the border for each
// call). It becomes hundreds of times as much when the linker wraps every export of the module, so
// that all of its constructors run again at each call: the music is the same and nothing fails,
// it only takes minutes instead of seconds. A factor of 20 lies far from both.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, missing, open, servePage } from "./harness.mjs";

const LAUNCHES = 200;
const FACTOR = 20;

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

/** Mean milliseconds of one tiny dispatch in plain JavaScript, as an engine does it: new
 * parameters, a new bind group and a pass for each, submitted in batches. Runs in the page. */
async function dispatchCost(launches) {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter.requestDevice();
  const code = `
    @group(0) @binding(0) var<storage, read_write> data: array<f32>;
    @group(0) @binding(1) var<storage, read> shape: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      if (id.x < shape[0]) { data[id.x] += 1.0; }
    }`;
  const module = device.createShaderModule({ code });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const data = device.createBuffer({ size: 256, usage });
  const shape = device.createBuffer({ size: 16, usage });
  const run = async (count) => {
    let encoder = device.createCommandEncoder();
    for (let n = 1; n <= count; n += 1) {
      device.queue.writeBuffer(shape, 0, new Uint32Array([64, n, 0, 0]));
      const entries = [data, shape].map((buffer, binding) => ({ binding, resource: { buffer } }));
      const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1);
      pass.end();
      if (n % 32 === 0 || n === count) {
        device.queue.submit([encoder.finish()]);
        encoder = device.createCommandEncoder();
      }
    }
    await device.queue.onSubmittedWorkDone();
  };
  await run(launches); // Warms up.
  const start = performance.now();
  await run(launches);
  const ms = (performance.now() - start) / launches;
  device.destroy();
  return ms;
}

const skip = missing("web/dist/webgpu/art2mus_bg.wasm");
test("a kernel launch from WebAssembly costs little more than from JavaScript", { skip, timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  const plain = [];
  const wasm = [];
  for (let round = 0; round < 3; round += 1) {
    plain.push(await page.evaluate(dispatchCost, LAUNCHES));
    wasm.push(
      await page.evaluate(async (launches) => {
        const module = await import("/web/dist/webgpu/art2mus.js");
        await module.default();
        await module.launch_cost_ms(launches); // Warms up.
        return module.launch_cost_ms(launches);
      }, LAUNCHES),
    );
  }
  await close();
  const [best, bestWasm] = [Math.min(...plain), Math.min(...wasm)];
  console.log(`a launch takes ${best.toFixed(4)} ms in JavaScript, ${bestWasm.toFixed(4)} ms from WebAssembly`);
  assert.ok(bestWasm < FACTOR * best, `${(bestWasm / best).toFixed(1)} times as much`);
});
