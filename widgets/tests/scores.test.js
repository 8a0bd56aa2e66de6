import assert from "node:assert/strict";
import { test } from "node:test";
import { leastWorth, scores, told, written } from "../tradespace/show/common/pure/scores.js";

const SHARES = { name: "accuracy", title: "Accuracy", unit: "%", axis: "accuracy, %", percent: true };
const METRES = { name: "gain", title: "Gain", unit: "m", axis: "gain, m", percent: false };
const PLAIN = { ...METRES, unit: "", axis: "gain" };

test("an accuracy is written in per cent, another score as a number with its unit", () => {
  assert.deepEqual([written(0.9123, SHARES), told(0.9123, SHARES)], ["91.2", "91.2%"]);
  assert.deepEqual([written(-0.0123456, METRES), told(-0.0123456, METRES)], ["-0.01235", "-0.01235 m"]);
  assert.equal(told(2, PLAIN), "2");
  assert.equal(written(-1234567, METRES), "-1,234,567");
});

test("an axis of shares stays one, another has room wherever it lies", () => {
  assert.deepEqual(scores([0.001, 0.999], SHARES), [0, 1]);
  assert.deepEqual(scores([-10, 10], METRES, 0.1), [-12, 12]);
  assert.deepEqual(scores([-20, -20], METRES), [-21, -19]);
  assert.deepEqual(scores([0, 0], METRES), [-1, 1]);
  assert.deepEqual(scores([], METRES), [0, 1]);
});

test("what was ruined is not worth a scale", () => {
  assert.ok(Math.abs(leastWorth([0.1, 0.9, 0.8], SHARES) - 0.6) < 1e-9);
  assert.equal(leastWorth([-1, -2, -1000], METRES), -6);
  assert.equal(leastWorth([-1, -1, -1], METRES), -Infinity);
  assert.equal(leastWorth([], METRES), -Infinity);
});
