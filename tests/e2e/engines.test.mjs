// The core of the page in Firefox and in WebKitGTK, on the CPU device. Chromium has all other files.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { PICTURE, missing, servePage } from "./harness.mjs";
import { PIECES } from "./pieces.mjs";
import { installed, start } from "./webdriver.mjs";

const TAB = "\uE004";
const ENTER = "\uE007";
const ESCAPE = "\uE00C";
const REFERENCE = `sha256:${createHash("sha256").update(readFileSync(PICTURE)).digest("hex")}`;

let server;
before(async () => {
  server = await servePage();
});
after(() => server?.close());

for (const engine of ["firefox", "webkit"]) {
  const lacking = missing("web/dist/wasm/art2mus_bg.wasm", "web/models/default/manifest.json");
  const skip = lacking || (!process.env.ART2MUS_BIN && !installed(engine) && "its driver is not installed");

  describe(`the page in ${engine}`, { skip, timeout: 400_000 }, () => {
    let page;
    before(async () => {
      page = await start(engine);
    });
    after(() => page?.close());

    /** Opens the page and waits until the model is open. */
    async function open(query = "") {
      await page.goto(`${server.url}?device=wasm&seconds=1&steps=2&seed=3${query}`);
      await page.until(() => document.querySelector("#about dd") !== null);
    }

    const finished = () => page.until(() =>
      document.querySelector("#desk").ariaBusy !== "true" && document.querySelector("#result").checkVisibility());

    /** The saved file's bytes, as hexadecimal digits of their hash, and how many seconds the player has. */
    const piece = () => page.evaluate(async () => {
      const audio = document.querySelector("#audio");
      for (let wait = 0; wait < 100 && !(audio.duration > 0); wait += 1) await new Promise((done) => setTimeout(done, 50));
      for (let wait = 0; wait < 100 && !document.querySelector("#save").href; wait += 1) await new Promise((done) => setTimeout(done, 50));
      const bytes = await (await fetch(document.querySelector("#save").href)).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return { sha256, bytes: bytes.byteLength, seconds: audio.duration, name: document.querySelector("#save").download };
    });

    test("opens, and says what this engine cannot do", async () => {
      await page.goto(`${server.url}?seconds=1&steps=2`);
      await page.until(() => document.querySelector("#about dd") !== null);
      const about = await page.text("#about");
      const { gpu, storage } = await page.evaluate(async () => ({
        gpu: "gpu" in navigator,
        storage: await (navigator.storage?.getDirectory?.() ?? Promise.reject(new Error())).then(() => true, () => false),
      }));
      if (!gpu) assert.match(about, /This browser has no WebGPU/);
      if (!storage) assert.match((await page.text("#storage")) ?? "", /keeps no weights/);
    });

    test("a picture of the gallery becomes music with one press, and the link brings it back", async () => {
      await open();
      await page.until(() => document.querySelector("#thumbnails button") !== null);
      await page.click("#thumbnails button");
      await finished();
      const first = await piece();
      assert.ok(Math.abs(first.seconds - 1) < 0.05, `${first.seconds} s`);
      assert.match(first.name, /seed-3\.wav$/);
      const link = await page.evaluate(() => document.querySelector("#permalink").href);
      await page.goto("about:blank");
      await page.goto(link);
      await finished();
      assert.equal((await piece()).sha256, first.sha256);
    });

    test("a file of one's own, by keyboard; cancelled and made again", async () => {
      await open("&steps=200");
      await page.type("#file", PICTURE);
      await page.until(() => document.querySelector("#stage").checkVisibility());
      await page.evaluate(() => document.querySelector("#make").focus());
      await page.press(ENTER);
      await page.until(() => /step/.test(document.querySelector("#doing").innerText));
      await page.press(ESCAPE);
      await page.until(() => document.querySelector("#status").textContent === "Cancelled.");
      await page.evaluate(() => {
        const field = document.querySelector("[name=steps]");
        field.value = "2";
        field.dispatchEvent(new Event("change", { bubbles: true }));
      });
      await page.press(ENTER);
      await finished();
      const made = await piece();
      assert.match(made.name, /^picture-seed-3\.wav$/);
      assert.ok((await page.evaluate(() => document.querySelector("#permalink").href)).includes(REFERENCE));
      await page.press(TAB);
      assert.notEqual(await page.evaluate(() => document.activeElement.id), "make");
    });

    test("computes the same samples as every other engine", async () => {
      const [{ picture, seed, sha256 }] = PIECES;
      await page.goto(`${server.url}tests/fixtures/picture.png`);
      const seen = await page.evaluate(async (picture, seed) => {
        const { create } = await import("/web/dist/client.js");
        const art2mus = await create({ bundle: "/web/models/default/", device: "wasm" });
        const { samples } = await art2mus.generate(new URL(`/web/gallery/${picture}`, location.href), { seed }).result;
        art2mus.dispose();
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", samples));
        return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      }, picture, seed);
      assert.equal(seen, sha256);
    });
  });
}
