import * as shapes from "d3-shape";

/**
 * The path of one of D3's symbols, by name ("symbolCircle") and area in square pixels.
 * @param {string} name @param {number} size
 */
export function symbolPath(name, size) {
  const type = /** @type {Record<string, unknown>} */ (shapes)[name];
  return shapes.symbol(/** @type {import("d3-shape").SymbolType} */ (type), size)();
}

/**
 * The path of an error bar at a place across it, from end to end, with caps that reach `cap` pixels to either side.
 * @typedef {(at: number, ends: readonly number[], cap: number) => string} Bar
 */

/** @type {Bar} */
export const uprightBar = (x, [low, high], cap) =>
  `M${x},${low}V${high}M${x - cap},${low}h${2 * cap}M${x - cap},${high}h${2 * cap}`;

/** @type {Bar} */
export const levelBar = (y, [low, high], cap) =>
  `M${low},${y}H${high}M${low},${y - cap}v${2 * cap}M${high},${y - cap}v${2 * cap}`;
