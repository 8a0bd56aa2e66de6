import assert from "node:assert/strict";
import { test } from "node:test";
import { shapeOf } from "../tradespace/show/common/pure/shape.js";

// What is left of a window of JupyterLab with its file list open, and of a page without anything around it.
const LAPTOP = [960, 640],
  DESKTOP = [1540, 950],
  PROJECTOR = [1000, 750],
  TABLET = [800, 1150],
  PHONE = [380, 700];

test("a laptop has one chart beside its controls, and all of it fits", () => {
  assert.deepEqual(shapeOf(LAPTOP[0], LAPTOP[1], false), { shape: "beside", type: 13, tall: 640 });
});

test("a large screen has four charts at once", () => {
  assert.deepEqual(shapeOf(DESKTOP[0], DESKTOP[1], false), { shape: "four", type: 14, tall: 950 });
});

test("large type takes more room", () => {
  const { shape, type, tall } = shapeOf(PROJECTOR[0], PROJECTOR[1], true);
  assert.deepEqual([shape, tall], ["beside", 750]);
  assert.ok(type > 1.25 * shapeOf(PROJECTOR[0], PROJECTOR[1], false).type);
  assert.equal(shapeOf(DESKTOP[0], DESKTOP[1], true).shape, "beside");
});

test("a tablet upright has its controls beside the chart, and above it in large type", () => {
  assert.equal(shapeOf(TABLET[0], TABLET[1], false).shape, "beside");
  assert.equal(shapeOf(TABLET[0], TABLET[1], true).shape, "above");
});

test("where there is too little room it is as tall as it needs to be", () => {
  const { shape, tall, type } = shapeOf(PHONE[0], PHONE[1], false);
  assert.equal(shape, "above");
  assert.ok(tall > PHONE[1] && tall >= 76 * type);
});

test("it does not grow without end", () => assert.ok(shapeOf(3800, 2100, false).tall < 1400));
