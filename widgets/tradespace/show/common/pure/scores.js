// Scores: how they are written, and what their axis spans. An accuracy is a share, in per cent; others are numbers.
import { format } from "d3-format";
import { known, percent } from "./numbers.js";
import { percents } from "./ticks.js";

/**
 * How a score is written, as the kernel sends it.
 * @typedef {{ name: string, title: string, unit: string, axis: string, percent: boolean }} Scale
 */

// A share of the best accuracy, and how many times the distance from the best to the median of other scores: what is
// lower was ruined, and would press all others together.
const WORTH = 0.3,
  WORTH_TIMES = 5;

/**
 * The number of a score, without its unit.
 * @param {number} value @param {Scale} score
 */
export function written(value, score) {
  if (score.percent) return percent(value);
  if (Math.abs(value) < 1e4) return `${+value.toPrecision(4)}`;
  return `${value < 0 ? "-" : ""}${format(",.0f")(Math.abs(value))}`;
}

/**
 * The number of a score with its unit.
 * @param {number} value @param {Scale} score
 */
export const told = (value, score) => `${written(value, score)}${score.percent ? "%" : score.unit && ` ${score.unit}`}`;

/**
 * The domain of an axis of scores, with some room at both ends.
 * @param {readonly number[]} ends the lowest and the highest score, or nothing
 * @param {Scale} score
 * @param {number} [part] how much room, as a part of what lies between them
 * @returns {[number, number]}
 */
export function scores([low, high], score, part = 0.15) {
  if (score.percent) return percents([low, high], part);
  if (!known(low)) return [0, 1];
  const room = part * (high - low) || Math.abs(high) / 20 || 1;
  return [low - room, high + room];
}

/**
 * From which score on points are worth a scale.
 * @param {readonly number[]} values @param {Scale} score
 */
export function leastWorth(values, score) {
  const sorted = [...values].sort((one, other) => other - one);
  if (!sorted.length) return -Infinity;
  if (score.percent) return sorted[0] - WORTH;
  const apart = sorted[0] - sorted[Math.floor((sorted.length - 1) / 2)];
  return apart > 0 ? sorted[0] - WORTH_TIMES * apart : -Infinity;
}
