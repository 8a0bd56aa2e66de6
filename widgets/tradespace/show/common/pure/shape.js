// How an Explorer is laid out: by how much room there is, in pixels and in type.

// The size of the type, in pixels, and where there is a need for it to be large.
const TYPE = 13,
  LARGE = 17,
  ROOMY = 14;
// In sizes of type: all four charts at once fit into so much, and controls beside one chart need so much.
const FOUR = { width: 100, height: 62 },
  BESIDE_WIDTH = 56;
/** @type {Record<string, [number, number]>} How tall it is at least and at most, in sizes of type. */
const TALL = { four: [62, 92], beside: [43, 70], above: [76, 110] };

/**
 * The layout for so many pixels: `four` charts at once, one of them `beside` the controls, or the controls `above` it.
 * @param {number} width
 * @param {number} height
 * @param {boolean} large Whether the type is to be read from the back of a room.
 * @returns {{ shape: "four" | "beside" | "above", type: number, tall: number }} `tall` and `type` in pixels.
 */
export function shapeOf(width, height, large) {
  const base = large ? LARGE : TYPE;
  const four = width >= FOUR.width * base && height >= FOUR.height * base;
  const shape = four ? "four" : width >= BESIDE_WIDTH * base ? "beside" : "above";
  const type = four && !large && width >= FOUR.width * ROOMY && height >= FOUR.height * ROOMY ? ROOMY : base;
  const [least, most] = TALL[shape];
  return { shape, type, tall: Math.round(Math.min(Math.max(height, least * type), most * type)) };
}
