// What the lenses share: controls above, panels side by side, and marks for what is known of the whole model.
import { extent } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { area, curveStep } from "d3-shape";
import { addAxis, emOf, labelAxes, listen, ticked } from "./frame.js";
import { known, plain } from "./pure/numbers.js";
import { scores, told, written } from "./pure/scores.js";
import { symbolPath, uprightBar } from "./pure/symbols.js";
import { addLine, addRect, addText, say } from "./shapes.js";

const HEIGHT_EM = 17;
export const MARGIN_EM = { top: 0.8, right: 1, bottom: 3.3, left: 4.2 };
// Room below a chart for what is not measured: it has no height, and waits there.
const FOOT_EM = 2.8;

/** A slider from 0 on, in steps of 1, with room for its ticks. */
export function addSlider(bar, id, label, title) {
  const box = bar.append("div").attr("class", "control");
  box.append("label").attr("for", id).text(label);
  const track = box.append("div").attr("class", "track");
  const slider = track.append("input").attr("type", "range").attr("id", id).attr("min", 0).attr("step", 1);
  slider.attr("title", title);
  return { box, slider, ticks: track.append("div").attr("class", "ticks").attr("aria-hidden", true) };
}

/** Radio buttons, each with the mark that stands for it in the charts; returns them. */
export function addChoice(bar, id, legend, title, kinds) {
  const set = bar.append("fieldset").attr("class", "control").attr("title", title);
  set.append("legend").text(legend);
  const labels = set.selectAll("label").data(kinds).join("label");
  const radios = labels.append("input").attr("type", "radio").attr("name", id);
  labels
    .append("svg")
    .attr("class", "mark")
    .attr("viewBox", "-9 -9 18 18")
    .append("path")
    .attr("class", (one) => one.kind)
    .attr("d", (one) => symbolPath(one.symbol, 130));
  labels.append("span").text((one) => one.name);
  return radios;
}

/** Tells the kernel, and the charts, what was chosen. */
export function write(model, changes) {
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  model.save_changes();
}

/** A menu, without options. */
export function addMenu(bar, id, label, title) {
  const box = bar.append("div").attr("class", "control menu");
  box.append("label").attr("for", id).text(label);
  return box.append("select").attr("id", id).attr("title", title);
}

/** The menu of the layers; returns what brings it up to date. */
export function addLayers(bar, id, model) {
  const menu = addMenu(bar, id, "layer", "Whose weights are shown");
  menu.on("change", () => write(model, { layer: +menu.property("value") }));
  return () => {
    menu
      .selectAll("option")
      .data(model.get("layers"))
      .join("option")
      .attr("value", (_, place) => place)
      .text((name) => name);
    menu.property("value", model.get("layer"));
  };
}

/** Words on what is shown, and a button that stops and resumes measuring; returns what brings them up to date. */
export function addFoot(root, model) {
  const status = root.append("p").attr("role", "status");
  const foot = root.append("div").attr("class", "foot");
  const note = foot.append("span"),
    button = foot.append("button").attr("type", "button");
  button.on("click", () => write(model, { measuring: !model.get("measuring") }));
  return (words) => {
    say(status, words);
    note.text(model.get("note"));
    button
      .attr("hidden", model.get("unfinished") ? null : true)
      .text(model.get("measuring") ? "Stop measuring" : "Measure the rest");
  };
}

/**
 * Draws a lens, whose parts are there, at each change and new size, until what it returns is called.
 * @param {any} model
 * @param {any} root
 * @param {number[][]} columns from how many em of width there are how many panels in a row
 * @param {(view: any, em: number) => void} drawParts
 */
export function drawLens(model, root, columns, drawParts) {
  // JupyterLab takes the arrow keys for itself, unless the very element that has the focus says that it wants them.
  root.selectAll("input, select, button").attr("data-lm-suppress-shortcuts", "true");
  function draw() {
    const view = model.get("view"),
      width = root.node().clientWidth;
    if (!view.words || !width) return;
    const em = emOf(root);
    root.select(".panels").attr("data-columns", columns.find(([least]) => width >= least * em)[1]);
    drawParts(view, em);
  }
  return listen(model, { change: draw }, root, draw);
}

/** A title and words that wrap, over a chart of its own width. */
export function addPanel(parent, name, title) {
  const figure = parent.append("figure").attr("class", name);
  const caption = figure.append("figcaption");
  caption.append("b").text(title);
  const words = caption.append("span");
  return { figure, words, svg: figure.append("svg").attr("role", "img").attr("aria-label", title) };
}

/** An empty picture as wide as its panel, in pixels. */
export function clear({ figure, svg }, em) {
  const width = Math.max(figure.node().clientWidth, 12 * em),
    height = HEIGHT_EM * em;
  svg.attr("width", width).attr("height", height).selectAll("*").remove();
  return { width, height };
}

/**
 * Empty axes: where the plot lies, and a group to draw in. `foot` pixels are kept free below it.
 * @param {{ figure: any, svg: any }} panel
 * @param {number} em
 * @param {{ x: any, y: any, xLabel: string, yLabel: string, xTicks?: number[], foot?: number,
 *   xFormat?: (value: number) => string, yFormat?: (value: number) => string }} how
 */
