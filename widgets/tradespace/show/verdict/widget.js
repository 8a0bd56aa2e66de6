// A against B: the median of each slice as it comes, and the ratio of latencies with its interval.
//
// The kernel sends `state`: both sides, the ratio, and sentences. The browser sends messages: the buttons that were
// pressed, and that the widget is on the page, so that it can start by itself.
import { extent, max } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { known, plain } from "../common/pure/numbers.js";
import { symbolPath } from "../common/pure/symbols.js";
import { ratioTicks, roundTicks } from "../common/pure/ticks.js";

// All lengths are in em, so that larger type makes a larger chart.
const SLICES = 13,
  RATIO = 3.6,
  AXIS = 3.5,
  MARGIN = { top: 0.8, left: 4.6, right: 1.8 };
const X_LABEL = "slice, in turns",
  Y_LABEL = "latency of a batch, ms",
  RATIO_LABEL = "latency of A over latency of B";
// From this spread on, the axis is logarithmic.
const LOG_FROM = 3;
const LEFT_OUT =
  "Hollow: slices disturbed by other programs, left out of the statistics; on the upper edge, those beyond it.";
const USUAL_MARGIN = 0.02,
  NARROW = 42;

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-verdict").attr("role", "group");
  const head = root.append("div").attr("class", "head");
  head.append("strong").text("A against B");
  const start = button("Start", "Measure both afresh"),
    stop = button("Stop", "End the measurement; what is known stays");
  const progress = head.append("span").attr("class", "so-far");
  const legend = root.append("div").attr("class", "legend");
  const svg = root.append("svg").attr("role", "img");
  const status = root.append("p").attr("role", "status");
  const headline = status.append("strong"),
    accuracy = status.append("span");
  const doubts = root.append("ul").attr("aria-label", "Doubts");

  // Not `disabled`, which would take the focus away from under the finger that pressed it.
  function button(name, tooltip) {
    const one = head
      .append("button")
      .attr("type", "button")
      .attr("title", tooltip)
      .attr("data-lm-suppress-shortcuts", "true")
      .text(name);
    return one.on("click", () => one.attr("aria-disabled") === "true" || model.send({ do: name.toLowerCase() }));
  }

  function say(place, words) {
    if (place.text() !== words) place.text(words);
  }

  function draw() {
    const state = model.get("state");
    root.attr("aria-label", state.sides.map((side) => `${side.name}: ${side.title}`).join("; against "));
    start.attr("aria-disabled", state.running);
    stop.attr("aria-disabled", !state.running);
    progress.text(state.progress);
    say(headline, state.headline);
    say(accuracy, state.accuracy);
    const raised = doubts
      .selectAll("li")
      .data(state.doubts, (doubt) => doubt.flag)
      .join((enter) => {
        const item = enter.append("li");
        item.append("strong");
        item.append("span");
        return item;
      });
    raised.select("strong").text((doubt) => `${doubt.flag.replace("_", " ")}: `);
    raised.select("span").text((doubt) => doubt.meaning);
    const items = legend
      .selectAll("span.side")
      .data(state.sides)
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
    legend
      .selectAll("p")
      .data(state.sides.some((side) => side.left_out.includes(true)) ? [LEFT_OUT] : [])
      .join("p")
      .text(String);
    items.select("span").text((side) => `${side.name}: ${side.title}. ${side.text}`);
    plot(state);
  }

  function plot(state) {
    const em = parseFloat(getComputedStyle(root.node()).fontSize),
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
      const x = scaleLinear()
        .domain([
          0.5,
          Math.max(
            max(/** @type {{ medians_ms: number[] }[]} */ (state.sides), (side) => side.medians_ms.length),
            12,
          ) + 0.5,
        ])
        .range([left, right]);
      frame(bottom);
      label((left + right) / 2, bottom + 3 * em, X_LABEL);
      label(0, 0, Y_LABEL).attr("transform", `translate(${em},${(top + bottom) / 2}) rotate(-90)`);
      axis(
        axisBottom(x)
          .tickValues(x.ticks(Math.max(2, (right - left) / (5 * em))).filter(Number.isInteger))
          .tickFormat(plain),
        0,
        bottom,
      );
      if (!seen.length) return;
      const [low, high] = extent(seen),
        log = high / low >= LOG_FROM,
        room = Math.max(0.08 * (high - low), 0.005 * high);
      const y = log
        ? scaleLog().domain([low / 1.15, high * 1.15])
        : scaleLinear()
            .domain([low - room, high + room])
            .nice(5);
      y.range([bottom, top]);
      const round = log ? roundTicks(y, 7) : y.ticks(5);
      axis(
        axisLeft(y)
          .tickValues(round.length > 1 ? round : y.ticks(5))
          .tickFormat(log ? plain : y.tickFormat(5))
          .tickSizeInner(left - right),
        left,
        0,
      ).classed("grid", true);
      const size = Math.min(0.28 * em * em, Math.max((0.6 * (x(2) - x(1))) ** 2, 0.08 * em * em));
      for (const side of state.sides) {
        if (known(side.low_ms)) {
          svg
            .append("rect")
            .attr("class", "band")
            .attr("fill", side.colour)
            .attr("x", left)
            .attr("width", right - left)
            .attr("y", y(side.high_ms))
            .attr("height", Math.max(y(side.low_ms) - y(side.high_ms), 1));
        }
        if (known(side.p50_ms)) {
          svg
            .append("line")
            .attr("class", "median")
            .attr("stroke", side.colour)
            .attr("x1", left)
            .attr("x2", right)
            .attr("y1", y(side.p50_ms))
            .attr("y2", y(side.p50_ms));
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
      const x = scaleLog()
        .domain([outward(low / 1.02, Math.floor), outward(high * 1.02, Math.ceil)])
        .range([left, right]);
      svg
        .append("rect")
        .attr("class", "same")
        .attr("x", x(1 / same))
        .attr("width", x(same) - x(1 / same))
        .attr("y", ratioTop)
        .attr("height", ratioBottom - ratioTop);
      svg
        .append("line")
        .attr("class", "one")
        .attr("x1", x(1))
        .attr("x2", x(1))
        .attr("y1", ratioTop)
        .attr("y2", ratioBottom);
      frame(ratioBottom);
      axis(
        axisBottom(x)
          .tickValues(ratioTicks(x, Math.floor((right - left) / (4.5 * em))))
          .tickFormat(plain),
        0,
        ratioBottom,
      );
      label((left + right) / 2, ratioBottom + (narrow ? 4.4 : 3) * em, RATIO_LABEL);
      label(left, ratioBottom + 3 * em, "← B slower").style("text-anchor", "start");
      label(right, ratioBottom + 3 * em, "B faster →").style("text-anchor", "end");
      if (!told) return;
      const words = svg.append("g").attr("class", "ratio");
      if (known(told.low)) {
        words.append("line").attr("x1", x(told.low)).attr("x2", x(told.high)).attr("y1", middle).attr("y2", middle);
        for (const end of [told.low, told.high]) {
          words
            .append("line")
            .attr("x1", x(end))
            .attr("x2", x(end))
            .attr("y1", middle - 0.45 * em)
            .attr("y2", middle + 0.45 * em);
        }
      }
      words
        .append("path")
        .attr("d", symbolPath("symbolDiamond", 0.5 * em * em))
        .attr("transform", `translate(${x(told.value)},${middle})`);
      const text = svg
        .append("text")
        .attr("class", "words")
        .attr("y", middle - 0.95 * em)
        .attr("text-anchor", "middle")
        .text(told.text);
      const half = text.node().getComputedTextLength() / 2;
      text.attr("x", Math.min(Math.max(x(told.value), half), width - half));
    }

    function axis(drawn, dx, dy) {
      return svg
        .append("g")
        .attr("class", "axis")
        .attr("transform", `translate(${dx},${dy})`)
        .call(drawn.tickSizeOuter(0).tickPadding(6));
    }

    function frame(y) {
      svg.append("path").attr("class", "frame").attr("d", `M${left},${y}H${right}`);
    }

    function label(x, y, words) {
      return svg.append("text").attr("class", "axis-label").attr("x", x).attr("y", y).text(words);
    }
  }

  model.on("change:state", draw);
  const resize = new ResizeObserver(draw);
  resize.observe(root.node());
  model.send({ do: "shown" });
  return () => {
    resize.disconnect();
    model.off("change:state", draw);
  };
}

export default { render };
