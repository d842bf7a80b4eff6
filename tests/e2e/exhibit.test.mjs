// Exhibit mode with the stand-in engine: it plays on, whatever happens.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { PICTURES, exhibit, journalWith, offer, of, scheduled } from "./exhibits.mjs";
import { PICTURE, ROOT, axeFaults, launch, open, screenshot, serveFake } from "./harness.mjs";

let kiosk;
let browser;
let server;
before(async () => {
  server = await serveFake();
  // A browser as it is set up in a museum: sound is allowed without a press, and there is a camera.
  const flags = ["--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"];
  [kiosk, browser] = await Promise.all([launch(...flags), launch("--autoplay-policy=document-user-activation-required")]);
});
after(async () => {
  await Promise.all([kiosk?.close(), browser?.close()]);
  await server?.close();
});

/** Listens behind the page's loudspeaker: how long it was silent at most, in milliseconds, since the first sound. */
function listen() {
  const connect = AudioNode.prototype.connect;
  globalThis.longestSilence = 0;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      const analyser = new AnalyserNode(target.context, { fftSize: 4096 });
      const samples = new Float32Array(analyser.fftSize);
      let heard;
      setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        const now = target.context.currentTime * 1000;
        if (samples.some((sample) => Math.abs(sample) > 1e-4)) heard = now;
        else if (heard !== undefined) globalThis.longestSilence = Math.max(globalThis.longestSilence, now - heard);
      }, 20);
      connect.call(this, analyser);
    }
    return connect.call(this, target, ...rest);
  };
}

/** Fails unless each piece begins before the one before it has ended. */
function checkContinuous(entries) {
  assert.deepEqual(of(entries, "gap"), []);
  const pieces = scheduled(entries);
  for (const [at, piece] of pieces.slice(1).entries()) {
    const before = pieces[at];
    assert.ok(piece.start > before.start && piece.start <= before.end, `${JSON.stringify(before)} and then ${JSON.stringify(piece)}`);
  }
}

/** Pictures in the order in which they were heard. */
const order = (entries) => of(entries, "piece").map(({ picture }) => picture).filter((picture, at, all) => picture !== all[at - 1]);

const checkAccessible = async (page) => assert.deepEqual(await axeFaults(page), []);

const mode = (page, name) => page.locator(`.stage[data-mode="${name}"]`).waitFor({ timeout: 30_000 });

