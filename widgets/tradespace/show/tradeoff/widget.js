// Latency against throughput and accuracy, as two linked panels.
//
// The kernel sends `data` (columns; once a surface), `state` (limits and row numbers; at each move), `label` (the
// numbers in words) and `marks` (colour and symbol of each precision). The browser writes back `selected`, the row
// that was clicked. Hovering never leaves the browser.
import { extent } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { curveStepAfter, line } from "d3-shape";
import {
  addAxis,
  addClipped,
  eachFrame,
  labelAxes,
  listen,
  sizeOf,
  tallness,
  ticked,
  twoPanels,
  unseen,
} from "../common/frame.js";
import { addTip, nameRows } from "../common/hover.js";
import { addEntry, addRings, addStar, drawMarks } from "../common/legend.js";
import { alike, known, within } from "../common/pure/numbers.js";
import { leastWorth, scores, written } from "../common/pure/scores.js";
import { levelBar, symbolPath, uprightBar } from "../common/pure/symbols.js";
import { decades, logTicks } from "../common/pure/ticks.js";
import { download, downloadPng, standalone } from "../common/save.js";
import { addHatch, addRect, addText, cover, sayLines, stretch } from "../common/shapes.js";

const PANELS = [
  {
    name: "throughput",
    title: "Throughput",
    y: "throughput_per_s",
    label: "items per second",
    scale: scaleLog,
    frontier: "throughput_frontier",
    connect: true,
    limit: "min_throughput_per_s",
  },
  {
    // Its title and label are those of the score.
    name: "accuracy",
    y: "accuracy",
    scale: scaleLinear,
    frontier: "accuracy_frontier",
    low: "accuracy_lo",
    high: "accuracy_hi",
    limit: "min_accuracy",
  },
];
const MEDIAN = "latency_p50_ms",
  X_LOW = "latency_p50_lo_ms",
  X_HIGH = "latency_p50_hi_ms",
  X_LIMIT = "max_latency_ms";
// In pixels at a type size of 15: all of it grows with the type.
// A point at an end of an axis, such as an accuracy of 100 %, is drawn whole, with its ring or star.
const ROOM = 15;
const MARGIN = { top: 34, right: 16, bottom: 54, left: 66 },
  HEIGHT = 420;
// What an empty panel says: why, and what to do.
const NOTHING = ["nothing measured yet:", "move a slider and let go"],
  UNTESTED = ["no test data:", "from_model takes it as test="];
