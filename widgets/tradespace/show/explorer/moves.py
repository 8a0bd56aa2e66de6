"""Describe a move in one sentence: what changed from one point to another, and how certain that is."""

import math
from collections.abc import Mapping
from typing import Any

from tradespace.config import KNOBS, VARIANT
from tradespace.measuring.compare import SIGNIFICANT, Ratio, Z, compare_accuracy, ratio_of_rows
from tradespace.measuring.measurement import Measurement
from tradespace.scale import Scale
from tradespace.show.common.words import scale_of_row
from tradespace.text import between

Row = Mapping[str, Any]
# Smaller differences get two decimals.
FEW_POINTS = 0.095


def in_a_sentence(before: Row, after: Row, measured: tuple[Measurement, Measurement] | None = None) -> str:
    """Describe the change from one row to another; empty if there is nothing to say.

    A point is called faster or slower only if the whole interval of the ratio is beyond 2 %, as in `compare`. The
    interval of the ratio combines those of the two medians, assumed independent. If the raw results of both points,
    `measured`, are available, scores are compared on paired items (`compare_accuracy`), otherwise as two independent
    proportions or means (z test), which has less power.

    Examples
    --------
    >>> row = {"model": "m", "pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1,
    ...        "batch_size": 1, "status": "ok", "latency_p50_ms": 2.0, "latency_p50_lo_ms": 1.9,
    ...        "latency_p50_hi_ms": 2.1, "throughput_per_s": 500.0, "accuracy": 0.92, "accuracy_n": 10_000}
    >>> fast = {"precision": "int8", "latency_p50_ms": 1.0, "latency_p50_lo_ms": 0.95, "latency_p50_hi_ms": 1.05}
    >>> in_a_sentence(row, row | fast | {"accuracy": 0.919})
    'int8 here: 2.0 times as fast (1.86 to 2.15), 0.1 points lost (not significant).'
    """
    what = _changed(before, after)
    scored = _known(before["accuracy"], after["accuracy"])
    if not what:
        return ""
    if after["status"] != "ok" and not scored:
        return f"{what} gives no number: {after['reason'].removesuffix('.')}."
    if not _timed(after):
        return f"{what} here: {_accuracy(before, after, measured)}; its time is not known." if scored else ""
    parts = [_speed(before, after)] if _timed(before) else []
    if scored and any(before[knob] != after[knob] for knob in VARIANT):
        parts.append(_accuracy(before, after, measured))
    return f"{what} here: {', '.join(parts)}." if parts else ""


def _changed(before: Row, after: Row) -> str:
    """The new values of the knobs that changed."""
    names = {"batch_size": "batch {}", "pruning": "pruning {}", "device": "on {}"}
    names["threads"] = "{} thread" if after["threads"] == 1 else "{} threads"
    return ", ".join(names.get(knob, "{}").format(after[knob]) for knob in KNOBS if before[knob] != after[knob])


def _speed(before: Row, after: Row) -> str:
    faster = ratio_of_rows(before, after)
    if before["batch_size"] != after["batch_size"]:
        return f"{_rate(faster, after['throughput_per_s'] / before['throughput_per_s'])}, {_for(faster.inverse)}"
    said = {
        "more": f"{_times(faster)} as fast",
        "less": f"takes {_times(faster.inverse)} as long",
        "same": "as fast as before",
        "noise": "as fast within the noise",
        "hardly more": "hardly faster",
        "hardly less": "hardly slower",
    }
    kind = _kind(faster)
    return said[kind] + _between(faster.inverse if kind == "less" else faster)


def _rate(faster: Ratio, rate: float) -> str:
    """The ratio of throughputs, `rate`, with the same relative uncertainty as that of the latencies."""
    scale = rate / faster.value
    ratio = Ratio(rate, faster.low * scale, faster.high * scale)
    said = {
        "same": "the same throughput",
        "noise": "the same throughput within the noise",
        "hardly more": "hardly more throughput",
        "hardly less": "hardly less throughput",
    }
    return said.get(_kind(ratio), f"{_times(ratio)} the throughput")


def _for(longer: Ratio) -> str:
    said = {
        "same": "at the same latency of a batch",
        "noise": "at the same latency of a batch within the noise",
        "hardly more": "at hardly more latency of a batch",
        "hardly less": "at hardly less latency of a batch",
    }
    return said.get(_kind(longer), f"for {_times(longer)} the latency of a batch") + _between(longer)


def _kind(ratio: Ratio) -> str:
    """`more`, `less` or `same`, from the verdict; if it can't tell, what the interval leaves open."""
    # Without an interval, judge the ratio itself; the sentence adds the doubt.
    known = ratio if _known(ratio.low) else Ratio(ratio.value, ratio.value, ratio.value)
    verdict = {"faster": "more", "slower": "less", "same": "same"}.get(known.verdict())
    if verdict is not None:
        return verdict
    return "noise" if known.low <= 1 <= known.high else "hardly more" if known.value > 1 else "hardly less"


def _times(ratio: Ratio) -> str:
    if not 1 <= ratio.value < 10:
        return f"{ratio.value:,.0f} times" if ratio.value >= 10 else f"{ratio.value:.2g} times"
    return f"{ratio.value:.1f} times" if ratio.value >= 1.95 else f"{ratio.value:.2f} times"


def _between(ratio: Ratio) -> str:
    """The interval in parentheses."""
    if not _known(ratio.low):
        return " (too few samples to be sure)"
    return between(ratio.low, ratio.high)


def _accuracy(before: Row, after: Row, measured: tuple[Measurement, Measurement] | None) -> str:
    scale, difference = scale_of_row(after), after["accuracy"] - before["accuracy"]
    points = 100 * difference
    if scale.is_accuracy and abs(points) < 0.005:
        return "as accurate"
    if not difference:
        return f"the same {scale.name}"
    p_value = compare_accuracy(*measured).p_value if measured else _p_value(before, after, scale)
    sure = "" if p_value < SIGNIFICANT else " (not significant)"
    if not scale.is_accuracy:
        size = scale.difference(abs(difference)).removeprefix("+")
        return f"{scale.name} {size} {'higher' if difference > 0 else 'lower'}{sure}"
    number = f"{abs(points):.1f}" if abs(points) >= FEW_POINTS else f"{abs(points):.2f}"
    return f"{number} points {'gained' if points > 0 else 'lost'}{sure}"


def _p_value(before: Row, after: Row, scale: Scale) -> float:
    """The p-value of two proportions, or of two means with their intervals, as if they were of different items.

    erfc(z / √2) is what lies beyond -z and z under the normal curve.
    """
    if not scale.is_accuracy:
        halves = [(row["accuracy_hi"] - row["accuracy_lo"]) / 2 for row in (before, after)]
        error = math.hypot(*halves) / Z
        return math.erfc(abs(after["accuracy"] - before["accuracy"]) / error / math.sqrt(2)) if error > 0 else 1.0
    p, q, n = before["accuracy"], after["accuracy"], min(before["accuracy_n"], after["accuracy_n"])
    middle = (p + q) / 2
    if n < 1 or not 0 < middle < 1:
        return 1.0
    return math.erfc(abs(p - q) / math.sqrt(2 * middle * (1 - middle) / n) / math.sqrt(2))


def _timed(row: Row) -> bool:
    return row["status"] == "ok" and _known(row["latency_p50_ms"], row["throughput_per_s"])


def _known(*values: float) -> bool:
    return not any(math.isnan(value) for value in values)
