// The element <art-to-mus>, with a stand-in for the engine.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, serveFake } from "./harness.mjs";

let browser;
let server;
before(async () => {
  server = await serveFake();
  browser = await launch("--autoplay-policy=no-user-gesture-required");
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Runs `body` in a bare page that knows the element, and fails on any error that nobody caught. */
async function inPage(body) {
  const { page, faults, close } = await open(browser, `${server.url}tests/e2e/element.html`);
  const outcome = await page.evaluate(body);
  assert.deepEqual(faults, []);
  await close();
  return outcome;
}

test("<art-to-mus> mirrors attributes, makes music, and tells about it", { timeout: 60_000 }, async () => {
  const outcome = await inPage(async () => {
    const holder = document.createElement("div");
    const shadow = holder.attachShadow({ mode: "open" });
    document.body.append(holder);
    const element = document.createElement("art-to-mus");
    element.src = "/tests/fixtures/picture.png";
    element.bundle = "good/";
    element.seconds = 1;
    element.seed = 9;
    element.controls = true;
    shadow.append(element);
    const told = [];
    for (const what of ["progress", "done", "error"]) {
      document.addEventListener(`art2mus-${what}`, (event) => told.push([what, event.detail.type]));
    }
    const attributes = element.getAttributeNames().sort();
    const parts = [...element.shadowRoot.querySelectorAll("[part]")].map((part) => part.part.value).sort();
    element.shadowRoot.querySelector("button").click();
    await new Promise((done) => element.addEventListener("art2mus-done", done, { once: true }));
    const seconds = await new Promise((done) => {
      const audio = element.shadowRoot.querySelector("audio");
      if (audio.duration) done(audio.duration);
      audio.onloadedmetadata = () => done(audio.duration);
    });
    element.src = "";
    const noSource = await element.generate().catch(({ name }) => name);
    element.remove();
    return { attributes, parts, seconds, noSource, kinds: [...new Set(told.map(([what]) => what))] };
  });
  assert.deepEqual(outcome.attributes, ["bundle", "controls", "seconds", "seed", "src"]);
  assert.deepEqual(outcome.parts, ["audio", "button", "controls", "download", "picture", "progress", "status"]);
  assert.ok(Math.abs(outcome.seconds - 1) < 0.05);
  assert.equal(outcome.noSource, "Input");
  assert.deepEqual(outcome.kinds, ["progress", "done", "error"]);
});

test("<art-to-mus> cancels a run, and while its model opens", { timeout: 60_000 }, async () => {
  const outcome = await inPage(async () => {
    const element = document.createElement("art-to-mus");
    element.src = "/tests/fixtures/picture.png";
    element.controls = true;
    document.body.append(element);
    const [button, bar, status] = ["button", "progress", "[part=status]"].map((part) => element.shadowRoot.querySelector(part));
    const shown = [];
    const cancelled = async (bundle, when) => {
      element.bundle = bundle;
      const run = element.generate().then(() => "ok", ({ name }) => name);
      await when();
      shown.push(!bar.hidden);
      const start = performance.now();
      button.click();
      return { name: await run, prompt: performance.now() - start < 300, bar: bar.hidden, label: button.textContent, status: status.textContent };
    };
    const stage = () => new Promise((done) => element.addEventListener("art2mus-progress", done, { once: true }));
    const outcomes = {
      running: await cancelled("good/", stage),
      opening: await cancelled("slow-to-open/", () => new Promise((done) => setTimeout(done, 300))),
    };
    // A run in place of another: the first must not touch what the second shows.
    const first = element.generate().catch(({ name }) => name);
    const second = element.generate();
    outcomes.first = await first;
    shown.push(!bar.hidden);
    await second;
    // Taken away before the run began: nothing is opened for it.
    const gone = element.generate().catch(({ name }) => name);
    element.remove();
    return { ...outcomes, gone: await gone, shown };
  });
  const expected = {
    name: "Cancelled", prompt: true, bar: true, label: "Make music", status: "The generation was cancelled.",
  };
  assert.deepEqual(outcome, {
    running: expected, opening: expected, first: "Cancelled", gone: "Cancelled", shown: [true, true, true],
  });
});

test("<art-to-mus> tells no time before the first step, in each run anew", { timeout: 60_000 }, async () => {
  const runs = await inPage(async () => {
    const element = document.createElement("art-to-mus");
    Object.assign(element, { src: "/tests/fixtures/picture.png", bundle: "good/", steps: 3, seconds: 1 });
    document.body.append(element);
    const status = element.shadowRoot.querySelector("[part=status]");
    const timed = [];
    element.addEventListener("art2mus-progress", ({ detail: { type, stage } }) => {
      if (type === "stage") timed.at(-1)[stage] = / left$/.test(status.textContent);
    });
    for (let run = 0; run < 2; run += 1) {
      timed.push({});
      await element.generate();
    }
    element.remove();
    return timed;
  });
  const once = { encode: false, condition: false, denoise: false, decode: true, vocode: true };
  assert.deepEqual(runs, [once, once]);
});

test("<art-to-mus> has properties of the right types, also those set before it was defined", { timeout: 60_000 }, async () => {
  const outcome = await inPage(async () => {
    const element = document.createElement("art-to-mus");
    const absent = [element.src, element.alt, element.seconds, element.seed, element.scheduler, element.device, element.loading, element.result];
    Object.assign(element, { seconds: 2.5, seed: 0, scheduler: "dpmpp", device: "wasm", loading: "lazy", loop: true });
    const set = [element.seconds, element.seed, element.scheduler, element.device, element.loading, element.audio.loop];
    const attributes = Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value]));
    Object.assign(element, { seconds: null, seed: undefined, scheduler: null, device: null, loading: undefined, loop: false });
    const left = element.attributes.length;
    element.setAttribute("seconds", "many");
    element.setAttribute("scheduler", "euler");
    const wrong = [element.seconds, element.scheduler];
    // Some frameworks make elements before their module has run.
    const early = document.implementation.createHTMLDocument().createElement("art-to-mus");
    Object.assign(early, { seconds: 3, alt: "Early" });
    document.body.append(early);
    return { absent, set, attributes, left, wrong, early: [early.getAttribute("seconds"), early.shadowRoot.querySelector("img").alt] };
  });
  assert.deepEqual(outcome.absent, ["", "", null, null, null, "auto", "eager", null]);
  assert.deepEqual(outcome.set, [2.5, 0, "dpmpp", "wasm", "lazy", true]);
  assert.deepEqual(outcome.attributes, { seconds: "2.5", seed: "0", scheduler: "dpmpp", device: "wasm", loading: "lazy", loop: "" });
  assert.deepEqual([outcome.left, outcome.wrong], [0, [null, null]]);
  assert.deepEqual(outcome.early, ["3", "Early"]);
});

