// What the client and the page do when the engine misbehaves, with a stand-in for the engine that
// can trap, hang and lose its device on demand; and what does not depend on an engine: keyboard,
// accessibility, the tiers.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import {
  PICTURE, ROOT, axeFaults, engineReady, finished, launch, open, parseWav, saved, screenshot, serveFake, thumbnails,
} from "./harness.mjs";

let browser;
let server;
before(async () => {
  server = await serveFake();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Runs `body` in a page with an opened model of this behaviour. */
async function withClient(behaviour, body, device = "wasm") {
  const { page, close } = await open(browser, server.url);
  await engineReady(page);
  let workers = 0;
  page.on("worker", (worker) => (workers += Number(worker.url().endsWith("/worker.js"))));
  const outcome = await page.evaluate(
    async ({ behaviour, device, body }) => {
      const { create } = await import("/web/dist/client.js");
      const art2mus = await create({ bundle: `${behaviour}/`, device });
      const url = new URL("/tests/fixtures/picture.png", location.href);
      const settle = (promise) => promise.then(() => "ok", ({ name, message, hint }) => ({ name, message, hint }));
      // The body arrives as a module: the page's policy forbids evaluating text.
      return body === "crash"
        ? { first: await settle(art2mus.generate(url).result), second: await settle(art2mus.generate(url).result) }
        : cancelling();

      async function cancelling() {
        const controller = new AbortController();
        const run = art2mus.generate(url, { signal: controller.signal });
        const queued = art2mus.generate(url, { signal: AbortSignal.timeout(100) });
        for await (const event of run) if (event.type === "stage" && event.stage === "denoise") break;
        await new Promise((done) => setTimeout(done, 150));
        const start = performance.now();
        controller.abort();
        const first = await settle(run.result);
        const ms = performance.now() - start;
        const events = [];
        const next = art2mus.generate(url, { signal: AbortSignal.timeout(4000) });
        const collecting = (async () => { for await (const { type } of next) events.push(type); })().catch(() => {});
        const second = await settle(next.result);
        await collecting;
        return { first, ms, queued: await settle(queued.result), second, events };
      }
    },
    { behaviour, device, body },
  );
  await close();
  return { ...outcome, workers };
}

/** Runs `body` in a page, and fails on any error that nobody caught. */
async function inPage(body) {
  const { page, faults, close } = await open(browser, server.url);
  const outcome = await page.evaluate(body);
  assert.deepEqual(faults, []);
  await close();
  return outcome;
}

describe("the client", { timeout: 120_000 }, () => {
  for (const behaviour of ["trap", "late-trap"]) {
    test(`a ${behaviour} is an Internal error, and the next run gets a new worker`, async () => {
      const { first, second } = await withClient(behaviour, "crash");
      assert.equal(first.name, "Internal");
      assert.ok(first.hint.length > 0);
      assert.equal(second.name, "Internal", "the second run must reach the new worker and trap there");
    });
  }

  test("a lost device is told by name", async () => {
    const { first, second } = await withClient("lost", "crash");
    assert.equal(first.name, "DeviceLost");
    assert.equal(second.name, "DeviceLost");
  });

  test("cancels at once, and the same worker goes on", async () => {
    const { first, ms, queued, second, events, workers } = await withClient("good", "cancel");
    assert.equal(first.name, "Cancelled");
    assert.ok(ms < 300, `${ms} ms`);
    assert.equal(queued.name, "Cancelled", "a run that waits its turn can be cancelled too");
    assert.equal(second, "ok");
    assert.equal(events.at(0), "stage");
    assert.equal(workers, 1, "the bundle must not be loaded again");
  });

  test("cancels at once even when the engine hangs, and loads the bundle again", async () => {
    const { first, ms, second, events, workers } = await withClient("hang", "cancel");
    assert.equal(first.name, "Cancelled");
    assert.ok(ms < 300, `${ms} ms`);
    assert.equal(second.name, "Cancelled", "it hangs again and is cancelled again");
    assert.equal(events.at(0), "stage", "opening again is not a part of the run");
    assert.equal(workers, 2);
  });

  test("rejects with its own errors, whatever it was given", async () => {
    server.overrides.set("/huge.png", (_, response) => {
      response.writeHead(200, { "content-type": "image/png", "content-length": 300_000_000 }).write("x");
      return true;
    });
    const outcome = await inPage(async () => {
      const { create, Art2MusError } = await import("/web/dist/client.js");
      const name = (promise) => promise.then(() => "ok", (error) => error instanceof Art2MusError && error.name);
      const art2mus = await create({ bundle: "good/", device: "wasm" });
      const huge = new Blob(["x"]);
      Object.defineProperty(huge, "size", { value: 300_000_000 });
      const closed = await createImageBitmap(new ImageData(1, 1));
      closed.close();
      return {
        address: await name(create({ bundle: "https://", device: "wasm" })),
        settings: await name(art2mus.estimate({ steps: () => 1 })),
        closed: await name(art2mus.generate(closed).result),
        huge: await name(art2mus.generate(huge).result),
        download: await name(art2mus.generate(new URL("/huge.png", location.href)).result),
        then: await name(art2mus.generate(new ImageData(1, 1), { steps: 1 }).result),
      };
    });
    assert.deepEqual(outcome, {
      address: "Input", settings: "Input", closed: "Input", huge: "Limits", download: "Limits", then: "ok",
    });
  });
});

describe("the page", { timeout: 120_000 }, () => {
  test("can be used with the keyboard alone", async () => {
    const { page, faults, close } = await open(browser, server.url);
    await engineReady(page);
    await thumbnails(page);
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.tagName);
    // On a busy machine the dialog opens unseen if Enter follows before the browser is told to report it.
    const chosen = page.waitForEvent("filechooser");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "language");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "file");
    await page.keyboard.press("Enter");
    await (await chosen).setFiles(PICTURE);
    await page.locator("#stage").waitFor();
    const stops = [];
    for (let press = 0; press < 8 && stops.at(-1) !== "make"; press += 1) {
      await page.keyboard.press("Tab");
      stops.push(await focused());
    }
    assert.deepEqual(stops, ["part", "free", "BUTTON", "SUMMARY", "make"], "the gallery is one stop");
    await page.waitForFunction(() => document.getElementById("make").ariaDisabled === "false");
    await page.keyboard.press("Enter");
    await page.locator("#cancel").waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "cancel");
    await page.keyboard.press("Enter");
    await page.locator("#cancel").waitFor({ state: "hidden" });
    assert.equal(await focused(), "make", "the focus must not be lost with the button");
    assert.equal(await page.locator("#status").innerText(), "Cancelled.");
    await page.keyboard.press("Enter");
    await finished(page);
    for (let press = 0; press < 3 && (await focused()) !== "audio"; press += 1) await page.keyboard.press("Tab");
    assert.equal(await focused(), "audio");
    for (let press = 0; press < 8 && (await focused()) !== "save"; press += 1) await page.keyboard.press("Tab");
    assert.equal(await focused(), "save");
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    assert.equal(parseWav(readFileSync(await download.path())).samples.length, 4 * 16000);
    assert.deepEqual(faults, []);
    await close();
  });

  test("its gallery can be used with the keyboard alone", async () => {
    const { page, faults, close } = await open(browser, server.url);
    await engineReady(page);
    const buttons = await thumbnails(page);
    for (const _ of ["language", "file", "gallery"]) await page.keyboard.press("Tab");
    const focused = () => buttons.evaluateAll((all) => all.indexOf(document.activeElement));
    assert.equal(await focused(), 0);
    for (const [key, at] of [["ArrowRight", 1], ["End", 17], ["ArrowDown", 17], ["ArrowLeft", 16], ["Home", 0], ["ArrowUp", 0], ["ArrowRight", 1]]) {
      await page.keyboard.press(key);
      assert.equal(await focused(), at, key);
    }
    const outline = await buttons.nth(1).evaluate((button) => getComputedStyle(button).outlineStyle);
    assert.equal(outline, "solid", "the focus is not visible");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), 1, "Tab comes back to where the focus was");
    await page.keyboard.press("Enter");
    await page.locator("#cancel").waitFor();
    assert.equal(await buttons.nth(1).getAttribute("aria-current"), "true");
    await page.keyboard.press("Escape");
    await page.locator("#cancel").waitFor({ state: "hidden" });
    assert.equal(await focused(), 1, "the focus must stay");
    await page.keyboard.press("Space");
    await finished(page);
    assert.deepEqual(faults, []);
    await close();
  });

  test("its gallery names, shows and marks the chosen picture, and rests during a run", async () => {
    const { page, faults, close } = await open(browser, server.url);
    await engineReady(page);
    const buttons = await thumbnails(page);
    const { pictures } = JSON.parse(readFileSync(`${ROOT}/web/gallery/gallery.json`, "utf8"));
    for (const [n, { title, alt }] of pictures.entries()) {
      await page.getByRole("button", { name: `${title}: ${alt}`, exact: true }).waitFor();
      await buttons.nth(n).scrollIntoViewIfNeeded();
      await buttons.nth(n).locator("img").evaluate((image) => image.decode());
    }
    await buttons.nth(3).click();
    await page.getByAltText(`The chosen picture: ${pictures[3].alt}`, { exact: true }).waitFor();
    await page.waitForFunction(() => globalThis.seen.some(({ type }) => type === "step"));
    assert.equal(await buttons.nth(5).getAttribute("aria-disabled"), "true");
    await buttons.nth(5).click({ force: true });
    assert.equal(await page.locator("#picture-name").innerText(), pictures[3].title);
    const credit = page.locator("#picture-credit");
    assert.ok((await credit.innerText()).startsWith(pictures[3].credit));
    assert.equal(await credit.locator("a").getAttribute("href"), pictures[3].source);
    await finished(page);
    const { name, bytes } = await saved(page);
    assert.equal(name, `${pictures[3].title.replaceAll(" ", "-")}-seed-7.wav`);
    assert.ok(parseWav(bytes).samples.every(Number.isFinite));
    assert.equal(await buttons.nth(5).getAttribute("aria-disabled"), "false");
    assert.equal(await page.locator("#thumbnails [aria-current]").count(), 1);
    await page.setInputFiles("#file", PICTURE);
    await page.getByAltText("The chosen picture: picture.png").waitFor();
    assert.equal(await page.locator("#thumbnails [aria-current]").count(), 0, "another picture was chosen");
    assert.ok(!(await credit.isVisible()), "nothing is known of a visitor's picture");
    assert.deepEqual(faults, []);
    await close();
  });

  test("its gallery shows the progress on a small screen too", async () => {
    const { page, close } = await open(browser, server.url, { viewport: { width: 360, height: 740 } });
    await engineReady(page);
    await (await thumbnails(page)).nth(7).click();
    await page.waitForFunction(() => globalThis.seen.some(({ type }) => type === "step"));
    const bottom = await page.locator("#progress").evaluate((element) => element.getBoundingClientRect().bottom);
    assert.ok(bottom <= 740, `the progress ends at ${bottom} of 740 pixels`);
    await close();
  });

  test("its gallery does not wait for the model, and Escape takes the press back", async () => {
    const { page, close } = await open(browser, `${server.url}?bundle=slow-to-open/`);
    const buttons = await thumbnails(page);
    await buttons.nth(2).click();
    await page.keyboard.press("Escape");
    await engineReady(page);
    assert.equal(await page.locator("#make").getAttribute("aria-disabled"), "false");
    assert.ok(!(await page.locator("#progress").isVisible()), "the press was taken back");
    await page.reload();
    await buttons.nth(2).click();
    assert.equal(await page.locator("#about dd").count(), 0, "the model must not be open yet");
    await finished(page);
    await close();
  });

  test("its gallery does not move the page, and is left out when it cannot be loaded", async () => {
    const measure = async (viewport) => {
      const { page, close } = await open(browser, server.url, { viewport });
      const height = () => page.locator("#thumbnails").evaluate((element) => element.offsetHeight);
      await thumbnails(page);
      const filled = await height();
      await page.evaluate(() => document.getElementById("thumbnails").replaceChildren());
      const empty = await height();
      await close();
      assert.ok(Math.abs(filled - empty) <= 1, `${viewport.width} pixels wide: ${empty}, then ${filled}`);
    };
    await measure({ width: 1280, height: 800 });
    await measure({ width: 360, height: 740 });

    const data = "/web/gallery/gallery.json";
    server.overrides.set(data, (_, response) => {
      response.writeHead(404).end();
      return true;
    });
    const { page, faults, close } = await open(browser, server.url);
    await page.locator("#gallery").waitFor({ state: "hidden" });
    await engineReady(page);
    server.overrides.delete(data);
    assert.deepEqual(faults, []);
    await close();
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`has no accessibility fault that axe knows, in ${colorScheme}`, async () => {
      const { page, close } = await open(browser, server.url, { colorScheme, viewport: { width: 360, height: 740 } });
      await engineReady(page);
      await page.click("#settings summary");
      const check = async (moment) => {
        await screenshot(page, `${colorScheme}-narrow-${moment}`);
        assert.deepEqual(await axeFaults(page), [], moment);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${moment}: the page is ${overflow} pixels too wide`);
      };
      await check("idle");
      await page.setInputFiles("#file", PICTURE);
      await page.click("#make");
      await page.waitForFunction(() => globalThis.seen.some(({ type }) => type === "step"));
      await check("progress");
      await finished(page);
      await check("result");
      await close();
    });
  }

  test("takes a picture by drop and by paste", async () => {
    const { page, close } = await open(browser, server.url);
    await engineReady(page);
    for (const [kind, name] of [["drop", "dropped.png"], ["paste", "pasted.png"]]) {
      await page.evaluate(async ({ kind, name }) => {
        const response = await fetch("/tests/fixtures/picture.png");
        const transfer = new DataTransfer();
        transfer.items.add(new File([await response.blob()], name, { type: "image/png" }));
        const init = { bubbles: true, cancelable: true };
        document.body.dispatchEvent(
          kind === "drop"
            ? new DragEvent("drop", { ...init, dataTransfer: transfer })
            : new ClipboardEvent("paste", { ...init, clipboardData: transfer }),
        );
      }, { kind, name });
      await page.getByAltText(`The chosen picture: ${name}`).waitFor();
    }
    await page.click("#make");
    await finished(page);
    assert.match((await saved(page)).name, /^pasted-seed-7\.wav$/);
    await close();
  });

  test("forgets a picked file once it is taken, so that it can be picked again", async () => {
    const { page, close } = await open(browser, server.url);
    await engineReady(page);
    await page.setInputFiles("#file", PICTURE);
    await page.getByAltText("The chosen picture: picture.png").waitFor();
    assert.equal(await page.locator("#file").inputValue(), "", "or the browser sees no change");
    await close();
  });

  test("says why the CPU is used when only a software adapter answers", async () => {
    const { page, close } = await open(browser, server.url);
    await engineReady(page);
    const about = await page.locator("#about").innerText();
    assert.match(about, /CPU \(WebAssembly\)/);
    assert.match(about, /software adapter/);
    const probe = await page.evaluate(async () => (await import("/web/dist/client.js")).probe());
    assert.equal(probe.tier, "wasm");
    assert.ok(probe.limits.maxBufferSize > 0);
    await close();
  });

  test("computes on the CPU where the host has no module for the GPU that answers", async () => {
    const { page, close } = await open(browser, `${server.url}tests/fixtures/picture.png`);
    await page.route("**/web/dist/webgpu/**", (route) => route.fulfill({ status: 404 }));
    const opened = await page.evaluate(async () => {
      const info = { vendor: "some", architecture: "gpu", device: "", description: "", isFallbackAdapter: false };
      navigator.gpu.requestAdapter = () => Promise.resolve({ info, limits: {}, features: new Set() });
      const { create, probe } = await import("/web/dist/client.js");
      const { tier } = await probe();
      const { device, reasons } = await create({ bundle: "good/" });
      return { tier, device, reasons };
    });
    assert.deepEqual([opened.tier, opened.device], ["webgpu", "wasm"]);
    assert.match(opened.reasons.join(" "), /GPU could not be used/);
    await close();
  });

  test("refuses a model that is too large here, and runs it when told to", async () => {
    const { page, close } = await open(browser, `${server.url}?bundle=too-large/`);
    await page.locator("#problem").waitFor();
    await screenshot(page, "too-large");
    assert.match(await page.locator("#problem").innerText(), /3 hours/);
    await page.click("#anyway");
    await engineReady(page);
    assert.ok(!(await page.locator("#problem").isVisible()));
    await close();
  });

  test("shows a failure of the engine and recovers", async () => {
    const { page, close } = await open(browser, `${server.url}?bundle=trap/`);
    await engineReady(page);
    await page.setInputFiles("#file", PICTURE);
    await page.click("#make");
    await page.locator("#problem").waitFor();
    assert.match(await page.locator("#problem").innerText(), /Try again/);
    assert.equal(await page.locator("#make").getAttribute("aria-disabled"), "false");
    await close();
  });

  test("a link repeats the settings and the seed", async () => {
    const { page, close } = await open(browser, `${server.url}?seconds=2&steps=3&guidance=5&scheduler=dpmpp`);
    await engineReady(page);
    await page.setInputFiles("#file", PICTURE);
    await page.click("#make");
    await finished(page);
    const link = new URL(await page.locator("#permalink").getAttribute("href"));
    const reference = `sha256:${createHash("sha256").update(readFileSync(PICTURE)).digest("hex")}`;
    const query = "?seed=7&seconds=2&steps=3&guidance=5&scheduler=dpmpp";
    assert.equal(link.search, `${query}&picture=${reference}&kernels=none`);
    await page.goto(link.href);
    await engineReady(page);
    assert.equal(await page.locator("[name=scheduler]").inputValue(), "dpmpp");
    assert.equal(await page.locator("[name=guidance]").inputValue(), "5");
    await close();
  });
});
