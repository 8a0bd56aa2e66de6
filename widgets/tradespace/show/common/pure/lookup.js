// What an Explorer shows where there is no kernel: that of shown.py and view.py, looked up in a table of measured points.
// Words and statistics were made in Python. Here rows are compared and passed on.

/**
 * A table, as `lookup.py` gathers it, with its columns unpacked: a value for each row, null where it is not known.
 * @typedef {Record<string, any>} Table
 * @typedef {Record<string, any>} Chosen the option of each control, by name
 * @typedef {{ column: string, least: boolean, value: number, words: string, lacks: string | null }} Limit
 * @typedef {{ words: string, ranks: number[], lacks: string | null, beyond: string }} Goal ranks of rows, -1 if not known
 * @typedef {{ feasible: number[], choice: number | null }} Within
 */

const MEDIAN = "latency_p50_ms";
const VARIANT = ["model", "pruning", "precision", "runtime", "device"],
  CURVE = [...VARIANT, "threads"],
  KNOBS = [...CURVE, "batch_size"];

/** @param {any} packed A column, as json.py packs it. @param {number} row */
const at = (packed, row) => (packed.of ? packed.of[packed.at[row]] : packed[row]);

/** @param {Chosen} chosen @param {readonly string[]} knobs */
const keyOf = (chosen, knobs) => JSON.stringify(knobs.map((knob) => chosen[knob]));

/** @param {any} data @returns {Table} */
export function tableOf(data) {
  /** @param {Record<string, any>} columns @returns {Record<string, any[]>} */
  const unpack = (columns) =>
    Object.fromEntries(
      Object.entries(columns).map(([name, one]) => [name, Array.from(data.texts, (_, row) => at(one, row))]),
    );
  /** @param {any[][]} lists */
  const byKey = (lists) => new Map(lists.map(([value, ...knobs]) => [JSON.stringify(knobs), value]));
  const surface = unpack(data.surface),
    columns = { ...surface, ...unpack(data.derived) };
  /** @type {{ points: any[][], tiles: any[], unknown: string }} */
  const { points, tiles, unknown } = data.predicted ?? { points: [], tiles: [], unknown: "" };
  const places = byKey(points.map(([, ...knobs], place) => [place, ...knobs]));
  const predicted = { points: points.map(([point]) => point), places, tiles, unknown };
  return { ...data, surface, columns, fits: byKey(data.fits), failed: byKey(data.failed), predicted };
}

/**
 * Where the controls are if they select a row.
 * @param {Table} table @param {number} row
 */
export const placesOf = ({ columns, options }, row) =>
  Object.fromEntries(KNOBS.map((knob) => [knob, options[knob].indexOf(columns[knob][row])]));

/**
 * What changes in each widget when its controls are at these places among their options.
 * @param {Table} table @param {Record<string, number>} places
 */
export function shown(table, places) {
  const { columns, texts, options, pins, origin } = table;
  const chosen = Object.fromEntries(Object.keys(options).map((name) => [name, options[name][places[name]]]));
  const { latency, max_latency_ms, min_throughput_per_s, min_accuracy } = chosen,
    { goals, landscape, tiles, ...there } = table.latencies[latency],
    goal = goals[chosen.objective];
  /** @type {Limit[]} */
  const limits = there.limits
    .map((/** @type {any} */ one) => ({
      ...one,
      value: one.values[places[one.name]],
      words: one.words[places[one.name]],
    }))
    .filter((/** @type {Limit} */ { value }) => value !== null);
  const seen = within(columns, limits, goal, latency),
    { row, current, lines } = selected(columns, chosen);
  const guess = row === null ? predictedOf(table, chosen) : null,
    unknown = table.predicted.unknown || `not among the ${origin} points`;
  const absent = `${inBrief(chosen)}\n${guess ? "predicted; " : ""}${unknown}`,
    told = current ?? row,
    text = told === null ? absent : texts[told],
    choice = best(seen, limits, goal, texts);
  const timed = row !== null && columns.status[row] === "ok";
  const state = {
    ...chosen,
    ...seen,
    lines,
    current,
    predicted: guess?.point ?? null,
    pins,
    fit: table.fits.get(keyOf(chosen, CURVE)) ?? null,
  };
  /** @param {number | null} one */
  const point = (one) => (one === null ? null : pointOf(table, one, latency));
  return {
    controls: { disabled: unavailable(table, chosen) },
    landscape: {
      data: landscape,
      state: {
        current: guess ? foretold(guess.point, latency) : point(current),
        choice: point(seen.choice),
        limits: [max_latency_ms, min_throughput_per_s, min_accuracy],
      },
    },
    tiles: {
      tiles: guess?.tiles ?? tilesOf(table, tiles, row),
      here: timed ? `${inBrief(chosen)}: ${origin}` : inOneLine(row === null ? absent : texts[row]),
      flags: flagsOf(table, row),
      sentence: `${table.pinned}\n${choice}`.trim(),
    },
    "batch-curve": {
      state: { ...state, predicted: guess !== null, max_latency_ms: latency === MEDIAN ? max_latency_ms : null },
      label: text,
    },
    tradeoff: { state, label: `${inOneLine(text)}\n${choice}` },
  };
}

