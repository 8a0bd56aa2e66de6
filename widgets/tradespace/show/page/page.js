// An Explorer that was saved as a page: the same widgets, and in place of the kernel a table to look things up in.
import attainment from "../attainment/widget.js";
import bar from "../bar/widget.js";
import batchCurve from "../batch_curve/widget.js";
import { csvOf } from "../common/pure/csv.js";
import { placesOf, shown, tableOf } from "../common/pure/lookup.js";
import controls from "../controls/widget.js";
import tiles from "../tiles/widget.js";
import tradeoff from "../tradeoff/widget.js";
import { Model } from "./model.js";

const table = tableOf(JSON.parse(document.getElementById("data").textContent));
const { marks, legend, doing, groups, columns, texts, colours, about } = table;
const widgets = { bar, controls, tiles, tradeoff, "batch-curve": batchCurve, landscape: attainment };
const models = {
  bar: new Model({ actions: [], disabled: [], marks: legend, doing, share: null, large: false, saved: true }),
  controls: new Model({ groups, values: table.values, held: false }, { saved: () => look() }),
  tiles: new Model({}),
};
const charts = {
  tradeoff: { data: { ...columns, ...about, text: texts } },
  "batch-curve": { data: columns },
  landscape: { colours, label: "" },
};
for (const [name, values] of Object.entries(charts)) {
  models[name] = new Model({ ...values, marks, selected: null }, { saved: () => goTo(name), sent: sendTable });
}

function sendTable() {
  models.tradeoff.tell("msg:custom", { csv: csvOf(table.surface) });
}

// To the row that was clicked in a chart.
function goTo(name) {
  const row = models[name].get("selected");
  models[name].set("selected", null);
  models.controls.set("values", { ...models.controls.get("values"), ...placesOf(table, row) });
  look();
}

function look() {
  for (const [name, values] of Object.entries(shown(table, models.controls.get("values")))) models[name].update(values);
}

document.title = table.title;
document.getElementById("about").textContent = table.whose;
look();
for (const [name, { render }] of Object.entries(widgets)) {
  const el = document.createElement("div");
  el.className = `tradespace-at-${name}`;
  el.classList.toggle("tradespace-chart", name in charts);
  document.getElementById("explorer").append(el);
  render({ model: models[name], el });
}
// A canvas has to be told of other colours: the landscape looks for changes of the body.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => {
  document.body.dataset.dark = `${matches}`;
});
