// A row of numbers with their units and intervals, and a sentence that a screen reader speaks when it changes.
import { select } from "d3-selection";
import { say } from "../common/shapes.js";

const PARTS = ["label", "value", "interval", "origin"];

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-tiles");
  const list = root.append("div").attr("class", "list");
  const sentence = root.append("p").attr("role", "status");

  function draw() {
    const tiles = list
      .selectAll("div.tile")
      .data(model.get("tiles"))
      .join((enter) => {
        const tile = enter.append("div").attr("class", "tile");
        for (const part of PARTS) tile.append("span").attr("class", part);
        return tile;
      });
    tiles.attr("data-origin", (tile) => tile.origin);
    tiles.each(function (tile) {
      const label = tile.unit ? `${tile.label}, ${tile.unit}` : tile.label;
      for (const part of PARTS) say(select(this).select(`span.${part}`), part === "label" ? label : tile[part]);
    });
    say(sentence, model.get("sentence"));
  }

  // Once a message, whatever of it has changed.
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