export function axes(panel, em, { x, y, xLabel, yLabel, xTicks, xFormat = plain, yFormat = plain, foot = 0 }) {
  const { width, height } = clear(panel, em),
    svg = panel.svg;
  const left = MARGIN_EM.left * em,
    right = width - MARGIN_EM.right * em;
  const top = MARGIN_EM.top * em,
    bottom = height - MARGIN_EM.bottom * em;
  x.range([left, right]);
  y.range([bottom - foot, top]);
  const ticks = xTicks ?? x.ticks(Math.max(2, Math.floor((right - left) / (5 * em))));
  addAxis(svg, 0, bottom).call(ticked(axisBottom(x), ticks, xFormat, 4, 5).tickSizeOuter(5));
  addAxis(svg, left, 0)
    .classed("grid", true)
    .call(ticked(axisLeft(y), y.ticks(5), yFormat, 6, left - right));
  labelAxes(svg, { left, right, top, bottom }, xLabel, height - 0.4 * em, yLabel, em);
  return { g: svg.append("g"), left, right, top, bottom };
}

/** The outline of a histogram from -span to span: a function of its shares. */
export function outline(x, y, span, bottom) {
  return (/** @type {number[]} */ shares) => {
    const bin = (2 * span) / shares.length;
    const shape = area()
      .x((_, i) => x(-span + (i + 0.5) * bin))
      .y0(bottom)
      .y1((/** @type {any} */ share) => y(share))
      .curve(curveStep);
    return shape(/** @type {any} */ (shares));
  };
}

/** What the colours of a histogram mean: class and words of each. */
export function drawKey(words, entries) {
  words
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

/**
 * Points of the whole model with their intervals, a line across for the model as it was, and a foot for what waits.
 * @param {ReturnType<typeof addPanel>} panel
 * @param {number} em
 * @param {any} how as for `axes`, and: `points` with their `look` (a class), `symbol`, `words`, `state` and whether one is
 *   `current`; the names of their `value`, `low` and `high`; `across`, which places one, and `choose`; the model as it
 *   was as a `line` and a `band`; and a line `here`
 */
export function drawPoints(panel, em, how) {
  const { points, x, y, value, low, high, line, band, here, across, choose } = how;
  const waiting = points.some((point) => !known(point[value]));
  const { g, left, right, top, bottom } = axes(panel, em, { ...how, foot: waiting ? FOOT_EM * em : 0 });
  if (band) addRect(g, "whole-band", left, y(band[1]), right - left, Math.max(1, y(band[0]) - y(band[1])));
  if (known(line)) addLine(g, "whole", left, y(line), right, y(line));
  if (known(here)) addLine(g, "here", x(here), top, x(here), bottom);
  const heightOf = (point) => (known(point[value]) ? y(point[value]) : bottom - 0.8 * em);
  const drawn = g
    .selectAll("g.point")
    .data(points)
    .join("g")
    .attr("data-state", (point) => point.state)
    .attr("class", (point) => `point ${point.look}`)
    .attr("transform", (point) => `translate(${across(point)},${heightOf(point)})`)
    .on("click", (_, point) => choose(point));
  drawn.append("title").text((point) => point.words);
  drawn
    .filter((point) => known(point[low]))
    .append("path")
    .attr("class", "interval")
    .attr("d", (point) => uprightBar(0, [y(point[low]) - y(point[value]), y(point[high]) - y(point[value])], 4));
  drawn
    .append("path")
    .attr("class", "symbol")
    .attr("d", (point) => symbolPath(point.symbol, 0.36 * em * em));
  const failed = drawn.filter((point) => point.state === "failed");
  failed.append("path").attr("class", "failed").attr("d", "M-4,-4L4,4M-4,4L4,-4");
  const current = drawn.filter((point) => point.current);
  current
    .append("circle")
    .attr("class", "current")
    .attr("r", 0.65 * em);
  if (!waiting) return;
  const ended = points.every((point) => point.state === "known" || point.state === "failed");
  addLine(g, "waiting", left, bottom - FOOT_EM * em, right, bottom - FOOT_EM * em);
  addText(g, "waiting", (left + right) / 2, bottom - 1.6 * em, ended ? "not known" : "not measured yet");
}

/**
 * The score of the whole model over that of the model as it was, `whole`, called `name`; nothing if it is `untested`.
 * @param {ReturnType<typeof addPanel>} panel
 * @param {number} em
 * @param {any} how as for `drawPoints`
 */
export function drawAccuracy(panel, em, { untested, score, name, whole, ...how }) {
  panel.figure.attr("hidden", untested ? true : null);
  if (untested) return;
  const numbers = [...how.points, whole].flatMap((one) => [one?.accuracy, one?.low, one?.high]).filter(known),
    line = known(whole?.accuracy);
  drawPoints(panel, em, {
    ...how,
    y: scaleLinear(scores(extent(numbers), score, 0.08), [0, 1]),
    yLabel: score.axis,
    yFormat: (value) => written(value, score),
    value: "accuracy",
    low: "low",
    high: "high",
    line: whole?.accuracy,
    band: line && known(whole.low) ? [whole.low, whole.high] : null,
  });
  panel.words.text(`${line ? `line: ${name}, ${told(whole.accuracy, score)}; ` : ""}bars: 95 % intervals`);
}
