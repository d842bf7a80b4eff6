// The parts of exhibit mode that need no browser. Run after the TypeScript was compiled.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { loadTexts } from "../dist/common/texts.js";
import { exhibitAddress, parseExhibit } from "../dist/exhibit/manifest.js";
import { Pace } from "../dist/exhibit/pace.js";
import { Playlist } from "../dist/exhibit/playlist.js";
import { Heartbeat, Watchdog } from "../dist/exhibit/watchdog.js";

// Sentences are part of what is tested.
globalThis.fetch = async (url) => new Response(readFileSync(url));
await loadTexts();

const ADDRESS = new URL("https://museum.example/show/exhibit.json");
const BUNDLE = new URL("https://museum.example/web/models/default/");
const parse = (value) => parseExhibit(typeof value === "string" ? value : JSON.stringify(value), ADDRESS, BUNDLE);
const least = (rest = {}) => ({ title: "A show", pictures: [{ file: "a.jpg" }], ...rest });

test("the smallest exhibit.json has sensible values for everything else", () => {
  const manifest = parse(least());
  const { pictures, ...rest } = manifest;
  assert.deepEqual(rest, {
    title: { en: "A show" }, invitation: undefined, languages: ["en"], bundle: BUNDLE.href, device: "auto", order: "listed",
    piece: undefined, variations: undefined, steps: undefined, crossfade: 2, loudness: -23, volume: 0.8, attract: "music", idle: 90,
    stuck: 60, keys: true, visitors: { choose: false, bring: false, volume: false },
  });
  assert.deepEqual(pictures, [{
    source: { kind: "file", url: new URL("https://museum.example/show/a.jpg") },
    title: undefined, credit: undefined, alt: undefined, seconds: 60, region: undefined,
  }]);
});

test("a full exhibit.json is read", () => {
  const manifest = parse({
    title: { en: "A show", it: "Una mostra" }, languages: ["en", "it"], bundle: "model/", seconds: 90, order: "shuffled",
    visitors: { choose: true }, pictures: [
      { iiif: "https://iiif.example/1/manifest", canvas: 3, seconds: 20, region: { x: 0.5, y: 0, width: 0.5, height: 1 } },
      { camera: { every: 15 }, title: { en: "You", it: "Tu" } },
    ],
  });
  assert.equal(manifest.bundle, "https://museum.example/show/model/");
  assert.deepEqual(manifest.visitors, { choose: true, bring: false, volume: false });
  assert.deepEqual(manifest.pictures.map(({ source, seconds }) => [source, seconds]), [
    [{ kind: "iiif", url: new URL("https://iiif.example/1/manifest"), canvas: 3 }, 20],
    [{ kind: "camera", every: 15 }, 90],
  ]);
});

test("every fault of an exhibit.json is one sentence that names the field", () => {
  const picture = (rest) => least({ pictures: [{ file: "a.jpg" }, { file: "b.jpg", ...rest }] });
  const faults = [
    ["{", /^exhibit\.json is not JSON: /],
    ["[]", "exhibit.json must be an object."],
    [{ pictures: [{ file: "a" }] }, "title is missing."],
    [least({ pictures: undefined }), "pictures is missing."],
    [least({ pictures: [] }), "pictures must be a list with at least one entry."],
    [least({ pictures: ["a.jpg"] }), "pictures[0] must be an object."],
    [least({ title: "" }), /^title must be a text, or an object/],
    [least({ title: { en: "x", fr: "y" } }), /these languages and no other: en\.$/],
    [least({ languages: ["en", "it"], title: { en: "x" } }), /no other: en, it\.$/],
    [least({ languages: ["English"] }), /^languages must be codes/],
    [least({ volume: 1.5 }), "volume must be a number from 0 to 1, not 1.5."],
    [least({ steps: 2.5 }), "steps must be a whole number from 1 to 1000, not 2.5."],
    [least({ seconds: "60" }), 'seconds must be a number from 1 to 86400, not "60".'],
    [least({ keys: "no" }), "keys must be true or false."],
    [least({ bundle: "http://[" }), "bundle is not an address: http://["],
    [least({ bundle: 3 }), "bundle must be a text that is not empty."],
    [least({ order: "random" }), 'order must be one of listed, shuffled, not "random".'],
    [least({ visitors: { chose: true } }), "visitors.chose is not known; there are bring, choose, volume."],
    [least({ sekonds: 3 }), /^sekonds is not known; there are .*seconds/],
    [picture({ iiif: "b" }), "pictures[1] must have exactly one of file, iiif and camera."],
    [picture({ file: undefined }), "pictures[1] must have exactly one of file, iiif and camera."],
    [picture({ canvas: 2 }), "pictures[1].canvas belongs to a picture with iiif."],
    [picture({ file: undefined, camera: { every: 0 } }), "pictures[1].camera.every must be a number from 1 to 86400, not 0."],
    [picture({ region: { x: 0.5, y: 0, width: 0.6, height: 1 } }), /^pictures\[1\]\.region reaches beyond/],
    [picture({ region: { x: 0.5, y: 0, width: 0.5 } }), "pictures[1].region.height is missing."],
    [picture({ colour: "red" }), /^pictures\[1\]\.colour is not known/],
  ];
  for (const [value, sentence] of faults) {
    assert.throws(() => parse(value), (error) => {
      assert.equal(error.name, "Format");
      assert.equal(error.hint, "Correct the file and reload the page.");
      if (sentence instanceof RegExp) assert.match(error.message, sentence);
      else assert.equal(error.message, sentence);
      return true;
    });
  }
});

