// A against B: the median of each slice as it comes, and the ratio of latencies with its interval.
//
// The kernel sends `state`: both sides, the ratio, and sentences. The browser sends messages: the buttons that were
// pressed, and that the widget is on the page, so that it can start by itself.
import { extent, max } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { addAxis, emOf, labelAxes, listen, ticked } from "../common/frame.js";
import { addHead, drawDoubts } from "../common/measuring.js";
import { known, plain, within } from "../common/pure/numbers.js";
import { levelBar, symbolPath } from "../common/pure/symbols.js";
import { ratioTicks, roundTicks } from "../common/pure/ticks.js";
import { addLine, addRect, addText, say } from "../common/shapes.js";

// All lengths are in em, so that larger type makes a larger chart.
const SLICES = 13,
  RATIO = 3.6,
  AXIS = 3.5,
  MARGIN = { top: 0.8, left: 4.6, right: 1.8 };
const X_LABEL = "slice, in turns",
  Y_LABEL = "time for one batch, ms",
  RATIO_LABEL = "latency of A over latency of B";
// From this spread on, the axis is logarithmic.
const LOG_FROM = 3;
const LEFT_OUT =
  "Hollow: slices disturbed by other programs, left out of the statistics; on the upper edge, those beyond it.";
const USUAL_MARGIN = 0.02,
  NARROW = 42;

