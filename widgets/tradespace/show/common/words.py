"""A point and its numbers as people say them, in charts, captions and status lines alike."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from tradespace.config import Config
from tradespace.surface.columns import KNOBS


def figures(value: float, digits: int = 3) -> str:
    """A number to as many figures, without an exponent where people would write none.

    Examples
    --------
    >>> figures(1234.5), figures(0.031), figures(2.0)
    ('1,230', '0.031', '2')
    """
    return f"{float(f'{value:.{digits}g}'):,.12g}"


def describe_row(row: Mapping[Any, Any] | pd.Series) -> str:
    """Knobs and numbers of one row, in words."""
    knobs = _knobs(**{knob: row[knob] for knob in KNOBS})
    if row["status"] != "ok":
        return f"{knobs}: {row['status'].replace('_', ' ')}: {row['reason']}"
    latency = f"{figures(row['latency_p50_ms'])} ms"
    if not math.isnan(row["latency_p50_lo_ms"]):
        latency += f" ({figures(row['latency_p50_lo_ms'])} to {figures(row['latency_p50_hi_ms'])})"
    accuracy = "not known"
    if not math.isnan(row["accuracy"]):
        accuracy = f"{row['accuracy']:.1%} ({row['accuracy_lo']:.1%} to {row['accuracy_hi']:.1%})"
    doubt = f" [{row['flags']}]" if row["flags"] else ""
    return f"{knobs}: {latency}, {rate(row['throughput_per_s'])} items/s, accuracy {accuracy}{doubt}"


def in_brief(config: Config, batch_size: bool = True) -> str:
    """The knobs of a Config in words; the processor goes without saying."""
    return _knobs(**(asdict(config) if batch_size else asdict(config) | {"batch_size": None}))


def rate(value: float) -> str:
    """Items a second: whole ones, where there are hundreds."""
    return f"{value:,.0f}" if value >= 100 else figures(value)


def _knobs(
    model: str, pruning: str, precision: str, runtime: str, device: str, threads: int, batch_size: int | None
) -> str:
    pruned = f", {pruning}" if pruning != "none" else ""
    where = f" on {device}" if device != "cpu" else ""
    batch = "" if batch_size is None else f", batch {batch_size}"
    return f"{model}{pruned}, {precision}, {runtime}{where}{batch}, {threads} thread{'s' if threads > 1 else ''}"


def counted(number: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "slice"), counted(2000, "slice")
    ('1 slice', '2,000 slices')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def for_still(words: str, most: int = 100) -> str:
    """Words of data, such as the name of a model, for a still picture: no longer than that, and no mathematics."""
    short = words if len(words) <= most else f"{words[: most - 1]}…"
    return short.replace("$", r"\$")


def sentence(words: str) -> str:
    """Words as a sentence, capital letter, full stop and all.

    Examples
    --------
    >>> sentence("stopped at 2 MHz"), sentence("It died.")
    ('Stopped at 2 MHz.', 'It died.')
    """
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."
