// A tour of three steps for the first minute. It can be left at any step, and comes by itself only once.

const SEEN = "tradespace-tour";
// That of the Explorer.
const STEPS = [
  {
    place: "controls",
    words:
      "These sliders make one way to run the network, an operating point. Move one: everything else follows. " +
      "Below them are limits, and what you want most.",
  },
  {
    place: "charts",
    words:
      "You are at the ring, in every chart. Click a point to go there. What is outside your limits is hatched, and the " +
      "star is the best of what is left.",
  },
  {
    place: "words",
    words:
      "What your last move did is said here, and how sure that is. A point that nobody measured is predicted, dashed, " +
      "and then measured. Press ? for the keys.",
  },
];
// The last words, where nothing is measured.
const SAVED =
  "Where you are is said here, and which choice is best within your limits. This page was saved: a point that nobody had " +
  "measured by then has no numbers. Press ? for the keys.";

/**
 * Adds the tour, hidden, to `root`; `point` is told which part of the Explorer a step is about, or "" for none.
 * @param {any} root
 * @param {(place: string) => void} point
 * @param {boolean} saved Whether the Explorer is a page that was saved.
 * @param {{ name: string, steps: { place: string, words: string }[] } | undefined} own Another tour.
 */
export function addTour(root, point, saved, own) {
  const steps = own?.steps ?? STEPS,
    key = own ? `${SEEN}-${own.name}` : SEEN;
  const box = root.append("div").attr("class", "tour").attr("role", "dialog").attr("aria-label", "A short tour");
  box.attr("hidden", true);
  const words = box.append("p").attr("aria-live", "polite");
  const choices = box.append("p").attr("class", "choices");
  const count = choices.append("span");
  choices.append("button").attr("type", "button").attr("class", "skip").text("Skip").on("click", end);
  const next = choices.append("button").attr("type", "button").attr("class", "next");
  next.on("click", () => step(at + 1));
  let at = -1;

  function step(to) {
    if (to >= steps.length) {
      end();
      return;
    }
    at = to;
    box.attr("hidden", null).attr("data-place", steps[at].place);
    words.text(saved && at === steps.length - 1 ? SAVED : steps[at].words);
    count.text(`${at + 1} of ${steps.length}`);
    next.text(at + 1 < steps.length ? "Next" : "Done");
    point(steps[at].place);
  }

  /** @returns {boolean} Whether it was under way. */
  function end() {
    if (at < 0) return false;
    at = -1;
    box.attr("hidden", true);
    point("");
    remember(key);
    return true;
  }

  return {
    start: () => step(0),
    end,
    /** Starts it, unless this browser has seen it. */
    offer: () => {
      if (seen(key)) return;
      remember(key);
      step(0);
    },
  };
}

// A page may not be allowed to remember anything: then it is as if it had been seen.
function seen(key) {
  try {
    return localStorage.getItem(key) !== null;
  } catch {
    return true;
  }
}

function remember(key) {
  try {
    localStorage.setItem(key, "seen");
  } catch {
    // Then it is offered again.
  }
}
