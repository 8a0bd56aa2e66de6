// A layer's weights with the smallest cut off, the picture of its matrix, and what the whole model is worth and costs.
//
// The kernel sends `layers` (names), `shares` (of each kind, in per cent), `view` (all shares of one layer; anew when
// `layer` changes), `sizes` (what is left of the model), `points` (by pruning; as it is measured), `whole` (the
// unpruned model), `where`, `note` and `untested` (in words), and `unfinished` (whether anything is left to measure).
// The browser writes `kind`, `share`, `layer` and `measuring`, and draws what they say at once.
import { least, max } from "d3-array";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { labelAxes } from "../common/frame.js";
import {
  addChoice,
  addFoot,
  addLayers,
  addPanel,
  addSlider,
  axes,
  clear,
  drawAccuracy,
  drawKey,
  drawLens,
  drawPoints,
  MARGIN_EM,
  outline,
  write,
} from "../common/lens.js";
import { known, percent, plain } from "../common/pure/numbers.js";
import { addRect, addText } from "../common/shapes.js";

const KINDS = [
  { kind: "weights", name: "weights to zero", symbol: "symbolCircle" },
  { kind: "channels", name: "channels out", symbol: "symbolSquare" },
];
const TICKS = { weights: [0, 50, 70, 90], channels: [0, 25, 50, 75] };
const whole = (number) => number.toLocaleString("en-GB");
const short = (number) => (number < 1e5 ? whole(number) : `${+(number / 1e6).toPrecision(3)} million`);
// From how many em of width there are how many panels in a row.
const COLUMNS = [
  [92, 4],
  [42, 2],
  [0, 1],
];

