// What the live charts share: numbers as people write them, and axes that stay legible.
import { format } from "d3-format";
import * as shapes from "d3-shape";

// Whether a number was measured: JSON has no NaN, so what is not known comes as null.
export const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

export const plain = (value) => (Math.abs(value) >= 1000 ? format(",.0f")(value) : `${+value.toPrecision(3)}`);

// The domain of a logarithmic axis, with some room at both ends.
export function decades([low, high]) {
  return low > 0 ? [low / 1.3, high * 1.3] : [0.1, 100];
}

// Of the ticks 1, 2, 5, 10, 20, ... as many as there is room for: all, or those of the decades alone.
export function roundTicks(scale, most) {
  const round = scale.ticks(10).filter((tick) => /^[125]e/.test(tick.toExponential()));
  return round.length <= most ? round : round.filter((tick) => /^1e/.test(tick.toExponential()));
}

// The path of one of D3's symbols, by name ("symbolCircle") and area in square pixels.
export function symbolPath(name, size) {
  return shapes.symbol(shapes[name], size)();
}
