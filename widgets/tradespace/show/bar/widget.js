// The bar of an Explorer: buttons and keys, what the machine is doing, tabs, and one legend for all charts.
//
// It also lays the Explorer out, since it alone knows how much room the page has. The kernel sends `actions` (once),
// `disabled`, `doing` and `share` (what is under way, and how much of it is done), `marks` and `large`. The browser sends
// back which action was pressed. Which chart is in front, full screen, help and the tour never leave the browser. A page
// that was saved says so by `saved`. What is not the Explorer of a surface sends `views`, `entries` of the legend and a
// `tour` of its own.
import { select } from "d3-selection";
import { addEntry, addRings, addStar, drawMarks } from "../common/legend.js";
import { shapeOf } from "../common/pure/shape.js";
import { addHatch, addLine, addRect, say } from "../common/shapes.js";
import { addHelp } from "./help.js";
import { addTour } from "./tour.js";

const VIEWS = [
  { name: "tradeoff", text: "Throughput and accuracy", key: "1" },
  { name: "batch-curve", text: "Batch size", key: "2" },
  { name: "landscape", text: "Landscape", key: "3" },
];
// What scrolls around an Explorer in JupyterLab and Notebook, and how much of its height a cell takes for itself.
const SCROLLS = ".jp-WindowedPanel-outer, .jp-Notebook",
  CELL_PX = 24;