// The cells that stay, as one path in units of a cell, neighbours in a row joined.
function cellsPath(cells, stays) {
  const parts = [];
  cells.forEach((row, r) => {
    for (let start = 0; start < row.length; start++) {
      if (!stays(row[start], r, start)) continue;
      let end = start + 1;
      while (end < row.length && stays(row[end], r, end)) end++;
      parts.push(`M${start},${r}H${end}V${r + 1}H${start}Z`);
      start = end;
    }
  });
  return parts.join("");
}

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-pruning-lens tradespace-lens");
  const id = `pruning-lens-${Math.random().toString(36).slice(2)}`;
  const bar = root.append("div").attr("class", "controls");
  const panels = root.append("div").attr("class", "panels");
  const weights = addPanel(panels, "weights", "Weights of the layer");
  const picture = addPanel(panels, "picture", "The layer as a matrix");
  const accuracy = addPanel(panels, "accuracy", `${model.get("score").title} of the whole model`);
  const latency = addPanel(panels, "latency", "Latency of the whole model");
  const meters = root.append("div").attr("class", "meters");
  const drawFoot = addFoot(root, model);

  const kind = () => model.get("kind");
  const there = () => model.get("shares")[kind()];
  const place = () => Math.max(0, there().indexOf(model.get("share")));

  const tooltip = "What share of the weights is set to zero, or of the channels taken out";
  const { box, slider, ticks } = addSlider(bar, `${id}-share`, "share pruned", tooltip);
  slider.on("input", () => write(model, { share: there()[+slider.property("value")] }));
  const output = box.append("b").attr("aria-hidden", true);
  const radios = addChoice(bar, `${id}-kind`, "what", "What is pruned", KINDS);
  radios.on("change", (_, one) => {
    const share = least(model.get("shares")[one.kind], (some) => Math.abs(some - model.get("share")));
    write(model, { kind: one.kind, share });
  });
  const drawLayers = addLayers(bar, `${id}-layer`, model);

  function drawControls() {
    const last = there().length - 1,
      share = model.get("share");
    const words = kind() === "weights" ? `${share}% of the weights to zero` : `${share}% of the channels out`;
    slider.attr("max", last).property("value", place()).attr("aria-valuetext", words);
    output.text(`${share}%`);
    ticks
      .selectAll("span")
      .data(TICKS[kind()])
      .join("span")
      .text((tick) => tick)
      .attr("class", (tick) => (tick === share ? "on" : null))
      .style("left", (tick) => `${(100 * there().indexOf(tick)) / last}%`);
    radios.property("checked", (one) => one.kind === kind());
    drawLayers();
  }

  function drawWeights(view, em) {
    const all = view.kept.weights[0],
      left = view.kept[kind()][place()],
      cut = kind() === "weights" ? view.cut_offs[place()] : 0;
    const x = scaleLinear([-view.span, view.span], [0, 1]),
      y = scaleLinear([0, 1.05 * (max(/** @type {number[]} */ (all)) || 1)], [0, 1]);
    const { g, top, bottom } = axes(weights, em, { x, y, xLabel: "weight", yLabel: "share of the weights, %" });
    const shape = outline(x, y, view.span, bottom);
    g.append("path").attr("class", "gone").attr("d", shape(all));
    if (left) g.append("path").attr("class", `left ${kind()}`).attr("d", shape(left));
    const reach = Math.min(cut, view.span);
    if (reach > 0) {
      addRect(g, "cut", x(-reach), top, x(reach) - x(-reach), bottom - top);
      g.append("path")
        .attr("class", "cut-edge")
        .attr("d", `M${x(-reach)},${top}V${bottom}M${x(reach)},${top}V${bottom}`);
    }
    const gone = left ? "pruned" : "all weights: which ones go is not known";
    const entries = [["gone", gone]];
    if (left) entries.push([`left ${kind()}`, "left"]);
    if (cut > 0) entries.push(["cut", `up to ${plain(cut)}: cut off`]);
    drawKey(weights.words, entries);
  }

  function drawPicture(view, em) {
    const lines = view.lines[model.get("share")],
      weighing = kind() === "weights";
    const across = view.cells[0].length,
      down = view.cells.length;
    const { width, height } = clear(picture, em);
    const left = 2.6 * em,
      right = width - MARGIN_EM.right * em,
      top = 0.8 * em,
      bottom = height - 2.2 * em;
    // Cells as large as fit, and no larger than a finger: a matrix of ten rows need not fill the panel.
    const cell = [Math.min((right - left) / across, 1.5 * em), Math.min((bottom - top) / down, 1.5 * em)];
    const wide = across * cell[0],
      high = down * cell[1];
    const g = picture.svg.append("g").attr("transform", `translate(${left},${top})`);
    addRect(g, "matrix", 0, 0, wide, high);
    const stays = weighing ? (shares) => shares > place() : (_, r, c) => lines.rows[r] && lines.columns[c];
    if (weighing || lines) {
      g.append("path")
        .attr("class", `left ${kind()}`)
        .attr("transform", `scale(${cell})`)
        .attr("d", cellsPath(view.cells, stays));
    } else addText(g, "axis-label", wide / 2, high / 2, "not known");
    const matrix = { left, right: left + wide, top, bottom: top + high };
    labelAxes(picture.svg, matrix, "weights of a channel", matrix.bottom + 1.5 * em, "channels", 1.5 * em);
    const cropped = across < view.columns || down < view.rows;
    const zero = view.zero[kind()][place()];
    picture.words.text(
      `${view.rows} × ${view.columns}${cropped ? `, the upper left ${down} × ${across} shown` : ""}` +
        `${zero === null ? "" : `; ${percent(zero)}% ${weighing ? "zero" : "gone"}`}`,
    );
    picture.svg.attr("aria-label", `The layer as a matrix. ${view.words[kind()][place()]}`);
  }

  function drawMeters() {
    const sizes = model.get("sizes"),
      now = sizes[kind()][place()],
      all = sizes.weights[0];
    /** @type {[string, string, (number: number) => string][]} */
    const sorts = [
      ["parameters", "parameters left", whole],
      ["macs", "multiply-accumulates left", short],
    ];
    const rows = sorts.filter(([name]) => all[name] > 0);
    const items = meters
      .selectAll("div.meter")
      .data(rows, (row) => row[0])
      .join((enter) => {
        const item = enter.append("div").attr("class", "meter");
        item.append("b").text((row) => row[1]);
        const value = item.append("div");
        value.append("div").attr("class", "bar").append("div");
        value.append("span");
        return item;
      });
    items
      .select(".bar div")
      .attr("class", kind())
      .style("width", ([name]) => `${(100 * (now[name] ?? 0)) / all[name]}%`);
    items
      .select("span")
      .text(([name, , said]) =>
        known(now[name])
          ? `${said(now[name])} of ${said(all[name])} (${percent(now[name] / all[name])}%)`
          : "not known",
      );
  }

  // The points of the whole model over the share pruned, hollow where `value` is not known. What is shown lies on top,
  // and the two kinds beside each other where they share a place.
  function overShares(value, em) {
    const x = scaleLinear([0, 100], [0, 1]);
    const points = Object.entries(model.get("points")).map(([name, point]) => {
      const [which, share] = name.split("-"),
        other = which !== kind();
      return {
        ...point,
        kind: which,
        share: +share,
        symbol: KINDS.find((one) => one.kind === which).symbol,
        other,
        look: `${which}${other ? " other" : ""}${known(point[value]) ? "" : " hollow"}`,
        current: !other && +share === model.get("share"),
      };
    });
    return {
      points: points.sort((a, b) => +b.other - +a.other),
      x,
      xLabel: "share pruned, %",
      xTicks: [0, 25, 50, 75, 100],
      here: model.get("share"),
      across: (point) => x(point.share) + (point.kind === "weights" ? -0.25 : 0.25) * em,
      choose: (point) => write(model, { kind: point.kind, share: point.share }),
    };
  }

  function drawWholeModel(em) {
    const untested = model.get("untested"),
      whole = model.get("whole");
    drawAccuracy(accuracy, em, {
      ...overShares("accuracy", em),
      untested,
      score: model.get("score"),
      name: "unpruned",
      whole,
    });
    const how = overShares("ratio", em);
    const highest = max(how.points.flatMap((point) => [point.ratio, point.ratio_high]).filter(known));
    drawPoints(latency, em, {
      ...how,
      y: scaleLinear([0, Math.max(1.15, 1.05 * (highest ?? 1))], [0, 1]),
      yLabel: "times unpruned",
      yFormat: plain,
      value: "ratio",
      low: "ratio_low",
      high: "ratio_high",
      line: 1,
    });
    latency.words.text(`line: unpruned; ${model.get("where")}`);
  }

  function drawWords(view) {
    const share = model.get("share"),
      point = model.get("points")[`${kind()}-${share}`];
    const measured = there().filter((some) => `${kind()}-${some}` in model.get("points"));
    const parts = [view.words[kind()][place()], model.get("sizes")[kind()][place()].words];
    if (point) parts.push(point.words);
    else if (!share) parts.push(model.get("whole").words);
    else
      parts.push(`${model.get("score").title} and latency are measured at ${measured.join(", ")}%, not at ${share}%.`);
    if (model.get("untested")) parts.push(model.get("untested"));
    drawFoot(parts.join(" "));
  }

  return drawLens(model, root, COLUMNS, (view, em) => {
    drawControls();
    drawWeights(view, em);
    drawPicture(view, em);
    drawMeters();
    drawWholeModel(em);
    drawWords(view);
  });
}

export default { render };
