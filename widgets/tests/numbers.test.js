import assert from "node:assert/strict";
import { test } from "node:test";
import { colourAt, mix, rgb } from "../tradespace/show/common/pure/colours.js";
import { alike, known, percent, plain, within } from "../tradespace/show/common/pure/numbers.js";

test("what was not measured is not known", () => {
  for (const value of [null, undefined, NaN, Infinity, "3"]) assert.equal(known(value), false);
  for (const value of [0, -1, 2.5]) assert.equal(known(value), true);
});

test("a number keeps within its ends", () => {
  assert.deepEqual(
    [-1, 0, 0.5, 2].map((value) => within(value, [0, 1])),
    [0, 0, 0.5, 1],
  );
});

test("three digits below a thousand, whole numbers from there on", () => {
  const written = { 0: "0", 0.0123456: "0.0123", 2.5: "2.5", 12.345: "12.3", 999.4: "999", 1000: "1,000" };
  for (const [value, text] of Object.entries(written)) assert.equal(plain(Number(value)), text);
  assert.equal(plain(1234567.8), "1,234,568");
  assert.equal(plain(-0.5), "-0.5");
});

test("the numbers of an axis are written alike", () => {
  /** @param {number[]} ticks */
  const written = (...ticks) => ticks.map(alike(ticks));
  assert.deepEqual(written(500, 1000, 5000), ["500", "1,000", "5,000"]);
  assert.deepEqual(written(0.5, 500, 5000, 50000), ["0.5", "500", "5k", "50k"]);
  assert.deepEqual(written(0, 1500, 2000000), ["0", "1.5k", "2M"]);
  assert.deepEqual(written(), []);
});

test("per cent with one digit", () => assert.deepEqual([0, 0.5, 0.9123, 1].map(percent), ["0", "50", "91.2", "100"]));

test("between two tenths of a per cent the even one", () => {
  // These are exact in binary: 12.25, 12.75, 81.25 and 93.75 per cent.
  assert.deepEqual([0.1225, 0.1275, 0.8125, 0.9375].map(percent), ["12.2", "12.8", "81.2", "93.8"]);
});

test("colours by their stops", () => {
  const stops = ["#000000", "#0000ff", "#ffffff"];
  assert.deepEqual(colourAt(stops, 0), [0, 0, 0]);
  assert.deepEqual(colourAt(stops, 0.25), [0, 0, 127.5]);
  assert.deepEqual(colourAt(stops, 0.5), [0, 0, 255]);
  assert.deepEqual(colourAt(stops, 1), [255, 255, 255]);
});

test("beyond the stops is the last of them", () => {
  const stops = ["#102030", "#ffffff"];
  assert.deepEqual(colourAt(stops, -3), [16, 32, 48]);
  assert.deepEqual(colourAt(stops, 3), [255, 255, 255]);
});

test("a share of the second colour", () => assert.deepEqual(mix(rgb("#000000"), [100, 200, 40], 0.25), [25, 50, 10]));
