// A row of numbers with their units and intervals, and a sentence that a screen reader speaks when it changes.
import { select } from "d3-selection";

const PARTS = ["label", "value", "interval", "origin"];

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-tiles");
  const list = root.append("div").attr("class", "list");
  const sentence = root.append("p").attr("role", "status");

  function draw() {
    const tiles = list.selectAll("div.tile").data(model.get("tiles")).join((enter) => {
      const tile = enter.append("div").attr("class", "tile");
      for (const part of PARTS) tile.append("span").attr("class", part);
      return tile;
    });
    tiles.attr("data-origin", (tile) => tile.origin);
    for (const part of PARTS) tiles.select(`span.${part}`).text((tile) => tile[part]);
    tiles.select("span.label").text((tile) => (tile.unit ? `${tile.label}, ${tile.unit}` : tile.label));
    sentence.text(model.get("sentence"));
  }

  model.on("change:tiles", draw);
  model.on("change:sentence", draw);
  draw();
  return () => {
    model.off("change:tiles", draw);
    model.off("change:sentence", draw);
  };
}

export default { render };
