// A stand-in for the WebAssembly module, for what the real one must never do: trap, hang, lose its
// device. The last folder of the bundle's address names the behaviour; anything else behaves well.
// `trap-after-3`, `lost-after-3` and `still-after-3` make so many pieces in each worker before they do so (the last one
// gives no sign of life any more), `faulty` does one of them sooner or later. A name that ends in `-fast` takes no time.
// `larger` has a name and limits of its own, and one shard of 600000 zeros.
// Served in place of web/dist/{wasm,webgpu}/art2mus.js by the tests that need it.

const SAMPLE_RATE = 16000;
const STAGES = ["encode", "condition", "denoise", "decode", "vocode"];
/** SHA-256 of 600000 zeros. */
const ZEROS = "1358f4ce65f0d1ed482d572e4eac6ea90d465c0ab878f477297474f8f23226c3";
/** Pieces of this worker. */
let made = 0;
/** What a `faulty` worker does, after so many pieces. */
const lot = `${["trap", "lost", "still"][Math.floor(Math.random() * 3)]}-after-${5 + Math.floor(Math.random() * 10)}`;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export default async function init() {
  return { memory: new WebAssembly.Memory({ initial: 1 }) };
}

function fail(name, message, hint) {
  throw { name, message, cause: undefined, hint };
}

/** What a panic in the real module looks like: the same kind of error, thrown for real. */
function trap() {
  // The body of the only function is `unreachable`.
  const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11];
  const module = new WebAssembly.Module(new Uint8Array(bytes));
  new WebAssembly.Instance(module).exports.f();
}

