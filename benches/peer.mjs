// Ours beside ONNX Runtime Web, in one browser, on the same tensors and in turn: milliseconds, and whether both
// give the same numbers.
//
//   npm --prefix benches install && node benches/peer.mjs [webgpu|wasm] [NAME] [--rounds 7] [--record]
//
// Builds the package that it measures. NAME keeps the cases whose name contains it. Of the rounds the median counts,
// and the middle half of the ratios is told. `--record` puts the table into RESULTS.md. The last line is JSON.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { launch, ROOT } from "../tests/e2e/harness.mjs";
import { serve } from "../tests/e2e/server.mjs";
import { Graph, Real } from "./onnx-model.mjs";
import { unet } from "./onnx-unet.mjs";
import { options, quantile, record, spread } from "./results.mjs";

const { rounds, record: kept, rest } = options({ rounds: 7 });
const [device = "webgpu", only = ""] = rest;
execFileSync(join(ROOT, "pkg-scripts/build"), [`bench-${device}`], { stdio: "inherit" });

/** Numbers without a pattern, in -1..1: a linear congruential generator. */
function numbers(shape, seed) {
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < data.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 31 - 1;
  }
  return { shape, data };
}

const tensors = (shapes) => Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, numbers(shape, i)]));

function linear(rows, inputs, outputs) {
  const given = tensors({ x: [rows, inputs], weight: [outputs, inputs], bias: [outputs] });
  const graph = new Graph();
  const x = graph.input("x", given.x.shape);
  const weight = graph.constant(given.weight.shape, given.weight.data);
  const bias = graph.constant(given.bias.shape, given.bias.data);
  const y = graph.node("Gemm", [x, weight, bias], { transB: 1 });
  return { name: `linear ${rows} x ${inputs} x ${outputs}`, operation: "linear", given, feeds: ["x"], model: graph.finish(y, [rows, outputs]) };
}

function convolution(shape, outputs, kernel, { dilation = 1 } = {}) {
  const flat = shape.length === 3;
  const given = tensors({ x: shape, weight: [outputs, shape[1], ...(flat ? [kernel] : [kernel, kernel])], bias: [outputs] });
  const graph = new Graph();
  const x = graph.input("x", shape);
  const weight = graph.constant(given.weight.shape, given.weight.data);
  const bias = graph.constant(given.bias.shape, given.bias.data);
  const padding = (dilation * (kernel - 1)) / 2;
  const twice = (value) => (flat ? [value] : [value, value]);
  const pads = [...twice(padding), ...twice(padding)];
  const attributes = { kernel_shape: twice(kernel), dilations: twice(dilation), strides: twice(1), pads };
  const y = graph.node("Conv", [x, weight, bias], attributes);
  const name = `${flat ? "conv1d" : "conv2d"} [${shape}] to ${outputs}, kernel ${kernel}${flat ? ` by ${dilation}` : ""}`;
  return { name, operation: flat ? "conv1d" : "conv2d", given, options: { padding, dilation }, feeds: ["x"], model: graph.finish(y, [shape[0], outputs, ...shape.slice(2)]) };
}

function attention(heads, length, dim) {
  const shape = [1, heads, length, dim];
  const given = tensors({ q: shape, k: shape, v: shape });
  const graph = new Graph();
  const [q, k, v] = ["q", "k", "v"].map((name) => graph.input(name, shape));
  const turned = graph.node("Transpose", [k], { perm: [0, 1, 3, 2] });
  const scores = graph.node("Mul", [graph.node("MatMul", [q, turned]), graph.constant([1], Float32Array.of(dim ** -0.5))]);
  const y = graph.node("MatMul", [graph.node("Softmax", [scores], { axis: -1 }), v]);
  return { name: `attention ${heads} x ${length} x ${dim}`, operation: "attention", given, feeds: ["q", "k", "v"], model: graph.finish(y, shape) };
}

function groupNorm(shape, groups) {
  const given = tensors({ x: shape, weight: [shape[1]], bias: [shape[1]] });
  const graph = new Graph();
  const x = graph.input("x", shape);
  const [batch, channels] = shape;
  const ones = graph.constant([groups], new Float32Array(groups).fill(1));
  const zeros = graph.constant([groups], new Float32Array(groups));
  const grouped = graph.node("Reshape", [x, graph.constant([3], [batch, groups, -1])]);
  const normal = graph.node("InstanceNormalization", [grouped, ones, zeros], { epsilon: new Real(1e-5) });
  const back = graph.node("Reshape", [normal, graph.constant([4], shape)]);
  const weight = graph.constant([1, channels, 1, 1], given.weight.data);
  const bias = graph.constant([1, channels, 1, 1], given.bias.data);
  const scaled = graph.node("Add", [graph.node("Mul", [back, weight]), bias]);
  const y = graph.node("Mul", [scaled, graph.node("Sigmoid", [scaled])]);
  return { name: `group norm + SiLU [${shape}]`, operation: "group_norm", given, options: { groups }, feeds: ["x"], model: graph.finish(y, shape) };
}

function step() {
  const given = tensors({ x: [2, 8, 128, 16], audio: [2, 8, 768], text: [2, 9, 1024] });
  return { name: "UNet step, widths 64 to 320, [2,8,128,16]", operation: "unet", given, feeds: ["x", "audio", "text"], model: unet(given, numbers), repeats: 1, otherWeights: true };
}

const makers = {
  "linear 257 x 1280 x 5120": () => linear(257, 1280, 5120),
  "conv2d 128": () => convolution([2, 128, 128, 16], 128, 3),
  "conv2d 256": () => convolution([2, 256, 64, 8], 256, 3),
  "conv2d 640": () => convolution([2, 640, 16, 2], 640, 3),
  "conv1d 7": () => convolution([1, 128, 20480], 128, 7),
  "conv1d 11": () => convolution([1, 128, 20480], 128, 11, { dilation: 5 }),
  "attention long": () => attention(8, 2048, 16),
  "attention wide": () => attention(16, 257, 80),
  "group norm": () => groupNorm([2, 128, 128, 16], 32),
  unet: () => step(),
};