function render({ model, el }) {
  const views = model.get("views") ?? VIEWS,
    entries = model.get("entries");
  const root = select(el).append("div").attr("class", "tradespace tradespace-bar");
  const top = root.append("div").attr("class", "top");
  const buttons = top.append("div").attr("class", "buttons").attr("role", "toolbar").attr("aria-label", "Explorer");
  const doing = top.append("p").attr("class", "doing");
  const words = doing.append("span").attr("role", "status");
  const done = doing.append("span").attr("class", "done").attr("aria-hidden", true);
  const head = root.append("div").attr("class", "head");
  const tabs = head.append("div").attr("class", "tabs");
  if (views.length) tabs.attr("role", "tablist").attr("aria-label", "Charts");
  const legend = head.append("div").attr("class", "legend");
  const hatch = `hatch-${Math.random().toString(36).slice(2)}`;
  let stage = null,
    drawnIn = "";

  const help = addHelp(root, () => keys.map(({ key, tooltip }) => [key, tooltip]), views.length > 0);
  const pointTo = (place) => {
    if (stage) stage.dataset.tour = place;
  };
  const tour = addTour(root, pointTo, model.get("saved"), model.get("tour"));

  function press(name) {
    model.send({ press: name });
  }

  function show(view) {
    if (!stage || !view) return;
    stage.dataset.view = view;
    tabs
      .selectAll("button")
      .attr("aria-selected", (one) => one.name === view)
      .attr("tabindex", (one) => (one.name === view ? 0 : -1));
  }

  function enlarge() {
    model.set("large", !model.get("large"));
    model.save_changes();
  }

  function fill() {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage?.requestFullscreen?.();
  }

  // What only the browser does. A name of one letter is drawn as a picture.
  const own = [
    { name: "large", text: "Large type", tooltip: "Large type, for a room", key: "l", act: enlarge },
    { name: "full", text: "Full screen", tooltip: "Full screen; Escape leaves", key: "f", act: fill },
    { name: "help", text: "?", tooltip: "The keys, and a tour", key: "?", act: help.toggle },
  ];
  const actions = [...model.get("actions").map((action) => ({ ...action, act: () => press(action.name) })), ...own];
  const keys = [
    ...actions,
    ...views.map(({ name, text, key }) => ({ key, tooltip: `Show ${text.toLowerCase()}`, act: () => show(name) })),
  ];
  help.onTour(tour.start);

  buttons
    .selectAll("button")
    .data(actions)
    .join("button")
    .attr("type", "button")
    .attr("data-name", ({ name }) => name)
    .attr("title", ({ tooltip, key }) => `${tooltip} (${key})`)
    .attr("aria-label", ({ text, tooltip }) => (text.length === 1 ? tooltip : null))
    .text(({ text }) => text)
    .on("click", (_, { act }) => act());

  tabs
    .selectAll("button")
    .data(views)
    .join("button")
    .attr("type", "button")
    .attr("role", "tab")
    .attr("title", ({ key }) => `Show this chart (${key})`)
    .text(({ text }) => text)
    .on("click", (_, { name }) => show(name))
    .on("keydown", (event, { name }) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = views.findIndex((view) => view.name === name) + by,
        view = views.at(next % views.length);
      show(view.name);
      /** @type {HTMLElement} */ (tabs.node().querySelector("[aria-selected=true]")).focus();
    });

  function typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && (help.close() || tour.end())) {
      event.stopPropagation();
      return;
    }
    // There, letters mean something else.
    if (event.target.closest("select, input[type=number], input[type=text]")) return;
    const action = keys.find(({ key }) => key === event.key);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action.act();
  }

  function room() {
    if (document.fullscreenElement === stage) return [window.innerWidth, window.innerHeight];
    // In Voila the notebook does not scroll, and is as tall as what is in it.
    const height = Math.min(stage.closest(SCROLLS)?.clientHeight ?? window.innerHeight, window.innerHeight);
    return [stage.parentElement.clientWidth, height - CELL_PX];
  }

  function fit() {
    if (!stage?.isConnected) return;
    const [width, height] = room();
    if (!width) return;
    const { shape, type, tall } = shapeOf(width, height, model.get("large"));
    const fitted = [shape, type, tall].join();
    if (fitted === drawnIn) return;
    drawnIn = fitted;
    stage.dataset.shape = shape;
    stage.style.setProperty("--type", `${type}px`);
    stage.style.setProperty("--tall", `${tall}px`);
  }

  // An element is on its page, and in its Explorer, some time after it was made.
  const resize = new ResizeObserver(() => {
    if (!stage) settle();
    fit();
  });
  resize.observe(top.node());

  function settle() {
    stage = el.closest(".tradespace-explorer");
    if (!stage) return;
    // So that it gets the keys after a click on it, and JupyterLab does not.
    stage.tabIndex = -1;
    stage.dataset.lmSuppressShortcuts = "true";
    stage.addEventListener("keydown", typed, true);
    resize.observe(stage.parentElement);
    const scrolling = stage.closest(SCROLLS);
    if (scrolling) resize.observe(scrolling);
    show(views[0]?.name);
    enlarged();
    tour.offer();
  }

  function enlarged() {
    const large = model.get("large");
    stage?.classList.toggle("tradespace-projector", large);
    buttons.select("button[data-name=large]").attr("aria-pressed", large);
    fit();
  }

  function tell() {
    const share = model.get("share");
    say(words, model.get("doing"));
    doing.attr("title", model.get("doing")).classed("under-way", share !== null);
    done.style("width", share === null ? "0" : `${100 * share}%`);
  }

  function disable() {
    const disabled = model.get("disabled");
    buttons.selectAll("button").property("disabled", ({ name }) => disabled.includes(name));
  }

  // A picture of a kind: an area, a line, a dashed line, or a dot.
  const pictures = {
    area: (picture, colour) => addRect(picture, null, -8, -8, 16, 16).attr("fill", colour),
    line: (picture, colour) => addLine(picture, "stroke", -10, 0, 10, 0).attr("stroke", colour),
    dashed: (picture, colour) => addLine(picture, "stroke dashed", -10, 0, 10, 0).attr("stroke", colour),
    dot: (picture, colour) => picture.append("circle").attr("class", "stroke").attr("r", 6).attr("stroke", colour),
  };

  function drawLegend() {
    if (entries) {
      for (const { kind, colour, text } of legend.selectChildren().empty() ? entries : []) {
        pictures[kind](addEntry(legend, null, text), colour);
      }
      return;
    }
    const marks = Object.entries(model.get("marks")).map(([name, mark]) => ({ name, ...mark }));
    drawMarks(legend, marks);
    if (!legend.select("span.fixed").empty()) return;
    const stairs = addEntry(legend, "fixed", "frontier within limits").append("path").attr("class", "frontier");
    stairs.attr("d", "M-9,5H0V-5H9");
    addRings(legend, "fixed");
    addStar(legend, "fixed");
    const veil = addEntry(legend, "fixed", "outside limits");
    addHatch(veil, hatch);
    addRect(veil, "veil", -9, -7, 18, 14).attr("fill", `url(#${hatch})`);
  }

  const handlers = {
    "change:doing": tell,
    "change:share": tell,
    "change:disabled": disable,
    "change:marks": drawLegend,
    "change:large": enlarged,
  };
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  window.addEventListener("resize", fit);
  document.addEventListener("fullscreenchange", fit);
  tell();
  disable();
  drawLegend();
  return () => {
    resize.disconnect();
    window.removeEventListener("resize", fit);
    document.removeEventListener("fullscreenchange", fit);
    stage?.removeEventListener("keydown", typed, true);
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}

export default { render };
