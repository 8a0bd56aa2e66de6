// A row of numbers with their units and intervals, where they are from, and a sentence that a screen reader speaks when it
// changes.
import { select } from "d3-selection";
import { say } from "../common/shapes.js";

const PARTS = ["label", "value", "interval"];

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-tiles");
  const list = root.append("div").attr("class", "list");
  const words = root.append("div").attr("class", "words");
  const line = words.append("p").attr("class", "here");
  const here = line.append("span");
  const sentence = words.append("p").attr("class", "sentence").attr("role", "status");

  function draw() {
    const tiles = list
      .selectAll("div.tile")
      .data(model.get("tiles"))
      .join((enter) => {
        const tile = enter.append("div").attr("class", "tile");
        for (const part of PARTS) tile.append("span").attr("class", part);
        return tile;
      });
    tiles.attr("data-origin", (tile) => tile.origin).attr("title", describe);
    tiles.each(function (tile) {
      for (const part of PARTS) say(select(this).select(`span.${part}`), wordsOf(tile, part));
    });
    say(here, model.get("here"));
    line.attr("title", model.get("here"));
    drawFlags();
    say(sentence, model.get("sentence"));
  }

  // The unit goes with what it has most room beside.
  const wordsOf = (tile, part) => (part === "interval" ? `${tile.interval} ${tile.unit}`.trim() : tile[part]);
  const describe = ({ about, origin }) => [about, origin].filter(Boolean).join(": ");

  function drawFlags() {
    line
      .selectAll("abbr")
      .data(Object.entries(model.get("flags")), ([name]) => name)
      .join("abbr")
      .attr("title", ([, meaning]) => meaning)
      .attr("aria-label", ([name, meaning]) => `${name}: ${meaning}`)
      .attr("role", "note")
      .attr("tabindex", 0)
      .text(([name]) => name.replace("_", " "));
  }

  // Once a message, whatever of it has changed.
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
