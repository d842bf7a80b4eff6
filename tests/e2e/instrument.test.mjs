// What a visitor does with the page beyond one picture and one piece: parts, takes, links, the way back.
// The stand-in for the engine makes music that depends on seed, take and part alone.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  PICTURE, ROOT, axeFaults, engineReady, finished, launch, open, parseWav, saved, screenshot, serveFake, thumbnails,
} from "./harness.mjs";

const GALLERY = JSON.parse(readFileSync(join(ROOT, "web/gallery/gallery.json"), "utf8")).pictures;
const REFERENCE = `sha256:${createHash("sha256").update(readFileSync(PICTURE)).digest("hex")}`;

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

const sha256 = ({ bytes }) => createHash("sha256").update(bytes).digest("hex");

/** The fixture under a name of its own. */
const another = { name: "another.png", mimeType: "image/png", buffer: readFileSync(PICTURE) };

/** Chooses a file and waits until it is shown. */
async function choose(page, file, name = "picture.png") {
  await page.setInputFiles("#file", file);
  await page.getByAltText(`The chosen picture: ${name}`, { exact: true }).waitFor();
}

async function make(page) {
  await page.click("#make");
  await page.locator("#progress").waitFor();
  await finished(page);
}

const opened = async (query = "", options = {}) => {
  const visit = await open(browser, server.url + query, options);
  await engineReady(visit.page);
  return visit;
};

describe("a piece belongs to its picture", { timeout: 120_000 }, () => {
  test("also when another picture is chosen while it is made", async () => {
    const { page, faults, close } = await opened();
    await choose(page, PICTURE);
    await page.click("#make");
    await page.waitForFunction(() => globalThis.seen.some(({ type }) => type === "step"));
    await choose(page, another, "another.png");
    await finished(page);
    assert.equal(await page.locator("#result-of").innerText(), "made from picture.png");
    assert.equal((await saved(page)).name, "picture-seed-7.wav");
    assert.ok((await page.locator("#permalink").getAttribute("href")).includes(REFERENCE));
    assert.deepEqual(faults, []);
    await close();
  });

  test("and is kept until the next one is there, whatever becomes of that", async () => {
    const { page, faults, close } = await opened();
    await choose(page, PICTURE);
    await make(page);
    const first = sha256(await saved(page));
    await page.click("#make");
    await page.waitForFunction(() => globalThis.seen.filter(({ type }) => type === "step").length > 12);
    assert.ok(await page.locator("#result").isVisible(), "it can be heard while the next one is made");
    await page.keyboard.press("Escape");
    await page.locator("#progress").waitFor({ state: "hidden" });
    assert.equal(sha256(await saved(page)), first);
    await page.evaluate(() => { document.querySelector("#settings").open = true; });
    await page.fill("[name=seed]", "8");
    await page.dispatchEvent("[name=seed]", "change");
    await make(page);
    const second = sha256(await saved(page));
    assert.notEqual(second, first);
    const pieces = page.locator("#history-list button");
    assert.deepEqual(await pieces.allInnerTexts(), ["made from picture.png, 4 s, seed 8", "made from picture.png, 4 s, seed 7"]);
    await screenshot(page, "history");
    await pieces.last().click();
    assert.equal(sha256(await saved(page)), first);
    assert.equal(await page.locator("[name=seed]").inputValue(), "", "its own settings had no seed");
    assert.equal(await page.locator("#history-list [aria-current]").innerText(), "made from picture.png, 4 s, seed 7");
    await page.goBack();
    await page.waitForFunction(() => location.search.includes("seed=8"));
    assert.equal(sha256(await saved(page)), second, "the browser's way back leads to the piece before");
    assert.deepEqual(faults, []);
    await close();
  });

  test("of several takes one is chosen by ear, with what the model thinks of them", async () => {
    const { page, faults, close } = await opened("?candidates=3");
    await choose(page, PICTURE);
    await make(page);
    const takes = page.locator("#takes label");
    assert.deepEqual(await takes.allInnerTexts(), [0.5, 0.38, 0.25].map((score, at) => `Take ${at + 1}, fits the picture by ${score.toFixed(2)}`));
    const best = sha256(await saved(page));
    await takes.nth(2).locator("input").check();
    assert.notEqual(sha256(await saved(page)), best);
    await screenshot(page, "takes");
    assert.deepEqual(faults, []);
    await close();
  });
});

