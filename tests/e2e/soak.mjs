// A soak: an exhibit that plays for a long time, and what it takes meanwhile. It is run by hand:
//
//   node tests/e2e/soak.mjs [--pieces 200] [--hours H] [--faults] [--bundle web/models/default/] [--every 20]
//
// It ends after so many pieces, or hours. Without a bundle the stand-in engine plays short pieces; with --faults it
// traps, loses its device and hangs at random, pictures are missing, and the page is loaded again now and then. It
// prints a table, a row each so many pieces, and fails when there was a gap between pieces, when an engine was not
// started again, or when memory that garbage collection cannot reclaim grew by more than a tenth behind the first rows.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { exhibit, offer } from "./exhibits.mjs";
import { launch, serveFake, servePage } from "./harness.mjs";

const { values } = parseArgs({
  options: {
    pieces: { type: "string", default: "200" }, hours: { type: "string" }, faults: { type: "boolean", default: false },
    bundle: { type: "string" }, every: { type: "string", default: "20" }, help: { type: "boolean" },
  },
});
if (values.help) {
  console.log(readFileSync(new URL(import.meta.url), "utf8").match(/^(\/\/.*\n)+/)[0].replace(/^\/\/ ?/gm, ""));
  process.exit();
}
const most = values.hours ? Infinity : Number(values.pieces);
const until = values.hours ? Date.now() + Number(values.hours) * 3_600_000 : Infinity;
const every = Number(values.every);
/** Rows that are not compared: caches fill, code is compiled. */
const WARM_UP = 2;
const RELOAD_AFTER = 75;
const GROWTH = 1.1;

const server = await (values.bundle ? servePage() : serveFake());
const behaviour = values.faults ? "faulty-fast" : "trained-fast";
const content = values.bundle
  ? exhibit("", { bundle: `/${values.bundle}`, seconds: 30, piece: 10, crossfade: 2 })
  : exhibit(behaviour, { seconds: 4, piece: 1, crossfade: 0.2, stuck: 5 });
if (values.faults) content.pictures.push({ file: "/web/gallery/none.jpg" });

const browser = await launch("--autoplay-policy=no-user-gesture-required");
const page = await (await browser.newContext()).newPage();
const counts = { piece: 0, repeat: 0, gap: 0, fault: 0, restart: 0, start: 0 };
let last;
const broken = [];
await page.exposeBinding("noted", (_, entry) => {
  if (entry.kind in counts) counts[entry.kind] += 1;
  if (entry.kind === "start") last = undefined;
  if (entry.kind !== "piece" && entry.kind !== "repeat") return;
  if (last && entry.start > last.end) broken.push({ last, entry });
  last = entry;
});
await page.addInitScript(() => addEventListener("art2mus-exhibit", ({ detail }) => globalThis.noted(detail)));
page.on("pageerror", (error) => broken.push(String(error)));
const cdp = await page.context().newCDPSession(page);
const system = await browser.newBrowserCDPSession();
await cdp.send("Performance.enable");
await page.goto(offer(server, "soak", content));

/** What the page takes now, after garbage collection; bytes in MB. */
async function measure() {
  await cdp.send("HeapProfiler.collectGarbage");
  const { metrics } = await cdp.send("Performance.getMetrics");
  const metric = (name) => metrics.find((one) => one.name === name).value;
  const { processInfo } = await system.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => residentMB(id));
  return {
    minutes: ((Date.now() - begin) / 60_000).toFixed(1), pieces: counts.piece,
    "renderer MB": Math.max(...renderers).toFixed(0), "heap MB": (metric("JSHeapUsedSize") / 1e6).toFixed(2),
    nodes: metric("Nodes"), listeners: metric("JSEventListeners"), workers: page.workers().length,
    repeats: counts.repeat, gaps: counts.gap, faults: counts.fault, restarts: counts.restart, pages: counts.start,
  };
}

function residentMB(pid) {
  const kB = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kB ?? 0) / 1024;
}

const begin = Date.now();
const rows = [];
const header = "minutes pieces renderer_MB heap_MB nodes listeners workers repeats gaps faults restarts pages".split(" ");
console.log(header.map((name) => name.padStart(11)).join(" "));
let nextReload = RELOAD_AFTER;
let [seen, stalled] = [0, Date.now()];
while (counts.piece < most && Date.now() < until) {
  await new Promise((done) => setTimeout(done, 500));
  if (counts.piece !== seen) [seen, stalled] = [counts.piece, Date.now()];
  if (Date.now() - stalled > 180_000) {
    broken.push("no piece for three minutes");
    break;
  }
  if (values.faults && counts.piece >= nextReload) {
    nextReload += RELOAD_AFTER;
    await page.reload();
  }
  if (counts.piece < rows.length * every) continue;
  const row = await measure().catch(() => undefined); // The page may be loading again.
  if (row === undefined) continue;
  rows.push(row);
  console.log(Object.values(row).map((value) => String(value).padStart(11)).join(" "));
}
await browser.close();
await server.close();

const failures = broken.map((what) => `not as it should be: ${JSON.stringify(what)}`);
if (counts.gap > 0) failures.push(`${counts.gap} gaps`);
if (values.faults && counts.restart === 0) failures.push("nothing was started again");
const compared = rows.slice(WARM_UP);
for (const name of ["heap MB", "nodes", "listeners", "workers"]) {
  const numbers = compared.map((row) => Number(row[name]));
  // The middle of the last rows against the middle of the first ones: single rows catch a picture that changes.
  const median = (some) => some.toSorted((a, b) => a - b)[Math.floor(some.length / 2)];
  const half = Math.floor(numbers.length / 2);
  const [early, late] = [median(numbers.slice(0, half)), median(numbers.slice(-half))];
  if (half > 0 && late > early * GROWTH) failures.push(`${name} grew from ${early} to ${late}`);
}
for (const failure of failures) console.error(`error: ${failure}`);
console.log(`${counts.piece} pieces in ${((Date.now() - begin) / 60_000).toFixed(1)} minutes, ${counts.gap} gaps`);
process.exitCode = failures.length > 0 ? 1 : 0;
