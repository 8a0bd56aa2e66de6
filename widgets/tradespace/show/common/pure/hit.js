import { least } from "d3-array";

/**
 * What lies nearest to a place and nearer than `reach`, the first of several; else null.
 * @template T
 * @param {Iterable<T>} things
 * @param {(thing: T) => readonly number[]} placeOf
 * @param {readonly number[]} place
 * @param {number} reach
 */
export function nearest(things, placeOf, [x, y], reach) {
  /** @param {T} thing */
  const distance = (thing) => {
    const [left, top] = placeOf(thing);
    return Math.hypot(left - x, top - y);
  };
  const found = least(things, distance);
  return found !== undefined && distance(found) < reach ? found : null;
}
