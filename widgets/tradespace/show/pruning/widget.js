// A layer's weights with the smallest cut off, the picture of its matrix, and what the whole model is worth and costs.
//
// The kernel sends `layers` (names), `shares` (of each kind, in per cent), `view` (all shares of one layer; anew when
// `layer` changes), `sizes` (what is left of the model), `points` (by pruning; as it is measured), `whole` (the
// unpruned model), `where`, `note` and `untested` (in words), and `unfinished` (whether anything is left to measure).
// The browser writes `kind`, `share`, `layer` and `measuring`, and draws what they say at once.
import { least, max, min } from "d3-array";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { area, curveStep } from "d3-shape";
import { known, percent, plain } from "../common/pure/numbers.js";
import { symbolPath } from "../common/pure/symbols.js";
import { axes, FOOT_EM, HEIGHT_EM, MARGIN_EM, panel } from "../common/lens.js";

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
  const root = select(el).append("div").attr("class", "tradespace tradespace-pruning-lens");
  const id = `pruning-lens-${Math.random().toString(36).slice(2)}`;
  const bar = root.append("div").attr("class", "controls");
  const panels = root.append("div").attr("class", "panels");
  const weights = panel(panels, "weights", "Weights of the layer");
  const picture = panel(panels, "picture", "The layer as a matrix");
  const accuracy = panel(panels, "accuracy", "Accuracy of the whole model");
  const latency = panel(panels, "latency", "Latency of the whole model");
  const meters = root.append("div").attr("class", "meters");
  const status = root.append("p").attr("role", "status");
  const foot = root.append("div").attr("class", "foot");
  const note = foot.append("span"),
    button = foot.append("button").attr("type", "button");

  function write(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
    draw();
  }

  const kind = () => model.get("kind");
  const there = () => model.get("shares")[kind()];
  const place = () => Math.max(0, there().indexOf(model.get("share")));

  const amount = bar.append("div").attr("class", "control");
  amount.append("label").attr("for", `${id}-share`).text("share pruned");
  const track = amount.append("div").attr("class", "track");
  const slider = track
    .append("input")
    .attr("type", "range")
    .attr("id", `${id}-share`)
    .attr("min", 0)
    .attr("step", 1)
    .attr("title", "What share of the weights is set to zero, or of the channels taken out")
    .on("input", () => write({ share: there()[+slider.property("value")] }));
  const ticks = track.append("div").attr("class", "ticks").attr("aria-hidden", true);
  const output = amount.append("b").attr("aria-hidden", true);

  const what = bar.append("fieldset").attr("class", "control").attr("title", "What is pruned");
  what.append("legend").text("what");
  const choices = what.selectAll("label").data(KINDS).join("label");
  const radios = choices
    .append("input")
    .attr("type", "radio")
    .attr("name", `${id}-kind`)
    .on("change", (_, one) => {
      const share = least(model.get("shares")[one.kind], (some) => Math.abs(some - model.get("share")));
      write({ kind: one.kind, share });
    });
  choices
    .append("svg")
    .attr("class", "mark")
    .attr("viewBox", "-9 -9 18 18")
    .append("path")
    .attr("class", (one) => one.kind)
    .attr("d", (one) => symbolPath(one.symbol, 130));
  choices.append("span").text((one) => one.name);

  const menu = bar.append("div").attr("class", "control menu");
  menu.append("label").attr("for", `${id}-layer`).text("layer");
  const layer = menu
    .append("select")
    .attr("id", `${id}-layer`)
    .attr("title", "Whose weights are shown")
    .on("change", () => write({ layer: +layer.property("value") }));
  button.on("click", () => write({ measuring: !model.get("measuring") }));

  // JupyterLab takes the arrow keys for itself, unless the very element that has the focus says that it wants them.
  root.selectAll("input, select, button").attr("data-lm-suppress-shortcuts", "true");

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
    layer
      .selectAll("option")
      .data(model.get("layers"))
      .join("option")
      .attr("value", (_, at) => at)
      .text((name) => name);
    layer.property("value", model.get("layer"));
  }

  function drawWeights(view, em) {
    const all = view.kept.weights[0],
      left = view.kept[kind()][place()],
      cut = kind() === "weights" ? view.cut_offs[place()] : 0;
    const x = scaleLinear([-view.span, view.span], [0, 1]),
      y = scaleLinear([0, 1.05 * (max(/** @type {number[]} */ (all)) || 1)], [0, 1]);
    const { g, top, bottom } = axes(weights, em, { x, y, xLabel: "weight", yLabel: "share of the weights, %" });
    const bin = (2 * view.span) / all.length;
    const shape = area()
      .x((_, at) => x(-view.span + (at + 0.5) * bin))
      .y0(bottom)
      .y1((/** @type {any} */ share) => y(share))
      .curve(curveStep);
    g.append("path").attr("class", "gone").attr("d", shape(all));
    if (left) g.append("path").attr("class", `left ${kind()}`).attr("d", shape(left));
    const reach = Math.min(cut, view.span);
    if (reach > 0) {
      g.append("rect")
        .attr("class", "cut")
        .attr("x", x(-reach))
        .attr("width", x(reach) - x(-reach))
        .attr("y", top)
        .attr("height", bottom - top);
      g.append("path")
        .attr("class", "cut-edge")
        .attr("d", `M${x(-reach)},${top}V${bottom}M${x(reach)},${top}V${bottom}`);
    }
    const entries = left
      ? [
          ["gone", "pruned"],
          [`left ${kind()}`, "left"],
        ]
      : [["gone", "all weights: which ones go is not known"]];
    if (cut > 0) entries.push(["cut", `up to ${plain(cut)}: cut off`]);
    weights.words
      .selectAll("span.key")
      .data(entries, (entry) => entry[0])
      .join((enter) => {
        const key = enter.append("span").attr("class", "key");
        key.append("i").attr("class", (entry) => entry[0]);
        key.append("span");
        return key;
      })
      .select("span")
      .text((entry) => entry[1]);
  }

  function drawPicture(view, em) {
    const lines = view.lines[model.get("share")],
      weighing = kind() === "weights";
    const across = view.cells[0].length,
      down = view.cells.length;
    const width = Math.max(picture.figure.node().clientWidth, 12 * em),
      height = HEIGHT_EM * em;
    const svg = picture.svg.attr("width", width).attr("height", height);
    svg.selectAll("*").remove();
    const left = 2.6 * em,
      right = width - MARGIN_EM.right * em,
      top = 0.8 * em,
      bottom = height - 2.2 * em;
    // Cells as large as fit, and no larger than a finger: a matrix of ten rows need not fill the panel.
    const cell = [Math.min((right - left) / across, 1.5 * em), Math.min((bottom - top) / down, 1.5 * em)];
    const g = svg.append("g").attr("transform", `translate(${left},${top})`);
    const told = weighing || lines;
    g.append("rect")
      .attr("class", "matrix")
      .attr("width", across * cell[0])
      .attr("height", down * cell[1]);
    const stays = weighing ? (shares) => shares > place() : (_, r, c) => lines.rows[r] && lines.columns[c];
    if (told) {
      g.append("path")
        .attr("class", `left ${kind()}`)
        .attr("transform", `scale(${cell})`)
        .attr("d", cellsPath(view.cells, stays));
    } else {
      g.append("text")
        .attr("class", "axis-label")
        .attr("x", (across * cell[0]) / 2)
        .attr("y", (down * cell[1]) / 2)
        .text("not known");
    }
    svg
      .append("text")
      .attr("class", "axis-label")
      .attr("x", left + (across * cell[0]) / 2)
      .attr("y", top + down * cell[1] + 1.5 * em)
      .text("weights of a channel");
    svg
      .append("text")
      .attr("class", "axis-label")
      .attr("transform", `translate(${1.5 * em},${top + (down * cell[1]) / 2}) rotate(-90)`)
      .text("channels");
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

  function listed() {
    const points = model.get("points");
    return Object.entries(points).map(([name, point]) => {
      const [which, share] = name.split("-");
      return { ...point, name, share: +share, one: KINDS.find((one) => one.kind === which) };
    });
  }

  /**
   * @param {ReturnType<typeof panel>} target
   * @param {number} em
   * @param {{ value: string, low: string, high: string, line: number, band?: number[], y: any, yLabel: string,
   *   yFormat: (value: number) => string }} how `value`, `low` and `high` name what is drawn of a point
   */
  function drawChart(target, em, { value, low, high, line, band, y, yLabel, yFormat }) {
    const x = scaleLinear([0, 100], [0, 1]);
    // What is shown lies on top, and the two kinds beside each other where they share a place.
    const points = listed().sort((a, b) => +(a.one.kind === kind()) - +(b.one.kind === kind())),
      waiting = points.some((point) => !known(point[value]));
    const { g, left, right, top, bottom } = axes(target, em, {
      x,
      y,
      xLabel: "share pruned, %",
      yLabel,
      xTicks: [0, 25, 50, 75, 100],
      yFormat,
      foot: waiting ? FOOT_EM * em : 0,
    });
    if (band) {
      g.append("rect")
        .attr("class", "whole-band")
        .attr("x", left)
        .attr("width", right - left)
        .attr("y", y(band[1]))
        .attr("height", Math.max(1, y(band[0]) - y(band[1])));
    }
    if (known(line))
      g.append("line")
        .attr("class", "whole")
        .attr("x1", left)
        .attr("x2", right)
        .attr("y1", y(line))
        .attr("y2", y(line));
    const here = x(model.get("share"));
    g.append("line").attr("class", "here").attr("x1", here).attr("x2", here).attr("y1", top).attr("y2", bottom);
    const drawn = g
      .selectAll("g.point")
      .data(points)
      .join("g")
      .attr("data-state", (point) => point.state)
      .attr(
        "class",
        (point) =>
          `point ${point.one.kind}${point.one.kind === kind() ? "" : " other"}${known(point[value]) ? "" : " hollow"}`,
      )
      .attr(
        "transform",
        (point) =>
          `translate(${x(point.share) + (point.one.kind === "weights" ? -0.25 : 0.25) * em},${known(point[value]) ? y(point[value]) : bottom - 0.8 * em})`,
      )
      .on("click", (_, point) => write({ kind: point.one.kind, share: point.share }));
    drawn.append("title").text((point) => point.words);
    drawn
      .filter((point) => known(point[low]))
      .append("path")
      .attr("class", "interval")
      .attr("d", (point) => {
        const up = y(point[high]) - y(point[value]),
          down = y(point[low]) - y(point[value]);
        return `M0,${up}V${down}M-4,${up}H4M-4,${down}H4`;
      });
    drawn
      .append("path")
      .attr("class", "symbol")
      .attr("d", (point) => symbolPath(point.one.symbol, 0.36 * em * em));
    drawn
      .filter((point) => point.state === "failed")
      .append("path")
      .attr("class", "failed")
      .attr("d", "M-4,-4L4,4M-4,4L4,-4");
    drawn
      .filter((point) => point.one.kind === kind() && point.share === model.get("share"))
      .append("circle")
      .attr("class", "current")
      .attr("r", 0.65 * em);
    if (!waiting) return;
    g.append("line")
      .attr("class", "waiting")
      .attr("x1", left)
      .attr("x2", right)
      .attr("y1", bottom - FOOT_EM * em)
      .attr("y2", bottom - FOOT_EM * em);
    g.append("text")
      .attr("class", "waiting")
      .attr("x", (left + right) / 2)
      .attr("y", bottom - 1.6 * em)
      .text(
        points.every((point) => point.state === "known" || point.state === "failed") ? "not known" : "not measured yet",
      );
  }

  function range(points, names) {
    /** @type {number[]} */
    const numbers = points.flatMap((point) => names.map((name) => point[name])).filter(known);
    return [min(numbers), max(numbers)];
  }

  function drawAccuracy(em) {
    accuracy.figure.attr("hidden", model.get("untested") ? true : null);
    if (model.get("untested")) return;
    const whole = model.get("whole");
    const [low, high] = range([...listed(), whole], ["accuracy", "low", "high"]);
    const room = known(low) ? Math.max(0.01, 0.08 * (high - low)) : 0;
    const y = scaleLinear(known(low) ? [Math.max(0, low - room), Math.min(1, high + room)] : [0, 1], [0, 1]);
    drawChart(accuracy, em, {
      value: "accuracy",
      low: "low",
      high: "high",
      y,
      yLabel: "accuracy, %",
      yFormat: percent,
      line: whole.accuracy,
      band: known(whole.low) ? [whole.low, whole.high] : null,
    });
    accuracy.words.text(
      known(whole.accuracy)
        ? `line: unpruned, ${percent(whole.accuracy)}%; bars: 95 % intervals`
        : "bars: 95 % intervals",
    );
  }

  function drawLatency(em) {
    const [, high] = range(listed(), ["ratio", "ratio_high"]);
    const y = scaleLinear([0, Math.max(1.15, 1.05 * (high ?? 1))], [0, 1]);
    drawChart(latency, em, {
      value: "ratio",
      low: "ratio_low",
      high: "ratio_high",
      y,
      yLabel: "times unpruned",
      yFormat: plain,
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
    else parts.push(`Accuracy and latency are measured at ${measured.join(", ")}%, not at ${share}%.`);
    if (model.get("untested")) parts.push(model.get("untested"));
    const text = parts.join(" ");
    if (status.text() !== text) status.text(text);
    note.text(model.get("note"));
    button
      .attr("hidden", model.get("unfinished") ? null : true)
      .text(model.get("measuring") ? "Stop measuring" : "Measure the rest");
  }

  function draw() {
    const view = model.get("view");
    if (!view.words || !root.node().clientWidth) return;
    const em = parseFloat(getComputedStyle(root.node()).fontSize);
    const wide = root.node().clientWidth / em;
    panels.attr("data-columns", COLUMNS.find(([least]) => wide >= least)[1]);
    drawControls();
    drawWeights(view, em);
    drawPicture(view, em);
    drawMeters();
    drawAccuracy(em);
    drawLatency(em);
    drawWords(view);
  }

  const events = [
    "layers",
    "layer",
    "view",
    "sizes",
    "points",
    "whole",
    "kind",
    "share",
    "where",
    "note",
    "untested",
    "measuring",
    "unfinished",
  ]
    .map((name) => `change:${name}`)
    .join(" ");
  model.on(events, draw);
  const resize = new ResizeObserver(draw);
  resize.observe(root.node());
  return () => {
    resize.disconnect();
    model.off(events, draw);
  };
}

export default { render };
