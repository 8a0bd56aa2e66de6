import assert from "node:assert/strict";
import { test } from "node:test";
import { scaleLinear, scaleLog } from "d3-scale";
import { decades, logTicks, percents, ratioTicks, roundTicks, spaced } from "../tradespace/show/common/pure/ticks.js";

/** @param {number[]} domain */
const log = (...domain) => scaleLog(domain, [0, 1]);

test("a logarithmic axis has room at both ends", () => {
  const [low, high] = decades([13, 100]);
  assert.ok(Math.abs(low - 10) < 1e-9 && Math.abs(high - 130) < 1e-9);
});

test("without positive numbers it is there all the same", () => {
  for (const ends of [[], [0, 5], [-1, 5]]) assert.deepEqual(decades(ends), [0.1, 100]);
});

test("an axis of shares has room, and stays one of shares", () => {
  assert.deepEqual(percents([0.4, 0.6]), [0.4 - 0.15 * (0.6 - 0.4), 0.6 + 0.15 * (0.6 - 0.4)]);
  assert.deepEqual(percents([0.5, 0.5]), [0.49, 0.51]);
  assert.deepEqual(percents([0.001, 0.999]), [0, 1]);
  assert.deepEqual(percents([0.25, 0.75], 0.5), [0, 1]);
  assert.deepEqual(percents([0.25, 0.75], 0.25), [0.125, 0.875]);
  assert.deepEqual(percents([]), [0, 1]);
});

test("1, 2 and 5 where there is room, else the decades", () => {
  assert.deepEqual(roundTicks(log(1, 100), 7), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(roundTicks(log(1, 100), 6), [1, 10, 100]);
  assert.deepEqual(roundTicks(log(0.01, 0.06), 8), [0.01, 0.02, 0.05]);
});

test("no tick lies off the axis", () => assert.deepEqual(roundTicks(log(3, 40), 8), [5, 10, 20]));

test("an axis too short for two round numbers has even steps", () => {
  assert.deepEqual(roundTicks(log(6, 9), 8), []);
  const ticks = logTicks(log(6, 9), 8);
  assert.ok(ticks.length > 1 && ticks.every((tick) => tick >= 6 && tick <= 9), `${ticks}`);
  assert.ok(logTicks(log(4, 8), 8).length > 1);
  assert.deepEqual(logTicks(log(1.2, 1.8), 8), [1.2, 1.4, 1.6, 1.8]);
  assert.deepEqual(logTicks(log(1.2, 1.8), 1), [1.5]);
  assert.deepEqual(logTicks(log(1, 100), 8), roundTicks(log(1, 100), 8));
});

test("a ratio that spans several has round numbers", () => {
  assert.deepEqual(ratioTicks(log(0.4, 8), 9), [0.5, 1, 2, 5]);
});

test("a ratio near 1 has even steps, no more than have room", () => {
  assert.deepEqual(ratioTicks(log(0.9, 1.1), 5), [0.9, 0.95, 1, 1.05, 1.1]);
  assert.deepEqual(ratioTicks(log(0.9, 1.6), 5), [0.9, 1.1, 1.3, 1.5]);
  for (const most of [0, 2, 3, 5, 9, 50]) {
    const ticks = ratioTicks(log(0.83, 1.21), most);
    assert.ok(ticks.length >= 2 && ticks.length <= Math.max(2, Math.min(most, 9)) + 1, `${most}: ${ticks}`);
  }
});

test("powers of two come first where sizes are close", () => {
  const x = scaleLinear([0, 64], [0, 640]);
  assert.deepEqual(spaced([30, 32, 34, 64, 7, 8], x, 50), [8, 32, 64]);
  assert.deepEqual(spaced([30, 32, 34], x, 20), [30, 32, 34]);
  assert.deepEqual(spaced(new Set([64, 1]), x, 50), [1, 64]);
  assert.deepEqual(spaced([], x, 50), []);
});
