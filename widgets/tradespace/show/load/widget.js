// Responses over the rate of arrivals: the hockey stick above, what the server and the deadline make of it below.
//
// The kernel sends `load` (the simulated curves, once per server), `state` (where one is, the deadline, shares within it,
// measured runs, and why there is nothing) and `colours`. The browser writes back `selected`, a rate that was
// clicked. Hovering never leaves the browser.
import { bisectLeft, extent } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { pointer, select } from "d3-selection";
import { area as areaOf, line as lineOf } from "d3-shape";
import {
  addAxis,
  addClipped,
  addTop,
  eachFrame,
  emOf,
  labelAxes,
  listen,
  tallness,
  ticked,
  unseen,
} from "../common/frame.js";
import { choose } from "../common/hover.js";
import { alike, known, percent, plain, within } from "../common/pure/numbers.js";
import { apart, decades, logTicks } from "../common/pure/ticks.js";
import { addHatch, addLine, addRect, addText, say } from "../common/shapes.js";

// All lengths are in em, so that larger type makes a larger chart.
const MARGIN = { left: 3.9, right: 4.4, top: 1.9, bottom: 3.1 },
  GAP = 1.1,
  LIKED = 26;
// How much of the height the hockey stick has.
const UPPER = 0.62;
// The axis goes beyond the capacity by this factor, or to where one is, at most so many times as far.
const BEYOND = 1.1,
  FURTHEST = 1.6;
const X_LABEL = "arrival rate, requests/s",
  UPPER_LABEL = "response, ms",
  LOWER_LABEL = "share, %";
