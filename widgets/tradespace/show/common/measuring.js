// What the charts of a measurement have around their plots.

/**
 * A title, buttons that start and stop the measurement, and words on how far it is; returns what brings it up to date.
 * @param {any} root
 * @param {any} model hears of the buttons
 * @param {string} afresh what starting does
 */
export function addHead(root, model, afresh) {
  const head = root.append("div").attr("class", "head");
  const title = head.append("strong");
  // Not `disabled`, which would take the focus away from under the finger that pressed it.
  function button(name, tooltip) {
    const one = head.append("button").attr("type", "button").attr("title", tooltip).text(name);
    one.attr("data-lm-suppress-shortcuts", "true");
    return one.on("click", () => one.attr("aria-disabled") === "true" || model.send({ do: name.toLowerCase() }));
  }
  const start = button("Start", afresh),
    stop = button("Stop", "End the measurement; what is known stays");
  const progress = head.append("span").attr("class", "so-far");
  return (words, state) => {
    title.text(words);
    start.attr("aria-disabled", state.running);
    stop.attr("aria-disabled", !state.running);
    progress.text(state.progress);
  };
}

/** The flags that were raised, in a list, each with what it means. */
export function drawDoubts(list, doubts) {
  const items = list
    .selectAll("li")
    .data(doubts, (doubt) => doubt.flag)
    .join((enter) => {
      const item = enter.append("li");
      item.append("strong");
      item.append("span");
      return item;
    });
  items.select("strong").text((doubt) => `${doubt.flag.replace("_", " ")}: `);
  items.select("span").text((doubt) => doubt.meaning);
}
