import { within } from "./numbers.js";

/** @param {string} hex such as #f0e442 */
export const rgb = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

/** @param {readonly number[]} a @param {readonly number[]} b @param {number} share of b */
export const mix = (a, b, share) => a.map((part, k) => part + share * (b[k] - part));

/**
 * The colour at a share from 0 to 1 of evenly spaced stops.
 * @param {readonly string[]} stops @param {number} share
 */
export function colourAt(stops, share) {
  const place = within(share, [0, 1]) * (stops.length - 1);
  const i = Math.min(Math.floor(place), stops.length - 2);
  return mix(rgb(stops[i]), rgb(stops[i + 1]), place - i);
}