describe("a part of the picture", { timeout: 120_000 }, () => {
  test("is drawn with the pointer and heard at once", async () => {
    const { page, faults, close } = await opened();
    await choose(page, PICTURE);
    await make(page);
    const whole = sha256(await saved(page));
    const box = await page.locator("#stage").boundingBox();
    const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
    await page.mouse.move(...at(0.1, 0.2));
    await page.mouse.down();
    await page.mouse.move(...at(0.4, 0.5), { steps: 4 });
    await page.mouse.move(...at(0.6, 0.7), { steps: 4 });
    await page.mouse.up();
    await page.locator("#progress").waitFor();
    await finished(page);
    const link = new URL(await page.locator("#permalink").getAttribute("href"));
    const [x, y, width, height] = link.searchParams.get("region").split(",").map(Number);
    for (const [value, expected] of [[x, 0.1], [y, 0.2], [width, 0.5], [height, 0.5]]) {
      assert.ok(Math.abs(value - expected) < 0.02, link.search);
    }
    assert.notEqual(sha256(await saved(page)), whole);
    assert.equal(await page.locator("#result-of").innerText(), "made from a part of picture.png");
    await screenshot(page, "region");
    await page.click("#whole");
    await page.locator("#progress").waitFor();
    await finished(page);
    assert.equal(sha256(await saved(page)), whole);
    assert.deepEqual(faults, []);
    await close();
  });

  test("is drawn freely, and what lies around it is not heard", async () => {
    // Black, with a white disc: of the rectangle around what is drawn in it a seventh is black.
    const disc = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 60"><rect width="60" height="60"/><circle cx="20" cy="30" r="15" fill="#fff"/></svg>`;
    const loudest = async (page) => parseWav((await saved(page)).bytes).samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    const { page, faults, close } = await opened("?seconds=1&steps=2&seed=7");
    await choose(page, { name: "disc.svg", mimeType: "image/svg+xml", buffer: Buffer.from(disc) }, "disc.svg");
    await make(page);
    const whole = await loudest(page);
    await page.click("#free");
    assert.equal(await page.locator("#free").getAttribute("aria-pressed"), "true");
    assert.match(await page.locator("#lasso-help").innerText(), /arrow keys/);
    await page.evaluate(() => scrollTo(0, 0)); // Where all of the picture can be pointed at.
    const box = await page.locator("#stage").boundingBox();
    const at = (turn) => {
      const [x, y] = [1 / 3 + 0.24 * Math.cos(2 * Math.PI * turn), 0.5 + 0.24 * Math.sin(2 * Math.PI * turn)];
      return [box.x + x * box.width, box.y + y * box.height];
    };
    await page.mouse.move(...at(0));
    await page.mouse.down();
    for (let turn = 0.02; turn < 1; turn += 0.02) await page.mouse.move(...at(turn));
    await page.mouse.up();
    await page.waitForFunction(() => document.getElementById("permalink").href.includes("lasso="));
    await finished(page);
    assert.equal(await page.locator("#result-of").innerText(), "made from a free-form part of disc.svg");
    // The mean of four channels of white is 1; of the whole picture it was (0.2 * 3 + 1) / 4.
    const drawn = await loudest(page);
    assert.ok(drawn > 2.4 * whole, `${drawn} of what was drawn, ${whole} of the whole`);
    const link = new URL(await page.locator("#permalink").getAttribute("href"));
    assert.ok(!link.searchParams.has("region"));
    assert.ok(link.searchParams.get("lasso").length <= 96, link.search);
    assert.match(await page.locator("#lasso").getAttribute("aria-label"), /from (9|10) % and 26 %, 48 % wide and 48 % high/);
    await page.locator("#lasso").scrollIntoViewIfNeeded();
    await screenshot(page, "lasso");
    assert.deepEqual(await axeFaults(page), []);
    const wav = sha256(await saved(page));
    await page.click("#why-ask");
    await page.waitForFunction(() => document.querySelectorAll("#why-parts button").length === 9);
    const [width, height] = await page.locator("#why-picture").evaluate(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight]);
    assert.ok(Math.abs(width / 1024 - 0.48) < 0.02 && Math.abs(height / 1024 - 0.48) < 0.02, `${width} x ${height}`);
    // A click without a drag changes nothing.
    await page.evaluate(() => scrollTo(0, 0));
    await page.mouse.click(...at(0));
    assert.ok(await page.locator("#lasso").isVisible());
    await page.click("#whole");
    await page.waitForFunction(() => !document.getElementById("permalink").href.includes("lasso="));
    await finished(page);
    assert.ok(!(await page.locator("#lasso").isVisible()));
    await page.locator("#history-list button").nth(1).click();
    assert.ok(await page.locator("#lasso").isVisible(), "the piece brings its part back");
    assert.equal(sha256(await saved(page)), wav);
    // The rectangle is one press away, and takes the outline's place.
    await page.click("#whole");
    await finished(page);
    await page.click("#part");
    assert.equal(await page.locator("#free").getAttribute("aria-pressed"), "false");
    assert.ok(await page.locator("#region").isVisible());
    await page.waitForFunction(() => document.getElementById("permalink").href.includes("region=0.25"));
    await page.goto("about:blank");
    await page.goto(link.href.replace(/picture=[^&]*/, `picture=${encodeURIComponent(`gallery:${GALLERY[0].file}`)}`));
    await finished(page);
    assert.ok(await page.locator("#lasso").isVisible());
    assert.equal(await page.locator("#result-of").innerText(), `made from a free-form part of ${GALLERY[0].title}`);
    assert.equal(new URL(await page.locator("#permalink").getAttribute("href")).searchParams.get("lasso"), link.searchParams.get("lasso"));
    assert.deepEqual(faults, []);
    await close();
  });

  test("is moved and sized with keys alone, and stops what is being made of another", async () => {
    const { page, faults, close } = await opened();
    await choose(page, PICTURE);
    await page.locator("#part").focus();
    await page.keyboard.press("Enter");
    await page.locator("#progress").waitFor(); // The middle is heard at once.
    const region = page.locator("#region");
    assert.ok(await region.evaluate((element) => element === document.activeElement));
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Shift+ArrowDown");
    assert.equal(
      await region.getAttribute("aria-label"),
      "The part that is heard: from 23 % and 25 %, 50 % wide and 52 % high",
    );
    await page.waitForFunction(() => document.getElementById("permalink").href.includes("region=0.23,0.25,0.5,0.52"));
    await page.keyboard.press("Delete");
    assert.ok(!(await region.isVisible()));
    assert.equal(await page.evaluate(() => document.activeElement.id), "part", "the focus must not be lost");
    assert.deepEqual(faults, []);
    await close();
  });
});

