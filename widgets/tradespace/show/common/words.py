"""A point and its numbers in words, for charts, captions and status lines."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from tradespace.config import KNOBS, Config
from tradespace.measuring.background import Ended
from tradespace.scale import Scale
from tradespace.text import between, counted, figures, rate

MEDIAN = "latency_p50_ms"
# What each flag says, in a few words; the glossary says more.
FLAGS = {
    "few_samples": "too few slices of time for an interval",
    "unconverged": "the interval is wider than was asked",
    "noisy": "single calls differ much in length",
    "drifting": "it became slower or faster while it was measured",
    "contended": "other work took the cores away now and then",
    "throttled": "the clock of the device slowed down",
    "output_mismatch": "the outputs differ from those of the model itself",
}


def which_latency(column: str) -> str:
    """A latency column in words.

    Examples
    --------
    >>> which_latency("latency_p50_ms"), which_latency("latency_p99_ms")
    ('median', '99th percentile')
    """
    percentile = column.removeprefix("latency_p").removesuffix("_ms")
    return "median" if column == MEDIAN else f"{percentile}th percentile"


def describe_row(row: Mapping[Any, Any] | pd.Series, sep: str = ": ") -> str:
    """The knobs and numbers of a row in words, separated by `sep`."""
    knobs = _knobs(**{knob: row[knob] for knob in KNOBS})
    if row["status"] != "ok":
        return f"{knobs}{sep}{row['status'].replace('_', ' ')}: {row['reason']}"
    latency = f"{figures(row['latency_p50_ms'])} ms{between(row['latency_p50_lo_ms'], row['latency_p50_hi_ms'])}"
    name = scale_of_row(row).name
    score = f"{name} not known" if math.isnan(row["accuracy"]) else scored(row)
    doubt = f" [{row['flags']}]" if row["flags"] else ""
    return f"{knobs}{sep}{latency}, {rate(row['throughput_per_s'])} items/s, {score}{doubt}"


def in_brief(config: Config, batch_size: bool = True) -> str:
    """The knobs of a Config in words; the device is omitted if it is the CPU."""
    return _knobs(**(asdict(config) if batch_size else asdict(config) | {"batch_size": None}))


def _knobs(
    model: str, pruning: str, precision: str, runtime: str, device: str, threads: int, batch_size: int | None
) -> str:
    pruned = f", {pruning}" if pruning != "none" else ""
    where = f" on {device}" if device != "cpu" else ""
    batch = "" if batch_size is None else f", batch {batch_size}"
    return f"{model}{pruned}, {precision}, {runtime}{where}{batch}, {counted(threads, 'thread')}"


def for_still(words: str, most: int = 100) -> str:
    """Text from data, such as a model's name, for a figure: shortened, and never parsed as mathematics."""
    short = words if len(words) <= most else f"{words[: most - 1]}…"
    return short.replace("$", r"\$")


def scale_of_row(row: Mapping[Any, Any] | pd.Series) -> Scale:
    """How the score of a row is written."""
    score = row.get("score")
    return Scale.of(score) if isinstance(score, str) else Scale()


def scored(row: Mapping[Any, Any] | pd.Series, named: bool = True) -> str:
    """The score of a row with its interval, and with its name if it is `named`.

    Examples
    --------
    >>> scored({"accuracy": 0.91, "accuracy_lo": 0.9, "accuracy_hi": 0.92})
    'accuracy 91.0% (90.0% to 92.0%)'
    >>> scored({"accuracy": -0.5, "accuracy_lo": -0.6, "accuracy_hi": -0.4, "score": "negative squared error, m²"})
    'negative squared error -0.5 m² (-0.6 to -0.4)'
    """
    scale = scale_of_row(row)
    written = scale.write_between(row["accuracy"], row["accuracy_lo"], row["accuracy_hi"])
    return f"{scale.name} {written}" if named else written


def cut_short(end: Ended) -> str:
    """Why measuring ended early; empty if it did not.

    Examples
    --------
    >>> cut_short(Ended("done")), cut_short(Ended("stopped")), cut_short(Ended("failed", "TypeError: no"))
    ('', 'stopped', 'TypeError: no')
    """
    return "" if end.how == "done" else end.error or end.how
