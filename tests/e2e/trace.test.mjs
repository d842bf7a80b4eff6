// The same generation in the browser and natively: every traced tensor must agree. The native
// program agrees with PyTorch (tests/parity.rs), so the browser does too.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PICTURE, launch, missing, open, servePage } from "./harness.mjs";

/** ‖a-b‖/‖a‖ for each device: sums run in another order. */
const BOUNDS = { wasm: 1e-3, webgpu: 2e-3 };
/** The untrained model has the layout of the published one; the default model is quantised, predicts
 * velocities, and its vocoder is an inverse STFT. Each with settings, and names that must be traced. */
const UNTRAINED = {
  bundle: "web/models/untrained/",
  settings: { seconds: 0.5, steps: 2, seed: 3, guidance: 3.5, scheduler: "ddim" },
  names: [
    "image.pixels", "image.embedding", "aligner.tokens", "gpt2.image.tokens", "cond.gpt2", "cond.t5",
    "cond.t5_mask", "latents.initial", "noise.first.uncond", "noise.first.cond", "noise.first.guided",
    "ddim.latents.0", "ddim.latents.1", "vae.decoded_mel", "waveform",
  ],
};
const TEXTS = { prompt: "A slow waltz for harp and strings", negative: "Shrill noise" };
const MODELS = [
  UNTRAINED,
  { ...UNTRAINED, settings: { ...UNTRAINED.settings, ...TEXTS }, with: " with other texts" },
  {
    bundle: "web/models/default/",
    settings: { seconds: 0.64, steps: 2, seed: 3 },
    names: ["image.pixels", "image.embedding", "aligner.tokens", "latents.initial", "vae.decoded_mel", "waveform"],
  },
  {
    bundle: "web/models/art2music/",
    settings: { seconds: 0.5, comment: "The quiet lake makes me feel calm." },
    names: ["image.pixels", "image.embedding", "text.embedding", "fusion.features", "mel_decoder.lstm", "mel_decoder.mel", "waveform"],
  },
];

let browser;
let server;
let folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "art2mus-trace-"));
  server = await servePage();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The float tensors of a safetensors file. */
function readSafetensors(path) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    assert.equal(dtype, "F32");
    const copy = Uint8Array.from(bytes.subarray(8 + length + start, 8 + length + end));
    tensors[name] = { shape, data: new Float32Array(copy.buffer) };
  }
  return tensors;
}

function nativeTrace(bundle, given) {
  const trace = join(folder, "trace.safetensors");
  const settings = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
  execFileSync(process.env.ART2MUS_BIN, [
    "generate", PICTURE, "--bundle", bundle, "--device", "cpu", "-o", join(folder, "music.wav"),
    "--trace", trace, ...settings,
  ], { stdio: "ignore" });
  return readSafetensors(trace);
}

function relativeError(expected, found) {
  let [difference, norm] = [0, 0];
  expected.forEach((value, i) => {
    difference += (value - found[i]) ** 2;
    norm += value ** 2;
  });
  // Where all is zero, nothing else will do.
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}

const cases = MODELS.flatMap((model) => Object.entries(BOUNDS).map(([device, bound]) => ({ ...model, device, bound })));
for (const { bundle, settings, names, device, bound, with: what = "" } of cases) {
  const skip = process.env.ART2MUS_BIN === undefined
    ? "ART2MUS_BIN does not name the program"
    : missing(`web/dist/${device}/art2mus_bg.wasm`, `${bundle}manifest.json`);
  test(`the trace of ${bundle}${what} on ${device} agrees with the native one`, { skip, timeout: 300_000 }, async () => {
    const native = nativeTrace(bundle, settings);
    const { page, close } = await open(browser, `${server.url}?device=${device}`);
    const trace = await page.evaluate(async ({ device, bundle, settings }) => {
      const module = await import(`/web/dist/${device}/art2mus.js`);
      await module.default();
      // What web/src/storage/shards.ts does in a worker, in short.
      const files = {};
      const store = {
        file: async (name) => new Uint8Array(await (await fetch(`/${bundle}${name}`)).arrayBuffer()),
        async arrived(shards) {
          for (const { file } of shards) {
            files[file] = new Uint8Array(await (await fetch(`/${bundle}${file}`)).arrayBuffer());
          }
          return shards.reduce((sum, { bytes }) => sum + bytes, 0);
        },
        prefetch() {},
        read: (file, offset, length) => files[file].subarray(offset, offset + length),
        release: (file) => delete files[file],
      };
      const engine = await module.Engine.load(device, {}, store);
      const picture = await (await fetch("/tests/fixtures/picture.png")).arrayBuffer();
      const never = () => false;
      const options = { ...settings, trace: true };
      const result = await engine.generate({ file: new Uint8Array(picture) }, options, () => {}, never);
      const plain = ([name, { shape, data }]) => [name, { shape, data: Array.from(data) }];
      return Object.fromEntries(Object.entries(result.trace).map(plain));
    }, { device, bundle, settings });
    await close();
    assert.deepEqual(Object.keys(trace).sort(), Object.keys(native).sort());
    for (const name of names) assert.ok(name in native, `${name} is not traced`);
    for (const [name, { shape, data }] of Object.entries(native)) {
      assert.deepEqual(trace[name].shape, shape, `shape of ${name}`);
      const error = relativeError(data, trace[name].data);
      assert.ok(error < bound, `${name} is off by ${error.toExponential(2)}`);
    }
  });
}
