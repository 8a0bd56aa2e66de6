// Latency and throughput over batch size, as two linked panels, with the line t(B) = a + b B that was fitted to them.
//
// The kernel sends `data` (columns; once a surface), `state` (row numbers, the fit and the limit; at each move), `label`
// (the numbers in words) and `marks` (colour and symbol of each precision). The browser writes back `selected`, the row
// that was clicked or reached by an arrow key. Hovering never leaves the browser.
import { extent, max } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { line } from "d3-shape";
import { addAxis, addClipped, eachFrame, labelAxes, listen, ticked, twoPanels, unseen } from "../common/frame.js";
import { addTip, choose, nameRows } from "../common/hover.js";
import { addEntry, addRings } from "../common/legend.js";
import { alike, known, plain, within } from "../common/pure/numbers.js";
import { symbolPath, uprightBar } from "../common/pure/symbols.js";
import { apart, decades, roundTicks, spaced } from "../common/pure/ticks.js";
import { addLine, addRect, addText, ruler, sayLines, stretch } from "../common/shapes.js";

const latencyOf = (fit, size) => fit.fixed_ms + fit.each_ms * size;
const PANELS = [
  {
    name: "latency",
    title: "Latency",
    label: "time for one batch, ms",
    fitted: latencyOf,
    scale: scaleLog,
    y: "latency_p50_ms",
    low: "latency_p50_lo_ms",
    high: "latency_p50_hi_ms",
  },
  {
    name: "throughput",
    title: "Throughput",
    label: "items per second",
    scale: scaleLinear,
    fitted: (fit, size) => (1000 * size) / latencyOf(fit, size),
    y: "throughput_per_s",
    low: "throughput_lo_per_s",
    high: "throughput_hi_per_s",
  },
];
const X = "batch_size";
// In pixels at a type size of 15: all of it grows with the type. On the right stand the names of the curves.
const MARGIN = { top: 58, right: 58, bottom: 52, left: 88 },
  HEIGHT = 380;
