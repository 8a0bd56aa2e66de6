"""The percentiles of a Measurement as charts show them, and what its flags mean for the reader."""

import math
from dataclasses import dataclass

from tradespace.measuring.measurement import Measurement
from tradespace.measuring.statistics import FEWEST_SLICES, PERCENTILE_FLOORS

# If the largest latency is at least this many times the smallest, the axis is logarithmic, with bins of equal ratio.
LOG_FROM = 3.0


LINES = {"min": "#767676", "p50": "#E69F00", "p90": "#009E73", "p99": "#CC79A7"}


# What the flags of a Measurement mean for a reader of its latencies.
MEANING = {
    "few_samples": "too few slices: the median has no 95 % interval yet",
    "unconverged": "the 95 % interval of the median is still wider than requested: a larger budget_s narrows it",
    "noisy": "latencies vary widely: look at the percentiles, not only at the median",
    "drifting": "calls became slower or faster during the measurement: measure again",
    "contended": "other programs or a quota took the cores in over a quarter of the slices: close them or lift it",
    "throttled": "the device lowered its clock rate, perhaps because of heat or to save the battery",
    "output_mismatch": "the outputs differ considerably from those of fp32: fast, but perhaps wrong",
}


# Of these, the flags that are raised while there are too few samples.
TOO_FEW = ("few_samples", "unconverged")


@dataclass(frozen=True)
class Percentile:
    """A line of the chart. Value and 95 % interval are NaN until they are known; `text` says what they still need."""

    name: str
    value_ms: float
    low_ms: float
    high_ms: float
    text: str

    @property
    def colour(self) -> str:
        """Colour of the line, the same in every chart."""
        return LINES[self.name]


def percentiles(measurement: Measurement) -> list[Percentile]:
    """Return the minimum, the median, p90 and p99: those that are known, and what the others still need.

    Examples
    --------
    >>> import numpy as np
    >>> from tradespace.config import Config
    >>> from tradespace.measuring.measurement import Slice
    >>> one = Slice(np.arange(1e6, 2e6, 1e4), items=100, busy_ns=150_000_000)
    >>> for percentile in percentiles(Measurement("any", Config("model", threads=1), (one,))):
    ...     print(percentile.text)
    min 1 ms
    p50 1.5 ms: its interval needs 6 slices (have 1)
    p90 1.89 ms (1.83 to 1.95)
    p99: needs 662 samples (have 100)
    """
    n = sum(len(one.samples_ns) for one in measurement.kept)
    least = min((float(one.samples_ns.min()) / 1e6 for one in measurement.kept), default=math.nan)
    middle = measurement.latency_p50_lo_ms, measurement.latency_p50_hi_ms
    too_few = f"its interval needs {FEWEST_SLICES} slices (have {len(measurement.kept)})"
    tails = {90: measurement.latency_p90_ms, 99: measurement.latency_p99_ms}
    return [
        _percentile("min", least, (math.nan, math.nan), "" if n else "not known yet"),
        _percentile("p50", measurement.latency_p50_ms, middle, too_few),
        *(
            _percentile(
                f"p{q}", value, measurement.latency_interval_ms(q), f"needs {PERCENTILE_FLOORS[q]} samples (have {n})"
            )
            for q, value in tails.items()
        ),
    ]


def _percentile(name: str, value: float, interval: tuple[float, float], lacks: str) -> Percentile:
    low, high = interval
    # Use a fourth digit if three do not distinguish the ends of the interval.
    digits = 4 if low < high and f"{low:.3g}" == f"{high:.3g}" else 3
    words = name if math.isnan(value) else f"{name} {value:.{digits}g} ms"
    if not math.isnan(low):
        words += f" ({low:.{digits}g} to {high:.{digits}g})"
    elif lacks:
        words += f": {lacks}"
    return Percentile(name, value, low, high, words)