/** Runs in the page. */
async function ours({ operation, given, options = {}, repeats = 2, device }) {
  const module = (globalThis.ours ??= await import(`/web/dist/bench-${device}/art2mus.js`).then(async (m) => (await m.default(), m)));
  const unpacked = Object.fromEntries(Object.entries(given).map(([name, { shape, data }]) => [name, { shape, data: globalThis.decode(data) }]));
  const { ms, flops, output } = await module.bench(operation, { tensors: unpacked, device, repeats, ...options });
  globalThis.result = output.data;
  return { ms: Math.min(...ms), flops };
}

/** Runs in the page. */
async function theirs({ given, feeds, model, repeats = 2, device }) {
  const ort = (globalThis.ort ??= await import("/benches/node_modules/onnxruntime-web/dist/ort.webgpu.min.mjs"));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/benches/node_modules/onnxruntime-web/dist/";
  const gpu = device === "webgpu";
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [device],
    ...(gpu ? { preferredOutputLocation: "gpu-buffer" } : {}),
  });
  const queue = gpu ? (await ort.env.webgpu.device).queue : undefined;
  const inputs = {};
  for (const name of feeds) {
    const data = globalThis.decode(given[name].data);
    if (!gpu) {
      inputs[name] = new ort.Tensor("float32", data, given[name].shape);
      continue;
    }
    const device = await ort.env.webgpu.device;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const gpuBuffer = device.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage });
    queue.writeBuffer(gpuBuffer, 0, data);
    inputs[name] = ort.Tensor.fromGpuBuffer(gpuBuffer, { dataType: "float32", dims: given[name].shape });
  }
  const [output] = session.outputNames;
  let best = Infinity;
  let last;
  for (let run = 0; run <= repeats; run += 1) {
    const start = performance.now();
    last = (await session.run(inputs))[output];
    await queue?.onSubmittedWorkDone();
    // The first run compiles.
    if (run > 0) best = Math.min(best, performance.now() - start);
  }
  const data = await last.getData();
  let [difference, norm] = [0, 0];
  for (let i = 0; i < data.length; i += 1) {
    difference += (data[i] - globalThis.result[i]) ** 2;
    norm += data[i] ** 2;
  }
  await session.release();
  return { ms: best, error: Math.sqrt(difference / norm) };
}

const encode = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
let model = Buffer.alloc(0);
const blank = (_, response) => {
  // Not the page of ours, whose content rules forbid the code that ONNX Runtime makes as it runs.
  response.writeHead(200, { "content-type": "text/html" }).end("<p>");
  return true;
};
const given = (_, response) => {
  response.writeHead(200, { "content-type": "application/octet-stream" }).end(model);
  return true;
};
const server = await serve({ root: ROOT, overrides: new Map([["/blank", blank], ["/model", given]]) });
const browser = await launch();
const results = [];
const rows = [["operation", "ours, ms", "GFLOP/s", "ONNX Runtime, ms", "times as fast (middle half)", "relative difference"]];
for (const [key, make] of Object.entries(makers)) {
  if (!key.includes(only)) continue;
  const { name, otherWeights, ...made } = make();
  const page = await browser.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(message.text()));
  await page.goto(`${server.url}blank`);
  await page.evaluate(() => {
    globalThis.decode = (text) => {
      const raw = atob(text);
      return new Float32Array(Uint8Array.from({ length: raw.length }, (_, i) => raw.charCodeAt(i)).buffer);
    };
  });
  model = made.model;
  const given = Object.fromEntries(Object.entries(made.given).map(([tensor, { shape, data }]) => [tensor, { shape, data: encode(data) }]));
  const spec = { ...made, device, given, model: `${server.url}model` };
  try {
    const times = [];
    for (let round = 0; round < rounds; round += 1) {
      const mine = await page.evaluate(ours, spec);
      const peer = await page.evaluate(theirs, spec);
      times.push({ mine: mine.ms, peer: peer.ms, ratio: peer.ms / mine.ms, flops: mine.flops, error: peer.error });
    }
    const of = (what) => times.map((time) => time[what]);
    const [mine, peer] = ["mine", "peer"].map((what) => quantile(of(what), 0.5));
    const [{ flops, error }] = times;
    const gflops = (ms) => (flops / ms / 1e6).toFixed(1);
    // The networks of the two have other random weights.
    const agreed = otherWeights ? "" : error.toExponential(1);
    console.log(`${name}: ${mine.toFixed(1)} ms (${gflops(mine)} GFLOP/s), ONNX Runtime ${peer.toFixed(1)} ms (${gflops(peer)}): ${spread(of("ratio"))} times as fast ${agreed}`);
    results.push({ name, ms: mine, peerMs: peer, ratio: quantile(of("ratio"), 0.5), error: otherWeights ? null : error });
    rows.push([name, mine.toFixed(1), gflops(mine), peer.toFixed(1), spread(of("ratio")), agreed]);
  } catch (error) {
    console.log(`${name}: ${String(error.message ?? error).split("\n")[0]}`);
    results.push({ name, error: String(error.message ?? error) });
  }
  await page.close();
}
await browser.close();
await server.close();
if (kept) {
  const where = device === "webgpu" ? "WebGPU" : "WebAssembly, one thread each";
  record(`ONNX Runtime Web, ${where}`, `node benches/peer.mjs ${device} --rounds ${rounds} --record`, rows);
}
console.log(JSON.stringify({ device, results }));