test("<art-to-mus> plays one at a time, and keeps its piece until there is a new one", { timeout: 60_000 }, async () => {
  const outcome = await inPage(async () => {
    const told = [];
    for (const what of ["load", "done", "cancel", "error", "play", "pause"]) {
      document.addEventListener(`art2mus-${what}`, ({ target }) => {
        if (what !== "load" || told.at(-1) !== `${target.id} load`) told.push(`${target.id} ${what}`);
      });
    }
    const make = (id) => {
      const element = Object.assign(document.createElement("art-to-mus"), {
        id, src: "/tests/fixtures/picture.png", bundle: "good/", seconds: 3, steps: 1, controls: true, loop: true,
      });
      document.body.append(element);
      return element;
    };
    const [first, second] = [make("a"), make("b")];
    const event = (element, what) => new Promise((done) => element.addEventListener(`art2mus-${what}`, done, { once: true }));
    const heard = event(first, "play");
    await first.play(); // It makes its music first.
    await heard;
    const silent = event(first, "pause");
    const other = event(second, "play");
    await Promise.all([second.play(), silent, other]);
    const paused = [first.paused, second.paused];
    const states = [first, second].map((element) => ["ready", "playing", "running"].filter((state) => element.matches(`:state(${state})`)));
    const link = second.shadowRoot.querySelector("a");
    const size = (await (await fetch(link.href)).blob()).size;
    const file = { name: link.download, whole: size === second.result.wav().size };
    // A run that ends without music leaves the piece before it.
    const before = second.result;
    const run = second.generate().catch(({ name }) => name);
    await event(second, "load");
    const during = second.matches(":state(running)");
    second.cancel();
    const again = { name: await run, kept: second.result === before, shown: !second.audio.hidden, source: second.audio.src !== "" };
    // Another picture ends what belongs to the one before, which played until now.
    const ended = event(second, "pause");
    second.src = "/tests/fixtures/picture.png?other";
    await ended;
    const other2 = { result: second.result, hidden: second.audio.hidden, ready: second.matches(":state(ready)") };
    return { told, paused, states, file, during, again, other2 };
  });
  assert.deepEqual(outcome.told, ["a load", "a done", "a play", "b load", "b done", "a pause", "b play", "b load", "b cancel", "b pause"]);
  assert.deepEqual(outcome.paused, [true, false]);
  assert.deepEqual(outcome.states, [["ready"], ["ready", "playing"]]);
  assert.deepEqual(outcome.file, { name: "picture-seed-7.wav", whole: true });
  assert.equal(outcome.during, true);
  assert.deepEqual(outcome.again, { name: "Cancelled", kept: true, shown: true, source: true });
  assert.deepEqual(outcome.other2, { result: null, hidden: true, ready: false });
});

