// Pieces of the default model on the CPU device: the same to the bit on every machine, and one after the
// other without growing.
//
// WebAssembly's numbers are the same everywhere: SIMD without the relaxed instructions, which the module
// does not use, is deterministic, and the device has one thread. So whoever changes a hash below has
// changed the music that a seed gives, and says so in the changelog.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, missing, open, servePage } from "./harness.mjs";

/** SHA-256 of the samples as little-endian floats. */
const PIECES = [
  { picture: "01.jpg", seed: 1, sha256: "984be00300b918e52ca6ba1209584ef6a710211f6fef05c93b8257d0c4d61e06" },
  { picture: "06.jpg", seed: 2, sha256: "b034c2f6fab67247ec901221916c83e29814fe60055a4023c5b2c227c6573e24" },
  { picture: "11.jpg", seed: 3, sha256: "5d3c30c669dca046bfac6efe07b094ef6f1ff025b65c6bc8ba95e3791d24e06c" },
];
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
    const { samples, wasmBytes } = await art2mus.generate(artwork, { seed }).result;
    const ms = performance.now() - start;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", samples));
    const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    made.push({ ms, wasmBytes, sha256 });
  }
  art2mus.dispose();
  return made;
}

test("a seed gives the same samples on every machine, and ten pieces in a row need no more memory than three", { skip, timeout: 600_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
  const made = await page.evaluate(make, { pieces: PIECES, rounds: ROUNDS });
  await close();
  console.log(`seconds of each piece: ${made.map(({ ms }) => (ms / 1e3).toFixed(2)).join(", ")}`);
  console.log(`MB of WebAssembly memory: ${made.map(({ wasmBytes }) => (wasmBytes / 1e6).toFixed(1)).join(", ")}`);
  for (const [round, { sha256 }] of made.entries()) {
    const { picture, seed, sha256: expected } = PIECES[round % PIECES.length];
    assert.equal(sha256, expected, `${picture} with the seed ${seed}`);
  }
  assert.equal(made.at(-1).wasmBytes, made[2].wasmBytes, "memory grows after the third piece");
  assert.deepEqual(faults, []);
});
