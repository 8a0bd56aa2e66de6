import assert from "node:assert/strict";
import { test } from "node:test";
import { csvOf } from "../tradespace/show/common/pure/csv.js";
import { placesOf, shown, tableOf } from "../tradespace/show/common/pure/lookup.js";

const ROWS = 5;
const one = (/** @type {unknown} */ value) => ({ of: [value], at: Array(ROWS).fill(0) });
const PER_S = "throughput_per_s",
  MEDIAN = "latency_p50_ms";
// Three sizes of batch at fp32, of which the last is as slow as the second; int8 at one, and one that failed.
const DATA = {
  texts: ["a", "b", "c", "d", "e"].map((name) => `${name}\n1 ms`),
  surface: {
    ...Object.fromEntries(
      ["pruning", "runtime", "device"].map((name) => [name, one({ device: "cpu" }[name] ?? "none")]),
    ),
    model: one("small"),
    precision: ["fp32", "fp32", "fp32", "int8", "bf16"],
    threads: one(1),
    batch_size: [8, 1, 2, 8, 8],
    status: ["ok", "ok", "ok", "ok", "failed"],
    flags: ["", "noisy drifting", "", "", ""],
    [MEDIAN]: [2, 1, 2, null, null],
    [PER_S]: [400, 100, 400, null, null],
    accuracy: [0.8, 0.9, 0.7, 0.6, null],
    accuracy_lo: one(null),
    accuracy_hi: one(null),
    latency_p50_lo_ms: one(null),
    latency_p50_hi_ms: one(null),
  },
  derived: { cost: one(null) },
  options: {
    model: ["small", "large"],
    pruning: ["none"],
    precision: ["fp32", "int8", "bf16"],
    runtime: ["none"],
    device: ["cpu"],
    threads: [1],
    batch_size: [1, 2, 8],
    latency: [MEDIAN],
    objective: ["throughput"],
    max_latency_ms: [1, 2, null],
    max_cost: [5, null],
  },
  origin: "recorded",
  flags: { noisy: "uneven", drifting: "slower" },
  fits: [["fit", "small", "none", "fp32", "none", "cpu", 1]],
  failed: [["no kernel", "small", "none", "bf16", "none", "cpu"]],
  pins: [],
  pinned: "A is faster.",
  tiles: [{ label: one("latency"), value: ["2", "1", "2", "?", "?", "?"] }],
  latencies: {
    [MEDIAN]: {
      goals: {
        throughput: { words: "Highest throughput", ranks: [1, 0, 1, -1, -1], lacks: null, beyond: "none within." },
      },
      limits: [
        {
          name: "max_latency_ms",
          column: MEDIAN,
          least: false,
          values: [1, 2, null],
          words: ["at most 1 ms", "at most 2 ms", ""],
          lacks: null,
        },
        {
          name: "max_cost",
          column: "cost",
          least: false,
          values: [5, null],
          words: ["a cost of 5", ""],
          lacks: "none, since unknown.",
        },
      ],
      landscape: "stairs",
      tiles: {},
    },
  },
};
const table = tableOf(DATA);
const PLACES = {
  ...Object.fromEntries(Object.keys(DATA.options).map((name) => [name, 0])),
  max_latency_ms: 2,
  max_cost: 1,
};
const seen = (changes = {}) => shown(table, { ...PLACES, ...changes });

test("rows that tie stay on the frontier, and the first of those that tie is the best", () => {
  const { state } = seen().tradeoff;
  assert.deepEqual(state.throughput_frontier, [1, 0, 2]);
  assert.deepEqual(state.accuracy_frontier, [1]);
  assert.deepEqual(state.feasible, [0, 1, 2, 3]);
  assert.equal(state.choice, 0);
});

test("what is not known meets no limit, and a value at a limit meets it", () => {
  assert.deepEqual(seen({ max_latency_ms: 1 }).tradeoff.state.feasible, [0, 1, 2]);
  const { state } = seen({ max_latency_ms: 0 }).tradeoff;
  assert.deepEqual([state.feasible, state.choice], [[1], 1]);
});

test("the best choice is said with its limits, or why there is none", () => {
  const best = (/** @type {object} */ changes) => seen(changes).tiles.sentence.split("\n");
  assert.deepEqual(best({}), ["A is faster.", "Highest throughput, without limits: a: 1 ms"]);
  assert.equal(best({ max_latency_ms: 0 })[1], "Highest throughput, at most 1 ms: b: 1 ms");
  assert.equal(
    best({ max_latency_ms: 0, max_cost: 0 })[1],
    "Highest throughput, at most 1 ms and a cost of 5: none, since unknown.",
  );
});

test("a selection has its row, its lines by batch size, and its fit", () => {
  const { tradeoff, tiles, landscape, "batch-curve": curve } = seen();
  assert.equal(tradeoff.state.current, 1);
  assert.deepEqual(tradeoff.state.lines, { fp32: [1, 2, 0], int8: [3] });
  assert.equal(curve.state.fit, "fit");
  assert.equal(tiles.here, "small, fp32, none, batch 1, 1 thread: recorded");
  assert.deepEqual(tiles.flags, { noisy: "uneven", drifting: "slower" });
  assert.deepEqual(tiles.tiles, [{ label: "latency", value: "1" }]);
  assert.deepEqual(landscape.state.current?.place, [1, 100, 0.9]);
});

test("a selection without a row has no numbers", () => {
  const { tradeoff, tiles, landscape } = seen({ model: 1 });
  assert.deepEqual([tradeoff.state.current, tradeoff.state.predicted, landscape.state.current], [null, null, null]);
  assert.equal(tiles.here, "large, fp32, none, batch 1, 1 thread: not among the recorded points");
  assert.equal(tiles.tiles[0].value, "?");
});

test("what failed and what has no row cannot be chosen", () => {
  const { disabled } = seen().controls;
  assert.deepEqual(disabled.precision, { 2: "no kernel" });
  assert.deepEqual(disabled.model, { 1: "not among the recorded points" });
  assert.deepEqual(disabled.batch_size, {});
});

test("a row that is clicked is where the controls go", () => {
  const places = placesOf(table, 3);
  assert.deepEqual([places.precision, places.batch_size], [1, 2]);
});

test("a table has a name for each column, and quotes where they are needed", () => {
  assert.equal(csvOf({ a: [1, null], "b,c": ['say "x"', "two\nlines"] }), 'a,"b,c"\n1,"say ""x"""\n,"two\nlines"\n');
});