describe("a journey", { timeout: 120_000 }, () => {
  test("through the parts of a picture becomes a piece in movements, which its link brings back", async () => {
    const { page, faults, close } = await opened("?seconds=2");
    await (await thumbnails(page)).first().click();
    await finished(page);
    await page.click("#journey summary");
    await page.click("#walk-add"); // The whole picture.
    await page.locator("#part").click();
    await finished(page);
    await page.click("#walk-add");
    await page.locator("#region").press("ArrowRight");
    await page.click("#walk-add");
    await page.click("#walk-add");
    await page.locator("#walk-parts button").last().click();
    assert.equal(await page.locator("#walk-parts button").count(), 3);
    await page.waitForTimeout(700);
    await finished(page);
    await page.click("#walk-make");
    await page.locator("#progress").waitFor();
    await page.waitForFunction(() => /step \d+ of 30/.test(document.querySelector("#doing").textContent));
    await finished(page);
    assert.equal(await page.locator("#result-of").innerText(), `made from a walk through ${GALLERY[0].title} in 3 parts`);
    const seconds = await page.locator("#audio").evaluate(async (audio) => {
      while (!(audio.duration > 0)) await new Promise((done) => setTimeout(done, 20));
      return audio.duration;
    });
    assert.ok(seconds > 4 && seconds < 6, `three movements of 2 s that overlap: ${seconds} s`);
    const wav = sha256(await saved(page));
    await screenshot(page, "walk");
    const link = await page.locator("#permalink").getAttribute("href");
    await page.goto("about:blank");
    await page.goto(link);
    await finished(page);
    assert.equal(sha256(await saved(page)), wav);
    assert.deepEqual(faults, []);
    await close();
  });

  test("between two pictures is a mixture by a slider", async () => {
    const { page, faults, close } = await opened("?seconds=1");
    const buttons = await thumbnails(page);
    for (const at of [0, 1]) {
      await buttons.nth(at).click();
      await page.getByAltText(`The chosen picture: ${GALLERY[at].alt}`, { exact: true }).waitFor();
      await finished(page);
    }
    await page.click("#journey summary");
    assert.deepEqual(await page.locator("#mix-with option").allInnerTexts(), [GALLERY[0].title]);
    await page.locator("#mix-amount").fill("25");
    assert.match(await page.locator("#mix-state").innerText(), /25 %/);
    await page.click("#mix-make");
    await page.locator("#progress").waitFor();
    await finished(page);
    assert.equal(await page.locator("#result-of").innerText(), `made from ${GALLERY[1].title}, 25 % mixed with ${GALLERY[0].title}`);
    const link = new URL(await page.locator("#permalink").getAttribute("href"));
    assert.equal(link.searchParams.get("mix"), `gallery:${GALLERY[0].file}`);
    assert.equal(link.searchParams.get("amount"), "0.25");
    await page.goto("about:blank");
    await page.goto(link.href);
    await finished(page);
    assert.match(await page.locator("#result-of").innerText(), /25 % mixed with/);
    assert.deepEqual(faults, []);
    await close();
  });
});

