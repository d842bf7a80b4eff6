// How long a visitor waits: from opening the page to the first sound of a picture of the gallery, with
// nothing cached. In headless Chromium, on the CPU module and on WebGPU.
//
//   node benches/first-sound.mjs [ROUNDS]
//
// Needs what pkg-scripts/build makes. Prints a line for each device, and JSON behind them.

import { finished, launch, open, servePage, thumbnails } from "../tests/e2e/harness.mjs";

const rounds = Number(process.argv[2] ?? 3);
const server = await servePage();
const results = {};
for (const device of ["", "wasm", "webgpu"]) {
  const seconds = [];
  let stages = {};
  for (let round = 0; round < rounds; round += 1) {
    // A browser of its own: neither files nor compiled code are kept from the round before.
    const browser = await launch();
    const start = performance.now();
    const { page, close } = await open(browser, `${server.url}?seed=1${device && `&device=${device}`}`);
    const buttons = await thumbnails(page);
    await buttons.nth(round % (await buttons.count())).click();
    await finished(page);
    seconds.push((performance.now() - start) / 1e3);
    stages = await page.evaluate(() => {
      const begun = globalThis.seen.filter(({ type }) => type === "stage" || type === "done");
      const until = (n) => Math.round(begun[n + 1].at - begun[n].at);
      return Object.fromEntries(begun.slice(0, -1).map(({ stage }, n) => [stage, until(n)]));
    });
    await close();
    await browser.close();
  }
  seconds.sort((a, b) => a - b);
  const name = device || "the page's own choice";
  const median = seconds[Math.floor(seconds.length / 2)];
  results[name] = { median, seconds, stages };
  const shown = seconds.map((value) => value.toFixed(1)).join(", ");
  console.log(`${name}: ${median.toFixed(1)} s (${shown}); milliseconds of the last: ${JSON.stringify(stages)}`);
}
await server.close();
console.log(JSON.stringify(results));
