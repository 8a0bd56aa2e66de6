// What a chart draws in: its size in type and in pixels, its axes, and when it is drawn anew.
import { addRect, addText } from "./shapes.js";

// A chart of two panels is laid out in pixels at this type size, and grows with the type.
const TYPE = 15,
  STACK_BELOW = 700;

/** The size of the type in pixels. */
export const emOf = (root) => parseFloat(getComputedStyle(root.node()).fontSize);

/** Whether a chart is part of an Explorer, which gives it a box of a fixed size. */
const boxed = (root) => root.node().closest(".tradespace-chart") !== null;

// As they were when the page was laid out: whoever asks in between, while charts are being drawn, has it laid out anew.
const sizes = new WeakMap();

/** How wide and tall a chart is to which `listen` was called; 0 while it is not on the page. */
export const sizeOf = (root) => sizes.get(root.node()) ?? { width: 0, height: 0 };

/** How tall a chart is: as its box if it has one, else as it likes. */
export const tallness = (root, liked) => (boxed(root) ? sizeOf(root).height : liked);

/** Whether nobody sees a chart, since its tab is behind another or it is not on the page yet. */
export const unseen = (root) => sizeOf(root).width === 0;

/** A function that has `draw` called in the next frame, once, however often it was asked for. */
export function eachFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/** Calls handlers by event of the model, and `resized` at each new size, until what it returns is called. */
export function listen(model, handlers, root, resized) {
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  // Its first call comes once the chart has a place and a width.
  const resize = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = root.node();
    sizes.set(root.node(), { width, height });
    resized();
  });
  resize.observe(root.node());
  return () => {
    resize.disconnect();
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}

/** One of D3's axes with ticks that are given; of a grid, `reach` is how far its lines go, as a negative number. */
export function ticked(axis, ticks, format, padding, reach = 6) {
  return axis.tickValues(ticks).tickFormat(format).tickSizeInner(reach).tickSizeOuter(0).tickPadding(padding);
}

/** A group for an axis; it is drawn in by `call(axis)`. */
export function addAxis(parent, left, top) {
  return parent.append("g").attr("class", "axis").attr("transform", `translate(${left},${top})`);
}

/** What both axes of a plot show: words at the height `y`, and upright ones at `x`. */
export function labelAxes(parent, { left, right, top, bottom }, xLabel, y, yLabel, x) {
  addText(parent, "axis-label", (left + right) / 2, y, xLabel);
  const upright = parent.append("text").attr("class", "axis-label").text(yLabel);
  upright.attr("transform", `translate(${x},${(top + bottom) / 2}) rotate(-90)`);
}

/** A title on the left and words on the right of the top of a chart; where there is no room for both, the words alone. */
export function addTop(parent, title, words, width, em) {
  const left = addText(parent, "title", 0.3 * em, 1.2 * em, title);
  const right = addText(parent, "note", width - 0.3 * em, 1.2 * em, words).attr("text-anchor", "end");
  const wide = left.node().getComputedTextLength() + right.node().getComputedTextLength();
  if (wide + 1.6 * em > width) left.remove();
}

/** A group that shows nothing beyond the edges of its plot. */
export function addClipped(parent, id, { left, right, top, bottom }) {
  addRect(parent.append("clipPath").attr("id", id), null, left, top, right - left, bottom - top);
  return parent.append("g").attr("clip-path", `url(#${id})`);
}

/** Two panels side by side, or stacked where there is no room: their sizes, that of the type, and where the i-th lies. */
export function twoPanels(root, heightAtType) {
  const type = emOf(root) / TYPE,
    width = sizeOf(root).width || 1100,
    liked = heightAtType * type,
    tall = tallness(root, null);
  const stacked = width < (tall ?? STACK_BELOW * type),
    height = tall === null ? liked : stacked ? tall / 2 : tall;
  return {
    type,
    width,
    height: stacked ? 2 * height : height,
    panel: { width: stacked ? width : width / 2, height },
    placeOf: (i) => (stacked ? [0, i * height] : [(i * width) / 2, 0]),
  };
}