// A ceiling further above the points than this stays outside the picture, which would be empty below it.
const HEADROOM = 1.6;
// What is left at both ends of the axis of batch sizes.
const ROOM = 1.3;
const STEPS = 80;
// What an empty panel says: why, and what to do.
const NOTHING = ["no batch size measured yet:", "move the slider and let go"];

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-batch-curve");
  const legend = root.append("div").attr("class", "legend");
  // JupyterLab would take the arrow keys for itself.
  addEntry(legend, null, "fitted line a + b B").append("path").attr("class", "fit").attr("d", "M-10,0H10");
  addRings(legend, null);
  const svg = root.append("svg").attr("tabindex", 0).attr("data-lm-suppress-shortcuts", "true");
  const status = root.append("p").attr("role", "status");
  const tip = addTip(root);
  const unique = `batch-curve-${Math.random().toString(36).slice(2)}`;
  let panels = [],
    wanted = null;

  const at = (column, row) => model.get("data")[column][row];
  const markOf = (precision) => model.get("marks")[precision];
  const timed = (rows) => rows.filter((row) => known(at("latency_p50_ms", row)) && known(at("throughput_per_s", row)));

  function inWords(row) {
    const [low, high] = ["latency_p50_lo_ms", "latency_p50_hi_ms"].map((name) => at(name, row));
    const between = known(low) && known(high) ? ` (${plain(low)} to ${plain(high)})` : "",
      flags = at("flags", row);
    return (
      `${at("precision", row)}, batch ${plain(at(X, row))}\n${plain(at("latency_p50_ms", row))} ms${between}, ` +
      `${plain(Math.round(at("throughput_per_s", row)))} items/s${flags ? ` [${flags}]` : ""}`
    );
  }

  // The curves with something to draw: the selected precision last, so that it lies on top.
  function curves() {
    const state = model.get("state");
    const all = Object.entries(state.lines).map(([name, rows]) => ({
      name,
      rows: timed(rows),
      strong: name === state.precision,
    }));
    return all
      .filter((curve) => curve.rows.length && markOf(curve.name))
      .sort((one, other) => +one.strong - +other.strong);
  }

  function layout() {
    if (unseen(root)) return;
    const sizes = twoPanels(root, HEIGHT);
    svg.attr("width", sizes.width).attr("height", sizes.height);
    svg.selectAll("*").remove();
    panels = PANELS.map((spec, i) => {
      const g = svg.append("g").attr("class", `panel ${spec.name}`);
      return panel(g.attr("transform", `translate(${sizes.placeOf(i)})`), spec, sizes);
    });
    draw();
  }

  function draw() {
    wanted = null;
    const drawn = curves(),
      state = model.get("state");
    for (const one of panels) one(drawn, state);
    tell();
  }

  function tell() {
    status.text(model.get("label"));
    nameKeys(model.get("state"));
  }

  // The chart is a slider along the sizes that were measured at the selected precision.
  const stops = () => timed(model.get("state").lines[model.get("state").precision] ?? []);
  function nameKeys(state) {
    const sizes = stops().map((row) => at(X, row));
    const label = "Latency and throughput over batch size";
    svg
      .attr("role", sizes.length ? "slider" : "img")
      .attr("aria-label", sizes.length ? `${label}; batch size` : label)
      .attr("aria-valuemin", sizes.length ? Math.min(...sizes, state.batch_size) : null)
      .attr("aria-valuemax", sizes.length ? Math.max(...sizes, state.batch_size) : null)
      .attr("aria-valuenow", sizes.length ? state.batch_size : null)
      .attr("aria-valuetext", sizes.length ? model.get("label").split("\n")[1] : null);
  }

  svg.on("keydown", (event) => {
    const rows = stops(),
      size = wanted ?? model.get("state").batch_size;
    const below = rows.filter((row) => at(X, row) < size),
      above = rows.filter((row) => at(X, row) > size);
    const row = {
      ArrowLeft: below.at(-1),
      ArrowDown: below.at(-1),
      ArrowRight: above[0],
      ArrowUp: above[0],
      Home: rows[0],
      End: rows.at(-1),
    };
    if (!(event.key in row)) return;
    event.preventDefault();
    const next = row[event.key];
    if (next === undefined || at(X, next) === size) return;
    wanted = at(X, next);
    choose(model, next);
  });

  function panel(g, spec, { type, panel: { width, height } }) {
    const left = MARGIN.left * type,
      right = width - MARGIN.right * type;
    const top = MARGIN.top * type,
      bottom = height - MARGIN.bottom * type;
    const edges = { left, right, top, bottom };
    const x = scaleLog().base(2).range([left, right]),
      y = spec.scale().range([bottom, top]);
    addText(g, "title", 6 * type, 22 * type, spec.title);
    const xAxis = addAxis(g, 0, bottom),
      yAxis = addAxis(g, left, 0);
    labelAxes(g, edges, "batch size, items", height - 8 * type, spec.label, 18 * type);
    const inside = addClipped(g, `${unique}-${spec.name}`, edges);
    const ceiling = addLine(inside, "ceiling", left, 0, right, 0);
    const knee = addLine(inside, "knee", 0, top, 0, bottom);
    const limit = addLine(inside, "limit", left, 0, right, 0);
    const lines = inside.append("g");
    const fitted = inside.append("path").attr("class", "fit");
    const current = inside
      .append("circle")
      .attr("class", "current")
      .attr("r", 11 * type);
    const kneeNote = addText(g, "note knee-note", 0, top - 7 * type, "").attr("text-anchor", "middle");
    const widthOf = ruler(kneeNote);
    // Beside the title, where no data lie.
    const ceilingNote = addText(g, "note ceiling", width - 8 * type, 22 * type, "").attr("text-anchor", "end");
    const limitNote = addText(g, "note limit", width - 8 * type, 22 * type, "").attr("text-anchor", "end");
    const names = g.append("g").attr("class", "names");
    const area = addRect(g, "hover", left, top, right - left, bottom - top);
    const empty = addText(g, "empty", (left + right) / 2, (top + bottom) / 2, "");
    let rows = [],
      drawn = "",
      drawnOf = [];
    const place = (row) => [x(at(X, row)), y(at(spec.y, row))];

    // All batch sizes that have a place: those that were measured, and the selected one.
    const sizesOf = (state) =>
      [...new Set([...rows.map((row) => at(X, row)), state.batch_size].filter(known))].sort(
        (one, other) => one - other,
      );

    function scales(sizes, state) {
      x.domain(sizes.length ? [Math.min(...sizes) / ROOM, Math.max(...sizes) * ROOM] : [1, 64]);
      const values = rows.flatMap((row) => [at(spec.y, row), at(spec.low, row), at(spec.high, row)]).filter(known);
      if (state.fit) values.push(...extent(sizes).map((size) => spec.fitted(state.fit, size)));
      if (spec.scale === scaleLog) y.domain(decades(extent(values)));
      else {
        const high = max(values) ?? 1,
          peak = state.fit?.peak_per_s;
        y.domain([0, 1.1 * (known(peak) && peak <= HEADROOM * high ? Math.max(peak, high) : high)]);
      }
    }

    function axes(sizes, state) {
      const ticks = spaced(sizes, x, 32 * type),
        round = spec.scale === scaleLog ? roundTicks(y, 8) : y.ticks(6);
      const levels =
        !rows.length && !state.fit ? [] : round.length > 1 ? round : scaleLinear(y.domain(), [0, 1]).ticks(5);
      xAxis.call(ticked(axisBottom(x), ticks, plain, 8, top - bottom));
      yAxis.call(ticked(axisLeft(y), levels, alike(levels), 8, left - right));
    }

    /** @this {SVGGElement} */
    function drawCurve(curve) {
      const colour = markOf(curve.name).colour,
        size = (curve.strong ? 110 : 50) * type * type;
      const group = select(this).attr("class", curve.strong ? "curve" : "curve faint");
      group
        .select("path.joined")
        .attr("stroke", colour)
        .attr("d", line()(curve.rows.map(place)));
      const bars = curve.rows
        .filter((row) => known(at(spec.low, row)) && known(at(spec.high, row)))
        .map((row) => uprightBar(x(at(X, row)), [y(at(spec.low, row)), y(at(spec.high, row))], 5 * type));
      group.select("path.bars").attr("stroke", colour).attr("d", bars.join(""));
      group
        .selectAll("path.point")
        .data(curve.rows)
        .join("path")
        .attr("class", "point")
        .attr("fill", colour)
        .attr("d", symbolPath(markOf(curve.name).symbol, size))
        .attr("transform", (row) => `translate(${place(row)})`);
    }

    function drawFit(state) {
      const fit = state.fit,
        [from, to] = [x.domain()[0] * ROOM, x.domain()[1] / ROOM],
        step = (to / from) ** (1 / STEPS);
      const sizes = Array.from({ length: STEPS + 1 }, (_, i) => from * step ** i);
      const path = line()
        .x((/** @type {any} */ size) => x(size))
        .y((/** @type {any} */ size) => y(spec.fitted(fit, size)));
      fitted.attr("d", fit ? path(/** @type {any} */ (sizes)) : null);
      const there = fit && known(fit.knee) && fit.knee > 0;
      const inView = there && fit.knee >= from && fit.knee <= to,
        across = inView ? x(fit.knee) : 0;
      stretch(knee, across, top, across, bottom).attr("display", inView ? null : "none");
      const name = there ? `knee a/b = ${fit.knee_text}` : "",
        words = inView || !there ? name : fit.knee < from ? `← ${name}` : `${name} →`;
      const half = widthOf(words) / 2;
      kneeNote.text(words).attr("x", within(there ? x(fit.knee) : left, [left + half, right - half]));
      if (spec.scale === scaleLog) return;
      const peak = fit?.peak_per_s,
        high = known(peak) && peak <= y.domain()[1],
        level = high ? y(peak) : 0;
      stretch(ceiling, left, level, right, level).attr("display", high ? null : "none");
      ceilingNote.text(known(peak) ? `ceiling 1/b = ${plain(+peak.toPrecision(3))}${high ? "" : " ↑"}` : "");
    }

    function drawLimit(state) {
      const asked = spec.y === "latency_p50_ms" && known(state.max_latency_ms);
      const level = asked ? y(state.max_latency_ms) : 0,
        seen = asked && level >= top && level <= bottom;
      const shown = seen ? level : 0;
      stretch(limit, left, shown, right, shown).attr("display", seen ? null : "none");
      const where = seen ? "" : level < top ? " ↑" : " ↓";
      limitNote.text(asked ? `limit ${plain(state.max_latency_ms)} ms${where}` : "");
    }

    function drawCurrent(state) {
      const measured = state.current !== null && rows.includes(state.current);
      const predicted = state.current === null && state.predicted && state.fit;
      current
        .attr("display", measured || predicted ? null : "none")
        .attr("class", measured ? "current" : "current predicted");
      if (measured) current.attr("transform", `translate(${place(state.current)})`);
      else if (predicted) {
        current.attr("transform", `translate(${x(state.batch_size)},${y(spec.fitted(state.fit, state.batch_size))})`);
      }
    }

    const named = (row) => svg.selectAll("path.point").classed("hovered", (other) => other === row);
    nameRows({ model, root, tip, area }, { rows: () => rows, place, type, words: inWords, named });

    // At the end of each curve, instead of a legend.
    function drawNames(drawn) {
      const ends = drawn.map((curve) => within(y(at(spec.y, curve.rows.at(-1))), [top, bottom]));
      const linesOf = ({ name }) => name.split(/(?<=-)/);
      const heights = apart(ends, 16 * type * Math.max(1, ...drawn.map((curve) => linesOf(curve).length)), bottom);
      names
        .selectAll("text")
        .data(drawn, (curve) => curve.name)
        .join("text")
        .attr("class", (curve) => (curve.strong ? "name strong" : "name"))
        .attr("y", (_, i) => heights[i])
        .selectAll("tspan")
        .data(linesOf)
        .join("tspan")
        .attr("x", right + 8 * type)
        .attr("dy", (_, i) => (i ? "1.05em" : "0.35em"))
        .text((words) => words);
    }

    function drawCurves(curves) {
      lines
        .selectAll("g")
        .data(curves, (curve) => curve.name)
        .join((enter) => {
          const group = enter.append("g");
          group.append("path").attr("class", "joined");
          group.append("path").attr("class", "bars");
          return group;
        })
        .order()
        .each(drawCurve);
      drawNames(curves);
    }

    return (curves, state) => {
      rows = curves.flatMap((curve) => curve.rows);
      const sizes = sizesOf(state),
        parts = [model.get("data"), model.get("marks")];
      scales(sizes, state);
      const wanted = JSON.stringify([curves, state.fit, sizes, x.domain(), y.domain()]);
      // While the ring moves along the curves, they stay.
      if (wanted !== drawn || parts.some((part, i) => part !== drawnOf[i])) {
        [drawn, drawnOf] = [wanted, parts];
        sayLines(empty, rows.length ? [] : NOTHING);
        axes(sizes, state);
        drawCurves(curves);
        drawFit(state);
      }
      drawLimit(state);
      drawCurrent(state);
    };
  }

  // Before the first layout there is nothing to draw on; and behind another tab it waits until it comes to the front,
  // which is a new layout.
  const redraw = eachFrame(() => panels.length && !unseen(root) && draw());
  const handlers = { "change:data": redraw, "change:state": redraw, "change:marks": redraw, "change:label": tell };
  return listen(model, handlers, root, layout);
}

export default { render };
