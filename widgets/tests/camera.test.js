import assert from "node:assert/strict";
import { test } from "node:test";
import { camera, cut, HEIGHT, inSight } from "../tradespace/show/common/pure/camera.js";

const EM = 10;
/** @type {(turn: number, tilt: number, zoom?: number) => ReturnType<typeof camera>} */
const seen = (turn, tilt, zoom = 1) => camera({ turn, tilt, zoom }, 670, 656, EM);
// What is left of this canvas, 600 by 600, is filled by the diagonal of the floor as seen from above.
const SIDE = 600 / Math.SQRT2;

/** @param {number[]} got @param {number[]} wanted */
const near = (got, wanted) => {
  assert.equal(got.length, wanted.length);
  for (const [k, value] of wanted.entries()) assert.ok(Math.abs(got[k] - value) < 1e-9, `${got} is not ${wanted}`);
};

test("from above and not turned, the floor is a map", () => {
  const { project } = seen(0, Math.PI / 2);
  near(project([0.5, 0.5, 0]), [335, 324]);
  near(project([1, 0.5, 0]), [335 + SIDE / 2, 324]);
  near(project([0.5, 1, 0]), [335, 324 - SIDE / 2]);
});

test("from above, height is not seen", () => {
  const { project } = seen(0.7, Math.PI / 2);
  near(project([0.2, 0.9, HEIGHT]), project([0.2, 0.9, 0]));
});

test("a quarter turn takes the first axis to the back", () => {
  const { project } = seen(Math.PI / 2, Math.PI / 2);
  near(project([1, 0.5, 0]), [335, 324 - SIDE / 2]);
  near(project([0.5, 1, 0]), [335 - SIDE / 2, 324]);
});

test("from the side, height is seen in full and depth is not", () => {
  const { project } = camera({ turn: 0, tilt: 0, zoom: 1 }, 670, 6560, EM);
  near(project([0.5, 0, 0]), project([0.5, 1, 0]));
  const [bottom, top] = [project([0.5, 0.5, 0]), project([0.5, 0.5, HEIGHT])];
  near(top, [bottom[0], bottom[1] - HEIGHT * SIDE]);
});

test("zoom stretches about the middle of the box", () => {
  const [once, twice] = [seen(0.4, 0.6).project([1, 0, 0.1]), seen(0.4, 0.6, 2).project([1, 0, 0.1])];
  near(twice, [335 + 2 * (once[0] - 335), 324 + 2 * (once[1] - 324)]);
});

test("all of the box fits, on a wide canvas and on a high one, however it is turned", () => {
  for (const [width, height] of [
    [2000, 656],
    [670, 656],
    [670, 2000],
  ]) {
    for (let turn = 0; turn < 2 * Math.PI; turn += 0.1) {
      for (const tilt of [0.1, 0.56, 1, Math.PI / 2]) {
        const { project } = camera({ turn, tilt, zoom: 1 }, width, height, EM);
        for (let corner = 0; corner < 8; corner++) {
          const [x, y] = project([corner & 1, (corner >> 1) & 1, HEIGHT * (corner >> 2)]);
          assert.ok(x > 0 && x < width && y > 0 && y < height, `turn ${turn}, tilt ${tilt}: ${x}, ${y}`);
        }
      }
    }
  }
});

test("the far corner of the floor is the highest on the canvas", () => {
  for (const turn of [0.5, 2.45, 4, 5.5]) {
    const { project, far } = seen(turn, 0.56);
    /** @type {[number, number][]} */
    const corners = [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ];
    corners.sort(([a, b], [c, d]) => project([a, b, 0])[1] - project([c, d, 0])[1]);
    assert.deepEqual(corners[0], far);
  }
});

test("a canvas without room still has a picture", () => {
  const [left, right] = [0, 1].map((u) => camera({ turn: 0, tilt: 0.5, zoom: 1 }, 10, 10, EM).project([u, 0, 0])[0]);
  assert.equal(right - left, 40);
});

// One column, at the near end of the second axis, with nothing behind it.
const WALL = { us: [0, 1], vs: [0, 0.5, 1], columns: [[{ top: 0.4 }, { top: 0 }]] };

test("a column hides what is low behind it", () => {
  const pose = { turn: 0, tilt: 0.1, zoom: 1 };
  assert.equal(inSight([0.5, 0.75, 0.1], WALL, pose), false);
  assert.equal(inSight([0.5, 0.75, 0.5], WALL, pose), true);
});

test("a column hides nothing from the other side", () => {
  assert.equal(inSight([0.5, 0.75, 0.1], WALL, { turn: Math.PI, tilt: 0.1, zoom: 1 }), true);
});

test("from high up one sees over a column", () => {
  // A quarter behind the wall and 0.3 below its top.
  const slope = Math.atan(0.3 / 0.25);
  assert.equal(inSight([0.5, 0.75, 0.1], WALL, { turn: 0, tilt: slope - 0.05, zoom: 1 }), false);
  assert.equal(inSight([0.5, 0.75, 0.1], WALL, { turn: 0, tilt: slope + 0.05, zoom: 1 }), true);
});

test("a point on top of its column is in sight, one inside it is not", () => {
  const pose = { turn: 0, tilt: 0.5, zoom: 1 };
  assert.equal(inSight([0.5, 0.25, 0.4], WALL, pose), true);
  assert.equal(inSight([0.5, 0.25, 0.3], WALL, pose), false);
});

test("a limit between edges becomes one, in order", () => {
  assert.deepEqual(cut([1, 10, 100], 9), [1, 9, 10, 100]);
  assert.deepEqual(cut([1, 10, 100], 10), [1, 10, 100]);
});

test("a limit at or beyond the ends changes nothing", () => {
  for (const limit of [0.5, 1, 100, Infinity]) assert.deepEqual(cut([1, 10, 100], limit), [1, 10, 100]);
});
