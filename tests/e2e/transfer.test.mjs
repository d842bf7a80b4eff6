// A model carried to a machine without a network: out of one browser as a file, into another from a file or a folder.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  ROOT, axeFaults, engineReady, finished, launch, missing, open, saved, screenshot, serveFake, servePage, thumbnails,
} from "./harness.mjs";

const skip = missing("web/dist/wasm/art2mus_bg.wasm", "web/models/default/manifest.json", "web/dist/offline/shell.js");
const BUNDLE = join(ROOT, "web/models/default");
const folder = mkdtempSync(join(tmpdir(), "art2mus-transfer-"));

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** Names of what is stored. */
const names = (page) => page.evaluate(async () => {
  try {
    const stored = await (await navigator.storage.getDirectory()).getDirectoryHandle("art2mus");
    return (await Array.fromAsync(stored.keys())).sort();
  } catch {
    return [];
  }
});

/** Presses a button that lets a person choose files, and chooses them. */
async function bring(page, button, files) {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click(button)]);
  await chooser.setFiles(files);
}

test("is saved as a file, and makes the same music where no server answers", { skip, timeout: 300_000 }, async () => {
  const server = await servePage();
  const query = "?device=wasm&seconds=1&steps=1&seed=3";
  const { page, faults, close } = await open(browser, server.url + query, { serviceWorkers: "allow" });
  await engineReady(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.reload(); // Now the engine goes through the service worker, which keeps it.
  await engineReady(page);
  await (await thumbnails(page)).first().click();
  await finished(page);
  const online = (await saved(page)).bytes;

  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#storage-export")]);
  assert.equal(download.suggestedFilename(), "default.tar");
  const archive = join(folder, "default.tar");
  await download.saveAs(archive);
  execFileSync("mkdir", ["-p", join(folder, "unpacked")]);
  execFileSync("tar", ["xf", archive, "-C", join(folder, "unpacked")]);
  // What only ranking needs was not used: it was downloaded for the file.
  execFileSync("diff", ["-r", "--exclude=.*", "--exclude=README.md", join(folder, "unpacked"), BUNDLE]);

  await page.click("#storage-delete");
  await page.getByText("This browser has no weights stored.").waitFor();
  assert.deepEqual(await names(page), []);
  assert.ok(!(await page.locator("#storage-export").isVisible()));
  await page.evaluate(() => caches.delete("art2mus-used"));
  await server.close();
  await page.goto(server.url + query);
  await page.locator("#problem").waitFor();
  assert.match(await page.locator("#problem-message").innerText(), /manifest\.json/);
  assert.deepEqual(await axeFaults(page), []);
  await screenshot(page, "no-model");

  await bring(page, "#storage-import", archive);
  await engineReady(page);
  assert.ok(!(await page.locator("#problem").isVisible()));
  assert.ok(await page.locator("#storage-import").evaluate((button) => button === document.activeElement));
  // The gallery's pictures of this host are gone with the rest.
  await page.setInputFiles("#file", join(ROOT, "tests/fixtures/picture.png"));
  await page.getByAltText("The chosen picture: picture.png").waitFor();
  await page.click("#make");
  await page.locator("#progress").waitFor();
  await finished(page);
  await (await thumbnails(page)).first().click();
  await page.waitForFunction(() => document.getElementById("permalink").href.includes("gallery:"));
  await finished(page);
  assert.deepEqual((await saved(page)).bytes, online);
  assert.deepEqual(faults, []);
  await close();
});

describe("what is brought", { timeout: 120_000 }, () => {
  let server;
  before(async () => {
    server = await serveFake();
  });
  after(() => server?.close());

  const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex");
  /** A manifest and its files, as Playwright takes them; `change` may spoil them. */
  function bundle(change = () => {}) {
    const contents = new Map(["000.bin", "001.bin", "002.bin"].map((file) => [file, randomBytes(300_000)]));
    const shards = [...contents].map(([file, bytes]) => ({ file, bytes: bytes.length, sha256: hashOf(bytes) }));
    change(contents);
    const files = [["manifest.json", Buffer.from(JSON.stringify({ format: "art2mus-bundle", shards }))], ...contents];
    const hashes = shards.map(({ sha256 }) => sha256).sort();
    return { hashes, files: files.map(([name, buffer]) => ({ name, mimeType: "application/octet-stream", buffer })) };
  }

  const visit = async () => {
    const opened = await open(browser, `${server.url}?bundle=elsewhere/`);
    await engineReady(opened.page);
    return opened;
  };
  const manifestOf = (page) => page.evaluate(async () => (await caches.match("/elsewhere/manifest.json"))?.text());
  /** What the page says when these files are brought. */
  const refusal = async (page, files) => {
    await bring(page, "#storage-import", files);
    await page.locator("#problem").waitFor();
    const said = await page.locator("#problem").innerText();
    await page.evaluate(() => { document.getElementById("problem").hidden = true; });
    return said;
  };

  test("from the files of a folder is stored as a whole", async () => {
    const { page, faults, close } = await visit();
    const { files, hashes } = bundle();
    await bring(page, "#storage-import", files);
    await page.locator("#storage-keep, #storage-delete").first().waitFor();
    assert.deepEqual(await names(page), hashes);
    assert.equal(await manifestOf(page), String(files[0].buffer));
    await close();
    const another = await visit();
    await bring(another.page, "#storage-import-folder", BUNDLE);
    await another.page.locator("#storage-delete").waitFor();
    assert.equal((await names(another.page)).length, 7);
    assert.deepEqual(faults, []);
    await another.close();
  });

  test("from what tar makes of the folder is stored as well", async () => {
    const { page, faults, close } = await visit();
    execFileSync("tar", ["cf", join(folder, "model.tar"), "-C", BUNDLE, "."]);
    await bring(page, "#storage-import", join(folder, "model.tar"));
    await page.locator("#storage-delete").waitFor();
    assert.equal((await names(page)).length, 7);
    assert.deepEqual(faults, []);
    await close();
  });

  test("and is damaged, not complete or something else says so, and leaves nothing behind", async () => {
    const { page, faults, close } = await visit();
    const flipped = bundle((contents) => { contents.get("001.bin")[7] ^= 1; });
    assert.match(await refusal(page, flipped.files), /damaged\s+001\.bin does not have the SHA-256 that the manifest gives\.\s+Copy/);
    const short = bundle((contents) => contents.set("002.bin", Buffer.alloc(5)));
    assert.match(await refusal(page, short.files), /002\.bin has 5 bytes instead of 300000/);
    const lacking = bundle((contents) => { contents.delete("000.bin"); contents.delete("002.bin"); });
    assert.match(await refusal(page, lacking.files), /missing: 000\.bin, 002\.bin\./);
    assert.match(await refusal(page, bundle().files.slice(1)), /no manifest\.json/);
    assert.match(await refusal(page, bundle().files.slice(1, 2)), /no tar archive\.\s+Save the model/);
    const code = await page.evaluate(async () => {
      const { importBundle } = await import("/web/dist/client.js");
      return importBundle([], { bundle: "elsewhere/" }).catch((error) => error.code);
    });
    assert.equal(code, "import.noManifest");
    assert.deepEqual(await names(page), []);
    assert.equal(await manifestOf(page), undefined);
    assert.deepEqual(faults, []);
    await close();
  });

  test("and does not fit says so, and what was stored before stays", async () => {
    const { page, faults, close } = await visit();
    const kept = bundle();
    await bring(page, "#storage-import", kept.files);
    await page.locator("#storage-delete").waitFor();
    const session = await page.context().newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(server.url).origin, quotaSize: 1_500_000 });
    assert.match(await refusal(page, bundle().files), /storage is full: 00\d\.bin does not fit\.\s+Delete/);
    assert.deepEqual(await names(page), kept.hashes);
    assert.deepEqual(faults, []);
    await close();
  });

  test("can be given up, which leaves nothing behind", async () => {
    const { page, faults, close } = await visit();
    const { files } = bundle();
    const left = await page.evaluate(async (files) => {
      const { importBundle } = await import("/web/dist/client.js");
      const abort = new AbortController();
      const chosen = files.map(({ name, base64 }) => new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name));
      const onProgress = (fraction) => fraction > 0 && abort.abort();
      return importBundle(chosen, { bundle: "elsewhere/", signal: abort.signal, onProgress }).then(() => "stored", ({ name }) => name);
    }, files.map(({ name, buffer }) => ({ name, base64: buffer.toString("base64") })));
    assert.equal(left, "Cancelled");
    assert.deepEqual(await names(page), []);
    assert.deepEqual(faults, []);
    await close();
  });
});