/** @param {Record<string, any[]>} columns */
const measured = (columns) => columns.status.map((_, row) => row).filter((row) => columns.status[row] === "ok");

/**
 * What limits and an objective decide; the frontiers are those of this latency.
 * @param {Record<string, any[]>} columns @param {readonly Limit[]} limits @param {Goal} goal @param {string} latency
 */
function within(columns, limits, goal, latency) {
  /** @param {number} row */
  const meets = (row) =>
    limits.every(({ column, least, value }) => {
      const there = columns[column][row];
      return Number.isFinite(there) && (least ? there >= value : there <= value);
    });
  const feasible = measured(columns).filter(meets);
  /** @param {number} row */
  const rank = (row) => goal.ranks[row] ?? -1;
  // The first of those that tie.
  const first = feasible.reduce((best, row) => (rank(row) > rank(best) ? row : best), feasible[0] ?? -1);
  return {
    throughput_frontier: frontier(columns, feasible, latency, "throughput_per_s"),
    accuracy_frontier: frontier(columns, feasible, latency, "accuracy"),
    feasible,
    choice: rank(first) < 0 ? null : first,
  };
}

/**
 * The rows that no other beats in latency and gain, by latency; those that tie in both stay together.
 * @param {Record<string, any[]>} columns @param {readonly number[]} rows @param {string} latency @param {string} gain
 */
function frontier(columns, rows, latency, gain) {
  const cost = columns[latency],
    worth = columns[gain];
  const sorted = rows.filter((row) => Number.isFinite(cost[row]) && Number.isFinite(worth[row]));
  sorted.sort((one, other) => cost[one] - cost[other] || worth[other] - worth[one]);
  let last = -1;
  return sorted.filter((row) => {
    const on = last < 0 || worth[row] > worth[last] || (worth[row] === worth[last] && cost[row] === cost[last]);
    if (on) last = row;
    return on;
  });
}

/**
 * The row of a selection, if it has one; that row, if it was measured; and for each precision the rows that share its
 * other knobs, by batch size.
 * @param {Record<string, any[]>} columns @param {Chosen} chosen
 */
function selected(columns, chosen) {
  /** @param {string[]} apart */
  const alike = (...apart) => {
    const knobs = KNOBS.filter((knob) => !apart.includes(knob));
    return (/** @type {number} */ row) => knobs.every((knob) => columns[knob][row] === chosen[knob]);
  };
  const here = columns.status.map((_, row) => row).filter(alike());
  const beside = measured(columns).filter(alike("precision", "batch_size"));
  beside.sort((one, other) => columns.batch_size[one] - columns.batch_size[other]);
  /** @type {Record<string, number[]>} */
  const lines = {};
  for (const row of beside) {
    const precision = columns.precision[row];
    lines[precision] = [...(lines[precision] ?? []), row];
  }
  return { row: here.at(-1) ?? null, current: here.findLast((row) => columns.status[row] === "ok") ?? null, lines };
}

/**
 * For each knob its options without a row, and those that failed with the other knobs as they are, by place, each with the
 * reason. Where all failed, the obstacle is another knob.
 * @param {Table} table @param {Chosen} chosen
 */
