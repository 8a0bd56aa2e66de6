import assert from "node:assert/strict";
import { test } from "node:test";
import { levelBar, uprightBar } from "../tradespace/show/common/pure/symbols.js";

test("a bar from end to end, and a cap across each", () => {
  assert.equal(uprightBar(10, [9, 3], 2), "M10,9V3M8,9h4M8,3h4");
  assert.equal(levelBar(10, [3, 9], 2), "M3,10H9M3,8v4M9,8v4");
});
