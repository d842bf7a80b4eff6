// A listening study from consent to table, with files that were made before and with a stand-in that makes them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { PICTURE, axeFaults, launch, open, screenshot, serveFake } from "./harness.mjs";

const STUDY = {
  id: "test", title: "A study", consent: "Only for testing.",
  systems: [{ id: "ours", bundle: "/good/" }, { id: "theirs" }], seconds: 1,
  items: ["one", "two", "three"].map((id) => ({ id, picture: `/study/${id}.png`, tracks: { theirs: `/study/${id}.wav` } })),
};

/** Half a second of a tone. */
function tone() {
  const bytes = Buffer.alloc(44 + 16_000);
  bytes.write("RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0", 0, "latin1");
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.writeUInt32LE(16_000, 24);
  bytes.writeUInt32LE(32_000, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(16_000, 40);
  for (let n = 0; n < 8000; n += 1) bytes.writeInt16LE(Math.round(8000 * Math.sin(n / 8)), 44 + 2 * n);
  return bytes;
}

let browser;
let server;
let study = STUDY;
before(async () => {
  server = await serveFake();
  browser = await launch("--autoplay-policy=no-user-gesture-required");
  const answer = (path, type, body) =>
    server.overrides.set(path, (_, response) => {
      response.writeHead(200, { "content-type": type }).end(body());
      return true;
    });
  answer("/study/study.json", "application/json", () => JSON.stringify(study));
  for (const { id } of STUDY.items) {
    answer(`/study/${id}.png`, "image/png", () => readFileSync(PICTURE));
    answer(`/study/${id}.wav`, "audio/wav", tone);
  }
});
after(async () => {
  await browser?.close();
  await server?.close();
});

async function visit(query = "") {
  const opened = await open(browser, `${server.url}?study=/study/study.json${query}`);
  await opened.page.locator(".study h1").waitFor();
  return opened;
}

/** Listens to both tracks, rates the first `a` and the second `b`, and prefers one. */
async function answer(page, a, b, preferred) {
  await page.locator("form").waitFor();
  await page.locator("audio").evaluateAll(async (all) => {
    for (const audio of all) {
      audio.muted = true;
      await audio.play();
      while (audio.played.length === 0) await new Promise((done) => setTimeout(done, 20));
    }
  });
  for (const id of ["fit", "mood", "quality", "pleasure"]) {
    await page.check(`[name="0.${id}"][value="${a}"]`);
    await page.check(`[name="1.${id}"][value="${b}"]`);
  }
  await page.check(`[name=preferred][value="${preferred}"]`);
  await page.click("[type=submit]");
}

async function axe(page, moment) {
  assert.deepEqual(await axeFaults(page), [], moment);
}

describe("a listening study", { timeout: 180_000 }, () => {
  test("asks for consent, plays pairs blind, goes on after a reload, and gives its answers as files and as a table", async () => {
    const { page, faults, close } = await visit();
    const begin = page.getByRole("button", { name: "Begin" });
    assert.ok(await begin.isDisabled(), "nobody begins without consent");
    await axe(page, "consent");
    await screenshot(page, "study-consent");
    await page.check("[type=checkbox]");
    await begin.click();
    assert.match(await page.locator("h1").innerText(), /Pair 1 of 3/);
    await page.locator("form").waitFor();
    await axe(page, "pair");
    await screenshot(page, "study-pair");
    const html = await page.locator("form").innerHTML();
    assert.ok(!/ours|theirs|\.wav|good/.test(html), "the page must not tell who made a track");
    // Both have to be heard.
    for (const id of ["fit", "mood", "quality", "pleasure"]) for (const at of [0, 1]) await page.check(`[name="${at}.${id}"][value="3"]`);
    await page.check('[name=preferred][value="none"]');
    await page.click("[type=submit]");
    assert.match(await page.locator("form [role=status]").innerText(), /listen to track 1 first/);
    await answer(page, 4, 2, 0);
    await page.getByText("Pair 2 of 3").waitFor();
    await page.reload();
    await page.getByText("Pair 2 of 3").waitFor();
    await answer(page, 5, 1, 0);
    await page.getByText("Pair 3 of 3").waitFor();
    await answer(page, 3, 3, "none");
    await page.getByText("Thank you").waitFor();
    await axe(page, "thanks");
    const save = async (name) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
      return readFileSync(await download.path(), "utf8");
    };
    const record = JSON.parse(await save("Save as JSON"));
    assert.deepEqual(record.answers.map(({ item }) => item).toSorted(), ["one", "three", "two"]);
    for (const { order, ratings } of record.answers.slice(0, 2)) assert.ok(ratings[order[0]].fit > ratings[order[1]].fit);
    assert.equal((await save("Save as CSV")).trim().split("\n").length, 1 + 3 * (2 * 4 + 1));
    await close();

    const table = await visit("&results");
    const second = { ...record, participant: "second" };
    const file = (name, content) => ({ name, mimeType: "application/json", buffer: Buffer.from(JSON.stringify(content)) });
    await table.page.setInputFiles("[type=file]", [file("a.json", record), file("b.json", second), file("a again.json", record)]);
    await table.page.getByText("2 participants, 6 pairs answered").waitFor();
    const rows = await table.page.locator("tbody tr").allInnerTexts();
    assert.equal(rows.length, 5);
    assert.match(rows[0], /\d\.\d\d \[\d\.\d\d, \d\.\d\d\], n = 2 \(6\)/);
    assert.match(rows[4], /%/);
    await axe(table.page, "results");
    await screenshot(table.page, "study-results");
    await table.page.setInputFiles("[type=file]", [file("c.json", { study: "other", participant: "x", answers: [] })]);
    assert.match(await table.page.locator("[role=alert]").innerText(), /c\.json holds no answers to this study/);
    assert.deepEqual([...faults, ...table.faults], []);
    await table.close();
  });

  test("says what is wrong with its file, or that a track is missing, and tries again", async () => {
    study = { ...STUDY, systems: [{ id: "only" }] };
    const wrong = await visit();
    assert.match(await wrong.page.locator("[role=alert]").innerText(), /systems must be exactly two/);
    await wrong.close();
    study = { ...STUDY, items: [{ id: "lost", picture: "/study/one.png", tracks: { theirs: "/study/lost.wav" } }] };
    const { page, faults, close } = await visit();
    await page.check("[type=checkbox]");
    await page.getByRole("button", { name: "Begin" }).click();
    assert.match(await page.locator("[role=alert]").innerText(), /could not be fetched \(status 404\)/);
    server.overrides.set("/study/lost.wav", server.overrides.get("/study/one.wav"));
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator("form").waitFor();
    study = STUDY;
    assert.deepEqual(faults, []);
    await close();
  });
});