// `art2mus exhibit` reads the same manifests, and says all that is wrong with them where the page says the first.
test("manifests have the verdicts that the program gives", () => {
  const folder = new URL("../../tests/fixtures/exhibits/", import.meta.url);
  const verdicts = JSON.parse(readFileSync(new URL("verdicts.json", folder), "utf8"));
  const files = readdirSync(folder).filter((name) => name !== "verdicts.json");
  assert.deepEqual(files.toSorted(), Object.keys(verdicts).toSorted());
  for (const name of files) {
    // As `Response.text()` decodes it.
    const json = new TextDecoder().decode(readFileSync(new URL(name, folder)));
    if (verdicts[name].length === 0) {
      assert.ok(parse(json).pictures.length > 0, name);
      continue;
    }
    assert.throws(() => parse(json), ({ message }) => {
      const named = verdicts[name].map((key) => key || "exhibit.json");
      assert.ok(named.some((key) => message.startsWith(`${key} `)), `${name}: ${message}`);
      return true;
    });
  }
});

test("a folder stands for the exhibit.json in it", () => {
  const page = "https://museum.example/index.html";
  assert.equal(exhibitAddress("show/", page).href, ADDRESS.href);
  assert.equal(exhibitAddress("show/exhibit.json", page).href, ADDRESS.href);
  assert.throws(() => exhibitAddress("http://[", page), { message: "?exhibit is not an address: http://[" });
});

test("the example is a valid exhibit, and its pictures are there", () => {
  const address = new URL("../../examples/exhibit/exhibit.json", import.meta.url);
  const manifest = parseExhibit(readFileSync(address, "utf8"), address, BUNDLE);
  assert.ok(manifest.pictures.length > 3);
  for (const { source } of manifest.pictures) assert.ok(readFileSync(source.url).length > 1000);
});

test("pictures come as listed, round after round, and any of them can be gone to", () => {
  const playlist = new Playlist(3, "listed", 1);
  const heard = [playlist.current, ...Array.from({ length: 4 }, () => playlist.advance())];
  assert.deepEqual(heard, [0, 1, 2, 0, 1]);
  playlist.goTo(2);
  assert.deepEqual([playlist.current, playlist.advance()], [2, 0]);
});

test("shuffled, each comes once a round, never twice in a row, and the orders differ", () => {
  for (const count of [1, 2, 3, 7]) {
    const playlist = new Playlist(count, "shuffled", 5);
    const rounds = Array.from({ length: 200 }, () => Array.from({ length: count }, () => {
      const { current } = playlist;
      playlist.advance();
      return current;
    }));
    for (const round of rounds) assert.deepEqual(round.toSorted(), Array.from({ length: count }, (_, n) => n));
    const heard = rounds.flat();
    if (count > 1) assert.ok(heard.every((picture, at) => picture !== heard[at - 1]), `${count} pictures`);
    if (count > 2) assert.ok(new Set(rounds.map(String)).size > 3);
  }
});

test("a place is found again, unless there are other pictures now", () => {
  const playlist = new Playlist(5, "shuffled", 9);
  for (let n = 0; n < 13; n += 1) playlist.advance();
  const again = new Playlist(5, "shuffled", 1234, JSON.parse(JSON.stringify(playlist.place)));
  for (let n = 0; n < 12; n += 1) assert.equal(again.advance(), playlist.advance());
  assert.deepEqual(new Playlist(6, "shuffled", 7, playlist.place).place, { count: 6, seed: 7, round: 0, at: 0 });
  assert.equal(new Playlist(5, "listed", 7, { ...playlist.place, at: 5 }).current, 0);
});

test("steps fall at once when pieces come late, and rise slowly when there is time", () => {
  const pace = new Pace(2, 100);
  assert.deepEqual(pace.took(100, 20_000, 10_000), { from: 100, to: 27, load: 2 });
  assert.equal(pace.took(27, 5_000, 10_000), undefined, "half of the time is well");
  assert.equal(pace.took(27, 2_000, 10_000).to, 29);
  for (let n = 0; n < 50; n += 1) pace.took(pace.steps, 10, 10_000);
  assert.equal(pace.steps, 100, "never more than is wanted");
  pace.took(100, 1e9, 10_000);
  assert.equal(pace.steps, 2, "never fewer than the model can");
  // A piece that was begun with more steps must not undo what was learnt since.
  const late = new Pace(1, 50);
  late.took(50, 40_000, 10_000);
  const { steps } = late;
  late.took(50, 10_000, 10_000);
  assert.equal(late.steps, steps);
});

test("failures in a row are answered by more and more, and the page is not loaded again for ever", () => {
  let now = 0;
  const watchdog = new Watchdog([], () => now);
  const answers = (count) => Array.from({ length: count }, () => watchdog.failed());
  assert.deepEqual(answers(6), ["retry", "retry", "engine", "retry", "retry", "page"]);
  watchdog.succeeded();
  assert.deepEqual(answers(2), ["retry", "retry"]);
  answers(4);
  assert.deepEqual(answers(6).at(-1), "page");
  assert.equal(watchdog.reloads.length, 3);
  assert.deepEqual(answers(6).at(-1), "wait");
  // The next page knows of it, and later it may again.
  const next = new Watchdog(watchdog.reloads, () => now);
  assert.equal(next.mayReload(), false);
  now = 11 * 60_000;
  assert.equal(next.mayReload(), true);
});

test("a heart that nobody keeps going stops", async () => {
  const kept = new Heartbeat(60);
  const left = new Heartbeat(20);
  const beating = setInterval(() => kept.beat(), 10);
  await new Promise((done) => left.signal.addEventListener("abort", done));
  clearInterval(beating);
  assert.equal(kept.signal.aborted, false);
  assert.equal(left.signal.reason.name, "Cancelled");
  kept.end();
  await new Promise((done) => setTimeout(done, 80));
  assert.equal(kept.signal.aborted, false, "it stops after its end");
});