describe("an exhibit", { timeout: 300_000 }, () => {
  test("plays its pictures in turn without a gap, each with new pieces of one loudness", async () => {
    const { page, faults, close } = await open(kiosk, "about:blank");
    await page.addInitScript(listen);
    await page.goto(offer(server, "turn", exhibit("trained-fast")));
    const entries = await journalWith(page, (all) => order(all).length >= 5);
    checkContinuous(entries);
    assert.deepEqual(order(entries).slice(0, 5), [0, 1, 2, 0, 1]);
    const pieces = of(entries, "piece");
    assert.equal(new Set(pieces.map(({ seed }) => seed)).size, pieces.length, "a seed comes twice");
    for (const { lufs, gain } of pieces) {
      // At the target, unless its peak or the largest change forbids that.
      const reached = lufs + 20 * Math.log10(gain);
      assert.ok(reached < -22.9, `${reached} LUFS`);
    }
    assert.ok((await page.evaluate(() => globalThis.longestSilence)) < 100, "it was silent between pieces");
    assert.match(await page.locator(".picture-title").innerText(), /^Picture [012]$/);
    assert.equal(await page.locator(".masthead").count(), 0, "the page's own markup is there");
    assert.deepEqual(faults, []);
    await screenshot(page, "exhibit-attract");
    await checkAccessible(page);
    await close();
  });

  test("lowers its steps before pieces come too late", async () => {
    const { page, close } = await open(kiosk, offer(server, "late", exhibit("unmeasured", { steps: 80 })));
    const entries = await journalWith(page, (all) => of(all, "steps").length > 0 && of(all, "piece").at(-1)?.steps < 80);
    checkContinuous(entries);
    const { from, to, load } = of(entries, "steps")[0];
    assert.ok(from === 80 && to < from && load > 0.7, JSON.stringify({ from, to, load }));
    await close();
  });

  for (const [behaviour, name] of [["trap-after-2-fast", "Internal"], ["lost-after-2-fast", "DeviceLost"], ["still-after-2-fast", "Internal"]]) {
    test(`goes on with the same picture after a ${behaviour}`, async () => {
      const { page, faults, close } = await open(kiosk, offer(server, behaviour, exhibit(behaviour, { stuck: 5 })));
      const entries = await journalWith(page, (all) => of(all, "restart").length >= 2 && order(all).length >= 4);
      checkContinuous(entries);
      assert.deepEqual(order(entries).slice(0, 4), [0, 1, 2, 0]);
      assert.ok(of(entries, "fault").every((fault) => fault.name === name), JSON.stringify(of(entries, "fault")));
      assert.deepEqual([...new Set(of(entries, "restart").map((restart) => restart.of))], ["worker"]);
      const heard = of(entries, "piece").slice(0, 6).map(({ picture, piece }) => `${picture}.${piece}`).join(" ");
      if (behaviour.startsWith("still")) assert.ok(of(entries, "repeat").some(({ late }) => late), "nothing bridges the time");
      else assert.equal(heard, "0.0 0.1 1.0 1.1 2.0 2.1");
      assert.deepEqual(faults, []);
      await close();
    });
  }

  test("an engine that always fails is opened afresh, then the page is loaded again, a few times at most", async () => {
    const { page, close } = await open(kiosk, offer(server, "broken", exhibit("trap-after-0-fast")));
    const remedies = (all) => of(all, "restart").map((restart) => restart.of);
    const entries = await journalWith(page, (all) => remedies(all).includes("wait"));
    const rounds = remedies(entries).join(" ");
    const round = "worker worker engine worker worker";
    assert.equal(rounds, [...Array(3).fill(`${round} page`), `${round} wait`].join(" "));
    assert.equal(of(entries, "start").length, 4);
    await screenshot(page, "exhibit-broken");
    await close();
  });

  test("after a reload it is where it was", async () => {
    const content = exhibit("trained-fast", { order: "shuffled", pictures: exhibit("").pictures.concat(exhibit("").pictures) });
    const { page, close } = await open(kiosk, offer(server, "reload", content));
    const first = await journalWith(page, (all) => order(all).length >= 3);
    await page.reload();
    const entries = await journalWith(page, (all) => of(all, "start").length === 2 && of(all, "piece").at(-1).at > of(all, "start")[1].at);
    const [, second] = of(entries, "start");
    const heard = order(entries.filter(({ at }) => at < second.at));
    assert.ok(heard.slice(-2).includes(second.picture), `${second.picture} after ${heard}`);
    assert.equal(of(entries, "piece").find(({ at }) => at > second.at).picture, second.picture);
    assert.equal(first[0].kind, "start");
    await close();
  });

  test("plays on while the page's thread is held up", async () => {
    const { page, close } = await open(kiosk, offer(server, "held", exhibit("trained-fast")));
    const before = await journalWith(page, (all) => scheduled(all).length > 0);
    await page.evaluate(() => { for (const end = performance.now() + 4000; performance.now() < end; ); });
    checkContinuous(await journalWith(page, (all) => scheduled(all).length > scheduled(before).length + 3));
    await close();
  });

  test("a picture that is missing is left out and noted", async () => {
    const content = exhibit("trained-fast");
    content.pictures[1].file = "/web/gallery/none.jpg";
    const { page, close } = await open(kiosk, offer(server, "missing", content));
    const entries = await journalWith(page, (all) => order(all).length >= 3);
    checkContinuous(entries);
    assert.deepEqual(order(entries).slice(0, 3), [0, 2, 0]);
    assert.match(of(entries, "fault")[0].message, /none\.jpg.*404/);
    await close();
  });

  test("a IIIF picture comes with its title and credit, in the largest size that is needed", async () => {
    const answer = (path, type, body) =>
      server.overrides.set(path, (_, response) => {
        response.writeHead(200, { "content-type": type }).end(body);
        return true;
      });
    const service = { id: `${server.url}iiif/a`, type: "ImageService3", profile: "level2", width: 4096, height: 4096 };
    const body = { id: `${service.id}.jpg`, type: "Image", service: [service] };
    const painting = { motivation: "painting", body };
    const canvas = (label, items) => ({ type: "Canvas", label: { none: [label] }, items: [{ items }] });
    answer("/iiif/manifest.json", "application/json", JSON.stringify({
      type: "Manifest", label: { en: ["From afar"] }, items: [canvas("back", []), canvas("front", [painting])],
      requiredStatement: { label: { en: ["Attribution"] }, value: { en: ["Another museum"] } },
    }));
    answer("/iiif/a/info.json", "application/json", JSON.stringify(service));
    answer("/iiif/a/full/1024,/0/default.jpg", "image/jpeg", readFileSync(join(ROOT, PICTURES[0])));
    const content = exhibit("trained-fast", { pictures: [{ iiif: "/iiif/manifest.json", canvas: 2 }] });
    const { page, faults, close } = await open(kiosk, offer(server, "iiif", content));
    const entries = await journalWith(page, (all) => of(all, "piece").length >= 2);
    assert.deepEqual(of(entries, "fault"), []);
    assert.equal(await page.locator(".picture-title").innerText(), "From afar");
    assert.equal(await page.locator(".picture-credit").innerText(), "Another museum");
    assert.deepEqual(faults, []);
    await close();
  });

  test("the example plays as it is", async () => {
    const { page, faults, close } = await open(kiosk, `${server.url}?exhibit=examples/exhibit/`);
    const entries = await journalWith(page, (all) => of(all, "piece").length >= 2);
    assert.deepEqual(of(entries, "fault"), []);
    checkContinuous(entries);
    await page.mouse.move(300, 300);
    await mode(page, "visitor");
    await page.waitForTimeout(2000); // The picture has come by then.
    await screenshot(page, "exhibit-example");
    await checkAccessible(page);
    assert.deepEqual(faults, []);
    await close();
  });

  test("the camera's photographs become music, and a refusal is noted", async () => {
    const camera = exhibit("trained-fast", { pictures: [{ camera: { every: 1 } }, exhibit("").pictures[0]] });
    const address = offer(server, "camera", camera);
    const allowed = await open(kiosk, address, { permissions: ["camera"] });
    checkContinuous(await journalWith(allowed.page, (all) => order(all).length >= 2));
    await allowed.page.locator(".picture").first().waitFor();
    await allowed.close();
    const refused = await open(kiosk, address);
    const entries = await journalWith(refused.page, (all) => of(all, "fault").length > 0 && of(all, "piece").length > 0);
    assert.match(of(entries, "fault")[0].message, /camera/);
    assert.equal(of(entries, "piece")[0].picture, 1);
    await refused.close();
  });
});

