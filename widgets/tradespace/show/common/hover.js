// What lies under the pointer: it is named beside it, and a click chooses it.
import { pointer } from "d3-selection";
import { nearest } from "./pure/hit.js";

// How near it has to be, in pixels at the size of the type that a chart is laid out for.
const NEAR = 24;

/** Writes the row that was chosen to the kernel. */
export function choose(model, row) {
  model.set("selected", row);
  model.save_changes();
}

/** The box in which a row is named. */
export const addTip = (root) => root.append("div").attr("class", "tip").attr("hidden", true);

function showTip(tip, root, event, words) {
  const [x, y] = pointer(event, root.node());
  tip
    .text(words)
    .style("left", "0")
    .style("top", `${y + 14}px`);
  const most = root.node().clientWidth - tip.node().offsetWidth - 4;
  tip.style("left", `${Math.max(0, Math.min(x + 14, most))}px`);
}

/**
 * Names the rows of a panel in the tip of its chart and chooses the one that is clicked; `named` hears of each, or of null.
 * @param {{ model: any, root: any, tip: any, area: any }} parts of the chart, and of the panel what the pointer is over
 * @param {{ rows: () => number[], place: (row: number) => number[], type: number, words: (row: number) => string,
 *   named?: (row: number | null) => void }} how
 */
export function nameRows({ model, root, tip, area }, { rows, place, type, words, named }) {
  const rowAt = (event) => nearest(rows(), place, pointer(event, area.node().parentNode), NEAR * type);
  const show = (event, row) => {
    named?.(row);
    tip.attr("hidden", row === null ? true : null);
    if (row !== null) showTip(tip, root, event, words(row));
  };
  area.on("mousemove", (event) => show(event, rowAt(event)));
  area.on("mouseleave", (event) => show(event, null));
  area.on("click", (event) => {
    const row = rowAt(event);
    if (row !== null) choose(model, row);
  });
}
