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

  function show(names = Object.keys(charts)) {
    if (!ahead) return;
    mine = true;
    for (const name of names) {
      // As if it came from the kernel: it is not sent back.
      charts[name].set_state(valuesOf(name));
    }
    mine = false;
  }

  function valuesOf(name) {
    const { state, tiles, here, flags } = ahead[name];
    if (!state) return { tiles, here, flags };
    // With the names that the kernel's state has: then its answer changes nothing, and nothing is drawn again.
    const there = Object.entries(charts[name].get("state"));
    return { state: Object.fromEntries(there.map(([part, value]) => [part, part in state ? state[part] : value])) };
  }

  controls.on("change:values", look);
  // The answer to an earlier move must not take back a later one. Not before the model has done with that message: else it
  // would take what is in it for a change of the browser's own, and send it back with the next one.
  for (const [name, chart] of Object.entries(charts)) {
    const written = name === "tiles" ? "change:tiles change:here change:flags" : "change:state";
    chart.on(written, () => mine || queueMicrotask(() => show([name])));
  }
  model.on("change:table", take);
  model.set("asked", true);
  model.save_changes();
  take();
}

export default { initialize };