function unavailable({ columns, options, failed, origin }, chosen) {
  /** @param {string} knob */
  const reasons = (knob) => {
    const there = new Set(columns[knob]);
    /** @param {any} option */
    const failure = (option) => VARIANT.includes(knob) && failed.get(keyOf({ ...chosen, [knob]: option }, VARIANT));
    const stuck = [...there].every(failure);
    const whys = options[knob].map((/** @type {any} */ option) =>
      there.has(option) ? !stuck && failure(option) : `not among the ${origin} points`,
    );
    return Object.fromEntries(Object.entries(whys).filter(([, why]) => why));
  };
  return Object.fromEntries(KNOBS.map((knob) => [knob, reasons(knob)]));
}

/** What the landscape draws of a row. @param {Table} table @param {number} row @param {string} latency */
function pointOf({ columns, texts }, row, latency) {
  /** @param {string[]} names */
  const values = (...names) => names.map((name) => columns[name][row]);
  return {
    row,
    precision: columns.precision[row],
    text: texts[row],
    place: values(latency, "throughput_per_s", "accuracy"),
    latency_ends: latency === MEDIAN ? values("latency_p50_lo_ms", "latency_p50_hi_ms") : [null, null],
    accuracy_ends: values("accuracy_lo", "accuracy_hi"),
  };
}

/**
 * What is predicted of a selection and its tiles, if the table says so.
 * @param {Table} table @param {Chosen} chosen
 */
function predictedOf({ predicted: { points, places, tiles } }, chosen) {
  const place = places.get(keyOf(chosen, KNOBS));
  if (place === undefined) return null;
  /** @param {any} tile */
  const partsOf = (tile) => Object.fromEntries(Object.entries(tile).map(([part, packed]) => [part, at(packed, place)]));
  return { point: points[place], tiles: tiles.map(partsOf) };
}

/** What the landscape draws of a prediction: only the median is predicted. @param {any} point @param {string} latency */
function foretold({ latency_p50_ms, throughput_per_s, accuracy }, latency) {
  const place = [latency === MEDIAN ? latency_p50_ms : null, throughput_per_s, accuracy];
  return { row: null, text: "predicted, not measured", place };
}

/**
 * The tiles of a row, of which a latency has some of its own; the last value of a column is that of no row.
 * @param {Table} table @param {Record<number, any>} own @param {number | null} row
 */
const tilesOf = ({ tiles, texts }, own, row) =>
  tiles.map((/** @type {any} */ tile, /** @type {number} */ i) =>
    Object.fromEntries(Object.entries(own[i] ?? tile).map(([part, packed]) => [part, at(packed, row ?? texts.length)])),
  );

/** The flags of a row and what they mean. @param {Table} table @param {number | null} row */
function flagsOf({ columns, flags }, row) {
  const names = row === null ? "" : columns.flags[row];
  return Object.fromEntries(
    names
      .split(" ")
      .filter(Boolean)
      .map((/** @type {string} */ name) => [name, flags[name]]),
  );
}

/** The knobs of a selection in words. @param {Chosen} chosen */
function inBrief({ model, pruning, precision, runtime, device, threads, batch_size }) {
  const pruned = pruning === "none" ? "" : `, ${pruning}`,
    where = device === "cpu" ? "" : ` on ${device}`,
    many = `${threads} thread${threads === 1 ? "" : "s"}`;
  return `${model}${pruned}, ${precision}, ${runtime}${where}, batch ${batch_size}, ${many}`;
}

/** The description of a row, whose first line is its knobs. @param {string} text */
const inOneLine = (text) => text.replace("\n", ": ");

/**
 * The best choice within the limits in words, or why there is none.
 * @param {Within} seen @param {readonly Limit[]} limits @param {Goal} goal @param {readonly string[]} texts
 */
function best({ choice, feasible }, limits, goal, texts) {
  const asked = limits.map(({ words }) => words).join(" and ") || "without limits";
  const opening = `${goal.words}, ${asked}: `,
    lacks = [...limits, goal].find((one) => one.lacks !== null)?.lacks;
  if (choice !== null) return opening + inOneLine(texts[choice]);
  if (lacks) return opening + lacks;
  if (feasible.length) return opening + goal.beyond;
  return `No measured point meets these limits: ${asked}. Loosen a limit, or measure other points.`;
}