// Curves of the upper and the lower panel, and what they are called beside their ends.
const UPPER_CURVES = { p99_ms: "p99", p50_ms: "p50", mean_ms: "mean" },
  LOWER_CURVES = { busy: "busy", in_time: "in time" };

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-load");
  const svg = root.append("svg").attr("role", "img");
  const why = root.append("p").attr("class", "why");
  const tip = root.append("div").attr("class", "tip").attr("hidden", true);
  const unique = `load-${Math.random().toString(36).slice(2)}`;

  function draw() {
    if (unseen(root)) return;
    const load = model.get("load"),
      state = model.get("state"),
      colours = model.get("colours"),
      em = emOf(root),
      width = root.node().clientWidth,
      height = tallness(root, LIKED * em);
    svg
      .attr("width", width)
      .attr("height", height)
      .attr("aria-label", `Responses over the arrival rate: ${state.label}`);
    svg.selectAll("*").remove();
    tip.attr("hidden", true);
    addTop(svg, "Load", state.why ? "" : `capacity ${plain(Math.round(state.capacity_per_s))}/s`, width, em);
    say(why, state.why);
    if (state.why) return;
    svg.attr("data-stale", state.stale || null);
    addHatch(svg, `${unique}-hatch`);
    const left = MARGIN.left * em,
      right = width - MARGIN.right * em,
      top = MARGIN.top * em,
      bottom = height - MARGIN.bottom * em;
    const split = top + UPPER * (bottom - top);
    const upper = { left, right, top, bottom: split - (GAP / 2) * em },
      lower = { left, right, top: split + (GAP / 2) * em, bottom };
    const capacity = state.capacity_per_s,
      reach = within(BEYOND * state.rate_per_s, [BEYOND * capacity, FURTHEST * capacity]);
    const x = scaleLinear().domain([0, reach]).range([left, right]);
    const ms = scaleLog()
      .domain(decades(extent(levels(load, state))))
      .range([upper.bottom, upper.top]);
    const share = scaleLinear().domain([0, 1]).range([lower.bottom, lower.top]);
    axes();
    wall();
    const inside = { upper: clipped("upper", upper), lower: clipped("lower", lower) };
    curves();
    deadline();
    here();
    runs();
    hover();

    function clipped(name, { left, right, top, bottom }) {
      // Marks at the edge of a panel may stand out a little.
      const room = 0.4 * em;
      return addClipped(svg, `${unique}-${name}`, { left, right, top: top - room, bottom: bottom + room });
    }

    function axes() {
      const across = x.ticks(Math.max(2, Math.floor((right - left) / (4.2 * em))));
      addAxis(svg, 0, bottom).call(ticked(axisBottom(x), across, alike(across), 6));
      const times = logTicks(ms, Math.max(2, Math.floor((upper.bottom - upper.top) / (1.7 * em))));
      grid(ms, times, alike(times));
      grid(share, lower.bottom - lower.top > 5 * em ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1], percent);
      labelAxes(svg, upper, "", 0, UPPER_LABEL, 0.95 * em);
      labelAxes(svg, lower, X_LABEL, height - 0.5 * em, LOWER_LABEL, 0.95 * em);
    }

    function grid(scale, ticks, format) {
      const axis = ticked(axisLeft(scale), ticks, format, 6, left - right);
      addAxis(svg, left, 0).classed("grid", true).call(axis);
    }

    // From the capacity on the queue grows forever.
    function wall() {
      const at = x(capacity);
      for (const panel of [upper, lower]) {
        const beyond = addRect(svg, "wall", at, panel.top, right - at, panel.bottom - panel.top);
        beyond.attr("fill", `url(#${unique}-hatch)`);
        addLine(svg, "capacity", at, panel.top, at, panel.bottom);
      }
    }

    function curves() {
      if (!load.rates_per_s.length) return;
      for (const name of ["p50", "p99"]) {
        const band = areaOf()
          .defined((_, i) => known(load[`${name}_lo_ms`][i]))
          .x((_, i) => x(load.rates_per_s[i]))
          .y0((_, i) => ms(load[`${name}_lo_ms`][i]))
          .y1((_, i) => ms(load[`${name}_hi_ms`][i]));
        const shown = inside.upper.append("path").attr("class", "band").attr("fill", colours[`${name}_ms`]);
        shown.attr("d", band(load.rates_per_s));
      }
      const ends = [];
      for (const name of ["theory_ms", "mean_ms", "p50_ms", "p99_ms"]) curve(inside.upper, load[name], ms, name, ends);
      named(ends, upper);
      const shares = [];
      for (const name of ["busy", "in_time"]) curve(inside.lower, shareOf(name), share, name, shares);
      named(shares, lower);
    }

    function shareOf(name) {
      return name === "busy" ? load.busy : known(state.deadline_ms) ? state.in_time : [];
    }

    function curve(panel, values, scale, name, ends) {
      const path = lineOf()
        .defined((value) => known(value))
        .x((_, i) => x(load.rates_per_s[i]))
        .y((value) => scale(value));
      const last = values.findLastIndex((value) => known(value));
      if (last < 0) return;
      panel.append("path").attr("class", `curve ${name}`).attr("stroke", colours[name]).attr("d", path(values));
      const words = UPPER_CURVES[name] ?? LOWER_CURVES[name];
      if (words) ends.push({ words, y: scale(values[last]) });
    }

    // Names stand right of the wall, each beside the end of its curve.
    function named(ends, panel) {
      const places = apart(
        ends.map(({ y }) => within(y, [panel.top + 0.4 * em, panel.bottom])),
        1.15 * em,
        panel.bottom - 0.2 * em,
      );
      ends.forEach(({ words }, i) => {
        addText(svg, "name", right + 0.4 * em, places[i], words).attr("dy", "0.35em");
      });
    }

    function deadline() {
      if (!known(state.deadline_ms)) return;
      const at = ms(state.deadline_ms);
      if (at >= upper.top && at <= upper.bottom) addLine(svg, "limit", left, at, right, at);
    }

    function here() {
      const at = x(Math.min(state.rate_per_s, reach));
      for (const panel of [upper, lower]) addLine(svg, "here", at, panel.top, at, panel.bottom);
      const { now } = state;
      if (!now) return;
      for (const name of ["p50_ms", "p99_ms"]) ring(inside.upper, at, now[name], ms);
      for (const name of known(state.deadline_ms) ? ["busy", "in_time"] : ["busy"]) {
        ring(inside.lower, at, now[name], share);
      }
    }

    function ring(panel, at, value, scale) {
      if (!known(value)) return;
      const circle = panel
        .append("circle")
        .attr("class", "current")
        .attr("r", 0.42 * em);
      circle.attr("cx", at).attr("cy", scale(value));
    }

    // What was measured, with intervals.
    function runs() {
      for (const run of state.runs) {
        const at = x(run.rate_per_s);
        for (const name of ["p50", "p99"]) {
          const [value, low, high] = [`${name}_ms`, `${name}_lo_ms`, `${name}_hi_ms`].map((one) => run[one]);
          if (known(low)) addLine(inside.upper, "whisker", at, ms(low), at, ms(high));
          dot(inside.upper, at, value, ms, colours[`${name}_ms`]);
        }
        dot(inside.lower, at, run.busy, share, colours.busy);
        if (known(state.deadline_ms)) dot(inside.lower, at, run.in_time, share, colours.in_time);
      }
    }

    function dot(panel, at, value, scale, colour) {
      if (!known(value)) return;
      const circle = panel
        .append("circle")
        .attr("class", "run")
        .attr("r", 0.32 * em)
        .attr("fill", colour);
      circle.attr("cx", at).attr("cy", scale(value));
    }

    function hover() {
      const over = addRect(svg, "hover", left, top, right - left, bottom - top);
      const rateAt = (event) => within(x.invert(pointer(event, svg.node())[0]), [0, reach]);
      over.on("mousemove", (event) => tell(event, rateAt(event)));
      over.on("mouseleave", () => tip.attr("hidden", true));
      over.on("click", (event) => choose(model, rateAt(event)));
    }

    function tell(event, rate) {
      const words = inWords(load, state, rate);
      const [px, py] = pointer(event, root.node());
      tip
        .attr("hidden", null)
        .text(words)
        .style("left", "0")
        .style("top", `${py + 0.8 * em}px`);
      const most = [width - tip.node().offsetWidth - 4, height - tip.node().offsetHeight - 4];
      tip.style("left", `${within(px + 0.8 * em, [0, Math.max(0, most[0])])}px`);
      tip.style("top", `${within(py + 0.8 * em, [0, Math.max(0, most[1])])}px`);
    }
  }

  // All that has to be in the picture: the deadline too, if it is among the rest.
  function levels(load, state) {
    const some = [load.p50_ms, load.p99_ms, load.p50_lo_ms].flat();
    if (state.now) some.push(state.now.p50_ms, state.now.p99_ms);
    for (const run of state.runs) some.push(run.p50_ms, run.p99_ms);
    const there = some.filter((one) => known(one));
    if (known(state.deadline_ms) && state.deadline_ms < 2 * Math.max(...there)) there.push(state.deadline_ms);
    return there;
  }

  // What the curves say at a rate.
  function inWords(load, state, rate) {
    const said = [`${plain(Math.round(rate))} requests/s`];
    if (rate >= state.capacity_per_s) return `${said[0]}\nbeyond the capacity`;
    const at = (values) => between(load.rates_per_s, values, rate);
    for (const [name, words] of Object.entries({ p50_ms: "p50", p99_ms: "p99", mean_ms: "mean" })) {
      const value = at(load[name]);
      if (known(value)) said.push(`${words} ${plain(value)} ms`);
    }
    const busy = at(load.busy);
    if (known(busy)) said.push(`busy ${percent(Math.round(1000 * busy) / 1000)} %`);
    const kept = known(state.deadline_ms) ? at(state.in_time) : null;
    if (known(kept)) said.push(`goodput ${plain(Math.round(kept * rate))}/s`);
    return said.join("\n");
  }

  // On the line between two points of a curve; nothing where it does not go.
  function between(rates, values, rate) {
    const i = bisectLeft(rates, rate);
    if (!i || i >= rates.length || !known(values[i - 1]) || !known(values[i])) return null;
    return values[i - 1] + ((rate - rates[i - 1]) / (rates[i] - rates[i - 1])) * (values[i] - values[i - 1]);
  }

  const redraw = eachFrame(draw);
  return listen(model, { "change:load": redraw, "change:state": redraw }, root, draw);
}

export default { render };
