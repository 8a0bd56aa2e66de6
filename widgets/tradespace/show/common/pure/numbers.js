// Numbers: which are known, and how people write them.
import { format } from "d3-format";

/**
 * Whether a number was measured: JSON has no NaN, so what is not known comes as null.
 * @param {unknown} value
 * @returns {value is number}
 */
export const known = (value) => Number.isFinite(value);

/** @param {number} value @param {readonly [number, number]} ends */
export const within = (value, [low, high]) => Math.min(Math.max(value, low), high);

/** @param {number} value */
export const plain = (value) => (Math.abs(value) >= 1000 ? format(",.0f")(value) : `${+value.toPrecision(3)}`);

/**
 * How the numbers along one axis are written: alike, so all thousands with a letter if the highest needs one.
 * @param {readonly number[]} ticks
 * @returns {(value: number) => string}
 */
export const alike = (ticks) => {
  const long = Math.max(0, ...ticks) >= 10000;
  return (value) => (long && value >= 1000 ? format("~s")(value) : plain(value));
};

/**
 * A share in per cent. A quarter of a per cent lies between two tenths: then the even one, as in the words that come
 * from the kernel.
 * @param {number} value
 */
export const percent = (value) => {
  const points = 100 * value;
  return `${(4 * points) % 2 === 1 ? (2 * Math.round(5 * points)) / 10 : +points.toFixed(1)}`;
};