describe("a link", { timeout: 120_000 }, () => {
  test("brings picture, part and piece of the gallery back, on another machine too", async () => {
    const first = await opened();
    await (await thumbnails(first.page)).nth(3).click();
    await finished(first.page);
    const link = await first.page.locator("#permalink").getAttribute("href");
    assert.equal(new URL(link).searchParams.get("picture"), `gallery:${GALLERY[3].file}`);
    const wav = sha256(await saved(first.page));
    await first.close();
    const { page, faults, close } = await open(browser, link);
    await finished(page);
    assert.equal(sha256(await saved(page)), wav);
    assert.equal(await page.locator("#picture-name").innerText(), GALLERY[3].title);
    assert.ok(await page.locator("#picture-credit").isVisible());
    assert.match(await page.locator("#pinned").innerText(), /Seed 7 is set/);
    await page.click("#new-seed");
    assert.ok(!(await page.locator("#pinned").isVisible()));
    assert.ok(!page.url().includes("seed="));
    assert.deepEqual(faults, []);
    await close();
  });

  test("to a piece from a file of somebody's own asks for the file, and knows it", async () => {
    const { page, faults, close } = await opened(`?seed=7&picture=${REFERENCE}&region=0.1,0.2,0.3,0.4`);
    assert.match(await page.locator("#notice").innerText(), /Give the same file again/);
    await screenshot(page, "own-file");
    await choose(page, { ...another, buffer: Buffer.concat([another.buffer, Buffer.from([0])]) }, "another.png");
    assert.match(await page.locator("#notice").innerText(), /another\.png is not the file/);
    assert.ok(!(await page.locator("#region").isVisible()));
    await choose(page, { ...another, name: "same.png" }, "same.png"); // The same bytes under another name.
    await page.locator("#notice").waitFor({ state: "hidden" });
    assert.ok(await page.locator("#region").isVisible());
    assert.deepEqual(faults, []);
    await close();
  });

  test("with hostile or wrong values says what was left out", async () => {
    const wrong = { steps: "2.5", region: "0,0,2,1", scheduler: "euler", device: "<script>", seed: "1e99", guidance: "NaN", lasso: "AAAA", negative: "no drums" };
    const { page, faults, close } = await opened(`?${new URLSearchParams(wrong)}&seconds=2`);
    const notice = await page.locator("#notice").innerText();
    for (const [name, value] of Object.entries(wrong)) assert.ok(notice.includes(`${name}=${value}`), `${name}: ${notice}`);
    await choose(page, PICTURE);
    await make(page);
    assert.match(await page.locator("#meta").innerText(), /^2\.0 s/);
    assert.deepEqual(faults, []);
    await close();
  });

  test("to a picture that is nowhere, or where pages may not read, says so and leaves the page usable", async () => {
    for (const [picture, sentence] of [
      ["nowhere.png", /status 404/],
      ["gallery:none.jpg", /gallery:none\.jpg is not an address/],
      ["javascript:alert(1)", /is not an address/],
      ["https://art2mus.invalid/a.png", /art2mus\.invalid does not answer, or does not let other pages/],
    ]) {
      const { page, faults, close } = await opened(`?picture=${encodeURIComponent(picture)}`);
      await page.locator("#problem").waitFor();
      assert.match(await page.locator("#problem-message").innerText(), sentence);
      await choose(page, PICTURE);
      await make(page);
      assert.deepEqual(faults, []);
      await close();
    }
  });
});

