// A move is shown at once: points are looked up here, as in a saved page, before the kernel has answered. It answers
// nevertheless, with the same rows, and with the sentences, which are not looked up.
//
// The kernel sends `widgets` (whose models change, by name; once) and `table` (null while the rows change). The browser
// asks for tables by `asked`, since without a browser there is no need to gather them.
import { shown, tableOf } from "../common/pure/lookup.js";

async function initialize({ model }) {
  const find = async ([name, id]) => [name, await model.widget_manager.get_model(id)];
  const { controls, ...charts } = Object.fromEntries(await Promise.all(Object.entries(model.get("widgets")).map(find)));
  let table = null,
    ahead = null,
    mine = false;

  function take() {
    const data = model.get("table");
    table = data && tableOf({ ...data, texts: charts.tradeoff.get("data").text });
    if (!table) ahead = null;
  }

  // Of the places of the controls, what every widget shows.
  function look() {
    const places = controls.get("values");
    // Another latency moves every point, which is for the kernel to say.
    ahead = table?.values.latency === places.latency ? shown(table, places) : null;
    show();
  }

  function show() {
    if (!ahead) return;
    mine = true;
    for (const [name, values] of Object.entries(shownOf(ahead))) {
      // As if it came from the kernel: it is not sent back.
      charts[name].set_state(values);
    }
    mine = false;
  }

  const shownOf = ({ tradeoff, landscape, tiles, "batch-curve": curve }) => ({
    tradeoff: { state: alike(charts.tradeoff, tradeoff.state) },
    "batch-curve": { state: alike(charts["batch-curve"], curve.state) },
    landscape: { state: alike(charts.landscape, landscape.state) },
    tiles: { tiles: tiles.tiles, here: tiles.here, flags: tiles.flags },
  });
  // With the names that the kernel's state has: then its answer changes nothing, and nothing is drawn again.
  const alike = (chart, state) =>
    Object.fromEntries(
      Object.entries(chart.get("state")).map(([name, value]) => [name, name in state ? state[name] : value]),
    );

  controls.on("change:values", look);
  // The answer to an earlier move must not take back a later one. Not before the model has done with that message: else it
  // would take what is in it for a change of the browser's own, and send it back with the next one.
  for (const chart of Object.values(charts)) chart.on("change", () => mine || queueMicrotask(show));
  model.on("change:table", take);
  model.set("asked", true);
  model.save_changes();
  take();
}

export default { initialize };
