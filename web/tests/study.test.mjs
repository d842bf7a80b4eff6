// What a listening study computes: its order, its tables, its files.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadTexts } from "../dist/common/texts.js";
import { parseStudy } from "../dist/study/manifest.js";
import { remaining, toCsv, trials } from "../dist/study/session.js";
import { meanRating, preference, share, t975 } from "../dist/study/statistics.js";

// Sentences are part of what is tested.
globalThis.fetch = async (url) => new Response(readFileSync(url));
await loadTexts();

const ADDRESS = new URL("https://example.org/study/study.json");
const items = Array.from({ length: 6 }, (_, at) => ({ id: `i${at}`, picture: `${at}.jpg`, tracks: { a: `a${at}.wav`, b: `b${at}.wav` } }));
const whole = { id: "s", title: "T", consent: "C", systems: [{ id: "a" }, { id: "b" }], items };
const study = parseStudy(JSON.stringify(whole), ADDRESS);

test("every participant hears everything, in an order and on sides that only the number decides", () => {
  const seen = new Set();
  let first = 0;
  for (let participant = 0; participant < 300; participant += 1) {
    const order = trials(study, String(participant));
    assert.deepEqual(trials(study, String(participant)), order);
    assert.deepEqual(order.map(({ item }) => item).toSorted(), items.map(({ id }) => id));
    assert.equal(order.filter(({ order: [side] }) => side === "a").length, 3, "each system is first equally often");
    seen.add(order.map(({ item }) => item).join());
    first += Number(order[0].order[0] === "a");
  }
  assert.ok(seen.size > 200, `${seen.size} orders`);
  assert.ok(first > 110 && first < 190, `a is first in ${first} of 300`);
});

test("what was answered is not heard again", () => {
  const all = trials(study, "x");
  const answers = [{ item: all[2].item, order: all[2].order, ratings: {}, preferred: "none", at: 0 }];
  assert.deepEqual(remaining(study, { study: "s", participant: "x", answers }), all.toSpliced(2, 1));
});

test("means have intervals of participants and not of ratings, and shares have Wilson's", () => {
  const answer = (a, preferred) => ({ item: "i", order: ["a", "b"], ratings: { a: { fit: a }, b: { fit: 1 } }, preferred, at: 0 });
  const people = [[5, 3], [4, 4], [2, 2]].map((own, at) => ({ study: "s", participant: String(at), answers: own.map((a) => answer(a, "a")) }));
  const { mean, low, high, participants, ratings } = meanRating(people, "a", "fit");
  // Means 4, 4, 2: 3.333, deviation 1.1547, t(2) = 4.3027.
  assert.ok(Math.abs(mean - 10 / 3) < 1e-9 && participants === 3 && ratings === 6);
  assert.ok(Math.abs(high - mean - 4.3027 * 1.154701 / Math.sqrt(3)) < 1e-3 && Math.abs(mean - low - (high - mean)) < 1e-9);
  assert.equal(meanRating(people.slice(0, 1), "a", "fit").low, undefined);
  // R: prop.test(81, 263, correct = FALSE) gives 0.2553 to 0.3662.
  const wilson = share(81, 263);
  assert.ok(Math.abs(wilson.low - 0.2553) < 1e-3 && Math.abs(wilson.high - 0.3662) < 1e-3, JSON.stringify(wilson));
  people[0].answers[0].preferred = "none";
  assert.deepEqual([preference(people, "a").count, preference(people, "a").of], [5, 5]);
  // R: qt(0.975, c(1, 10, 11, 30, 200)).
  [[1, 12.7062], [10, 2.2281], [11, 2.20099], [30, 2.04227], [200, 1.97190]].forEach(([freedom, expected]) => {
    assert.ok(Math.abs(t975(freedom) - expected) < 3e-3, `${freedom}: ${t975(freedom)}`);
  });
});

test("a table has a line for every rating and preference, and quotes what needs it", () => {
  const answers = [{ item: 'odd, "name"', order: ["b", "a"], ratings: { b: { fit: 2 }, a: { fit: 5 } }, preferred: "a", at: 0 }];
  assert.equal(toCsv([{ study: "s", participant: "p", answers }]), [
    "study,participant,item,system,heard,question,rating,time",
    's,p,"odd, ""name""",b,1,fit,2,1970-01-01T00:00:00.000Z',
    's,p,"odd, ""name""",a,2,fit,5,1970-01-01T00:00:00.000Z',
    's,p,"odd, ""name""",a,2,preferred,1,1970-01-01T00:00:00.000Z',
    "",
  ].join("\n"));
});

test("every fault of a study.json is one sentence that names the field", () => {
  const faulty = (change, sentence) => {
    assert.throws(() => parseStudy(JSON.stringify({ ...whole, ...change }), ADDRESS), (error) => {
      assert.equal(error.name, "Format");
      assert.match(error.message, sentence);
      return true;
    });
  };
  faulty({ systems: [{ id: "a" }] }, /exactly two/);
  faulty({ systems: [{ id: "a" }, { id: "a" }] }, /exactly two/);
  faulty({ systems: [{ id: "a b" }, { id: "b" }] }, /systems\[0\]\.id must have letters/);
  faulty({ items: [] }, /items must be a list with at least one entry/);
  faulty({ items: [{ picture: "a.jpg" }] }, /items\[0\]\.tracks\.a is missing, and the system a has no bundle/);
  faulty({ items: [items[0], items[0]] }, /The id i0 is there twice/);
  faulty({ consent: undefined }, /consent is missing/);
  faulty({ sistems: 1 }, /sistems is not known/);
  assert.throws(() => parseStudy("{", ADDRESS), /study\.json is not JSON/);
});

test("the example is a study", () => {
  const json = readFileSync(new URL("../../examples/study/study.json", import.meta.url), "utf8");
  const { systems, items: pictures, questions } = parseStudy(json, new URL("https://example.org/examples/study/study.json"));
  assert.equal(systems[0].bundle, "https://example.org/web/models/default/");
  assert.equal(questions.length, 4);
  for (const { picture } of pictures) readFileSync(new URL(`../..${picture.pathname}`, import.meta.url));
});