describe("settings", { timeout: 120_000 }, () => {
  test("out of the model's range are refused in words, with the model's own limits", async () => {
    const { page, close } = await opened("?steps=1000");
    await choose(page, PICTURE);
    await page.click("#make");
    await page.locator("#problem").waitFor();
    assert.equal(await page.locator("#problem-message").innerText(), "Steps must be between 1 and 999; 1000 is not.");
    assert.equal(await page.locator("[name=steps]").getAttribute("max"), "999");
    await page.click("#settings summary");
    await page.selectOption("#quality", { index: 2 });
    assert.equal(await page.locator("[name=steps]").inputValue(), "20");
    await make(page);
    await close();
  });

  test("have presets with the time that they take, as runs on this device have shown", async () => {
    const { page, close } = await opened("?steps=10");
    await choose(page, PICTURE);
    const option = page.locator("#quality option").nth(2);
    await page.waitForFunction(() => document.querySelector("#quality").options[2].text === "Fine: about 4 s");
    await make(page); // The stand-in says 2 s and takes less.
    const { "wasm": ratio } = await page.evaluate(() => {
      const [[key, value]] = Object.entries(JSON.parse(localStorage.getItem("art2mus-forecast")));
      return { [key.split(" ")[0]]: value };
    });
    assert.ok(ratio > 0.1 && ratio !== 1, `ratio ${ratio}`);
    const expected = Math.max(1, Math.round(4 * ratio));
    await page.waitForFunction((seconds) => document.querySelector("#quality").options[2].text === `Fine: about ${seconds} s`, expected);
    await page.reload();
    await engineReady(page);
    await choose(page, PICTURE);
    await page.waitForFunction((seconds) => document.querySelector("#quality").options[2].text === `Fine: about ${seconds} s`, expected);
    assert.ok(await option.isEnabled());
    await close();
  });
});

