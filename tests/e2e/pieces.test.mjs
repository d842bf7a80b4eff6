// Pieces of the default model on the CPU device: the same to the bit on every machine, and one after the
// other without growing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, missing, open, servePage } from "./harness.mjs";
import { PIECES } from "./pieces.mjs";

const ROUNDS = 10;

const skip = missing("web/dist/wasm/art2mus_bg.wasm", "web/models/default/manifest.json");

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

/** Runs in the page: makes the pieces with one opened model, in turn until there are `rounds` of them. */
async function make({ pieces, rounds }) {
  const { create } = await import("/web/dist/client.js");
  const art2mus = await create({ bundle: "/web/models/default/", device: "wasm" });
  const made = [];
  for (let round = 0; round < rounds; round += 1) {
    const { picture, seed } = pieces[round % pieces.length];
    const start = performance.now();
    const artwork = new URL(`/web/gallery/${picture}`, location.href);
    const generation = art2mus.generate(artwork, { seed });
    let loads = 0;
    for await (const { type } of generation) loads += type === "load" ? 1 : 0;
    const { samples, wasmBytes, timings } = await generation.result;
    const ms = performance.now() - start;
    const loadMs = timings.reduce((sum, timing) => sum + timing.loadMs, 0);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", samples));
    const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    made.push({ ms, loadMs, loads, wasmBytes, sha256 });
  }
  art2mus.dispose();
  return made;
}

/** Runs in the page: the parts of a generation, one call each, against the whole. */
async function makeInParts({ picture, seed }) {
  const { create } = await import("/web/dist/client.js");
  const art2mus = await create({ bundle: "/web/models/default/", device: "wasm" });
  const artwork = new URL(`/web/gallery/${picture}`, location.href);
  const settings = { seed, seconds: 1, steps: 2 };
  const equal = (a, b) => a.length === b.length && a.every((value, at) => value === b[at]);
  const whole = await art2mus.generate(artwork, { ...settings, candidates: 2 }).result;
  const embedding = await art2mus.embed(artwork);
  const tokens = await art2mus.condition(embedding);
  // The picture's colours decide key, tempo and loudness where a model leaves them open; an embedding has no colours.
  const { transpose, mode, tempo, loudness } = whole.settings;
  const decided = Object.entries({ transpose, mode, tempo, loudness }).filter(([, value]) => value !== undefined);
  const played = { ...settings, ...Object.fromEntries(decided) };
  const fromEmbedding = await art2mus.generate({ embedding }, { ...played, candidates: 2 }).result;
  const fromTokens = await art2mus.generate({ tokens }, played).result;
  const [best] = whole.pieces;
  const [decoded] = await art2mus.decode(best.latents, { transpose, tempo, loudness });
  const upset = await art2mus.decode({ shape: [1, 2, 3], data: new Float32Array(6) }).catch((error) => error);
  const part = await art2mus.embed(artwork, { region: { x: 0, y: 0, width: 0.3, height: 0.3 } });
  art2mus.dispose();
  return {
    candidates: whole.pieces.map(({ candidate }) => candidate).sort(),
    ranked: whole.pieces.every(({ score }, at, all) => at === 0 || all[at - 1].score >= score),
    different: !equal(whole.pieces[0].samples, whole.pieces[1].samples),
    embedding: [embedding.length, art2mus.info.embeddingWidth],
    sameFromEmbedding: equal(best.samples, fromEmbedding.pieces[0].samples),
    sameFromTokens: equal(
      whole.pieces.find(({ candidate }) => candidate === 0).samples,
      fromTokens.samples,
    ),
    sameDecoded: equal(decoded.slice(0, best.samples.length), best.samples),
    otherRegion: !equal(part, embedding),
    upset: upset.name,
    stages: art2mus.info.stages.map(({ name }) => name),
    labels: art2mus.info.stages.every(({ label }) => label.length > 0),
  };
}

test("embed, condition and decode are the parts of a generation, and all candidates come back", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  const found = await page.evaluate(makeInParts, PIECES[0]);
  await close();
  assert.deepEqual(found.candidates, [0, 1]);
  assert.ok(found.ranked && found.different && found.labels);
  assert.equal(found.embedding[0], found.embedding[1]);
  assert.ok(found.sameFromEmbedding, "another piece from the embedding");
  assert.ok(found.sameFromTokens, "another piece from the tokens");
  assert.ok(found.sameDecoded, "other sound from the latents");
  assert.ok(found.otherRegion, "a region has the embedding of the whole");
  assert.equal(found.upset, "Input");
  assert.deepEqual(found.stages, ["encode", "condition", "denoise", "decode", "vocode", "rank"]);
  assert.deepEqual(faults, []);
});

/** Runs in the page: one piece with so many workers, once they are there. */
async function makeWith({ workers, seconds }) {
  const { create } = await import("/web/dist/client.js");
  globalThis.art2mus?.dispose();
  const art2mus = (globalThis.art2mus = await create({ bundle: "/web/models/default/", device: "wasm", workers }));
  const artwork = new URL("/web/gallery/01.jpg", location.href);
  const settings = { seed: 5, steps: 2, seconds };
  await art2mus.generate(artwork, settings).result;
  const { samples } = await art2mus.generate(artwork, settings).result;
  return String(new Uint8Array(await crypto.subtle.digest("SHA-256", samples)));
}

test("several workers make the samples of one, and download nothing of their own", { skip, timeout: 300_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  const engines = () => page.workers().filter((worker) => worker.url().endsWith("/engine/worker.js")).length;
  const processors = await page.evaluate(() => navigator.hardwareConcurrency);
  // Of 12 seconds each step falls into four parts, of 2 into two.
  for (const [seconds, most] of [[12, 3], [2, 2]]) {
    server.requests.length = 0;
    const several = await page.evaluate(makeWith, { workers: 3, seconds });
    assert.equal(engines(), Math.min(processors, most));
    const shards = server.requests.map(({ path }) => path).filter((path) => path.endsWith(".bin"));
    assert.equal(new Set(shards).size, shards.length, "a shard was asked for twice");
    assert.equal(several, await page.evaluate(makeWith, { workers: 1, seconds }));
    assert.equal(engines(), 1);
  }
  await close();
  assert.deepEqual(faults, []);
});

test("a seed gives the same samples on every machine, and ten pieces in a row need no more memory than three", { skip, timeout: 600_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  const made = await page.evaluate(make, { pieces: PIECES, rounds: ROUNDS });
  await close();
  console.log(`seconds of each piece: ${made.map(({ ms }) => (ms / 1e3).toFixed(2)).join(", ")}`);
  console.log(`MB of WebAssembly memory: ${made.map(({ wasmBytes }) => (wasmBytes / 1e6).toFixed(1)).join(", ")}`);
  console.log(`ms of loading: ${made.map(({ loadMs }) => loadMs.toFixed(0)).join(", ")}`);
  assert.ok(made[0].loads > 0, "the first piece loads nothing");
  for (const [round, { loads }] of made.slice(1).entries()) {
    assert.equal(loads, 0, `piece ${round + 2} loads weights again`);
  }
  for (const [round, { sha256 }] of made.entries()) {
    const { picture, seed, sha256: expected } = PIECES[round % PIECES.length];
    assert.equal(sha256, expected, `${picture} with the seed ${seed}`);
  }
  assert.equal(made.at(-1).wasmBytes, made[2].wasmBytes, "memory grows after the third piece");
  assert.deepEqual(faults, []);
});
