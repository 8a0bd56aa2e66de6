// Axes that stay legible: where they begin and end, and which numbers stand along them.
import { scaleLinear } from "d3-scale";
import { known } from "./numbers.js";

/** @typedef {{ ticks: (count: number) => number[] }} Ticked a scale, as far as its ticks go */

/**
 * The domain of a logarithmic axis, with some room at both ends.
 * @param {readonly number[]} ends the lowest and the highest number, or nothing
 * @returns {[number, number]}
 */
export function decades([low, high]) {
  return low > 0 ? [low / 1.3, high * 1.3] : [0.1, 100];
}

/**
 * The domain of an axis of shares, with some room at both ends.
 * @param {readonly number[]} ends the lowest and the highest share, or nothing
 * @param {number} [part] how much room, as a part of what lies between them
 * @returns {[number, number]}
 */
export function percents([low, high], part = 0.15) {
  const room = Math.max(0.01, part * (high - low));
  return known(low) ? [Math.max(0, low - room), Math.min(1, high + room)] : [0, 1];
}

/**
 * Of the ticks 1, 2, 5, 10, 20, ... as many as there is room for: all, or those of the decades alone.
 * @param {Ticked} scale @param {number} most
 */
export function roundTicks(scale, most) {
  const round = scale.ticks(10).filter((tick) => /^[125]e/.test(tick.toExponential()));
  return round.length <= most ? round : round.filter((tick) => /^1e/.test(tick.toExponential()));
}

/**
 * Round numbers, or even steps on an axis too short for two of them.
 * @param {Ticked} scale @param {number} most
 */
export function logTicks(scale, most) {
  const round = roundTicks(scale, most);
  return round.length > 1 ? round : scale.ticks(Math.min(most, 4));
}

/**
 * Round numbers where the axis of a ratio spans several; else as many even steps as have room.
 * @param {Ticked & { domain: () => number[] }} scale @param {number} most
 */
export function ratioTicks(scale, most) {
  const [low, high] = scale.domain();
  const few = Math.max(2, Math.min(most, 9));
  const round = high / low > 4 ? roundTicks(scale, few) : scaleLinear().domain([low, high]).ticks(few);
  return round.length > few + 1 ? round.filter((_, i) => i % 2 === 0) : round;
}

/**
 * Where names go, so that none lies on another: each at the height of what it names, or as little below as it must be,
 * and all of them above the bottom.
 * @param {readonly number[]} heights @param {number} room @param {number} bottom
 */
export function apart(heights, room, bottom) {
  const order = heights.map((_, i) => i).sort((one, other) => heights[one] - heights[other]);
  const places = [...heights];
  order.forEach((i, k) => {
    if (k) places[i] = Math.max(places[i], places[order[k - 1]] + room);
  });
  let floor = bottom;
  for (const i of order.reverse()) {
    places[i] = Math.min(places[i], floor);
    floor = places[i] - room;
  }
  return places;
}

/**
 * As many sizes as have room, powers of two first.
 * @param {Iterable<number>} sizes @param {(size: number) => number} x @param {number} room
 */
export function spaced(sizes, x, room) {
  /** @param {number} size */
  const round = (size) => (Number.isInteger(Math.log2(size)) ? 0 : 1);
  /** @type {number[]} */
  const kept = [];
  for (const size of [...sizes].sort((one, other) => round(one) - round(other) || one - other)) {
    if (kept.every((other) => Math.abs(x(other) - x(size)) >= room)) kept.push(size);
  }
  return kept.sort((one, other) => one - other);
}