describe("a file", { timeout: 120_000 }, () => {
  test("that is no picture is refused when it is chosen, and the picture before stays", async () => {
    const { page, close } = await opened();
    await choose(page, PICTURE);
    for (const [name, buffer, sentence] of [
      ["paper.pdf", Buffer.from("%PDF-1.7\n"), /paper\.pdf is not a picture/],
      ["nothing.png", Buffer.alloc(0), /nothing\.png is empty/],
      ["photo.heic", Buffer.from("\0\0\0\x18ftypheic"), /photo\.heic is not a picture/],
    ]) {
      await page.setInputFiles("#file", { name, mimeType: "application/octet-stream", buffer });
      await page.locator("#problem").waitFor();
      await page.waitForFunction((source) => new RegExp(source).test(document.getElementById("problem-message").textContent), sentence.source);
      assert.match(await page.locator("#problem-hint").innerText(), /PNG, JPEG/);
      assert.equal(await page.locator("#picture-name").innerText(), "picture.png");
    }
    await make(page);
    await close();
  });

  test("that only a browser reads is heard as it is shown", async () => {
    const { page, faults, close } = await opened();
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 2"><rect width="4" height="2" fill="red"/></svg>`;
    await choose(page, { name: "drawing.svg", mimeType: "image/svg+xml", buffer: Buffer.from(svg) }, "drawing.svg");
    await make(page);
    const size = await page.locator("#preview").evaluate(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight]);
    assert.deepEqual(size, [1024, 512]);
    const cut = readFileSync(join(ROOT, "web/gallery", GALLERY[0].file)).subarray(0, -2);
    await choose(page, { name: "cut.jpg", mimeType: "image/jpeg", buffer: cut }, "cut.jpg");
    await make(page);
    const kinds = await page.evaluate(async (file) => {
      const { Picture } = await import("/web/dist/pictures/picture.js");
      const kind = async (bytes, type) => {
        const about = { name: "x", description: "x", reference: "x" };
        return (await (await Picture.open(new Blob([bytes], { type }), about)).artwork()).constructor.name;
      };
      const jpeg = new Uint8Array(await (await fetch(file)).arrayBuffer());
      const profiled = [...jpeg.slice(0, 2), 0xff, 0xe2, 0, 16, ...new TextEncoder().encode("ICC_PROFILE\0"), 1, 1, ...jpeg.slice(2)];
      return [await kind(jpeg, "image/jpeg"), await kind(jpeg.slice(0, -2), "image/jpeg"), await kind(new Uint8Array(profiled), "image/jpeg")];
    }, `/web/gallery/${GALLERY[0].file}`);
    assert.deepEqual(kinds, ["Blob", "ImageBitmap", "ImageBitmap"]);
    assert.deepEqual(faults, []);
    await close();
  });
});

describe("more ways to bring a picture", { timeout: 120_000 }, () => {
  const answer = (path, type, body) => server.overrides.set(path, (_, response) => {
    response.writeHead(200, { "content-type": type }).end(body());
    return true;
  });

  test("a museum's manifest gives a view, offers the others, and its link brings the chosen one back", async () => {
    const service = (id) => ({ id: `${server.url}iiif/${id}`, type: "ImageService3", profile: "level2" });
    answer("/iiif/manifest.json", "application/json", () => JSON.stringify({
      "@context": "http://iiif.io/api/presentation/3/context.json", type: "Manifest", id: `${server.url}iiif/manifest.json`,
      label: { en: ["Two sides"] }, requiredStatement: { label: { en: ["Owner"] }, value: { en: ["A museum"] } },
      items: ["front", "back"].map((id) => ({
        type: "Canvas", label: { en: [id] },
        items: [{ type: "AnnotationPage", items: [{ type: "Annotation", motivation: "painting", body: { type: "Image", service: [service(id)] } }] }],
      })),
    }));
    for (const [id, at] of [["front", 0], ["back", 1]]) {
      answer(`/iiif/${id}/info.json`, "application/json", () => JSON.stringify({ ...service(id), width: 400, height: 300 }));
      answer(`/iiif/${id}/full/max/0/default.jpg`, "image/jpeg", () => readFileSync(join(ROOT, "web/gallery", GALLERY[at].file)));
    }
    const { page, faults, close } = await opened();
    await page.click("#ways summary");
    await page.fill("#address", `${server.url}iiif/manifest.json`);
    await page.keyboard.press("Enter");
    await page.getByAltText("The chosen picture: Two sides, front").waitFor();
    assert.equal(await page.locator("#picture-credit").innerText(), "A museum");
    await page.selectOption("#view", { label: "back" });
    await page.getByAltText("The chosen picture: Two sides, back").waitFor();
    await make(page);
    const wav = sha256(await saved(page));
    const link = await page.locator("#permalink").getAttribute("href");
    assert.ok(link.includes("manifest.json%232"), link);
    await page.goto("about:blank");
    await page.goto(link);
    await finished(page);
    assert.equal(await page.locator("#picture-name").innerText(), "Two sides, back");
    assert.equal(sha256(await saved(page)), wav);
    answer("/iiif/manifest.json", "application/json", () => "{\"type\": \"Collection\"}");
    await page.evaluate(() => { document.querySelector("#ways").open = true; });
    await page.fill("#address", `${server.url}iiif/manifest.json`);
    await page.keyboard.press("Enter");
    await page.locator("#problem").waitFor();
    assert.match(await page.locator("#problem-message").innerText(), /no IIIF manifest that can be read \(Collection\)/);
    assert.equal(await page.locator("#picture-name").innerText(), "Two sides, back");
    assert.deepEqual(faults, []);
    await close();
  });

  test("the camera takes a photograph, and says it where it is not allowed", async () => {
    const camera = await launch("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream");
    const { page, faults, close } = await open(camera, server.url);
    await engineReady(page);
    await page.click("#ways summary");
    await page.click("#camera");
    await page.getByAltText("The chosen picture: Photograph").waitFor();
    await make(page);
    assert.match((await saved(page)).name, /^Photograph-seed-7\.wav$/);
    assert.deepEqual(faults, []);
    await close();
    await camera.close();
    const refused = await opened();
    await refused.page.click("#ways summary");
    await refused.page.click("#camera");
    await refused.page.locator("#problem").waitFor();
    assert.match(await refused.page.locator("#problem-message").innerText(), /camera/);
    await refused.close();
  });
});

