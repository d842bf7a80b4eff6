// What every end-to-end test needs: a browser, a served page, a picture, a parsed WAV file.
//
// Environment: ART2MUS_BIN, the built program, with which nothing may be missing; ART2MUS_SHOTS, a folder
// for screenshots; CHROMIUM, the browser.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./server.mjs";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const requireWeb = createRequire(join(ROOT, "web/package.json"));
const { chromium } = requireWeb("playwright-core");

/** The same flags as in webdriver.json: WebGPU on a software adapter, and no network of its own. */
const FLAGS = JSON.parse(readFileSync(join(ROOT, "webdriver.json"), "utf8"))["goog:chromeOptions"].args;

export function launch(...flags) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

/** Serves the repository, as `pkg-scripts/serve` does. */
export const servePage = () => serve({ root: ROOT });

const FAKE = readFileSync(new URL("fake-engine.js", import.meta.url));

/** Serves the page with the stand-in for the WebAssembly module. */
export function serveFake() {
  const answer = (_, response) => {
    response.writeHead(200, { "content-type": "text/javascript" }).end(FAKE);
    return true;
  };
  const overrides = new Map(["wasm", "webgpu"].map((device) => [`/web/dist/${device}/art2mus.js`, answer]));
  return serve({ root: ROOT, overrides });
}

export const PICTURE = join(ROOT, "tests/fixtures/picture.png");

/** A page that fails its test on any error that nobody caught. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ acceptDownloads: true, serviceWorkers: "block", ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  // Collects the events of each run, as the page tells them, and when it did.
  await page.addInitScript(() => {
    globalThis.seen = [];
    addEventListener("art2mus", ({ detail }) => globalThis.seen.push({ ...structuredClone(detail), at: performance.now() }));
  });
  await page.goto(url);
  return { page, faults, close: () => context.close() };
}

/** Waits until the model is open: only then does the page know its name. */
export async function engineReady(page) {
  await page.locator("#about dd").first().waitFor({ timeout: 120_000 });
}

/** The buttons of the gallery, once they are there. */
export async function thumbnails(page) {
  const buttons = page.locator("#thumbnails button");
  await buttons.first().waitFor();
  return buttons;
}

/** Waits until the last run has ended, and fails with the page's own words if it failed. */
export async function finished(page, timeout = 240_000) {
  await page.locator("#desk:not([aria-busy=true]) :is(#result, #problem):visible").first().waitFor({ timeout });
  if (await page.locator("#problem").isVisible()) throw new Error(await page.locator("#problem").innerText());
}

/** Presses "Save WAV" and returns the file. */
export async function saved(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save").click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** Reads a WAV file; throws when its header contradicts itself. */
export function parseWav(bytes) {
  const tag = (at) => bytes.toString("latin1", at, at + 4);
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error("not a WAV file");
  if (bytes.readUInt32LE(4) !== bytes.length - 8) throw new Error("the RIFF length is wrong");
  const chunks = new Map();
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    chunks.set(tag(at), bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length + (length % 2);
  }
  const [format, data] = [chunks.get("fmt "), chunks.get("data")];
  let coding = format.readUInt16LE(0);
  if (coding === 0xfffe) coding = format.readUInt16LE(24);
  const bits = format.readUInt16LE(14);
  const read = coding === 3 ? (at) => data.readFloatLE(at) : (at) => data.readInt16LE(at) / 32768;
  if (!(coding === 3 && bits === 32) && !(coding === 1 && bits === 16)) throw new Error(`coding ${coding}, ${bits} bits`);
  const samples = Float32Array.from({ length: data.length / (bits / 8) }, (_, n) => read((n * bits) / 8));
  return { channels: format.readUInt16LE(2), sampleRate: format.readUInt32LE(4), samples, chunks };
}

/** Saves a picture of the page to $ART2MUS_SHOTS, if that is set. */
export async function screenshot(page, name) {
  const folder = process.env.ART2MUS_SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** What axe finds at fault on the page as it is now, a line each. */
export async function axeFaults(page) {
  await page.evaluate(readFileSync(requireWeb.resolve("axe-core/axe.min.js"), "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Why a test of built files is skipped, or false. With ART2MUS_BIN set all must be there. */
export function missing(...paths) {
  if (process.env.ART2MUS_BIN) return false;
  const lacking = paths.filter((path) => !existsSync(join(ROOT, path)));
  return lacking.length > 0 && `not built: ${lacking.join(", ")}`;
}
