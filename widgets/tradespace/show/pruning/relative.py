"""Accuracy and latency of a pruned model next to those of the unpruned one, in numbers and words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd

from tradespace.config import PRUNINGS, Config, pruned_share
from tradespace.measuring.compare import Ratio, ratio_of_rows
from tradespace.show.common.json import number
from tradespace.show.common.layers import records
from tradespace.show.common.words import scored
from tradespace.text import between, counted, figures

NOTHING = dict.fromkeys(["accuracy", "low", "high", "ratio", "ratio_low", "ratio_high"])
WIDE = "the interval is too wide to tell"
MEANING = {
    "weights": {
        "same": "a dense kernel multiplies by zero just as slowly",
        "slower": "zeros save nothing in a dense kernel",
        "faster": "faster here, though a dense kernel computes the zeros too",
        "can't tell": WIDE,
    },
    "channels": {
        "same": "fewer multiplications, but no less time",
        "slower": "fewer multiplications, but more time",
        "faster": "removed channels are not computed",
        "can't tell": WIDE,
    },
}

Row = Mapping[str, Any]


def known_pairs(rows: pd.DataFrame, config: Config) -> dict[str, tuple[Row, Row]]:
    """Return pruning -> (its row, the unpruned row) at the knobs of `config`; at its threads, if any row has them."""
    there = np.ones(len(rows), bool)
    for knob in ("precision", "runtime", "device", "batch_size"):
        there &= (rows[knob] == getattr(config, knob)).to_numpy()
    alike = rows[there]
    threads = config.threads if (alike["threads"] == config.threads).any() else alike["threads"].max()
    found: dict[str, Row] = {str(row["pruning"]): row for row in records(alike[alike["threads"] == threads])}
    base = found.pop("none", None)
    return {} if base is None else {pruning: (row, base) for pruning, row in found.items() if pruning in PRUNINGS}


def where_of(config: Config, pairs: Mapping[str, tuple[Row, Row]]) -> str:
    """Describe the knobs at which the latencies were or will be measured."""
    threads = next((row["threads"] for row, _ in pairs.values()), config.threads)
    return f"fp32, {config.runtime}, batch {config.batch_size}, {counted(threads, 'thread')}"


def pruned_point(pruning: str, pair: tuple[Row, Row] | None, measuring: bool) -> dict[str, Any]:
    """Return what is known about one pruning, from its row and the unpruned row; None for what is not known.

    Examples
    --------
    >>> pruned_point("weights-90", None, measuring=False)["words"]
    '90% zeros: not measured.'
    """
    kind, percent = pruned_share(pruning)
    name = f"{percent}% zeros" if kind == "weights" else f"{percent}% of the channels out"
    if pair is None:
        words = f"{name}: {'being measured' if measuring else 'not measured'}."
        return {"state": "measuring" if measuring else "missing", **NOTHING, "words": words}
    row, base = pair
    if row["status"] != "ok":
        words = f"{name}: {row['status'].replace('_', ' ')}: {row['reason']}."
        return {"state": "failed", **NOTHING, "words": words}
    faster = ratio_of_rows(base, row)
    # A few samples can be off by any amount: without an interval, no ratio is drawn.
    drawn = [math.nan] * 3 if math.isnan(faster.low) else astuple(faster.inverse)
    numbers = (row["accuracy"], row["accuracy_lo"], row["accuracy_hi"], *drawn)
    known = {key: number(value) for key, value in zip(NOTHING, numbers, strict=True)}
    return {"state": "known", **known, "words": f"{name}: {_accuracy(row, base)}{_latency(kind, faster, row, base)}."}


def unpruned_point(bases: Sequence[Row]) -> dict[str, Any]:
    """Return what is known about the unpruned model, if anything."""
    if not bases or bases[0]["status"] != "ok":
        why = bases[0]["reason"] if bases else "not measured"
        return {**dict.fromkeys(["accuracy", "low", "high"]), "words": f"Unpruned: {why}."}
    base = bases[0]
    columns = {"accuracy": "accuracy", "low": "accuracy_lo", "high": "accuracy_hi"}
    known = {key: number(base[column]) for key, column in columns.items()}
    told = "" if math.isnan(base["accuracy"]) else f"{scored(base)}, "
    low, high = base["latency_p50_lo_ms"], base["latency_p50_hi_ms"]
    return {**known, "words": f"Unpruned: {told}latency {figures(base['latency_p50_ms'])} ms{between(low, high)}."}


def _accuracy(row: Row, base: Row) -> str:
    if math.isnan(row["accuracy"]):
        return ""
    before = "" if math.isnan(base["accuracy"]) else f", unpruned {scored(base, named=False)}"
    return f"{scored(row)}{before}; "


def _latency(kind: str, faster: Ratio, row: Row, base: Row) -> str:
    if math.isnan(faster.value):
        return f"the unpruned model is {base['status'].replace('_', ' ')}: no ratio of latencies"
    flags = sorted({*row["flags"].split(), *base["flags"].split()})
    doubt = f" [{' '.join(flags)}]" if flags else ""
    longer = faster.inverse
    if math.isnan(longer.low):
        return f"latency {longer.value:.2f} times unpruned, without an interval: too few samples{doubt}"
    meaning = MEANING[kind][faster.verdict()]
    return f"latency {longer.value:.2f} times unpruned ({longer.low:.2f} to {longer.high:.2f}){doubt}: {meaning}"