describe("why a piece sounds as it does", { timeout: 120_000 }, () => {
  /** Black, with a white square at the top left. */
  const square = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 60"><rect width="60" height="60"/><rect width="20" height="20" fill="#fff"/></svg>`;
  const drawing = { name: "square.svg", mimeType: "image/svg+xml", buffer: Buffer.from(square) };

  test("is shown as a map, and each part says what it does and can be heard", async () => {
    const { page, faults, close } = await opened("?seconds=1&steps=2");
    await choose(page, drawing, "square.svg");
    await make(page);
    await page.click("#why-ask");
    await page.waitForFunction(() => document.querySelectorAll("#why-parts button").length === 9);
    await page.locator("#why-working").waitFor({ state: "hidden" });
    assert.match(await page.locator("#why-map").getAttribute("aria-label"), /lies here: Top left\. Covering it moves the music by \d+ %/);
    const parts = page.locator("#why-parts button");
    const labels = await parts.evaluateAll((all) => all.map(({ ariaLabel }) => ariaLabel));
    assert.match(labels[0], /^Top left: makes the music .*louder/);
    assert.match(labels[8], /^Bottom right: (changes nothing|makes the music .*softer)/);
    const [bright, dark] = await page.locator("#why-map").evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, 6, 6);
      const light = (at) => data[at * 4] + data[at * 4 + 1] + data[at * 4 + 2];
      return [light(0), light(35)];
    });
    assert.ok(bright > 2 * dark, `${bright} against ${dark}`);
    await parts.first().focus();
    assert.equal(await page.locator("#why-said").innerText(), labels[0]);
    await page.keyboard.press("Enter");
    assert.match(await page.locator("#why-said").innerText(), /You hear the music without it/);
    await screenshot(page, "why");
    assert.deepEqual(await axeFaults(page), []);
    assert.deepEqual(faults, []);
    await close();
  });

  test("can be given up, and gives way to a run", async () => {
    const { page, faults, close } = await opened("?seconds=1&steps=20");
    await choose(page, PICTURE);
    await make(page);
    for (const stop of ["#why-cancel", "#make"]) {
      await page.click("#why-ask");
      await page.locator("#why-working").waitFor();
      await page.click(stop);
      await page.locator("#why-working").waitFor({ state: "hidden" });
      await finished(page);
      assert.ok(!(await page.locator("#problem").isVisible()));
    }
    assert.deepEqual(faults, []);
    await close();
  });
});

