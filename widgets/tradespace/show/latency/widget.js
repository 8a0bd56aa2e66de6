// A histogram of latencies that grows slice by slice, with the percentiles as they become known.
//
// The kernel sends `state`: bins, percentiles, doubts and sentences. The browser sends messages: the buttons that were
// pressed, and that the meter is on the page, so that it can start by itself.
import { max } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { addAxis, emOf, labelAxes, listen, ticked } from "../common/frame.js";
import { addHead, drawDoubts } from "../common/measuring.js";
import { known, plain } from "../common/pure/numbers.js";
import { roundTicks } from "../common/pure/ticks.js";
import { addLine, addRect, addText, say } from "../common/shapes.js";

// All lengths are in em, so that larger type makes a larger chart.
const ROW = 1.55,
  PLOT = 13,
  MARGIN = { left: 4.6, right: 1.5, bottom: 3.6 };
const X_LABEL = "time for one batch, ms",
  Y_LABEL = "calls";
const LEFT_OUT = "Grey: calls disturbed by other programs, left out of the statistics";

function render({ model, el }) {
  const root = select(el)
    .append("div")
    .attr("class", "tradespace tradespace-latency-meter tradespace-measuring")
    .attr("role", "group");
  const drawHead = addHead(root, model, "Measure afresh");
  const svg = root.append("svg").attr("role", "img");
  const legend = root.append("p").attr("class", "legend");
  const status = root.append("p").attr("role", "status");
  const doubts = root.append("ul").attr("aria-label", "Doubts");

  function draw() {
    const state = model.get("state");
    root.attr("aria-label", `Latency meter: ${state.title}`);
    drawHead(state.title, state);
    say(status, state.status);
    drawDoubts(doubts, state.doubts);
    legend.text(state.left_out.some((n) => n) ? LEFT_OUT : "");
    plot(state);
  }

  function plot(state) {
    const em = emOf(root),
      width = root.node().clientWidth;
    // Hidden, or taken off the page: it is drawn when it has a width again.
    if (!width) return;
    const top = ROW * em * state.percentiles.length + 0.4 * em,
      bottom = top + PLOT * em;
    const left = MARGIN.left * em,
      right = width - MARGIN.right * em;
    svg.attr("width", width).attr("height", bottom + MARGIN.bottom * em);
    svg.attr("aria-label", `Histogram of latencies: ${state.percentiles.map((one) => one.text).join("; ")}`);
    svg.selectAll("*").remove();
    const edges = state.edges_ms,
      bins = state.kept.map((n, i) => ({ low: edges[i], high: edges[i + 1], kept: n, out: state.left_out[i] }));
    const x = (state.log ? scaleLog() : scaleLinear())
      .domain(bins.length ? [edges[0], edges.at(-1)] : [0, 1])
      .range([left, right]);
    const y = scaleLinear()
      .domain([0, 1.05 * max(bins, (/** @type {{ kept: number, out: number }} */ bin) => bin.kept + bin.out) || 1])
      .range([bottom, top]);
    axes();
    for (const one of state.percentiles) band(one);
    bars("kept", "kept");
    bars("left-out", "out");
    state.percentiles.forEach(line);
    if (state.slower) {
      const words = addWords(right, top + 0.6 * (bottom - top), `${state.slower} →`);
      words.classed("slower", true).attr("text-anchor", "end");
    }

    function axes() {
      const few = Math.max(2, Math.floor((right - left) / (5 * em)));
      const round = state.log ? roundTicks(x, few) : x.ticks(few);
      const ticks =
        round.length > 3 || !state.log || edges.at(-1) / edges[0] > 10
          ? round
          : x.ticks(9).filter((tick) => /^[12357]e/.test(tick.toExponential()));
      if (bins.length) {
        const counts = y.ticks(4).filter(Number.isInteger);
        addAxis(svg, 0, bottom).call(ticked(axisBottom(x), ticks, state.log ? plain : x.tickFormat(few), 6));
        addAxis(svg, left, 0)
          .classed("grid", true)
          .call(ticked(axisLeft(y), counts, plain, 6, left - right));
      } else svg.append("path").attr("class", "frame").attr("d", `M${left},${top}V${bottom}H${right}`);
      labelAxes(svg, { left, right, top, bottom }, X_LABEL, bottom + 3.1 * em, Y_LABEL, em);
    }

    // A part of each bin: what is left out stands on what was kept.
    function bars(name, part) {
      const gap = Math.min(1, 0.1 * ((right - left) / Math.max(bins.length, 1)));
      const some = bins.filter((bin) => bin[part]);
      const under = (bin) => (part === "kept" ? 0 : bin.kept);
      const shown = svg.append("g").attr("class", name).selectAll("rect").data(some).join("rect");
      shown
        .attr("x", (bin) => x(bin.low))
        .attr("width", (bin) => Math.max(x(bin.high) - x(bin.low) - gap, 0.5))
        .attr("y", (bin) => y(under(bin) + bin[part]))
        .attr("height", (bin) => y(under(bin)) - y(under(bin) + bin[part]));
      shown.append("title").text((bin) => `${plain(bin.low)} to ${plain(bin.high)} ms: ${bin[part]} calls`);
    }

    function band(one) {
      if (!known(one.low_ms)) return;
      const low = x(one.low_ms),
        high = Math.min(x(one.high_ms), right);
      addRect(svg, "band", low, top, Math.max(high - low, 1), bottom - top).attr("fill", one.colour);
    }

    // Each percentile has a row of its own over the plot, the least on top, and its words to the right of its line; those
    // that are not known come after all that are: so words lie on no line, but where a narrow window leaves no choice.
    function line(one, i) {
      const middle = (i + 0.6) * ROW * em,
        at = known(one.value_ms) ? x(one.value_ms) : null;
      if (at === null) {
        const words = addWords(0, middle, one.text).classed("unknown", true);
        const others = state.percentiles.filter((other) => known(other.value_ms));
        const last = max(others, (other) => x(other.value_ms)) ?? left - em;
        const from = Math.max(0, Math.min(last + em, width - words.node().getComputedTextLength() - 2.8 * em));
        words.attr("x", from + 2.8 * em);
        addLine(svg, "unknown", from, middle, from + 2.2 * em, middle);
        return;
      }
      addLine(svg, "percentile", at, middle, at, bottom).attr("stroke", one.colour);
      const dot = svg
        .append("circle")
        .attr("r", 0.3 * em)
        .attr("fill", one.colour);
      dot.attr("cx", at).attr("cy", middle);
      const words = addWords(0, middle, one.text),
        length = words.node().getComputedTextLength(),
        room = 0.6 * em;
      const fits = at + room + length <= width,
        place = fits ? at + room : Math.max(at - room - length, 0);
      words.attr("x", fits || at - room - length >= 0 ? place : Math.max(width - length, 0));
    }

    function addWords(px, py, words) {
      return addText(svg, "words", px, py, words).attr("dy", "0.35em").attr("text-anchor", "start");
    }
  }

  model.send({ do: "shown" });
  return listen(model, { "change:state": draw }, root, draw);
}

export default { render };