describe("visitors and staff", { timeout: 300_000 }, () => {
  const rights = { visitors: { choose: true, bring: true, volume: true }, languages: ["en", "de"], idle: 4, seconds: 60 };

  test("one press begins where the browser wants one, and no sound is made before", async () => {
    const { page, faults, close } = await open(browser, offer(server, "press", exhibit("trained-fast")));
    // Whatever is evaluated in the page counts as a press there: it begins without one.
    await page.waitForTimeout(4000);
    assert.deepEqual(scheduled(await journalWith(page, (all) => all.length > 0)), []);
    await screenshot(page, "exhibit-waiting");
    await checkAccessible(page);
    await page.locator(".begin").click();
    checkContinuous(await journalWith(page, (all) => order(all).length >= 2));
    assert.ok(await page.evaluate(() => document.fullscreenElement !== null), "it does not fill the screen");
    assert.deepEqual(faults, []);
    await close();
  });

  test("a visitor chooses, brings, speaks and leaves, and all is as before", async () => {
    const { page, faults, close } = await open(kiosk, offer(server, "visitor", exhibit("trained-fast", rights)));
    await mode(page, "attract");
    await journalWith(page, (all) => of(all, "piece").length > 0);
    await page.mouse.move(200, 200);
    await mode(page, "visitor");
    await page.locator(".thumbnail").nth(2).click();
    await journalWith(page, (all) => of(all, "piece").at(-1).picture === 2, 20_000);
    await page.locator('.thumbnail[aria-current="true"]').nth(0).waitFor();
    await page.locator("[data-language=de]").click();
    assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
    await screenshot(page, "exhibit-visitor");
    await checkAccessible(page);
    await page.setInputFiles("input[type=file]", PICTURE);
    await page.locator(".volume").fill("20");
    const brought = await journalWith(page, (all) => of(all, "piece").at(-1).picture === "visitor", 20_000);
    checkContinuous(brought);
    await mode(page, "attract"); // Nobody touches anything any more.
    const entries = await journalWith(page, (all) => of(all, "piece").at(-1).picture !== "visitor", 20_000);
    assert.equal(of(entries, "idle").length, 1);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
    assert.equal(await page.locator(".volume").inputValue(), "80");
    assert.deepEqual(faults, []);
    await close();
  });

  test("a silent exhibit goes back to silence", async () => {
    const { page, close } = await open(kiosk, offer(server, "silent", exhibit("trained-fast", { attract: "silent", idle: 3 })));
    await page.locator(".begin").click();
    await journalWith(page, (all) => of(all, "piece").length > 0);
    await mode(page, "waiting");
    const { length } = scheduled(await journalWith(page, () => true));
    await page.waitForTimeout(4000);
    assert.equal(scheduled(await journalWith(page, () => true)).length, length, "it plays on");
    await page.locator(".begin").click();
    await journalWith(page, (all) => scheduled(all).length > length);
    await close();
  });

  test("keys stop, go on, change the volume and the picture, and show the log, which can be saved", async () => {
    const { page, faults, close } = await open(kiosk, offer(server, "keys", exhibit("trained-fast", { seconds: 600 })));
    await journalWith(page, (all) => of(all, "piece").length > 0);
    const notice = (sentence) => page.locator(".stage-notice", { hasText: sentence }).waitFor({ timeout: 10_000 });
    await page.keyboard.press("-");
    await notice("Volume 75 %");
    await page.keyboard.press("+");
    await notice("Volume 80 %");
    await page.keyboard.press("s");
    await notice("Stopped");
    await page.waitForTimeout(1000);
    const { length } = scheduled(await journalWith(page, () => true));
    await page.waitForTimeout(4000);
    assert.equal(scheduled(await journalWith(page, () => true)).length, length, "it plays although it was stopped");
    await page.keyboard.press("s");
    await notice("Going on");
    await page.keyboard.press("n");
    await journalWith(page, (all) => of(all, "piece").at(-1).picture === 1, 20_000);
    await page.keyboard.press("l");
    await page.locator(".log td").first().waitFor();
    await screenshot(page, "exhibit-log");
    await checkAccessible(page);
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".log button").first().click()]);
    assert.match(download.suggestedFilename(), /^exhibit-[\d-]+\.jsonl$/);
    const lines = readFileSync(await download.path(), "utf8").trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual([lines[0].kind, of(lines, "staff").map(({ did }) => did)], ["start", ["quieter", "louder", "stop", "stop", "next", "log"]]);
    await page.keyboard.press("Escape");
    await page.locator(".log").waitFor({ state: "detached" });
    checkContinuous(lines);
    assert.deepEqual(faults, []);
    await close();
  });

  test("without keys none does anything; there is no context menu, and the pointer is hidden", async () => {
    const { page, close } = await open(kiosk, offer(server, "no-keys", exhibit("trained-fast", { keys: false })));
    await journalWith(page, (all) => of(all, "piece").length > 0);
    for (const key of ["l", "s", "+", "n"]) await page.keyboard.press(key);
    assert.equal(await page.locator(".log").count(), 0);
    assert.deepEqual(of(await journalWith(page, () => true), "staff"), []);
    const allowed = await page.evaluate(() =>
      document.body.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true })));
    assert.equal(allowed, false, "the context menu opens");
    const cursor = () => page.evaluate(() => getComputedStyle(document.querySelector(".stage")).cursor);
    assert.equal(await cursor(), "none");
    await page.mouse.move(50, 60);
    assert.notEqual(await cursor(), "none");
    await page.locator("html.no-pointer").waitFor();
    await close();
  });

  for (const [name, content, sentence] of [
    ["not-json", "{", /exhibit\.json is not JSON/],
    ["unknown-field", exhibit("trained-fast", { sekonds: 3 }), /sekonds is not known; there are attract, .*seconds/],
    ["no-source", exhibit("trained-fast", { pictures: [{ title: "x" }] }), /pictures\[0\] must have exactly one of file, iiif and camera\./],
  ]) {
    test(`says in one sentence what is wrong with an exhibit.json: ${name}`, async () => {
      const { page, close } = await open(kiosk, offer(server, name, content));
      const problem = page.getByRole("alert");
      await problem.waitFor();
      assert.match(await problem.innerText(), sentence);
      assert.match(await problem.innerText(), /Correct the file and reload the page\./);
      await screenshot(page, `exhibit-${name}`);
      await checkAccessible(page);
      await close();
    });
  }

  test("waits for an exhibit.json that cannot be fetched yet", async () => {
    const { page, close } = await open(kiosk, `${server.url}?exhibit=exhibits/later/`);
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").innerText(), /exhibits\/later\/exhibit\.json could not be fetched \(HTTP status 404\)/);
    offer(server, "later", exhibit("trained-fast"));
    await mode(page, "attract");
    await close();
  });

  test("without ?exhibit= nothing of it is fetched", async () => {
    const asked = server.requests.length;
    const { page, close } = await open(browser, server.url);
    await page.locator("#thumbnails button").first().waitFor();
    const paths = server.requests.slice(asked).map(({ path }) => path);
    assert.ok(paths.some((path) => path.includes("/page/")));
    assert.deepEqual(paths.filter((path) => /exhibit|audio\/(jukebox|loudness)/.test(path)), []);
    await close();
  });
});
