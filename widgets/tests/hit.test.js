import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "../tradespace/show/common/pure/hit.js";

/** @type {[number, number][]} */
const places = [
  [0, 0],
  [10, 0],
  [10, 8],
];
/** @param {number} row */
const placeOf = (row) => places[row];

test("the nearest of several", () => {
  assert.equal(nearest([0, 1, 2], placeOf, [9, 1], 24), 1);
  assert.equal(nearest([0, 1, 2], placeOf, [9, 7], 24), 2);
});

test("row 0 is a row", () => assert.equal(nearest([0, 1, 2], placeOf, [1, 1], 24), 0));

test("only nearer than the reach", () => {
  assert.equal(nearest([0], placeOf, [3, 4], 5), null);
  assert.equal(nearest([0], placeOf, [3, 4], 5.001), 0);
});

test("of those equally near the first", () => {
  assert.equal(nearest([0, 1], placeOf, [5, 0], 24), 0);
  assert.equal(nearest([1, 0], placeOf, [5, 0], 24), 1);
});

test("nothing is near where there is nothing", () => assert.equal(nearest([], placeOf, [0, 0], 24), null));

test("what has no place is passed over", () => {
  const things = [{ place: [NaN, 0] }, { place: [3, 0] }];
  assert.equal(
    nearest(things, (thing) => thing.place, [0, 0], 24),
    things[1],
  );
});
