// A layer's weights on the levels of a bit width, the rounding errors, and the model's accuracy at each width.
//
// The kernel sends `layers` (names), `view` (all widths of one layer; anew when `layer` changes), `accuracy` (by
// precision; as it is measured), `note` and `untested` (in words), and `unfinished` (whether anything is left to
// measure). The browser writes `bits`, `per_channel`, `channel`, `layer` and `measuring`, and draws whatever they say
// without waiting for the kernel.
import { max } from "d3-array";
import { scaleLinear, scalePoint } from "d3-scale";
import { select } from "d3-selection";
import {
  addChoice,
  addFoot,
  addLayers,
  addMenu,
  addPanel,
  addSlider,
  axes,
  drawAccuracy,
  drawKey,
  drawLens,
  outline,
  write,
} from "../common/lens.js";
import { percent } from "../common/pure/numbers.js";

const BITS = [8, 6, 5, 4, 3, 2];
const STEPS = [
  { kind: "own", own: true, name: "a step for each channel", symbol: "symbolCircle", suffix: "" },
  { kind: "shared", own: false, name: "one step for the tensor", symbol: "symbolSquare", suffix: "-tensor" },
];
const CHANNELS = ["typical", "narrowest", "widest"];
// From how many em of width there are how many panels in a row.
const COLUMNS = [
  [64, 3],
  [42, 2],
  [0, 1],
];

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-quantization-lens tradespace-lens");
  const id = `quantization-lens-${Math.random().toString(36).slice(2)}`;
  const bar = root.append("div").attr("class", "controls");
  const panels = root.append("div").attr("class", "panels");
  const weights = addPanel(panels, "weights", "Weights and their levels");
  const errors = addPanel(panels, "errors", "Rounding error");
  const accuracy = addPanel(panels, "accuracy", `${model.get("score").title} of the whole model`);
  const drawFoot = addFoot(root, model);

  const precision = () => `w${model.get("bits")}${STEPS.find((one) => one.own === model.get("per_channel")).suffix}`;

  const tooltip = "How many bits a weight is rounded to: fewer to the right";
  const { slider, ticks } = addSlider(bar, `${id}-bits`, "bits of a weight", tooltip);
  slider.attr("max", BITS.length - 1).on("input", () => write(model, { bits: BITS[+slider.property("value")] }));
  const bitTicks = ticks
    .selectAll("span")
    .data(BITS)
    .join("span")
    .text((bits) => bits);
  const radios = addChoice(bar, `${id}-step`, "step", "What shares a step: the distance of two levels", STEPS);
  radios.on("change", (_, one) => write(model, { per_channel: one.own }));
  const drawLayers = addLayers(bar, `${id}-layer`, model);
  const reach = "One channel of the layer, by how far its weights reach";
  const channel = addMenu(bar, `${id}-channel`, "channel shown", reach);
  channel.on("change", () => write(model, { channel: channel.property("value") }));
  channel
    .selectAll("option")
    .data(CHANNELS)
    .join("option")
    .attr("value", (kind) => kind)
    .text((kind) => kind);

  function drawControls() {
    const bits = model.get("bits");
    slider.property("value", BITS.indexOf(bits)).attr("aria-valuetext", `${bits} bits, ${2 ** bits - 1} levels`);
    bitTicks.attr("class", (one) => (one === bits ? "on" : null));
    radios.property("checked", (one) => one.own === model.get("per_channel"));
    drawLayers();
    channel.property("value", model.get("channel"));
  }

  function drawWeights(view, em) {
    const kind = model.get("channel"),
      one = view.channels[kind],
      rounding = view.rounding[precision()];
    const x = scaleLinear([-view.span, view.span], [0, 1]);
    const y = scaleLinear([0, 1.05 * max([...view.shares, ...one.shares])], [0, 1]);
    const { g, top, bottom } = axes(weights, em, { x, y, xLabel: "weight", yLabel: "share of the weights, %" });
    const shape = outline(x, y, view.span, bottom);
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
    drawKey(weights.words, [
      ["layer", `${view.name}: ${view.rows} × ${view.columns}`],
      ["channel", `channel ${one.place}`],
      ["levels", `its ${2 ** model.get("bits") - 1} levels`],
    ]);
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

  function drawWholeModel(em) {
    const all = model.get("accuracy"),
      x = scalePoint(BITS, [0, 1]).padding(0.5);
    const points = STEPS.flatMap((one) =>
      BITS.map((bits) => {
        const name = `w${bits}${one.suffix}`,
          other = one.own !== model.get("per_channel");
        const look = `${one.kind}${other ? " other" : ""}`;
        return { ...all[name], ...one, bits, other, look, current: name === precision() };
      }),
    ).sort((a, b) => +b.other - +a.other);
    drawAccuracy(accuracy, em, {
      untested: model.get("untested"),
      score: model.get("score"),
      name: "fp32",
      whole: all.fp32,
      points,
      x,
      xLabel: "bits of a weight",
      xTicks: BITS,
      xFormat: String,
      across: (point) => x(point.bits) + (point.own ? -0.45 : 0.45) * em,
      choose: (point) => write(model, { bits: point.bits, per_channel: point.own }),
    });
    if (model.get("untested")) return;
    accuracy.svg.attr(
      "aria-label",
      `${model.get("score").title} of the whole model. ${points.map((point) => point.words).join(" ")}`,
    );
  }

  function drawWords(view) {
    const now = precision(),
      all = model.get("accuracy");
    const parts = [view.words[now], view.channel_words[model.get("channel")][now]];
    if (model.get("untested")) parts.push(model.get("untested"));
    else parts.push(...[all[now], all.fp32].filter(Boolean).map((point) => point.words));
    drawFoot(parts.join(" "));
  }

  return drawLens(model, root, COLUMNS, (view, em) => {
    drawControls();
    drawWeights(view, em);
    drawErrors(view, em);
    drawWholeModel(em);
    drawWords(view);
  });
}

export default { render };
