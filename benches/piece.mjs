// A piece of the default model on the CPU, in headless Chromium: its time over its own length with one worker and with more, in
// turn, and how much memory lengths need.
//
//   node benches/piece.mjs [--rounds 7] [--record]
//
// Needs what pkg-scripts/build makes.

import { launch, open, servePage } from "../tests/e2e/harness.mjs";
import { options, quantile, record, spread } from "./results.mjs";

const { rounds, record: kept } = options({ rounds: 7 });
const LENGTHS = [10.24, 60];
const WORKERS = [1, 2];

/** Runs in the page: the second piece of a model that was opened for it, as the first loads networks and starts workers. */
async function make({ seconds, workers }) {
  const { create } = await import("/web/dist/client.js");
  const art2mus = await create({ bundle: "/web/models/default/", device: "wasm", workers });
  const picture = new URL("/web/gallery/01.jpg", location.href);
  await art2mus.generate(picture, { seconds: 10.24, steps: 2 }).result;
  const start = performance.now();
  const { timings, wasmBytes, samples, sampleRate } = await art2mus.generate(picture, { seconds, seed: 1 }).result;
  const ms = performance.now() - start;
  art2mus.dispose();
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", samples));
  const stages = Object.fromEntries(timings.map(({ stage, runMs }) => [stage, Math.round(runMs)]));
  return { factor: ms / 1e3 / (samples.length / sampleRate), stages, wasmBytes, sha256: String(bytes) };
}

const server = await servePage();
const browser = await launch();
const results = [];
const rows = [["seconds", "workers", "time over length (middle half)", "milliseconds of stages, last round", "memory of the engine, MB"]];
for (const seconds of LENGTHS) {
  const made = WORKERS.map(() => []);
  const count = seconds > 30 ? Math.min(rounds, 3) : rounds;
  for (let round = 0; round < count; round += 1) {
    for (const [at, workers] of WORKERS.entries()) {
      const { page, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
      made[at].push(await page.evaluate(make, { seconds, workers }));
      await close();
    }
  }
  const all = made.flat();
  if (all.some(({ sha256 }) => sha256 !== all[0].sha256)) throw new Error("the number of workers changes the samples");
  for (const [at, workers] of WORKERS.entries()) {
    const factors = made[at].map(({ factor }) => factor);
    const { stages, wasmBytes } = made[at].at(-1);
    const told = Object.entries(stages).map(([stage, ms]) => `${stage} ${ms}`).join(", ");
    rows.push([seconds, workers, spread(factors), told, (wasmBytes / 1e6).toFixed(0)]);
    results.push({ seconds, workers, factor: quantile(factors, 0.5), stages, wasmBytes });
    console.log(rows.at(-1).join(" | "));
  }
}
await browser.close();
await server.close();
if (kept) record("A piece of the default model, CPU", `node benches/piece.mjs --rounds ${rounds} --record`, rows);
console.log(JSON.stringify(results));
