// Groups of native controls: sliders over options, menus, number fields.
//
// The kernel sends `groups` (once), `values` (numbers of options, or numbers), `disabled` (control -> option -> why).
// The browser writes `values` at every step of a drag, `held` for as long as the pointer holds a slider, and `typing` from
// any other move until none has followed for a while: a busy kernel hears of moves too late to know.
import { select } from "d3-selection";

// As SETTLE_S of measurer.py.
const REST_MS = 400;

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-controls");
  // JupyterLab would take arrow keys and letters for its own shortcuts.
  root.on("keydown", (event) => event.stopPropagation());
  const prefix = `control-${Math.random().toString(36).slice(2)}`;
  const parts = new Map();
  let resting = null;

  const why = (name, option) => model.get("disabled")[name]?.[option];

  function write(name, value) {
    model.set("values", { ...model.get("values"), [name]: value });
    if (!model.get("held")) {
      model.set("typing", true);
      clearTimeout(resting);
      resting = setTimeout(rest, REST_MS);
    }
    model.save_changes();
  }

  function rest() {
    model.set("typing", false);
    model.save_changes();
  }

  function hold(held) {
    if (model.get("held") === held) return;
    model.set("held", held);
    model.save_changes();
  }

  // The nearest option that can be had, onwards in the direction of the move, else back.
  function reachable(spec, wanted, from) {
    const step = wanted >= from ? 1 : -1;
    const ahead = [],
      behind = [];
    for (let i = wanted; i >= 0 && i < spec.options.length; i += step) ahead.push(i);
    for (let i = wanted; i >= 0 && i < spec.options.length; i -= step) behind.push(i);
    return [...ahead, ...behind].find((option) => !why(spec.name, option)) ?? from;
  }

  function slider(row, spec) {
    const last = spec.options.length - 1;
    const track = row.append("div").attr("class", "track");
    const input = track
      .append("input")
      .attr("type", "range")
      .attr("id", `${prefix}-${spec.name}`)
      .attr("min", 0)
      .attr("max", last)
      .attr("step", 1)
      .attr("title", spec.tooltip)
      .attr("data-lm-suppress-shortcuts", true);
    const few = last <= 24;
    const ticks = track
      .append("div")
      .attr("class", "ticks")
      .attr("aria-hidden", true)
      .selectAll("span")
      .data(few ? spec.options : [])
      .join("span")
      .style("left", (_, i) => `${(100 * i) / Math.max(1, last)}%`);
    // The slider says it itself, as its aria-valuetext.
    const said = row.append("span").attr("class", "said").attr("aria-hidden", true);
    const note = row.append("p").attr("class", "why").attr("role", "note").attr("hidden", true);
    const moved = () => {
      const wanted = +input.property("value"),
        got = reachable(spec, wanted, model.get("values")[spec.name]);
      if (got !== wanted) {
        note.text(`${spec.options[wanted]}: ${why(spec.name, wanted)}`).attr("hidden", null);
        input.property("value", got);
      } else note.attr("hidden", true);
      write(spec.name, got);
      show();
    };
    input.on("input", moved).on("pointerdown", () => hold(true));
    // Whichever comes: a pointer may be let go of, or lost, elsewhere.
    input.on("pointerup pointercancel change blur", () => hold(false));
    let shown = null;
    const show = () => {
      const value = model.get("values")[spec.name],
        disabled = model.get("disabled")[spec.name];
      if (+input.property("value") !== value) input.property("value", value);
      if (shown?.value === value && shown.disabled === disabled) return;
      shown = { value, disabled };
      input.attr("aria-valuetext", spec.options[value]);
      said.text(spec.options[value]).attr("title", spec.options[value]);
      ticks
        .attr("class", (_, i) => (why(spec.name, i) ? "off" : i === value ? "on" : null))
        .attr("title", (text, i) => (why(spec.name, i) ? `${text}: ${why(spec.name, i)}` : text));
    };
    return show;
  }

  function menu(row, spec) {
    const field = row
      .append("select")
      .attr("id", `${prefix}-${spec.name}`)
      .attr("title", spec.tooltip)
      .attr("data-lm-suppress-shortcuts", true);
    field
      .selectAll("option")
      .data(spec.options)
      .join("option")
      .attr("value", (_, i) => i)
      .text((text) => text);
    field.on("change", () => write(spec.name, +field.property("value")));
    return () => {
      field.property("value", model.get("values")[spec.name]);
      field
        .selectAll("option")
        .property("disabled", (_, i) => Boolean(why(spec.name, i)))
        .attr("title", (_, i) => why(spec.name, i) ?? null);
    };
  }

  function number(row, spec) {
    const field = row
      .append("input")
      .attr("type", "number")
      .attr("id", `${prefix}-${spec.name}`)
      .attr("min", spec.least)
      .attr("max", spec.most)
      .attr("step", spec.step)
      .attr("title", spec.tooltip)
      .attr("data-lm-suppress-shortcuts", true);
    field.on("change", () => {
      const value = +field.property("value");
      const valid = field.property("value") !== "" && value >= spec.least && value <= spec.most;
      if (valid) write(spec.name, value);
      else show();
    });
    const show = () => field.property("value", model.get("values")[spec.name]);
    return show;
  }

  const kinds = { slider, menu, number };

  function build() {
    root.selectAll("*").remove();
    parts.clear();
    for (const group of model.get("groups")) {
      const box = root.append("details").property("open", !group.folded);
      box.append("summary").text(group.title);
      for (const spec of group.controls) {
        const row = box.append("div").attr("class", `control ${spec.kind}`).attr("data-name", spec.name);
        row.append("label").attr("for", `${prefix}-${spec.name}`).attr("title", spec.tooltip).text(spec.label);
        parts.set(spec.name, kinds[spec.kind](row, spec));
      }
    }
    showAll();
  }

  const showAll = () => {
    for (const show of parts.values()) show();
  };
  const handlers = { "change:groups": build, "change:values": showAll, "change:disabled": showAll };
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  build();
  return () => {
    clearTimeout(resting);
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}

export default { render };