function render({ model, el }) {
  const root = select(el)
    .append("div")
    .attr("class", "tradespace tradespace-verdict tradespace-measuring")
    .attr("role", "group");
  const drawHead = addHead(root, model, "Measure both afresh");
  const legend = root.append("div").attr("class", "legend");
  const svg = root.append("svg").attr("role", "img");
  const status = root.append("p").attr("role", "status");
  const headline = status.append("strong"),
    accuracy = status.append("span");
  const doubts = root.append("ul").attr("aria-label", "Doubts");

  function draw() {
    const state = model.get("state");
    root.attr("aria-label", state.sides.map((side) => `${side.name}: ${side.title}`).join("; against "));
    drawHead("A against B", state);
    say(headline, state.headline);
    say(accuracy, state.accuracy);
    drawDoubts(doubts, state.doubts);
    drawLegend(state.sides);
    plot(state);
  }

  function drawLegend(sides) {
    const items = legend
      .selectAll("span.side")
      .data(sides)
      .join((enter) => {
        const item = enter.append("span").attr("class", "side");
        item.append("svg").attr("viewBox", "-10 -10 20 20").append("path");
        item.append("span");
        return item;
      });
    items
      .select("path")
      .attr("d", (side) => symbolPath(side.symbol, 120))
      .attr("fill", (side) => side.colour);
    items.select("span").text((side) => `${side.name}: ${side.title}. ${side.text}`);
    legend
      .selectAll("p")
      .data(sides.some((side) => side.left_out.includes(true)) ? [LEFT_OUT] : [])
      .join("p")
      .text(String);
  }

  function plot(state) {
    const em = emOf(root),
      width = root.node().clientWidth;
    // Hidden, or taken off the page: it is drawn when it has a width again.
    if (!width) return;
    const left = MARGIN.left * em,
      right = width - MARGIN.right * em;
    const top = MARGIN.top * em,
      bottom = top + SLICES * em,
      ratioTop = bottom + AXIS * em,
      ratioBottom = ratioTop + RATIO * em;
    // In a narrow window the words at both ends of an axis get a line of their own.
    const narrow = width < NARROW * em;
    svg.attr("width", width).attr("height", ratioBottom + (AXIS + (narrow ? 1.4 : 0)) * em);
    svg.attr(
      "aria-label",
      `${state.sides.map((side) => `${side.name}: ${side.text}`).join("; ")}; ratio ${state.ratio?.text ?? "not known yet"}`,
    );
    svg.selectAll("*").remove();
    slices();
    ratio();

    function slices() {
      const cut = (ms) => Math.min(ms, state.highest_ms);
      /** @type {number[]} */
      const seen = state.sides
        .flatMap((side) => [...side.medians_ms.map(cut), side.low_ms, side.high_ms])
        .filter(known);
      const most = max(/** @type {{ medians_ms: number[] }[]} */ (state.sides), (side) => side.medians_ms.length);
      const x = scaleLinear([0.5, Math.max(most, 12) + 0.5], [left, right]);
      frame(bottom);
      labelAxes(svg, { left, right, top, bottom }, X_LABEL, bottom + 3 * em, Y_LABEL, em);
      const turns = x.ticks(Math.max(2, (right - left) / (5 * em))).filter(Number.isInteger);
      addAxis(svg, 0, bottom).call(ticked(axisBottom(x), turns, plain, 6));
      if (!seen.length) return;
      const [low, high] = extent(seen),
        log = high / low >= LOG_FROM,
        room = Math.max(0.08 * (high - low), 0.005 * high);
      const y = log
        ? scaleLog([low / 1.15, high * 1.15], [bottom, top])
        : scaleLinear([low - room, high + room], [bottom, top]).nice(5);
      const round = log ? roundTicks(y, 7) : y.ticks(5),
        levels = round.length > 1 ? round : y.ticks(5);
      const grid = ticked(axisLeft(y), levels, log ? plain : y.tickFormat(5), 6, left - right);
      addAxis(svg, left, 0).classed("grid", true).call(grid);
      const size = Math.min(0.28 * em * em, Math.max((0.6 * (x(2) - x(1))) ** 2, 0.08 * em * em));
      for (const side of state.sides) {
        if (known(side.low_ms)) {
          const height = Math.max(y(side.low_ms) - y(side.high_ms), 1);
          addRect(svg, "band", left, y(side.high_ms), right - left, height).attr("fill", side.colour);
        }
        if (known(side.p50_ms)) {
          addLine(svg, "median", left, y(side.p50_ms), right, y(side.p50_ms)).attr("stroke", side.colour);
        }
        svg
          .append("g")
          .attr("class", `side-${side.name}`)
          .selectAll("path")
          .data(side.medians_ms)
          .join("path")
          .attr("class", (_, i) => (side.left_out[i] ? "dot left-out" : "dot"))
          .attr("d", symbolPath(side.symbol, size))
          .attr("fill", side.colour)
          .attr("stroke", side.colour)
          .attr("transform", (ms, i) => `translate(${x(i + 1)},${y(cut(ms))})`)
          .append("title")
          .text(
            (ms, i) =>
              `${side.name}, slice ${i + 1}: ${plain(ms)} ms${side.left_out[i] ? ", disturbed by other programs: left out" : ""}`,
          );
      }
    }

    function ratio() {
      const told = state.ratio,
        same = 1 + (told?.margin ?? USUAL_MARGIN),
        middle = (ratioTop + ratioBottom) / 2 + 0.6 * em;
      const [low, high] = extent([same ** -4, same ** 4, told?.value, told?.low, told?.high].filter(known));
      // In steps, so that the axis does not creep with each slice.
      const outward = (value, round) => 1.05 ** round(Math.log(value) / Math.log(1.05));
      const x = scaleLog([outward(low / 1.02, Math.floor), outward(high * 1.02, Math.ceil)], [left, right]);
      addRect(svg, "same", x(1 / same), ratioTop, x(same) - x(1 / same), ratioBottom - ratioTop);
      addLine(svg, "one", x(1), ratioTop, x(1), ratioBottom);
      frame(ratioBottom);
      const ticks = ratioTicks(x, Math.floor((right - left) / (4.5 * em)));
      addAxis(svg, 0, ratioBottom).call(ticked(axisBottom(x), ticks, plain, 6));
      const label = (at, below, words) => addText(svg, "axis-label", at, ratioBottom + below * em, words);
      label((left + right) / 2, narrow ? 4.4 : 3, RATIO_LABEL);
      label(left, 3, "← B slower").style("text-anchor", "start");
      label(right, 3, "B faster →").style("text-anchor", "end");
      if (!told) return;
      const words = svg.append("g").attr("class", "ratio");
      if (known(told.low)) {
        const bar = levelBar(middle, [x(told.low), x(told.high)], 0.45 * em);
        words.append("path").attr("class", "interval").attr("d", bar);
      }
      words
        .append("path")
        .attr("d", symbolPath("symbolDiamond", 0.5 * em * em))
        .attr("transform", `translate(${x(told.value)},${middle})`);
      const text = addText(svg, "words", 0, middle - 0.95 * em, told.text).attr("text-anchor", "middle");
      const half = text.node().getComputedTextLength() / 2;
      text.attr("x", within(x(told.value), [half, width - half]));
    }

    function frame(y) {
      svg.append("path").attr("class", "frame").attr("d", `M${left},${y}H${right}`);
    }
  }

  model.send({ do: "shown" });
  return listen(model, { "change:state": draw }, root, draw);
}

export default { render };
