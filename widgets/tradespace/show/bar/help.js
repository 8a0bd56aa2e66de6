// A panel that lists the keys.

// Keys that parts of the Explorer listen to by themselves, and those where there is a landscape.
const ELSEWHERE = [
  ["Tab", "From control to control, and to the charts"],
  ["← →", "On a control: one step"],
  ["Home, End", "On a control: to its ends"],
];
const LANDSCAPE = [
  ["← →", "On the landscape: turn it"],
  ["[ ]", "On the landscape: from point to point; Enter goes there"],
];

/**
 * Adds the panel, hidden, to `root`.
 * @param {any} root
 * @param {() => string[][]} keys Each key, and what it does.
 * @param {boolean} landscape Whether there is one.
 */
export function addHelp(root, keys, landscape) {
  const panel = root.append("div").attr("class", "help").attr("role", "dialog").attr("aria-label", "Keys");
  panel.attr("hidden", true).attr("tabindex", -1);
  let startTour = () => {};

  function fill() {
    panel.selectAll("*").remove();
    const rows = panel
      .append("dl")
      .selectAll("div")
      .data([...keys(), ...ELSEWHERE, ...(landscape ? LANDSCAPE : [])])
      .join("div");
    rows
      .append("dt")
      .append("kbd")
      .text(([key]) => key);
    rows.append("dd").text(([, what]) => what);
    const choices = panel.append("p").attr("class", "choices");
    const tour = choices.append("button").attr("type", "button").text("Show me around");
    tour.on("click", () => {
      close();
      startTour();
    });
    choices.append("button").attr("type", "button").text("Close").on("click", close);
  }

  /** @returns {boolean} Whether it was open. */
  function close() {
    const open = panel.attr("hidden") === null;
    panel.attr("hidden", true);
    return open;
  }

  function toggle() {
    if (close()) return;
    fill();
    panel.attr("hidden", null);
    panel.node().focus();
  }

  return {
    toggle,
    close,
    /** @param {() => void} start */
    onTour: (start) => {
      startTour = start;
    },
  };
}
