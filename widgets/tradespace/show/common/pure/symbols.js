import * as shapes from "d3-shape";

/**
 * The path of one of D3's symbols, by name ("symbolCircle") and area in square pixels.
 * @param {string} name @param {number} size
 */
export function symbolPath(name, size) {
  const type = /** @type {Record<string, unknown>} */ (shapes)[name];
  return shapes.symbol(/** @type {import("d3-shape").SymbolType} */ (type), size)();
}
