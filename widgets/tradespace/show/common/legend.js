// Legends: small pictures, each with its words.
import { symbolPath } from "./pure/symbols.js";

/** An entry of a legend; returns its picture, in which 0, 0 is the middle. */
export function addEntry(legend, name, words) {
  const item = legend.append("span").attr("class", name);
  const picture = item.append("svg").attr("viewBox", "-10 -10 20 20");
  item.append("span").text(words);
  return picture;
}

/** Entries for the ring where one is, measured and predicted. */
export function addRings(legend, name) {
  addEntry(legend, name, "you are here").append("circle").attr("class", "current").attr("r", 7);
  addEntry(legend, name, "predicted").append("circle").attr("class", "current predicted").attr("r", 7);
}

/** An entry for the star on the choice. */
export function addStar(legend, name) {
  const picture = addEntry(legend, name, "best within limits");
  picture.append("path").attr("class", "choice").attr("d", symbolPath("symbolStar", 110));
}

/**
 * Entries for the precisions that are drawn, before all others: some come, some go, the rest stay as they are.
 * @param {any} legend
 * @param {{ name: string, symbol: string, colour: string }[]} marks
 */
export function drawMarks(legend, marks) {
  const items = legend.selectAll("span.precision").data(marks, (mark) => mark.name);
  items.exit().remove();
  const added = items.enter().insert("span", "span.fixed").attr("class", "precision");
  added
    .append("svg")
    .attr("viewBox", "-10 -10 20 20")
    .append("path")
    .attr("d", (mark) => symbolPath(mark.symbol, 110))
    .attr("fill", (mark) => mark.colour);
  added.append("span").text((mark) => mark.name);
  return added.merge(items);
}
