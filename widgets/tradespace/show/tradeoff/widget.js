// Latency against throughput and accuracy, as two linked panels.
//
// The kernel sends `data` (columns; once a surface), `state` (limits and row numbers; at each move), `label` (the
// numbers in words) and `marks` (colour and symbol of each precision). The browser writes back `selected`, the row
// that was clicked. Hovering never leaves the browser.
import { extent, max } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { pointer, select } from "d3-selection";
import * as shapes from "d3-shape";
import { nearest } from "../common/pure/hit.js";
import { known, plain, short } from "../common/pure/numbers.js";
import { symbolPath } from "../common/pure/symbols.js";
import { decades, logTicks, percents } from "../common/pure/ticks.js";
import { download, downloadPng, standalone } from "../common/save.js";

const PANELS = [
  {
    title: "Throughput",
    y: "throughput_per_s",
    label: "items per second",
    scale: scaleLog,
    frontier: "throughput_frontier",
    curve: shapes.curveStepAfter,
    connect: true,
    limit: "min_throughput_per_s",
  },
  {
    title: "Accuracy",
    y: "accuracy",
    label: "accuracy, %",
    scale: scaleLinear,
    frontier: "accuracy_frontier",
    curve: shapes.curveStepAfter,
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
const MARGIN = { top: 34, right: 16, bottom: 54, left: 66 },
  HEIGHT = 420,
  STACK_BELOW = 700,
  HOVER = 24,
  TYPE = 15;
// Of the accuracies, those worth a scale: a model that was ruined would press all others together.
const WORTH = 0.3;
// How much is seen of points within the limits, and outside.
const WITHIN = 0.45,
  OUTSIDE = 0.25;

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-tradeoff");
  const saving = root.append("div").attr("class", "saving");
  const legend = root.append("div").attr("class", "legend");
  const plot = root.append("div").attr("class", "plot");
  // All points, beneath the rest: as elements of the picture they would be painted anew at each move.
  const points = plot.append("canvas").attr("role", "img");
  const svg = plot.append("svg").attr("role", "img").attr("aria-label", "Latency, throughput and accuracy");
  const status = root.append("p").attr("role", "status");
  const tooltip = root.append("div").attr("class", "tip").attr("hidden", true);
  const hatch = `hatch-${Math.random().toString(36).slice(2)}`;
  let panels = [],
    type = TYPE,
    drawnAt = null;

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

  let painted = null;

  function paintPoints() {
    const { feasible = [] } = model.get("state");
    if (painted?.length === feasible.length && painted.every((row, i) => row === feasible[i])) return;
    painted = feasible;
    const node = points.node(),
      ratio = window.devicePixelRatio || 1,
      g = node.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, node.width, node.height);
    const within = new Set(feasible);
    for (const one of panels) one.paintPoints(g, within);
  }

  // Which latency the panels are drawn over.
  const latency = () => model.get("state").latency ?? MEDIAN;
  const at = (column, row) => model.get("data")[column][row];
  const markOf = (row) => model.get("marks")[at("precision", row)];

  function drawLegend() {
    const timed = new Set(panels.flatMap((one) => one.precisions()));
    points.attr("aria-label", `${panels[0]?.precisions().length} points`);
    const entries = Object.entries(model.get("marks"))
      .filter(([name]) => timed.has(name))
      .map(([name, mark]) => ({ name, ...mark }));
    const items = legend.selectAll("span.precision").data(entries, (entry) => entry.name);
    items.exit().remove();
    const added = items.enter().insert("span", "span.fixed").attr("class", "precision");
    added
      .append("svg")
      .attr("viewBox", "-10 -10 20 20")
      .append("path")
      .attr("d", (entry) => symbolPath(entry.symbol, 110))
      .attr("fill", (entry) => entry.colour);
    added.append("span").text((entry) => entry.name);
    if (!legend.select("span.fixed").empty()) return;
    /** @type {[string, (svg: any) => unknown][]} */
    const fixed = [
      ["frontier within limits", (s) => s.append("path").attr("class", "frontier").attr("d", "M-9,5H0V-5H9")],
      ["you are here", (s) => s.append("circle").attr("class", "current").attr("r", 7)],
      ["predicted", (s) => s.append("circle").attr("class", "current predicted").attr("r", 7)],
      ["best within limits", (s) => s.append("path").attr("class", "choice").attr("d", symbolPath("symbolStar", 110))],
      [
        "outside limits",
        (s) =>
          s
            .append("rect")
            .attr("class", "veil")
            .attr("fill", `url(#${hatch})`)
            .attr("x", -9)
            .attr("y", -7)
            .attr("width", 18)
            .attr("height", 14),
      ],
    ];
    for (const [name, draw] of fixed) {
      const item = legend.append("span").attr("class", "fixed");
      draw(item.append("svg").attr("viewBox", "-10 -10 20 20"));
      item.append("span").text(name);
    }
  }

  // The words below grow and shrink with each move: what is drawn depends on width and type alone.
  function fit() {
    const size = `${root.node().clientWidth} ${getComputedStyle(root.node()).fontSize} ${window.devicePixelRatio}`;
    if (size !== drawnAt) layout();
    drawnAt = size;
  }

  function layout() {
    type = parseFloat(getComputedStyle(root.node()).fontSize) / TYPE;
    const width = root.node().clientWidth || 1100,
      height = HEIGHT * type;
    const stacked = width < STACK_BELOW * type;
    const panelWidth = stacked ? width : width / PANELS.length;
    const total = stacked ? height * PANELS.length : height,
      ratio = window.devicePixelRatio || 1;
    svg.attr("width", width).attr("height", total);
    points
      .attr("width", Math.round(width * ratio))
      .attr("height", Math.round(total * ratio))
      .style("width", `${width}px`)
      .style("height", `${total}px`);
    svg.selectAll("*").remove();
    const pattern = svg
      .append("defs")
      .append("pattern")
      .attr("id", hatch)
      .attr("width", 8)
      .attr("height", 8)
      .attr("patternUnits", "userSpaceOnUse")
      .attr("patternTransform", "rotate(45)");
    pattern.append("rect").attr("width", 8).attr("height", 8).attr("class", "veil-ground");
    pattern.append("line").attr("y2", 8).attr("class", "veil-line");
    panels = PANELS.map((spec, i) => {
      const place = stacked ? [0, i * height] : [i * panelWidth, 0];
      const g = svg
        .append("g")
        .attr("class", `panel ${spec.title.toLowerCase()}`)
        .attr("transform", `translate(${place})`);
      return panel(g, spec, panelWidth, height, place);
    });
    drawData();
  }

  function drawData() {
    for (const one of panels) one.drawData();
    painted = null;
    drawLegend();
    drawState();
  }

  let drawnOver = null;

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

  function panel(g, spec, width, height, origin) {
    const left = MARGIN.left * type,
      right = width - MARGIN.right,
      top = MARGIN.top * type,
      bottom = height - MARGIN.bottom * type;
    const x = scaleLog().range([left, right]),
      y = spec.scale().range([bottom, top]);
    const clip = `${hatch}-${spec.title}`;
    g.append("clipPath")
      .attr("id", clip)
      .append("rect")
      .attr("x", left)
      .attr("y", top)
      .attr("width", right - left)
      .attr("height", bottom - top);
    g.append("text")
      .attr("class", "title")
      .attr("x", left)
      .attr("y", 22 * type)
      .text(spec.title);
    const xAxis = g.append("g").attr("class", "axis").attr("transform", `translate(0,${bottom})`);
    const yAxis = g.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`);
    g.append("text")
      .attr("class", "axis-label")
      .attr("x", (left + right) / 2)
      .attr("y", height - 8 * type)
      .text(`latency of a batch, ${latency() === MEDIAN ? "median" : "99th percentile"}, ms`);
    g.append("text")
      .attr("class", "axis-label")
      .attr("transform", `translate(${16 * type},${(top + bottom) / 2}) rotate(-90)`)
      .text(spec.label);
    const inside = g.append("g").attr("clip-path", `url(#${clip})`);
    const veils = [0, 1].map(() => inside.append("rect").attr("class", "veil").attr("fill", `url(#${hatch})`));
    const dots = inside.append("g"),
      lines = inside.append("g");
    const frontier = inside.append("path").attr("class", "frontier");
    const limits = [0, 1].map(() => inside.append("line").attr("class", "limit"));
    const bars = inside.append("g").attr("class", "bars");
    const choice = inside.append("path").attr("class", "choice").attr("d", symbolPath("symbolStar", 340));
    const current = inside.append("circle").attr("class", "current").attr("r", 11);
    const hover = g
      .append("rect")
      .attr("class", "hover")
      .attr("x", left)
      .attr("y", top)
      .attr("width", right - left)
      .attr("height", bottom - top);
    let rows = [],
      there = new Set();
    const beneath = inside
      .append("text")
      .attr("class", "beneath")
      .attr("x", right - 8)
      .attr("y", bottom - 8);
    const pins = inside.append("g").attr("class", "pins");
    const place = (row) => [x(at(latency(), row)), y(at(spec.y, row))];

    function axes() {
      const few = Math.max(2, Math.floor((right - left) / (60 * type)));
      xAxis.call(
        axisBottom(x)
          .tickValues(logTicks(x, few))
          .tickFormat(plain)
          .tickSizeInner(-(bottom - top))
          .tickSizeOuter(0)
          .tickPadding(8),
      );
      const log = spec.scale === scaleLog;
      const yTicks = log ? logTicks(y, 12) : y.ticks(6);
      yAxis.call(
        axisLeft(y)
          .tickValues(yTicks)
          .tickFormat(log ? short : (v) => `${+(100 * v).toFixed(1)}`)
          .tickSizeInner(-(right - left))
          .tickSizeOuter(0)
          .tickPadding(8),
      );
    }

    function drawData() {
      const data = model.get("data"),
        X = latency();
      rows = data[X].map((_, row) => row).filter((row) => known(data[X][row]) && known(data[spec.y][row]));
      there = new Set(rows);
      const columnExtent = (...columns) => extent(columns.flatMap((column) => data[column]).filter(known));
      x.domain(decades(X === MEDIAN ? columnExtent(X, X_LOW, X_HIGH) : columnExtent(X)));
      const most = max(rows, (row) => at(spec.y, row));
      const below = spec.low ? rows.filter((row) => at(spec.y, row) < most - WORTH).length : 0;
      const floor = (value) => known(value) && value >= most - WORTH;
      y.domain(
        spec.low
          ? percents(extent([spec.y, spec.low, spec.high].flatMap((column) => data[column]).filter(floor)))
          : decades(columnExtent(spec.y)),
      );
      beneath.text(below ? `${below} point${below > 1 ? "s" : ""} below` : "");
      axes();
    }

    const visibility = (row, within) => (within.has(row) ? WITHIN : OUTSIDE);

    function paintPoints(context, within) {
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
        context.globalAlpha = visibility(row, within);
        context.fillStyle = markOf(row).colour;
        context.translate(px, py);
        context.fill(shapes.get(at("precision", row)));
        context.translate(-px, -py);
      }
      context.restore();
    }

    // The points as elements, for a picture that is saved.
    function drawDots(wanted) {
      const within = new Set(model.get("state").feasible);
      dots
        .selectAll("path")
        .data(wanted ? rows : [])
        .join("path")
        .attr("d", (row) => symbolPath(markOf(row).symbol, 44))
        .attr("fill", (row) => markOf(row).colour)
        .attr("fill-opacity", (row) => visibility(row, within))
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
        .attr("d", (entry) => (spec.connect ? shapes.line()(entry.rows.map(place)) : null));
      groups
        .selectAll("path.point")
        .data((entry) => entry.rows)
        .join("path")
        .attr("class", "point")
        .attr("d", (row) => symbolPath(markOf(row).symbol, 90))
        .attr("fill", (row) => markOf(row).colour)
        .attr("transform", (row) => `translate(${place(row)})`);
      frontier.attr("d", shapes.line().curve(spec.curve)(shown(state[spec.frontier]).map(place)));
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
      const bounded = (value, [a, b]) => Math.min(Math.max(value, Math.min(a, b)), Math.max(a, b));
      const cut = known(state[X_LIMIT]) ? bounded(x(state[X_LIMIT]), [left, right]) : right;
      veils[0]
        .attr("x", cut)
        .attr("y", top)
        .attr("width", right - cut)
        .attr("height", bottom - top);
      limits[0]
        .attr("x1", cut)
        .attr("x2", cut)
        .attr("y1", top)
        .attr("y2", bottom)
        .attr("display", cut < right ? null : "none");
      const floored = spec.limit && known(state[spec.limit]);
      const floor = floored ? bounded(y(state[spec.limit]), [top, bottom]) : bottom;
      veils[1]
        .attr("x", left)
        .attr("y", floor)
        .attr("width", cut - left)
        .attr("height", bottom - floor);
      limits[1]
        .attr("x1", left)
        .attr("x2", right)
        .attr("y1", floor)
        .attr("y2", floor)
        .attr("display", floor < bottom ? null : "none");
    }

    function drawCurrent(state) {
      const predicted = state.current === null && state.predicted ? state.predicted : null;
      const row = state.current;
      const X = latency();
      const point = predicted ?? (row === null ? null : { [X]: at(X, row), [spec.y]: at(spec.y, row) });
      const visible = point !== null && known(point[X]) && known(point[spec.y]);
      current.attr("display", visible ? null : "none").attr("class", predicted ? "current predicted" : "current");
      bars.selectAll("line").remove();
      if (!visible) return;
      const cx = x(point[X]),
        cy = y(point[spec.y]);
      current.attr("cx", cx).attr("cy", cy);
      if (predicted) return;
      const ends = (low, high, scale) =>
        known(at(low, row)) && known(at(high, row)) ? [scale(at(low, row)), scale(at(high, row))] : null;
      const across = X === MEDIAN ? ends(X_LOW, X_HIGH, x) : null,
        along = spec.low ? ends(spec.low, spec.high, y) : null;
      const bar = (x1, y1, x2, y2) => bars.append("line").attr("x1", x1).attr("y1", y1).attr("x2", x2).attr("y2", y2);
      if (across) {
        bar(across[0], cy, across[1], cy);
        for (const end of across) bar(end, cy - 6, end, cy + 6);
      }
      if (along) {
        bar(cx, along[0], cx, along[1]);
        for (const end of along) bar(cx - 6, end, cx + 6, end);
      }
    }

    const hit = (event) => nearest(rows, place, pointer(event, g.node()), HOVER * type);

    hover.on("mousemove", (event) => {
      const row = hit(event);
      tooltip.attr("hidden", row === null ? true : null);
      if (row === null) return;
      const [px, py] = pointer(event, root.node());
      tooltip
        .text(at("text", row))
        .style("left", "0")
        .style("top", `${py + 14}px`);
      const most = root.node().clientWidth - tooltip.node().offsetWidth - 4;
      tooltip.style("left", `${Math.max(0, Math.min(px + 14, most))}px`);
    });
    hover.on("mouseleave", () => tooltip.attr("hidden", true));
    hover.on("click", (event) => {
      const row = hit(event);
      if (row === null) return;
      model.set("selected", row);
      model.save_changes();
    });
    return { drawData, drawState, drawDots, paintPoints, precisions: () => rows.map((row) => at("precision", row)) };
  }

  const drawLabel = () => status.text(model.get("label"));
  const handlers = { "change:data": drawData, "change:state": drawState, "change:label": drawLabel };
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  model.on("msg:custom", received);
  // Its first call comes once the chart has a place and a width.
  const resize = new ResizeObserver(fit);
  resize.observe(root.node());
  return () => {
    resize.disconnect();
    model.off("msg:custom", received);
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}

export default { render };
