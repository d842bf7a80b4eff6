// Free-form parts without a browser. Run after the TypeScript was compiled.

import assert from "node:assert/strict";
import { test } from "node:test";
import { boundsOf, fillOutside, MOST_CORNERS, outlineOf, readOutline, writeOutline } from "../dist/pictures/lasso.js";

const circle = (count) => Array.from({ length: count }, (_, at) => ({
  x: 0.5 + 0.3 * Math.cos((2 * Math.PI * at) / count), y: 0.4 + 0.2 * Math.sin((2 * Math.PI * at) / count),
}));

/** By the shoelace formula. */
const areaOf = (corners) => Math.abs(corners.reduce((sum, { x, y }, at) => {
  const next = corners[(at + 1) % corners.length];
  return sum + x * next.y - next.x * y;
}, 0)) / 2;

test("an outline has few corners, and the shape that was drawn", () => {
  const outline = outlineOf(circle(500));
  assert.equal(outline.length, MOST_CORNERS);
  assert.ok(Math.abs(areaOf(outline) / (Math.PI * 0.3 * 0.2) - 1) < 0.03, `${areaOf(outline)}`);
  const { x, y, width, height } = boundsOf(outline);
  for (const [value, expected] of [[x, 0.2], [y, 0.2], [width, 0.6], [height, 0.4]]) assert.ok(Math.abs(value - expected) < 0.01, `${value}`);
  // What changes the shape stays: the corners of a square with many points on its edges.
  const square = [];
  for (const [from, to] of [[[0, 0], [1, 0]], [[1, 0], [1, 1]], [[1, 1], [0, 1]], [[0, 1], [0, 0]]]) {
    for (let at = 0; at < 40; at += 1) square.push({ x: from[0] + ((to[0] - from[0]) * at) / 40, y: from[1] + ((to[1] - from[1]) * at) / 40 });
  }
  assert.ok(Math.abs(areaOf(outlineOf(square)) - 1) < 1e-3);
});

test("an outline survives the way through a link to the bit, in at most 96 letters", () => {
  const outline = outlineOf(circle(100));
  const written = writeOutline(outline);
  assert.match(written, /^[\w-]{96}$/);
  assert.deepEqual(readOutline(written), outline);
  assert.equal(new URLSearchParams({ lasso: written }).toString(), `lasso=${written}`);
  for (const wrong of ["", "AAAA", "AAAAf_AA", "AAAAf_AAAA_", "AAAAf_AAAA.!", "A".repeat(12), "AAAA".repeat(MOST_CORNERS + 1)]) {
    assert.equal(readOutline(wrong), undefined, wrong);
  }
  assert.equal(outlineOf([{ x: 0, y: 0 }, { x: 1, y: 0 }]), undefined);
  assert.equal(outlineOf(circle(50).map(({ x }) => ({ x, y: 0.5 }))), undefined, "a line has no inside");
});

test("what lies outside gets the mean colour of what is inside", () => {
  const pixels = Uint8ClampedArray.of(200, 0, 40, 255, 100, 0, 0, 255, 9, 9, 9, 255, 0, 0, 0, 255);
  const mask = Uint8ClampedArray.of(0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0);
  fillOutside(pixels, mask);
  assert.deepEqual([...pixels], [200, 0, 40, 255, 100, 0, 0, 255, 150, 0, 20, 255, 150, 0, 20, 255]);
  assert.throws(() => fillOutside(pixels, new Uint8ClampedArray(16)), { name: "Input", message: "lasso.empty" });
});
