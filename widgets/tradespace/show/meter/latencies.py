"""The latencies of one measurement in bins, and their percentiles: for the live chart and the still figure alike."""

import math
from dataclasses import dataclass

import numpy as np

from tradespace.measuring.measurement import Measurement, Slice
from tradespace.measuring.statistics import FEWEST_SLICES, PERCENTILE_FLOORS

# About twice the root of the samples as many: more would be a comb.
FEWEST_BINS, MOST_BINS = 8, 60
# Bins of equal ratio, on a logarithmic axis, from this spread on.
LOG_FROM = 3.0
# Okabe and Ito's colours, told apart by colour-blind readers too.
BINS = "#0072B2"
LINES = {"min": "#767676", "p50": "#E69F00", "p90": "#009E73", "p99": "#CC79A7"}


@dataclass(frozen=True)
class Histogram:
    """How many calls took how long.

    Parameters
    ----------
    edges_ms : ndarray of shape (bins + 1,)
        Of equal width, or, where `log`, of equal ratio. Empty without samples.
    kept, left_out : ndarray of shape (bins,)
        Calls in the slices that statistics are taken over, and in those that other work disturbed.
    slower : int
        Calls beyond the last edge.
    slowest_ms : float
    """

    edges_ms: np.ndarray
    kept: np.ndarray
    left_out: np.ndarray
    log: bool = False
    slower: int = 0
    slowest_ms: float = math.nan


# What the flags of a Measurement mean to whoever looks at its latencies.
MEANING = {
    "few_samples": "too few slices: the median has no 95 % interval yet",
    "unconverged": "the 95 % interval of the median is still wider than asked: a larger budget_s narrows it",
    "noisy": "calls differ much from each other: look at the percentiles, not at the median alone",
    "drifting": "calls became slower or faster while it was measured: measure again",
    "contended": "other programs, or a quota, took the cores in over a quarter of the slices: close or lift them",
    "throttled": "the device slowed its clock down, perhaps for heat or to save the battery",
    "output_mismatch": "what it puts out differs much from what fp32 puts out: fast, but perhaps wrong",
}
# Of these, the flags that are raised as long as there are too few samples.
TOO_FEW = ("few_samples", "unconverged")


@dataclass(frozen=True)
class Percentile:
    """A line of the chart: its value and 95 % interval are NaN until enough is known; `text` says what that needs."""

    name: str
    value_ms: float
    low_ms: float
    high_ms: float
    text: str

    @property
    def colour(self) -> str:
        """Of its line, in any chart."""
        return LINES[self.name]


def histogram(measurement: Measurement) -> Histogram:
    """Count the latencies of a measurement. Edges are round, so that bins stay where they are while samples come.

    Examples
    --------
    >>> from tradespace.config import Config
    >>> slices = (Slice(np.array([1.1e6, 1.2e6, 1.2e6, 1.9e6]), items=4, busy_ns=5_400_000),)
    >>> counted = histogram(Measurement("any", Config("model", threads=1), slices))
    >>> counted.edges_ms.tolist()[:3], counted.kept.tolist()
    ([1.1, 1.2, 1.3], [1, 2, 0, 0, 0, 0, 0, 1])
    """
    kept = {id(one) for one in measurement.kept}
    in_kept = _samples_ms([one for one in measurement.slices if id(one) in kept])
    left_out = _samples_ms([one for one in measurement.slices if id(one) not in kept])
    every = np.concatenate([in_kept, left_out])
    if not len(every):
        return Histogram(np.empty(0), np.empty(0, int), np.empty(0, int))
    low, high = float(every.min()), _furthest(measurement, every)
    log = high / low >= LOG_FROM
    edges = _edges(low, high, len(every), log)
    high = max(high, edges[-1])
    in_bins = [np.histogram(some[some <= high].clip(edges[0], edges[-1]), edges)[0] for some in (in_kept, left_out)]
    return Histogram(edges, in_bins[0], in_bins[1], log, int((every > high).sum()), float(every.max()))


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


def percentiles(measurement: Measurement) -> list[Percentile]:
    """The least, the median, p90 and p99: those that are known, and what the others still need.

    Examples
    --------
    >>> from tradespace.config import Config
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
    # A fourth digit where three do not tell the ends of the interval apart.
    digits = 4 if low < high and f"{low:.3g}" == f"{high:.3g}" else 3
    words = name if math.isnan(value) else f"{name} {value:.{digits}g} ms"
    if not math.isnan(low):
        words += f" ({low:.{digits}g} to {high:.{digits}g})"
    elif lacks:
        words += f": {lacks}"
    return Percentile(name, value, low, high, words)


def _furthest(measurement: Measurement, every: np.ndarray) -> float:
    """The slowest call, or the slowest that is no more than twice as far out as the highest percentile that is known.

    Few calls far beyond would squeeze all others together.
    """
    for known in (measurement.latency_p99_ms, measurement.latency_p90_ms):
        if not math.isnan(known):
            reach = known + max(known - every.min(), 0.0)
            return float(max(every[every <= reach].max(), known))
    return float(every.max())


def _samples_ms(slices: list[Slice]) -> np.ndarray:
    return np.concatenate([np.empty(0), *(one.samples_ns for one in slices)]) / 1e6


def _edges(low: float, high: float, n: int, log: bool) -> np.ndarray:
    if log:
        low, high = math.log10(low), math.log10(high)
    bins = min(max(2 * math.sqrt(n), FEWEST_BINS), MOST_BINS)
    # Samples that are all the same get one bin, a hundredth of their value wide, amid empty ones.
    alone = 0 if high > low else FEWEST_BINS // 2
    width = _round_up(abs(low) / 100 if alone else (high - low) / bins)
    first, last = math.floor(round(low / width, 6)), math.ceil(round(high / width, 6))
    edges: np.ndarray = np.round(np.arange(first - alone, max(last, first + 1) + 1 + alone) * width, 12)
    return 10.0**edges if log else edges


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... and their tenths, hundredths, ..."""
    decade = 10.0 ** math.floor(math.log10(value))
    return next(step * decade for step in (1, 2, 5, 10) if step * decade >= value * (1 - 1e-9))
