// The landscape as it is seen: without perspective, turned about the upright in the middle of the unit box.
import { bisectRight } from "d3-array";

/** @typedef {{ turn: number, tilt: number, zoom: number }} Pose angles in radians */
/** @typedef {readonly [number, number, number]} Spot a place in the box, the last number its height */
/** @typedef {{ us: number[], vs: number[], columns: { top: number }[][] }} Columns their edges, and how high they are */

// The box is 1 by 1 by this.
export const HEIGHT = 0.62;

/**
 * From the unit box to the canvas, as seen from `pose`; all of the box fits, however it is turned.
 * @param {Pose} pose @param {number} width @param {number} height @param {number} em
 */
export function camera(pose, width, height, em) {
  const [st, ct, se, ce] = [Math.sin(pose.turn), Math.cos(pose.turn), Math.sin(pose.tilt), Math.cos(pose.tilt)];
  const fit = Math.min((width - 7 * em) / Math.SQRT2, (height - 5.6 * em) / (Math.SQRT2 * se + HEIGHT * ce));
  const scale = pose.zoom * Math.max(fit, 40);
  /** @type {(spot: Spot) => [number, number]} */
  const project = ([u, v, w]) => [
    width / 2 + scale * ((u - 0.5) * ct - (v - 0.5) * st),
    height / 2 - 0.4 * em - scale * ((w - HEIGHT / 2) * ce + ((u - 0.5) * st + (v - 0.5) * ct) * se),
  ];
  /** @type {[number, number]} the sides of the floor that are far from the eye, across both axes */
  const far = [+(st > 0), +(ct > 0)];
  return { project, far };
}

/**
 * Whether no column stands between a point and the eye: its ray is followed from edge to edge of the grid.
 * @param {Spot} spot @param {Columns} scene @param {Pose} pose
 */
export function inSight([u, v, w], { us, vs, columns }, pose) {
  const [du, dv, rise] = [-Math.sin(pose.turn), -Math.cos(pose.turn), Math.tan(pose.tilt)];
  const crossed = [...us.map((edge) => (edge - u) / du), ...vs.map((edge) => (edge - v) / dv)];
  const steps = [0, ...crossed.filter((t) => t > 1e-9 && t < 2).sort((a, b) => a - b)];
  for (let k = 0; k + 1 < steps.length; k++) {
    const middle = (steps[k] + steps[k + 1]) / 2;
    const [i, j] = [bisectRight(us, u + du * middle) - 1, bisectRight(vs, v + dv * middle) - 1];
    if ((columns[i]?.[j]?.top ?? 0) > w + steps[k] * rise + 1e-6) return false;
  }
  return true;
}

/**
 * Edges, the limit among them, so that no cell lies on both sides of it.
 * @param {number[]} edges @param {number} limit
 */
export function cut(edges, limit) {
  return limit > edges[0] && limit < edges[edges.length - 1]
    ? [...new Set([...edges, limit])].sort((a, b) => a - b)
    : edges;
}
