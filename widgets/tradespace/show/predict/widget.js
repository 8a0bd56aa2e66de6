// A question, one input and two buttons; once the guess is locked, the answer beside it on one axis.
//
// The kernel sends `asked` (the question as spans of text, the unit, the options; once), `state` (open or not, guess,
// answer, whether the axis is logarithmic) and `label` (the same in words). The browser sends what a person did:
// {lock: guess}, {skip: true} or {again: true}. It never knows an answer that it does not show.
import { axisBottom } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { addAxis, emOf, listen, ticked } from "../common/frame.js";
import { known, plain } from "../common/pure/numbers.js";
import { levelBar, symbolPath } from "../common/pure/symbols.js";
import { decades, logTicks } from "../common/pure/ticks.js";
import { addLine, addText } from "../common/shapes.js";

const SPANS = new Set(["strong", "em", "code"]);
const LARGEST = 1e100;
const NO_NUMBER = "Wanted: a number, such as 2.5";
const NO_CHOICE = "Wanted: one of these";
const GUESS = symbolPath("symbolDiamond", 110),
  ANSWER = symbolPath("symbolCircle", 130);
let cards = 0;

function render({ model, el }) {
  const id = `tradespace-predict-${Math.random().toString(36).slice(2)}-${cards++}`;
  const { question, unit, options } = model.get("asked");
  const choice = options.length > 0;
  const root = select(el)
    .append("div")
    .attr("class", "tradespace tradespace-predict")
    .attr("role", "group")
    .attr("aria-labelledby", `${id}-question`);
  // Enter and arrows pressed in here are no shortcuts of JupyterLab.
  root.on("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  const asked = root.append("div").attr("class", "question").attr("id", `${id}-question`);
  for (const spans of question) {
    const paragraph = asked.append("p");
    for (const [kind, text] of spans) paragraph.append(SPANS.has(kind) ? kind : "span").text(text);
  }
  const form = root.append("form").attr("novalidate", true);
  /** @type {import("d3-selection").Selection<HTMLInputElement, any, any, any>} */
  const inputs = choice ? makeChoice() : makeNumber();
  const problem = form.append("p").attr("class", "problem").attr("id", `${id}-problem`).attr("role", "alert");
  const buttons = form.append("div").attr("class", "buttons");
  buttons
    .append("button")
    .attr("type", "submit")
    .text("Lock my guess")
    .attr("title", "It cannot be changed afterwards; then the answer is shown");
  buttons
    .append("button")
    .attr("type", "button")
    .text("Skip")
    .on("click", () => tell({ skip: true }))
    .attr("title", "See the answer without a guess; the card says that it was skipped");
  const svg = root.append("svg").attr("role", "img").attr("aria-label", "Guess and measurement on one axis");
  const status = root.append("p").attr("role", "status").attr("tabindex", -1);
  const again = root
    .append("button")
    .attr("type", "button")
    .attr("class", "again")
    .text("Try again")
    .attr("title", "Ask for the answer again, once what it needs has been measured")
    .on("click", () => tell({ again: true }));

  function makeNumber() {
    const field = form.append("div").attr("class", "number");
    const input = field
      .append("input")
      .attr("type", "number")
      .attr("step", "any")
      .attr("autocomplete", "off")
      .attr("aria-labelledby", `${id}-question ${id}-unit`)
      .attr("aria-describedby", `${id}-problem`);
    field.append("span").attr("id", `${id}-unit`).text(unit);
    return input;
  }

  function makeChoice() {
    const set = form
      .append("div")
      .attr("class", "choice")
      .attr("role", "radiogroup")
      .attr("aria-labelledby", `${id}-question`)
      .attr("aria-describedby", `${id}-problem`);
    const rows = set.selectAll("label").data(options).join("label");
    rows
      .append("input")
      .attr("type", "radio")
      .attr("name", id)
      .property("value", (option) => option);
    const words = rows.append("span");
    words.append("span").text((option) => option);
    words.append("span").attr("class", "tags");
    return /** @type {any} */ (rows.select("input"));
  }

  function guessed() {
    if (choice) return inputs.filter(":checked").data()[0] ?? null;
    const number = inputs.property("valueAsNumber");
    return Number.isFinite(number) && Math.abs(number) < LARGEST ? number : null;
  }

  function complain(text) {
    problem.text(text);
    inputs.attr("aria-invalid", text ? true : null);
  }

  function tell(what) {
    complain("");
    root.selectAll("button").property("disabled", true);
    // A kernel that is busy answers later: until then the card says that it was heard.
    status.text("Waiting for the kernel.");
    try {
      model.send(what);
    } catch {
      status.text("The kernel of this card is gone: run its cell again.");
    }
  }

  form.on("submit", (event) => {
    event.preventDefault();
    if (!model.get("state").open) return;
    const guess = guessed();
    if (guess !== null) return tell({ lock: guess });
    complain(choice ? NO_CHOICE : NO_NUMBER);
    inputs.node().focus();
  });
  form.on("input", () => complain(""));

  function draw() {
    const { open, guess, again: failed } = model.get("state");
    const held = form.node().contains(document.activeElement);
    form.classed("locked", !open);
    root.selectAll("button").property("disabled", false);
    buttons.attr("hidden", open ? null : true);
    again.attr("hidden", failed ? null : true);
    inputs.property("disabled", !open);
    status.text(model.get("label"));
    if (!open) {
      complain("");
      if (choice) inputs.property("checked", (option) => option === guess);
      form.attr("hidden", choice ? null : true);
      // What had the focus is gone: hand it on, so that the next Tab goes on from here.
      if (held) status.node().focus();
    }
    drawAnswer();
  }

  function drawAnswer() {
    const { guess, answer } = model.get("state");
    svg
      .attr("hidden", answer && !choice ? null : true)
      .selectAll("*")
      .remove();
    if (choice) tagOptions(guess, answer?.value);
    // Without a width the card has no place on the page yet.
    else if (answer && status.node().clientWidth) drawAxis(guess, answer);
  }

  function tagOptions(guess, value) {
    form
      .selectAll("label")
      .select(".tags")
      .each(function (option) {
        const tags = [];
        if (option === guess) tags.push(["guess", GUESS, "your guess"]);
        if (option === value) tags.push(["answer", ANSWER, "measured"]);
        const place = select(this).text(null);
        for (const [name, path, text] of tags) {
          const tag = place.append("span");
          tag
            .append("svg")
            .attr("viewBox", "-10 -10 20 20")
            .attr("aria-hidden", true)
            .append("path")
            .attr("class", name)
            .attr("d", path);
          tag.append("span").text(text);
        }
      });
  }

  function drawAxis(guess, { value, low, high }) {
    const { log } = model.get("state");
    const width = status.node().clientWidth,
      em = emOf(root);
    const rows = [1, 2.2, 3.6, 5.1, 5.8, 9].map((row) => (known(guess) ? row : row - 2.4));
    const [above, first, second, below, bottom, height] = rows.map((row) => row * em);
    svg.attr("width", width).attr("height", height);
    const numbers = [guess, value, low, high].filter(known);
    const least = Math.min(...numbers),
      most = Math.max(...numbers),
      room = 0.15 * (most - least) || 0.15 * Math.abs(value) || 1;
    const x = (log ? scaleLog : scaleLinear)()
      .range([2 * em, width - 2 * em])
      .domain(log ? decades([least, most]) : [least - room, most + room]);
    const many = Math.max(2, Math.floor(width / (6 * em)));
    const ticks = log ? logTicks(x, many) : x.ticks(Math.min(many, 6));
    addAxis(svg, 0, bottom).call(ticked(axisBottom(x), ticks, plain, 3));
    const label = `${unit || "answer"}${log ? ", logarithmic axis" : ""}`;
    addText(svg, "axis-label", width / 2, bottom + 2.8 * em, label);
    if (known(guess)) mark("guess", GUESS, guess, first, above, `your guess ${plain(guess)}`);
    if (known(low) && known(high)) {
      const bar = levelBar(second, [x(low), x(high)], 6);
      svg.append("path").attr("class", "interval").attr("d", bar);
    }
    mark("answer", ANSWER, value, second, below, `measured ${plain(value)}`);

    function mark(name, path, number, y, textY, text) {
      const at = x(number);
      addLine(svg, "drop", at, y, at, bottom);
      svg.append("path").attr("class", name).attr("d", path).attr("transform", `translate(${at},${y})`);
      const words = addText(svg, "name", at, textY, text);
      const half = words.node().getComputedTextLength() / 2;
      words.attr("x", Math.max(half, Math.min(width - half, at)));
    }
  }

  draw();
  return listen(model, { "change:state": draw, "change:label": draw }, root, drawAnswer);
}

export default { render };
