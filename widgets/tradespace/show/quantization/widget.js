// A layer's weights on the levels of a bit width, the rounding errors, and the model's accuracy at each width.
//
// The kernel sends `layers` (names), `view` (all widths of one layer; anew when `layer` changes), `accuracy` (by
// precision; as it is measured), `note` and `untested` (in words), and `unfinished` (whether anything is left to
// measure). The browser writes `bits`, `per_channel`, `channel`, `layer` and `measuring`, and draws whatever they say
// without waiting for the kernel.
import { max, min } from "d3-array";
import { scaleLinear, scalePoint } from "d3-scale";
import { select } from "d3-selection";
import { area, curveStep } from "d3-shape";
import { known, percent } from "../common/pure/numbers.js";
import { symbolPath } from "../common/pure/symbols.js";
import { axes, FOOT_EM, panel } from "../common/lens.js";

const BITS = [8, 6, 5, 4, 3, 2];
const STEPS = [
  { own: true, name: "a step for each channel", symbol: "symbolCircle", suffix: "" },
  { own: false, name: "one step for the tensor", symbol: "symbolSquare", suffix: "-tensor" },
];
const CHANNELS = ["typical", "narrowest", "widest"];
// From how many em of width there are how many panels in a row.
const COLUMNS = [
  [64, 3],
  [42, 2],
  [0, 1],
];

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-quantization-lens");
  const id = `quantization-lens-${Math.random().toString(36).slice(2)}`;
  const bar = root.append("div").attr("class", "controls");
  const panels = root.append("div").attr("class", "panels");
  const weights = panel(panels, "weights", "Weights and their levels");
  const errors = panel(panels, "errors", "Rounding error");
  const accuracy = panel(panels, "accuracy", "Accuracy of the whole model");
  const status = root.append("p").attr("role", "status");
  const foot = root.append("div").attr("class", "foot");
  const note = foot.append("span"),
    button = foot.append("button").attr("type", "button");

  function write(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
    draw();
  }

  const precision = () => `w${model.get("bits")}${STEPS.find((one) => one.own === model.get("per_channel")).suffix}`;

  const width = bar.append("div").attr("class", "control");
  width.append("label").attr("for", `${id}-bits`).text("bits of a weight");
  const track = width.append("div").attr("class", "track");
  const slider = track
    .append("input")
    .attr("type", "range")
    .attr("id", `${id}-bits`)
    .attr("min", 0)
    .attr("max", BITS.length - 1)
    .attr("step", 1)
    .attr("title", "How many bits a weight is rounded to: fewer to the right")
    .on("input", () => write({ bits: BITS[+slider.property("value")] }));
  const ticks = track
    .append("div")
    .attr("class", "ticks")
    .attr("aria-hidden", true)
    .selectAll("span")
    .data(BITS)
    .join("span")
    .text((bits) => bits);

  const scale = bar
    .append("fieldset")
    .attr("class", "control")
    .attr("title", "What shares a step: the distance of two levels");
  scale.append("legend").text("step");
  const choices = scale.selectAll("label").data(STEPS).join("label");
  const radios = choices
    .append("input")
    .attr("type", "radio")
    .attr("name", `${id}-step`)
    .on("change", (_, one) => write({ per_channel: one.own }));
  choices
    .append("svg")
    .attr("class", "mark")
    .attr("viewBox", "-9 -9 18 18")
    .append("path")
    .attr("class", (one) => (one.own ? "own" : "shared"))
    .attr("d", (one) => symbolPath(one.symbol, 130));
  choices.append("span").text((one) => one.name);

  function menu(name, label, title) {
    const box = bar.append("div").attr("class", "control menu");
    box.append("label").attr("for", `${id}-${name}`).text(label);
    return box.append("select").attr("id", `${id}-${name}`).attr("title", title);
  }
  const layer = menu("layer", "layer", "Whose weights are shown").on("change", () =>
    write({ layer: +layer.property("value") }),
  );
  const channel = menu("channel", "channel shown", "One channel of the layer, by how far its weights reach").on(
    "change",
    () => write({ channel: channel.property("value") }),
  );
  channel
    .selectAll("option")
    .data(CHANNELS)
    .join("option")
    .attr("value", (kind) => kind)
    .text((kind) => kind);
  button.on("click", () => write({ measuring: !model.get("measuring") }));

  // JupyterLab takes the arrow keys for itself, unless the very element that has the focus says that it wants them.
  root.selectAll("input, select, button").attr("data-lm-suppress-shortcuts", "true");

  function drawControls() {
    const bits = model.get("bits");
    slider.property("value", BITS.indexOf(bits)).attr("aria-valuetext", `${bits} bits, ${2 ** bits - 1} levels`);
    ticks.attr("class", (one) => (one === bits ? "on" : null));
    radios.property("checked", (one) => one.own === model.get("per_channel"));
    layer
      .selectAll("option")
      .data(model.get("layers"))
      .join("option")
      .attr("value", (_, place) => place)
      .text((name) => name);
    layer.property("value", model.get("layer"));
    channel.property("value", model.get("channel"));
  }

  function drawWeights(view, em) {
    const kind = model.get("channel"),
      one = view.channels[kind],
      rounding = view.rounding[precision()];
    const x = scaleLinear([-view.span, view.span], [0, 1]);
    const y = scaleLinear([0, 1.05 * max([...view.shares, ...one.shares])], [0, 1]);
    const { g, top, bottom } = axes(weights, em, { x, y, xLabel: "weight", yLabel: "share of the weights, %" });
    const bin = (2 * view.span) / view.shares.length;
    const middle = (_, place) => x(-view.span + (place + 0.5) * bin);
    const shape = area()
      .x(middle)
      .y0(bottom)
      .y1((/** @type {any} */ share) => y(share))
      .curve(curveStep);
    const behind = g.append("path"),
      bars = g.append("g"),
      before = g.append("path");
    bars.append("path").attr("class", "layer").attr("d", shape(view.shares));
    bars.append("path").attr("class", "channel").attr("d", shape(one.shares));
    const step = rounding.steps[kind],
      most = 2 ** (model.get("bits") - 1) - 1;
    const levels = Array.from(
      { length: step > 0 ? 2 * most + 1 : 1 },
      (_, place) => (step > 0 ? place - most : 0) * step,
    );
    const apart = step > 0 ? x(step) - x(0) : Infinity;
    // Where they lie close they are drawn thin, and behind the bars.
    (apart > 6 ? before : behind)
      .attr("class", "levels")
      .attr("d", levels.map((level) => `M${x(level)},${top}V${bottom}`).join(""))
      .style("stroke-width", apart > 6 ? 2 : 1)
      .style("stroke-opacity", apart > 6 ? 0.9 : apart > 3 ? 0.5 : 0.18);
    const key = weights.words.text("");
    const entries = [
      ["layer", `${view.name}: ${view.rows} × ${view.columns}`],
      ["channel", `channel ${one.place}`],
      ["levels", `its ${2 ** model.get("bits") - 1} levels`],
    ];
    for (const [name, text] of entries) {
      const entry = key.append("span").attr("class", "key");
      entry.append("i").attr("class", name);
      entry.append("span").text(text);
    }
  }

  function drawErrors(view, em) {
    const rounding = view.rounding[precision()];
    const x = scaleLinear([-0.5, 0.5], [0, 1]),
      y = scaleLinear([0, 1.08 * (max(/** @type {number[]} */ (rounding.errors)) || 1)], [0, 1]);
    const { g, bottom } = axes(errors, em, {
      x,
      y,
      xLabel: "rounded minus exact, steps",
      yLabel: "share of the weights, %",
      xTicks: [-0.5, -0.25, 0, 0.25, 0.5],
    });
    const bin = 1 / rounding.errors.length;
    g.selectAll("rect")
      .data(rounding.errors)
      .join("rect")
      .attr("class", "error")
      .attr("x", (_, place) => x(-0.5 + place * bin))
      .attr("width", Math.max(0.5, x(bin) - x(0) - 1))
      .attr("y", (share) => y(share))
      .attr("height", (share) => bottom - y(share));
    const moved = rounding.rms === null ? "" : `root mean square ${percent(rounding.rms)}% of the weights' own; `;
    errors.words.text(`${moved}${percent(rounding.zero)}% become zero`);
  }

  function drawAccuracy(em) {
    accuracy.figure.attr("hidden", model.get("untested") ? true : null);
    if (model.get("untested")) return;
    const all = model.get("accuracy"),
      whole = all.fp32;
    const points = STEPS.flatMap((one) =>
      BITS.map((bits) => ({ ...all[`w${bits}${one.suffix}`], bits, one, name: `w${bits}${one.suffix}` })),
    );
    const told = [...points, whole].filter((point) => point && known(point.accuracy));
    const low = min(told, (point) => point.low ?? point.accuracy) ?? 0,
      high = max(told, (point) => point.high ?? point.accuracy) ?? 1;
    const room = Math.max(0.01, 0.08 * (high - low));
    const x = scalePoint(BITS, [0, 1]).padding(0.5);
    const y = scaleLinear([Math.max(0, low - room), Math.min(1, high + room)], [0, 1]);
    points.sort((a, b) => +(a.one.own === model.get("per_channel")) - +(b.one.own === model.get("per_channel")));
    const waiting = points.some((point) => !known(point.accuracy));
    const { g, left, right, bottom } = axes(accuracy, em, {
      x,
      y,
      xLabel: "bits of a weight",
      yLabel: "accuracy, %",
      xTicks: BITS,
      xFormat: String,
      yFormat: percent,
      foot: waiting ? FOOT_EM * em : 0,
    });
    if (whole && known(whole.accuracy)) {
      if (known(whole.low)) {
        g.append("rect")
          .attr("class", "whole-band")
          .attr("x", left)
          .attr("width", right - left)
          .attr("y", y(whole.high))
          .attr("height", Math.max(1, y(whole.low) - y(whole.high)));
      }
      g.append("line")
        .attr("class", "whole")
        .attr("x1", left)
        .attr("x2", right)
        .attr("y1", y(whole.accuracy))
        .attr("y2", y(whole.accuracy));
    }
    const place = (point) => [
      x(point.bits) + (point.one.own ? -0.45 : 0.45) * em,
      known(point.accuracy) ? y(point.accuracy) : bottom - 0.8 * em,
    ];
    const drawn = g
      .selectAll("g.point")
      .data(points)
      .join("g")
      .attr("data-state", (point) => point.state)
      .attr(
        "class",
        (point) =>
          `point ${point.one.own ? "own" : "shared"}${point.one.own === model.get("per_channel") ? "" : " other"}`,
      )
      .attr("transform", (point) => `translate(${place(point)})`)
      .on("click", (_, point) => write({ bits: point.bits, per_channel: point.one.own }));
    drawn.append("title").text((point) => point.words);
    drawn
      .filter((point) => known(point.low))
      .append("path")
      .attr("class", "interval")
      .attr("d", (point) => {
        const up = y(point.high) - y(point.accuracy),
          down = y(point.low) - y(point.accuracy);
        return `M0,${up}V${down}M-4,${up}H4M-4,${down}H4`;
      });
    drawn
      .append("path")
      .attr("class", "symbol")
      .attr("d", (point) => symbolPath(point.one.symbol, 0.36 * em * em));
    drawn
      .filter((point) => point.state === "failed")
      .append("path")
      .attr("class", "failed")
      .attr("d", "M-4,-4L4,4M-4,4L4,-4");
    drawn
      .filter((point) => point.name === precision())
      .append("circle")
      .attr("class", "current")
      .attr("r", 0.65 * em);
    accuracy.words.text(
      whole && known(whole.accuracy)
        ? `line: fp32, ${percent(whole.accuracy)}%; bars: 95 % intervals`
        : "bars: 95 % intervals",
    );
    accuracy.svg.attr("aria-label", `Accuracy of the whole model. ${points.map((point) => point.words).join(" ")}`);
    if (!waiting) return;
    g.append("line")
      .attr("class", "waiting")
      .attr("x1", left)
      .attr("x2", right)
      .attr("y1", bottom - FOOT_EM * em)
      .attr("y2", bottom - FOOT_EM * em);
    g.append("text")
      .attr("class", "waiting")
      .attr("x", (left + right) / 2)
      .attr("y", bottom - 1.6 * em)
      .text(
        points.every((point) => point.state === "known" || point.state === "failed") ? "not known" : "not measured yet",
      );
  }

  function drawWords(view) {
    const now = precision(),
      all = model.get("accuracy");
    const parts = [view.words[now], view.channel_words[model.get("channel")][now]];
    if (model.get("untested")) parts.push(model.get("untested"));
    else parts.push(...[all[now], all.fp32].filter(Boolean).map((point) => point.words));
    const text = parts.join(" ");
    if (status.text() !== text) status.text(text);
    note.text(model.get("note"));
    button
      .attr("hidden", model.get("unfinished") ? null : true)
      .text(model.get("measuring") ? "Stop measuring" : "Measure the rest");
  }

  function draw() {
    const view = model.get("view");
    if (!view.words || !root.node().clientWidth) return;
    const em = parseFloat(getComputedStyle(root.node()).fontSize);
    const wide = root.node().clientWidth / em;
    panels.attr("data-columns", COLUMNS.find(([least]) => wide >= least)[1]);
    drawControls();
    drawWeights(view, em);
    drawErrors(view, em);
    drawAccuracy(em);
    drawWords(view);
  }

  const events = [
    "layers",
    "layer",
    "view",
    "accuracy",
    "bits",
    "per_channel",
    "channel",
    "note",
    "untested",
    "measuring",
    "unfinished",
  ]
    .map((name) => `change:${name}`)
    .join(" ");
  model.on(events, draw);
  const resize = new ResizeObserver(draw);
  resize.observe(root.node());
  return () => {
    resize.disconnect();
    model.off(events, draw);
  };
}

export default { render };