test("<art-to-mus> takes a button and a player of the page's own, and shows a poster", { timeout: 60_000 }, async () => {
  const outcome = await inPage(async () => {
    document.body.innerHTML = `
      <art-to-mus src="/tests/fixtures/picture.png" poster="/web/styles/icon.svg" alt="A test" bundle="good/" seconds="1" steps="1" controls>
        <strong slot="button" role="button" tabindex="0">Sing</strong>
        <em slot="player">Own player</em>
      </art-to-mus>`;
    const element = document.querySelector("art-to-mus");
    const picture = element.shadowRoot.querySelector("img");
    const before = [picture.getAttribute("src"), picture.alt];
    const rendered = ["button", "audio"].map((tag) => element.shadowRoot.querySelector(tag).checkVisibility());
    document.querySelector("strong").click();
    await new Promise((done) => element.addEventListener("art2mus-done", done, { once: true }));
    await element.play();
    const playing = !element.paused;
    element.pause();
    return { before, rendered, playing, paused: element.paused, after: picture.getAttribute("src"), seconds: element.result.samples.length / 16000 };
  });
  assert.deepEqual(outcome, {
    before: ["/web/styles/icon.svg", "A test"], rendered: [false, false], playing: true, paused: true,
    after: "/tests/fixtures/picture.png", seconds: 1,
  });
});

/** Lets elements begin by themselves, one of them far below. */
const beginAlone = async () => {
  document.body.innerHTML = '<div style="height: 4000px"></div>';
  const make = (id, more) => Object.assign(document.createElement("art-to-mus"), {
    id, src: "/tests/fixtures/picture.png", bundle: "good/", seconds: 3, steps: 1, autoplay: true, loop: true, ...more,
  });
  const told = [];
  for (const what of ["done", "play"]) document.addEventListener(`art2mus-${what}`, ({ target }) => told.push(`${target.id} ${what}`));
  const done = () => new Promise((done) => document.addEventListener("art2mus-done", () => setTimeout(done, 500), { once: true }));
  const [near, far] = [make("near"), make("far", { loading: "lazy" })];
  const first = done();
  document.body.prepend(near);
  document.body.append(far);
  await first;
  const alone = [...told];
  const second = done();
  far.scrollIntoView();
  await second;
  return { alone, told, paused: [near.paused, far.paused] };
};

test("<art-to-mus> begins by itself with autoplay, and near the visible part with loading=lazy", { timeout: 60_000 }, async () => {
  const { alone, told, paused } = await inPage(beginAlone);
  assert.deepEqual(alone, ["near done", "near play"]);
  assert.deepEqual(told, ["near done", "near play", "far done", "far play"]);
  assert.deepEqual(paused, [true, false]);
});

test("<art-to-mus> stays silent where the browser allows no sound", { timeout: 60_000 }, async () => {
  const strict = await launch("--autoplay-policy=user-gesture-required");
  const page = await strict.newPage();
  // Not by `evaluate`, which counts as a press.
  await page.addInitScript(`addEventListener("load", async () => console.log("outcome", JSON.stringify(await (${beginAlone})())))`);
  const said = page.waitForEvent("console", (message) => message.text().startsWith("outcome "));
  await page.goto(`${server.url}tests/e2e/element.html`);
  const { told, paused } = JSON.parse((await said).text().slice("outcome ".length));
  await strict.close();
  assert.deepEqual(told, ["near done", "far done"]);
  assert.deepEqual(paused, [true, true]);
});

test("<art-to-mus> leaves nothing behind when it is removed, or was never inserted", { timeout: 60_000 }, async () => {
  const { page, faults, close } = await open(browser, `${server.url}tests/e2e/element.html`);
  const counts = await page.evaluate(async () => {
    const addresses = new Set();
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (blob) => {
      const address = createObjectURL.call(URL, blob);
      addresses.add(address);
      return address;
    };
    URL.revokeObjectURL = (address) => {
      addresses.delete(address);
      revokeObjectURL.call(URL, address);
    };
    const make = () => Object.assign(document.createElement("art-to-mus"), {
      src: "/tests/fixtures/picture.png", bundle: "good/", seconds: 1, steps: 1, controls: true,
    });
    const settle = () => new Promise((done) => setTimeout(done, 50));
    const kept = make();
    document.body.append(kept);
    await kept.generate();
    document.body.prepend(kept); // Moved: nothing is lost.
    await settle();
    const moved = addresses.size;
    kept.remove();
    await settle();
    const removed = [addresses.size, kept.audio.networkState];
    document.body.append(kept);
    const back = [addresses.size, kept.audio.hidden];
    kept.remove();
    const free = make();
    await free.generate();
    await settle();
    return { moved, removed, back, result: free.result.samples.length };
  });
  assert.deepEqual(counts, { moved: 1, removed: [0, 0], back: [1, false], result: 16000 });
  await page.waitForTimeout(200);
  assert.deepEqual(page.workers().map((worker) => worker.url()), []);
  assert.deepEqual(faults, []);
  await close();
});
