// A histogram of latencies that grows slice by slice, with the percentiles as they become known.
//
// The kernel sends `state`: bins, percentiles, doubts and sentences. The browser sends messages: the buttons that were
// pressed, and that the meter is on the page, so that it can start by itself.
import { max } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { known, plain } from "../common/pure/numbers.js";
import { roundTicks } from "../common/pure/ticks.js";

// All lengths are in em, so that larger type makes a larger chart.
const ROW = 1.55,
  PLOT = 13,
  MARGIN = { left: 4.6, right: 1.5, bottom: 3.6 };
const X_LABEL = "latency of a batch, ms",
  Y_LABEL = "calls";

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-latency-meter").attr("role", "group");
  const head = root.append("div").attr("class", "head");
  const title = head.append("strong");
  const start = button("Start", "Measure afresh"),
    stop = button("Stop", "End the measurement; what is known stays");
  const progress = head.append("span").attr("class", "so-far");
  const svg = root.append("svg").attr("role", "img");
  const legend = root.append("p").attr("class", "legend");
  const status = root.append("p").attr("role", "status");
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

  function draw() {
    const state = model.get("state");
    root.attr("aria-label", `Latency meter: ${state.title}`);
    title.text(state.title);
    start.attr("aria-disabled", state.running);
    stop.attr("aria-disabled", !state.running);
    progress.text(state.progress);
    if (status.text() !== state.status) status.text(state.status);
    const items = doubts
      .selectAll("li")
      .data(state.doubts, (doubt) => doubt.flag)
      .join((enter) => {
        const item = enter.append("li");
        item.append("strong");
        item.append("span");
        return item;
      });
    items.select("strong").text((doubt) => `${doubt.flag.replace("_", " ")}: `);
    items.select("span").text((doubt) => doubt.meaning);
    legend.text(
      state.left_out.some((n) => n) ? "Grey: calls disturbed by other programs, left out of the statistics" : "",
    );
    plot(state);
  }

  function plot(state) {
    const em = parseFloat(getComputedStyle(root.node()).fontSize),
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
    bars(
      "kept",
      (bin) => bin.kept,
      () => 0,
    );
    bars(
      "left-out",
      (bin) => bin.out,
      (bin) => bin.kept,
    );
    state.percentiles.forEach(line);
    if (state.slower) halo(right, top + 0.6 * (bottom - top), "end", `${state.slower} →`).classed("slower", true);

    function axes() {
      const few = Math.max(2, Math.floor((right - left) / (5 * em)));
      const round = state.log ? roundTicks(x, few) : x.ticks(few);
      const ticks =
        round.length > 3 || !state.log || edges.at(-1) / edges[0] > 10
          ? round
          : x.ticks(9).filter((tick) => /^[12357]e/.test(tick.toExponential()));
      if (bins.length) {
        svg
          .append("g")
          .attr("class", "axis")
          .attr("transform", `translate(0,${bottom})`)
          .call(
            axisBottom(x)
              .tickValues(ticks)
              .tickFormat(state.log ? plain : x.tickFormat(few))
              .tickSizeOuter(0)
              .tickPadding(6),
          );
        svg
          .append("g")
          .attr("class", "axis grid")
          .attr("transform", `translate(${left},0)`)
          .call(
            axisLeft(y)
              .tickValues(y.ticks(4).filter(Number.isInteger))
              .tickFormat(plain)
              .tickSizeInner(left - right)
              .tickSizeOuter(0)
              .tickPadding(6),
          );
      } else svg.append("path").attr("class", "frame").attr("d", `M${left},${top}V${bottom}H${right}`);
      svg
        .append("text")
        .attr("class", "axis-label")
        .attr("x", (left + right) / 2)
        .attr("y", bottom + 3.1 * em)
        .text(X_LABEL);
      svg
        .append("text")
        .attr("class", "axis-label")
        .attr("transform", `translate(${em},${(top + bottom) / 2}) rotate(-90)`)
        .text(Y_LABEL);
    }

    function bars(name, count, under) {
      const gap = Math.min(1, 0.1 * ((right - left) / Math.max(bins.length, 1)));
      const shown = svg.append("g").attr("class", name).selectAll("rect").data(bins.filter(count)).join("rect");
      shown
        .attr("x", (bin) => x(bin.low))
        .attr("width", (bin) => Math.max(x(bin.high) - x(bin.low) - gap, 0.5))
        .attr("y", (bin) => y(under(bin) + count(bin)))
        .attr("height", (bin) => y(under(bin)) - y(under(bin) + count(bin)));
      shown.append("title").text((bin) => `${plain(bin.low)} to ${plain(bin.high)} ms: ${count(bin)} calls`);
    }

    function band(one) {
      if (!known(one.low_ms)) return;
      const low = x(one.low_ms),
        high = Math.min(x(one.high_ms), right);
      svg
        .append("rect")
        .attr("class", "band")
        .attr("fill", one.colour)
        .attr("x", low)
        .attr("width", Math.max(high - low, 1))
        .attr("y", top)
        .attr("height", bottom - top);
    }

    // Each percentile has a row of its own over the plot, the least on top, and its words to the right of its line; those
    // that are not known come after all that are: so words lie on no line, but where a narrow window leaves no choice.
    function line(one, i) {
      const middle = (i + 0.6) * ROW * em,
        at = known(one.value_ms) ? x(one.value_ms) : null;
      if (at === null) {
        const words = halo(0, middle, "start", one.text).classed("unknown", true);
        const last =
          max(
            state.percentiles.filter((other) => known(other.value_ms)),
            (other) => x(other.value_ms),
          ) ?? left - em;
        const from = Math.max(0, Math.min(last + em, width - words.node().getComputedTextLength() - 2.8 * em));
        words.attr("x", from + 2.8 * em);
        svg
          .append("line")
          .attr("class", "unknown")
          .attr("x1", from)
          .attr("x2", from + 2.2 * em)
          .attr("y1", middle)
          .attr("y2", middle);
        return;
      }
      svg
        .append("line")
        .attr("class", "percentile")
        .attr("stroke", one.colour)
        .attr("x1", at)
        .attr("x2", at)
        .attr("y1", middle)
        .attr("y2", bottom);
      svg
        .append("circle")
        .attr("r", 0.3 * em)
        .attr("cx", at)
        .attr("cy", middle)
        .attr("fill", one.colour);
      const words = halo(0, middle, "start", one.text),
        length = words.node().getComputedTextLength(),
        room = 0.6 * em;
      const fits = at + room + length <= width,
        place = fits ? at + room : Math.max(at - room - length, 0);
      words.attr("x", fits || at - room - length >= 0 ? place : Math.max(width - length, 0));
    }

    function halo(px, py, anchor, words) {
      return svg
        .append("text")
        .attr("class", "words")
        .attr("x", px)
        .attr("y", py)
        .attr("dy", "0.35em")
        .attr("text-anchor", anchor)
        .text(words);
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
