// What a large model costs besides computing: seconds on the first and on the second visit, bytes that are
// downloaded, WebAssembly's memory. In headless Chromium.
//
//   node benches/streaming.mjs [BUNDLE [DEVICE]]
//   node benches/streaming.mjs --ballast MB
//
// BUNDLE lies beneath the repository, such as bundle/; DEVICE is wasm or webgpu. Without one it is the
// model that is shipped, with MB (1200 if not given) that no network reads added to its first stage:
// as much as the largest stage of the published networks has. Needs what pkg-scripts/build makes.
// Prints a line for each visit, and JSON behind them.

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
const browser = await launch();
const context = await browser.newContext();
const visits = [];
for (const name of ["first", "second"]) {
  server.requests.length = 0;
  const page = await context.newPage();
  await page.goto(`${server.url}tests/fixtures/picture.png`);
  const visit = await page.evaluate(async ({ bundle, device }) => {
    const { create, storage } = await import("/web/dist/client.js");
    const art2mus = await create({ bundle: `/${bundle}`, device, allowSlow: true });
    const { download } = await art2mus.estimate();
    const picture = new URL("/tests/fixtures/picture.png", location.href);
    const start = performance.now();
    const generation = art2mus.generate(picture, { seconds: 0.64, steps: 1, seed: 1 });
    const { wasmBytes, timings } = await generation.result;
    const seconds = (performance.now() - start) / 1e3;
    art2mus.dispose();
    return { download, seconds, wasmBytes, timings, stored: (await storage()).stored };
  }, { bundle, device });
  await page.close();
  const requests = server.requests.filter(({ path }) => path.endsWith(".bin")).length;
  visits.push({ name, ...visit, requests });
  const mb = (bytes) => `${Math.round(bytes / 1e6)} MB`;
  console.log(`${name} visit: ${visit.seconds.toFixed(1)} s, ${requests} shards (${mb(visit.download)}) downloaded, ` +
    `${mb(visit.stored)} stored, ${mb(visit.wasmBytes)} of WebAssembly memory`);
}
await browser.close();
await server.close();
console.log(JSON.stringify(visits));
