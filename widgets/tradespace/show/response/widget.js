// How many requests took how long, and what they waited for: bars for the percentiles, a histogram below them.
//
// The kernel sends `state`: `streams` (percentiles and bins of what was simulated and, where it ran for real, measured),
// `reach_ms`, the deadline, colours and, where there is nothing to draw, why. Nothing is sent back.
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { addAxis, addTop, eachFrame, emOf, labelAxes, listen, tallness, ticked, unseen } from "../common/frame.js";
import { known, plain, within } from "../common/pure/numbers.js";
import { addLine, addRect, addText, cover, say } from "../common/shapes.js";

// All lengths are in em, so that larger type makes a larger chart.
const MARGIN = { left: 3.7, right: 0.9, top: 1.9, bottom: 3.1 },
  ROW = 2.35,
  BAR = 0.75,
  LIKED = 26;
const X_LABEL = "response, ms",
  Y_LABEL = "share of requests, %";

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-response");
  const svg = root.append("svg").attr("role", "img");
  const why = root.append("p").attr("class", "why");

  function draw() {
    if (unseen(root)) return;
    const state = model.get("state"),
      em = emOf(root),
      width = root.node().clientWidth,
      height = tallness(root, LIKED * em);
    svg.attr("width", width).attr("height", height).attr("aria-label", `Responses: ${state.label}`);
    svg.selectAll("*").remove();
    const late = known(state.deadline_ms) && state.deadline_ms > state.reach_ms ? " →" : "";
    addTop(svg, "Response", state.streams.length ? `${state.in_time}${late}` : "", width, em);
    say(why, state.why);
    if (!state.streams.length) return;
    const rows = state.streams.flatMap((stream) => stream.percentiles.map((one) => ({ ...one, how: stream.how })));
    const box = {
      left: MARGIN.left * em,
      right: width - MARGIN.right * em,
      top: (MARGIN.top + ROW * rows.length + 0.6) * em,
      bottom: height - MARGIN.bottom * em,
    };
    const x = scaleLinear().domain([0, state.reach_ms]).range([box.left, box.right]);
    const high = 1.08 * Math.max(...state.streams.flatMap(heights));
    const y = scaleLinear().domain([0, high]).range([box.bottom, box.top]);
    const few = Math.max(2, Math.floor((box.right - box.left) / (4 * em)));
    addAxis(svg, 0, box.bottom).call(ticked(axisBottom(x), x.ticks(few), plain, 6));
    const levels = y.ticks(within(Math.floor((box.bottom - box.top) / (3 * em)), [2, 8]));
    addAxis(svg, box.left, 0)
      .classed("grid", true)
      .call(ticked(axisLeft(y), levels, plain, 6, box.left - box.right));
    labelAxes(svg, box, X_LABEL, height - 0.5 * em, Y_LABEL, 1.05 * em);
    overdue(state, x, box, em);
    bins(state.streams[0], state.colours, x, y);
    for (const stream of state.streams.slice(1)) outline(stream, x, y);
    rows.forEach((row, i) => {
      percentile(row, (MARGIN.top + ROW * i) * em, state, x, box, em);
    });
  }

  const heights = ({ shares }) => shares[0].map((_, i) => 100 * shares.reduce((sum, part) => sum + part[i], 0));

  // What lies beyond the deadline.
  function overdue(state, x, box, em) {
    if (!known(state.deadline_ms)) return;
    if (state.deadline_ms > state.reach_ms) return;
    const at = x(state.deadline_ms),
      top = MARGIN.top * em;
    addRect(svg, "late", at, top, box.right - at, box.bottom - top);
    addLine(svg, "limit", at, top, at, box.bottom);
  }

  function bins({ shares, edges_ms, slower }, colours, x, y) {
    const under = edges_ms.slice(1).map(() => 0);
    Object.values(colours).forEach((colour, part) => {
      // One path for all of them: a rectangle each would take most of the time of drawing.
      const bars = shares[part].map((share, i) => {
        const from = y(under[i]),
          left = x(edges_ms[i]),
          wide = x(edges_ms[i + 1]) - left;
        under[i] += 100 * share;
        return share
          ? `M${left + 0.04 * wide},${from}H${left + 0.96 * wide}V${y(under[i])}H${left + 0.04 * wide}Z`
          : "";
      });
      svg.append("path").attr("class", "bins").attr("fill", colour).attr("d", bars.join(""));
    });
    if (slower) {
      const [, right] = x.range(),
        [, top] = y.range();
      addText(svg, "note slower", right, top, `${slower} →`).attr("dy", "0.9em").attr("text-anchor", "end");
    }
  }

  // What was measured: the outline of its bins.
  function outline(stream, x, y) {
    const tops = heights(stream);
    const steps = tops.map((share, i) => `V${y(share)}H${x(stream.edges_ms[i + 1])}`);
    svg
      .append("path")
      .attr("class", "measured")
      .attr("d", `M${x(0)},${y(0)}${steps.join("")}V${y(0)}`);
  }

  // Its words, and below them its three parts, with a whisker for its interval.
  function percentile(one, top, state, x, box, em) {
    const measured = one.how === "measured";
    const words = addText(svg, measured ? "words strong" : "words", 0, top + 1.05 * em, one.text);
    const most = box.right - words.node().getComputedTextLength();
    words.attr("x", Math.max(0, Math.min(box.left, most)));
    words.append("title").text(one.apart);
    if (!known(one.value_ms)) return;
    const bar = { y: top + 1.3 * em, height: BAR * em };
    let from = 0;
    Object.entries(state.colours).forEach(([name, colour], i) => {
      const part = one.parts_ms[i],
        end = Math.min(from + part, state.reach_ms);
      const shown = cover(svg.append("rect"), x(from), bar.y, x(end) - x(from), bar.height).attr("fill", colour);
      shown.append("title").text(`${name} ${plain(part)} ms`);
      from = end;
    });
    if (measured) addRect(svg, "measured", x(0), bar.y, x(from) - x(0), bar.height);
    if (!known(one.low_ms)) return;
    const middle = bar.y + bar.height / 2,
      ends = [x(one.low_ms), Math.min(x(one.high_ms), box.right)];
    addLine(svg, "whisker", ends[0], middle, ends[1], middle);
    for (const end of ends) addLine(svg, "whisker", end, middle - 0.25 * em, end, middle + 0.25 * em);
  }

  const redraw = eachFrame(draw);
  return listen(model, { "change:state": redraw }, root, draw);
}

export default { render };
