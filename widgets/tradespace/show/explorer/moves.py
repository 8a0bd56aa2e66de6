"""What a move did, in one sentence: the point before, the point after, and how sure that is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy import stats

from tradespace.measuring.compare import compare_accuracy
from tradespace.measuring.measurement import Measurement
from tradespace.show.common.words import figures
from tradespace.surface.columns import KNOBS

Row = Mapping[str, Any]
# Closer than this is the same for practical purposes; as in `compare`.
SAME = 0.02
SURE = 0.05
# Fewer points than this are told to two decimals.
FEW_POINTS = 0.095


def in_a_sentence(before: Row, after: Row, measured: tuple[Measurement, Measurement] | None = None) -> str:
    """What going from one row to another changes; empty where there is nothing to say.

    Something is called faster or slower only if the whole interval of the ratio lies beyond 2 %, as in `compare`. The
    ratio of latencies has the interval that those of both medians make together, as if independent. Accuracies of
    the same items are compared in pairs where the raw results of both, `measured`, are at hand (exact McNemar), else as
    two shares (z test), which sees less.

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
        return f"{what} here: {_accuracy(before, after, measured)}; no time of it is known." if scored else ""
    parts = [_speed(before, after)] if _timed(before) else []
    variant = [knob for knob in KNOBS if knob not in ("threads", "batch_size")]
    if scored and any(before[knob] != after[knob] for knob in variant):
        parts.append(_accuracy(before, after, measured))
    return f"{what} here: {', '.join(parts)}." if parts else ""


def _changed(before: Row, after: Row) -> str:
    """The new values of the knobs that differ."""
    names = {"batch_size": "batch {}", "pruning": "pruning {}", "device": "on {}"}
    names["threads"] = "{} thread" if after["threads"] == 1 else "{} threads"
    return ", ".join(names.get(knob, "{}").format(after[knob]) for knob in KNOBS if before[knob] != after[knob])


@dataclass(frozen=True)
class _Ratio:
    """A ratio, and the ends of its 95 % interval; NaN where one of both had none."""

    value: float
    low: float
    high: float

    @property
    def inverse(self) -> "_Ratio":
        return _Ratio(1 / self.value, 1 / self.high, 1 / self.low)

    def scaled_to(self, value: float) -> "_Ratio":
        return _Ratio(value, self.low * value / self.value, self.high * value / self.value)

    @property
    def verdict(self) -> str:
        """`more`, `less` or `same`; where the interval does not decide, `hardly more`, `hardly less` or `noise`."""
        if not _known(self.low):
            return "same" if 1 / (1 + SAME) <= self.value <= 1 + SAME else "more" if self.value > 1 else "less"
        if self.low > 1 + SAME:
            return "more"
        if self.high < 1 / (1 + SAME):
            return "less"
        if self.low >= 1 / (1 + SAME) and self.high <= 1 + SAME:
            return "same"
        return "noise" if self.low <= 1 <= self.high else "hardly more" if self.value > 1 else "hardly less"

    @property
    def times(self) -> str:
        if not 1 <= self.value < 10:
            return f"{self.value:,.0f} times" if self.value >= 10 else f"{self.value:.2g} times"
        return f"{self.value:.1f} times" if self.value >= 1.95 else f"{self.value:.2f} times"

    @property
    def between(self) -> str:
        """The interval, in brackets."""
        if not _known(self.low):
            return " (too few samples to be sure)"
        return f" ({figures(self.low)} to {figures(self.high)})"


def _speed(before: Row, after: Row) -> str:
    longer = _longer(before, after)
    if before["batch_size"] != after["batch_size"]:
        rate = longer.inverse.scaled_to(after["throughput_per_s"] / before["throughput_per_s"])
        return f"{_rate(rate)}, {_for(longer)}"
    faster = longer.inverse
    said = {
        "more": f"{faster.times} as fast{faster.between}",
        "less": f"takes {longer.times} as long{longer.between}",
        "same": f"as fast as before{faster.between}",
        "noise": f"as fast within the noise{faster.between}",
        "hardly more": f"hardly faster{faster.between}",
        "hardly less": f"hardly slower{faster.between}",
    }
    return said[faster.verdict]


def _rate(ratio: _Ratio) -> str:
    said = {
        "same": "the same throughput",
        "noise": "the same throughput within the noise",
        "hardly more": "hardly more throughput",
        "hardly less": "hardly less throughput",
    }
    return said.get(ratio.verdict, f"{ratio.times} the throughput")


def _for(longer: _Ratio) -> str:
    said = {
        "same": "at the same latency of a batch",
        "noise": "at the same latency of a batch within the noise",
        "hardly more": "at hardly more latency of a batch",
        "hardly less": "at hardly less latency of a batch",
    }
    return said.get(longer.verdict, f"for {longer.times} the latency of a batch") + longer.between


def _longer(before: Row, after: Row) -> _Ratio:
    """How many times as long a batch takes after; the ends by variance recovery (Donner and Zou, 2012)."""
    middle = after["latency_p50_ms"] / before["latency_p50_ms"]
    up_after, up_before = (math.log(row["latency_p50_hi_ms"] / row["latency_p50_ms"]) for row in (after, before))
    down_after, down_before = (math.log(row["latency_p50_ms"] / row["latency_p50_lo_ms"]) for row in (after, before))
    low = middle * math.exp(-math.hypot(down_after, up_before))
    high = middle * math.exp(math.hypot(up_after, down_before))
    return _Ratio(middle, low, high)


def _accuracy(before: Row, after: Row, measured: tuple[Measurement, Measurement] | None) -> str:
    points = 100 * (after["accuracy"] - before["accuracy"])
    if abs(points) < 0.005:
        return "as accurate"
    p_value = compare_accuracy(*measured).p_value if measured else _p_value(before, after)
    sure = "" if p_value < SURE else " (not significant)"
    number = f"{abs(points):.1f}" if abs(points) >= FEW_POINTS else f"{abs(points):.2f}"
    return f"{number} points {'gained' if points > 0 else 'lost'}{sure}"


def _p_value(before: Row, after: Row) -> float:
    """Of two shares of as many items each, as if they were of different items."""
    p, q, n = before["accuracy"], after["accuracy"], min(before["accuracy_n"], after["accuracy_n"])
    middle = (p + q) / 2
    if n < 1 or not 0 < middle < 1:
        return 1.0
    return float(2 * stats.norm.sf(abs(p - q) / math.sqrt(2 * middle * (1 - middle) / n)))


def _timed(row: Row) -> bool:
    return row["status"] == "ok" and _known(row["latency_p50_ms"], row["throughput_per_s"])


def _known(*values: float) -> bool:
    return not any(math.isnan(value) for value in values)