// How opaque points are within the limits, and outside: so many as a crowd or fewer, each in full view; of more, each less.
const WITHIN = 0.45,
  OUTSIDE = 0.25,
  CROWD = 400,
  LEAST = 0.4;

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-tradeoff");
  const saving = root.append("div").attr("class", "saving");
  const legend = root.append("div").attr("class", "legend");
  const plot = root.append("div").attr("class", "plot");
  // All points, beneath the rest: as elements of the picture they would be painted anew at each move.
  const points = plot.append("canvas").attr("role", "img");
  const svg = plot.append("svg").attr("role", "img");
  const status = root.append("p").attr("role", "status");
  const tip = addTip(root);
  const hatch = `hatch-${Math.random().toString(36).slice(2)}`;
  let panels = [],
    drawnAt = null,
    drawnOver = null,
    drawnScore = null,
    painted = null,
    stale = false,
    newData = false;

  for (const kind of ["PNG", "SVG", "CSV"]) {
    saving
      .append("button")
      .attr("type", "button")
      .attr("title", `Save ${kind === "CSV" ? "the table" : "this chart"} as ${kind}`)
      .text(kind)
      .on("click", () => save(kind));
  }

  function save(kind) {
    if (kind === "CSV") model.send("csv");
    else if (kind === "SVG") download("tradeoff.svg", "image/svg+xml", picture());
    else downloadPng("tradeoff.png", picture());
  }

  const received = (message) => message.csv && download("surface.csv", "text/csv", message.csv);

  // The chart with its legend above and the words and the machine below.
  function picture() {
    const data = model.get("data"),
      lines = [...model.get("label").split("\n"), data.machine];
    for (const one of panels) one.drawDots(true);
    const whole = standalone(svg.node(), Object.entries(model.get("marks")), lines);
    for (const one of panels) one.drawDots(false);
    return whole;
  }

  function paintPoints() {
    const { feasible = [] } = model.get("state");
    if (painted?.length === feasible.length && painted.every((row, i) => row === feasible[i])) return;
    painted = feasible;
    const node = points.node(),
      ratio = window.devicePixelRatio || 1,
      g = node.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, node.width, node.height);
    const met = new Set(feasible);
    for (const one of panels) one.paintPoints(g, met);
  }

  // Which latency the panels are drawn over.
  const latency = () => model.get("state").latency ?? MEDIAN;
  const score = () => model.get("data").score;
  const at = (column, row) => model.get("data")[column][row];
  const markOf = (row) => model.get("marks")[at("precision", row)];

  function drawLegend() {
    const timed = new Set(panels.flatMap((one) => one.precisions()));
    points.attr("aria-label", `${panels[0]?.precisions().length} points`);
    const entries = Object.entries(model.get("marks"))
      .filter(([name]) => timed.has(name))
      .map(([name, mark]) => ({ name, ...mark }));
    drawMarks(legend, entries);
    if (!legend.select("span.fixed").empty()) return;
    const stairs = addEntry(legend, "fixed", "frontier within limits").append("path").attr("class", "frontier");
    stairs.attr("d", "M-9,5H0V-5H9");
    addRings(legend, "fixed");
    addStar(legend, "fixed");
    addRect(addEntry(legend, "fixed", "outside limits"), "veil", -9, -7, 18, 14).attr("fill", `url(#${hatch})`);
  }

  // The words below grow and shrink with each move: what is drawn depends on width and type alone.
  function fit() {
    if (unseen(root)) return;
    const { fontSize } = getComputedStyle(root.node());
    const size = [sizeOf(root).width, tallness(root, null), fontSize, window.devicePixelRatio].join();
    if (size !== drawnAt || stale) layout();
    drawnAt = size;
    stale = false;
  }

  // What has changed is drawn in the next frame. Behind another tab nothing is drawn until it comes to the front.
  const redraw = eachFrame(() => {
    if (unseen(root)) stale = true;
    else if (newData) drawData();
    else drawState();
    newData = false;
  });

  function layout() {
    const sizes = twoPanels(root, HEIGHT),
      { width, height } = sizes;
    const ratio = window.devicePixelRatio || 1;
    svg.attr("width", width).attr("height", height);
    points.attr("width", Math.round(width * ratio)).attr("height", Math.round(height * ratio));
    points.style("width", `${width}px`).style("height", `${height}px`);
    svg.selectAll("*").remove();
    addHatch(svg, hatch);
    drawnScore = score().axis;
    svg.attr("aria-label", `Latency, throughput and ${score().name}`);
    panels = PANELS.map((spec, i) => {
      const g = svg.append("g").attr("class", `panel ${spec.name}`);
      g.attr("transform", `translate(${sizes.placeOf(i)})`);
      return panel(g, spec, sizes, sizes.placeOf(i));
    });
    drawData();
  }

  function drawData() {
    if (panels.length && drawnScore !== score().axis) {
      layout();
      return;
    }
    for (const one of panels) one.drawData();
    painted = null;
    drawLegend();
    drawState();
  }

  function drawState() {
    if (drawnOver !== null && drawnOver !== latency()) {
      drawnOver = latency();
      layout();
      return;
    }
    drawnOver = latency();
    for (const one of panels) one.drawState(model.get("state"));
    paintPoints();
    drawLabel();
  }

  function panel(g, spec, { type, panel: { width, height } }, origin) {
    const left = MARGIN.left * type,
      right = width - MARGIN.right,
      top = MARGIN.top * type,
      bottom = height - MARGIN.bottom * type;
    const edges = { left, right, top, bottom };
    const x = scaleLog().range([left + ROOM, right - ROOM]),
      y = spec.scale().range([bottom - ROOM, top + ROOM]);
    addText(g, "title", left, 22 * type, spec.title ?? score().title);
    const xAxis = addAxis(g, 0, bottom),
      yAxis = addAxis(g, left, 0);
    const timed = `time for one batch, ${latency() === MEDIAN ? "" : "99th percentile, "}ms`;
    labelAxes(g, edges, timed, height - 8 * type, spec.label ?? score().axis, 16 * type);
    const inside = addClipped(g, `${hatch}-${spec.name}`, edges);
    const veils = [0, 1].map(() => inside.append("rect").attr("class", "veil").attr("fill", `url(#${hatch})`));
    const dots = inside.append("g"),
      lines = inside.append("g");
    const frontier = inside.append("path").attr("class", "frontier");
    const limits = [0, 1].map(() => inside.append("line").attr("class", "limit"));
    const bars = inside.append("path").attr("class", "bars");
    const choice = inside.append("path").attr("class", "choice").attr("d", symbolPath("symbolStar", 340));
    const current = inside.append("circle").attr("class", "current").attr("r", 11);
    const area = addRect(g, "hover", left, top, right - left, bottom - top);
    let rows = [],
      there = new Set();
    const beneath = addText(inside, "beneath", right - 8, bottom - 8, "");
    const empty = addText(inside, "empty", (left + right) / 2, (top + bottom) / 2, "");
    const sizes = inside.append("g").attr("class", "sizes");
    const pins = inside.append("g").attr("class", "pins");
    const place = (row) => [x(at(latency(), row)), y(at(spec.y, row))];

    const untested = () => spec.low && model.get("data").untested;

    function axes() {
      const few = Math.max(2, Math.floor((right - left) / (60 * type))),
        log = spec.scale === scaleLog;
      const ticks = log ? logTicks(y, 12) : untested() ? [] : y.ticks(6);
      const number = log ? alike(ticks) : (value) => written(value, score());
      const times = logTicks(x, few);
      xAxis.call(ticked(axisBottom(x), times, alike(times), 8, top - bottom));
      yAxis.call(ticked(axisLeft(y), ticks, number, 8, left - right));
    }

    function drawData() {
      const data = model.get("data"),
        X = latency();
      rows = data[X].map((_, row) => row).filter((row) => known(data[X][row]) && known(data[spec.y][row]));
      there = new Set(rows);
      const columnExtent = (...columns) => extent(columns.flatMap((column) => data[column]).filter(known));
      x.domain(decades(X === MEDIAN ? columnExtent(X, X_LOW, X_HIGH) : columnExtent(X)));
      const heights = rows.map((row) => at(spec.y, row)),
        least = spec.low ? leastWorth(heights, score()) : -Infinity;
      const below = heights.filter((height) => height < least).length;
      const floor = (value) => known(value) && value >= least;
      y.domain(
        spec.low
          ? scores(extent([spec.y, spec.low, spec.high].flatMap((column) => data[column]).filter(floor)), score())
          : decades(columnExtent(spec.y)),
      );
      beneath.text(below ? `${below} point${below > 1 ? "s" : ""} below` : "");
      sayLines(empty, untested() ? UNTESTED : rows.length ? [] : NOTHING);
      axes();
    }

    const visibility = (row, met) =>
      (met.has(row) ? WITHIN : OUTSIDE) * within(Math.sqrt(CROWD / rows.length), [LEAST, 1]);

    function paintPoints(context, met) {
      /** @returns {[string, Path2D]} */
      const shapeOf = ([name, mark]) => [name, new Path2D(symbolPath(mark.symbol, 44))];
      const shapes = new Map(Object.entries(model.get("marks")).map(shapeOf));
      context.save();
      context.translate(...origin);
      context.beginPath();
      context.rect(left, top, right - left, bottom - top);
      context.clip();
      for (const row of rows) {
        const [px, py] = place(row);
        context.globalAlpha = visibility(row, met);
        context.fillStyle = markOf(row).colour;
        context.translate(px, py);
        context.fill(shapes.get(at("precision", row)));
        context.translate(-px, -py);
      }
      context.restore();
    }

    // The points as elements, for a picture that is saved.
    function drawDots(wanted) {
      const met = new Set(model.get("state").feasible);
      dots
        .selectAll("path")
        .data(wanted ? rows : [])
        .join("path")
        .attr("d", (row) => symbolPath(markOf(row).symbol, 44))
        .attr("fill", (row) => markOf(row).colour)
        .attr("fill-opacity", (row) => visibility(row, met))
        .attr("transform", (row) => `translate(${place(row)})`);
    }

    function drawState(state) {
      drawLimits(state);
      const shown = (list) => (list ?? []).filter((row) => there.has(row));
      // A surface may come before the state that goes with it.
      const drawn = Object.entries(state.lines)
        .filter(([name]) => name in model.get("marks"))
        .map(([name, list]) => ({ name, rows: shown(list) }));
      const groups = lines
        .selectAll("g")
        .data(drawn, (entry) => entry.name)
        .join((enter) => {
          const group = enter.append("g");
          group.append("path").attr("class", "line");
          return group;
        });
      groups
        .select("path.line")
        .attr("stroke", (entry) => model.get("marks")[entry.name].colour)
        .attr("d", (entry) => (spec.connect ? line()(entry.rows.map(place)) : null));
      groups
        .selectAll("path.point")
        .data((entry) => entry.rows)
        .join("path")
        .attr("class", "point")
        .attr("d", (row) => symbolPath(markOf(row).symbol, 90))
        .attr("fill", (row) => markOf(row).colour)
        .attr("transform", (row) => `translate(${place(row)})`);
      const joined = drawn.find((one) => one.rows.includes(state.current))?.rows ?? [];
      const toTheRight = (row) => place(row)[0] < (left + right) / 2;
      sizes
        .selectAll("text")
        .data(spec.connect && joined.length > 1 ? [joined[0], joined.at(-1)] : [])
        .join("text")
        .attr("transform", (row) => `translate(${place(row)})`)
        .attr("dx", (row) => (toTheRight(row) ? 15 : -15))
        .attr("dy", (_, i) => (i ? "-0.6em" : "1.1em"))
        .attr("text-anchor", (row) => (toTheRight(row) ? "start" : "end"))
        .text((row) => `batch ${at("batch_size", row)}`);
      frontier.attr("d", line().curve(curveStepAfter)(shown(state[spec.frontier]).map(place)));
      drawCurrent(state);
      pins
        .selectAll("text")
        .data((state.pins ?? []).map((row, i) => [row, "AB"[i]]).filter(([row]) => there.has(row)))
        .join("text")
        .attr("transform", ([row]) => `translate(${place(row)})`)
        .attr("dx", 13)
        .attr("dy", -9)
        .text(([, letter]) => letter);
      const best = state.choice !== null && there.has(state.choice);
      choice.attr("display", best ? null : "none");
      if (best) choice.attr("transform", `translate(${place(state.choice)})`);
    }

    function drawLimits(state) {
      const cut = known(state[X_LIMIT]) ? within(x(state[X_LIMIT]), [left, right]) : right;
      cover(veils[0], cut, top, right - cut, bottom - top);
      stretch(limits[0], cut, top, cut, bottom).attr("display", cut < right ? null : "none");
      const floored = spec.limit && known(state[spec.limit]);
      const floor = floored ? within(y(state[spec.limit]), [top, bottom]) : bottom;
      cover(veils[1], left, floor, cut - left, bottom - floor);
      stretch(limits[1], left, floor, right, floor).attr("display", floor < bottom ? null : "none");
    }

    function drawCurrent(state) {
      const predicted = state.current === null && state.predicted ? state.predicted : null;
      const row = state.current;
      const X = latency();
      const point = predicted ?? (row === null ? null : { [X]: at(X, row), [spec.y]: at(spec.y, row) });
      const visible = point !== null && known(point[X]) && known(point[spec.y]);
      current.attr("display", visible ? null : "none").attr("class", predicted ? "current predicted" : "current");
      bars.attr("d", null);
      if (!visible) return;
      const cx = x(point[X]),
        cy = y(point[spec.y]);
      current.attr("cx", cx).attr("cy", cy);
      if (predicted) return;
      const ends = (low, high, scale) =>
        known(at(low, row)) && known(at(high, row)) ? [scale(at(low, row)), scale(at(high, row))] : null;
      const across = X === MEDIAN ? ends(X_LOW, X_HIGH, x) : null,
        along = spec.low ? ends(spec.low, spec.high, y) : null;
      bars.attr("d", (across ? levelBar(cy, across, 6) : "") + (along ? uprightBar(cx, along, 6) : ""));
    }

    const words = (row) => at("text", row);
    nameRows({ model, root, tip, area }, { rows: () => rows, place, type, words });
    return { drawData, drawState, drawDots, paintPoints, precisions: () => rows.map((row) => at("precision", row)) };
  }

  const drawLabel = () => status.text(model.get("label"));
  const surfaceCame = () => {
    newData = true;
    redraw();
  };
  const handlers = { "change:data": surfaceCame, "change:state": redraw, "change:label": drawLabel };
  return listen(model, { ...handlers, "msg:custom": received }, root, fit);
}

export default { render };