describe("a piece is saved", { timeout: 120_000 }, () => {
  /** Saves with a button, and lets the browser itself say what is in the file. */
  const save = async (page, button) => {
    const [download] = await Promise.all([page.waitForEvent("download", { timeout: 90_000 }), page.click(button)]);
    const base64 = readFileSync(await download.path()).toString("base64");
    const media = await page.evaluate(async (base64) => {
      const { Input, BufferSource, ALL_FORMATS } = await import("/web/dist/vendor/mediabunny.js");
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const input = new Input({ source: new BufferSource(bytes.buffer), formats: ALL_FORMATS });
      const [audio, video] = [await input.getPrimaryAudioTrack(), await input.getPrimaryVideoTrack()];
      const sound = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(bytes.buffer.slice(0)).catch(() => null);
      return {
        type: await input.getMimeType(), seconds: await input.computeDuration(), tags: await input.getMetadataTags(),
        audio: audio && [audio.codec, audio.sampleRate], loudest: sound?.getChannelData(0).reduce((a, b) => Math.max(a, Math.abs(b)), 0),
        video: video && [video.displayWidth, video.displayHeight, (await video.computePacketStats()).packetCount],
      };
    }, base64);
    return { name: download.suggestedFilename(), ...media };
  };

  test("compressed, and as a video of the painting", async () => {
    const { page, faults, close } = await opened("?seconds=2");
    await choose(page, PICTURE);
    await make(page);
    const sound = await save(page, "#save-sound");
    assert.match(sound.name, /^picture-seed-7\.(ogg|m4a)$/);
    assert.ok(Math.abs(sound.seconds - 2) < 0.1, `${sound.seconds} s`);
    assert.equal(sound.video, null);
    assert.ok(sound.loudest > 0.1, `loudest ${sound.loudest}`);
    assert.ok(sound.tags.title.includes("picture.png") && sound.tags.comment.includes(REFERENCE), JSON.stringify(sound.tags));
    const video = await save(page, "#save-video");
    assert.match(video.name, /^picture-seed-7\.(mp4|webm)$/);
    assert.ok(Math.abs(video.seconds - 2) < 0.1, `${video.seconds} s`);
    const [width, height, frames] = video.video;
    assert.ok(width % 2 === 0 && height % 2 === 0 && width >= 300 && frames === 50, `${width} x ${height}, ${frames} frames`);
    assert.ok(video.loudest > 0.1, `loudest ${video.loudest}`);
    assert.ok(!(await page.locator("#save-row").isVisible()));
    assert.deepEqual(faults, []);
    await close();
  });

  test("and a video that is being made can be given up", async () => {
    const { page, faults, close } = await opened("?seconds=30");
    await choose(page, PICTURE);
    await make(page);
    await page.click("#save-video");
    await page.click("#save-cancel");
    await page.locator("#save-row").waitFor({ state: "hidden" });
    assert.ok(!(await page.locator("#problem").isVisible()));
    assert.deepEqual(faults, []);
    await close();
  });
});

test("the page speaks the browser's language, or the one that is chosen", { timeout: 60_000 }, async () => {
  const title = (language) => JSON.parse(readFileSync(join(ROOT, `web/texts/${language}.json`), "utf8"))["page.title"];
  const { page, faults, close } = await opened("", { locale: "it-CH" });
  assert.equal(await page.locator("h1").innerText(), title("it"));
  assert.equal(await page.locator("html").getAttribute("lang"), "it");
  await page.selectOption("#language", "de");
  await page.waitForFunction((expected) => document.querySelector("h1")?.innerText === expected, title("de"));
  await page.goto(`${server.url}?lang=ca&seed=5`);
  await engineReady(page);
  assert.equal(await page.locator("h1").innerText(), title("ca"));
  await page.selectOption("#language", "fr");
  await page.waitForFunction((expected) => document.querySelector("h1")?.innerText === expected, title("fr"));
  assert.ok(page.url().endsWith("?seed=5"), page.url());
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 360, height: 740 });
    await screenshot(page, `french-${colorScheme}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
  }
  assert.deepEqual(faults, []);
  await close();
});

test("nothing leaves this device: every request only fetches the page's own files", { timeout: 60_000 }, async () => {
  const { page, faults, close } = await open(browser, "about:blank");
  const requests = [];
  page.context().on("request", (request) => requests.push(request));
  await page.goto(server.url);
  await engineReady(page);
  await choose(page, PICTURE);
  await make(page);
  assert.ok(requests.length > 10);
  for (const request of requests) {
    const url = new URL(request.url());
    if (["blob:", "data:"].includes(url.protocol)) continue;
    assert.equal(request.method(), "GET", request.url());
    assert.equal(request.postData(), null, request.url());
    assert.equal(url.origin, new URL(server.url).origin, request.url());
    assert.equal(url.search, "", request.url());
  }
  assert.deepEqual(faults, []);
  await close();
});