function random(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export class Engine {
  static async load(device, options, { base }) {
    const behaviour = new URL(base).pathname.split("/").at(-2);
    if (behaviour === "too-large" && !options.allowSlow) {
      fail("Limits", "One generation would take about 3 hours on this device.", "Use a browser with WebGPU, or a smaller model.");
    }
    if (behaviour === "gpu-refused" && device === "webgpu") fail("Unsupported", "The GPU refused.");
    if (behaviour === "slow-to-open") await sleep(1500);
    return new Engine(behaviour, device);
  }

  constructor(behaviour, device) {
    this.behaviour = behaviour;
    this.device = device;
  }

  info() {
    return {
      system: "stand-in", model: this.behaviour === "larger" ? "Larger stand-in" : "Stand-in", licence: "MIT", credits: ["nobody"], trained: this.behaviour === "trained",
      device: this.device, adapter: this.device === "webgpu" ? "an adapter" : undefined, kernels: "none",
      bytes: this.#bytes(), parameters: 1_700_000, seconds: { min: 1, max: 30, default: 4 },
      stages: STAGES.map((name) => ({ name, label: `Stage ${name}` })),
      steps: { min: 1, max: this.behaviour === "larger" ? 50 : 999, default: 10 }, guidance: { min: 0, max: 20, default: 3.5 },
      candidates: { min: 1, max: 16, default: 1 }, scheduler: "ddim", embeddingWidth: 4, estimateMs: 2000, gflop: 3,
      hasRanking: false, hasSeed: true, hasTokens: true, takesComment: false,
    };
  }

  estimate({ steps = 10 }) {
    const ms = this.behaviour === "unmeasured" ? null : 200 * steps;
    const shards = [{ file: "000.bin", bytes: this.#bytes(), sha256: this.behaviour === "larger" ? ZEROS : "0".repeat(64) }];
    return { gflop: 0.3 * steps, ms, stages: STAGES, parts: 1, bytes: this.#bytes(), shards };
  }

  setHelpers() {}

  #bytes() {
    if (this.behaviour === "larger") return 600_000;
    return this.behaviour === "large" ? 640_000_000 : 3_400_000;
  }

  async generate({ file, rgba, width, height }, settings, onEvent, isCancelled) {
    if (rgba && rgba.length !== width * height * 4) fail("Input", "The pixels do not fill the picture.");
    if (file && file[0] !== 0x89 && file[0] !== 0xff) {
      fail("Input", "This file is not a picture that can be read.", "Choose a PNG, JPEG, WebP, GIF, BMP or TIFF file.");
    }
    // Of pixels the music is as loud as they are bright.
    const level = rgba ? Math.max(0.02, rgba.reduce((sum, value) => sum + value, 0) / rgba.length / 255) : 1;
    return this.#run({ ...settings, level }, onEvent, isCancelled);
  }

  /** The mean of each channel of a picture's pixels, and of its left half. */
  async embed({ rgba, width }) {
    const sums = new Float32Array(4);
    rgba?.forEach((value, at) => {
      sums[at % 4 === 3 ? 3 : at % 4] += at % 4 < 3 || (at >> 2) % width < width / 2 ? value / rgba.length : 0;
    });
    await sleep(2);
    return sums;
  }

  async condition(embedding) {
    return { shape: [1, 1, embedding.length], data: embedding };
  }

  /** What `trap-after-3` and the like do now. */
  #faultNow() {
    const [, fault, after] = /^(trap|lost|still)-after-(\d+)/.exec(this.behaviour.startsWith("faulty") ? lot : this.behaviour) ?? [];
    return made >= Number(after) ? fault : undefined;
  }

  async #run({ seconds = 4, steps = 10, seed = 7, candidates = 1, region, level }, onEvent, isCancelled) {
    if (!(steps >= 1)) fail("Input", "There must be at least one step.");
    const wait = (ms) => (this.behaviour.endsWith("-fast") ? Promise.resolve() : sleep(ms));
    const fault = this.#faultNow();
    const rest = (done) => Math.max(0, (steps + 8 - done) * 60);
    for (const [index, stage] of STAGES.entries()) {
      onEvent({ type: "stage", stage, index, count: STAGES.length, etaMs: rest(index + (index > 2 ? steps : 0)) });
      for (let part = 0; part <= 2; part += 1) {
        onEvent({ type: "load", stage, loaded: Math.round((3_400_000 * (index * 2 + part)) / 10), total: 3_400_000 });
        await wait(20);
      }
      for (let step = 1; stage === "denoise" && step <= steps; step += 1) {
        await wait(60);
        if (isCancelled()) fail("Cancelled", "The generation was cancelled.");
        if (fault === "still") await new Promise(() => {});
        if (this.behaviour === "trap" || fault === "trap") trap();
        if (this.behaviour === "late-trap") setTimeout(trap);
        if (this.behaviour === "late-trap") await new Promise(() => {});
        if (this.behaviour === "lost" || fault === "lost") fail("DeviceLost", "The GPU was lost.");
        while (this.behaviour === "hang");
        onEvent({ type: "step", stage, step, steps, etaMs: rest(index + step) });
      }
    }
    onEvent({ type: "done", seed });
    made += 1;
    const pieces = Array.from({ length: candidates }, (_, candidate) => {
      const samples = tune(Math.round(seconds * SAMPLE_RATE), random(Number(seed) + candidate + (region?.x ?? 0) * 1000)).map((sample) => sample * level);
      const latents = new Float32Array(4);
      const score = candidates > 1 ? 0.5 - candidate / 8 : null;
      return { candidate, score, latentsShape: [1, 1, 2, 2], samples, latents, wav: toWav(samples) };
    });
    return { pieces, sampleRate: SAMPLE_RATE, seed, kernels: "none", settings: { seconds, steps, seed }, timings: [] };
  }

  free() {}
}

function tune(length, next) {
  const chord = Array.from({ length: 5 }, () => 110 * 2 ** (Math.floor(next() * 30) / 12));
  return Float32Array.from({ length }, (_, n) => {
    const t = n / SAMPLE_RATE;
    const note = Math.floor(t * 2.5);
    const envelope = Math.exp(-3 * (t * 2.5 - note)) * 0.6;
    const hz = chord[(note * 3) % chord.length];
    return envelope * (Math.sin(2 * Math.PI * hz * t) + 0.4 * Math.sin(4 * Math.PI * hz * t) + 0.1 * next()) * 0.6;
  });
}

/** 32-bit floats, as the engine writes them. */
function toWav(samples) {
  const bytes = new Uint8Array(44 + samples.length * 4);
  const view = new DataView(bytes.buffer);
  const tag = (at, letters) => [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  tag(0, "RIFF"); view.setUint32(4, bytes.length - 8, true); tag(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 3, true); view.setUint16(22, 1, true);
  view.setUint32(24, SAMPLE_RATE, true); view.setUint32(28, SAMPLE_RATE * 4, true);
  view.setUint16(32, 4, true); view.setUint16(34, 32, true);
  tag(36, "data"); view.setUint32(40, samples.length * 4, true);
  samples.forEach((sample, n) => view.setFloat32(44 + n * 4, sample, true));
  return bytes;
}
