"""A histogram of the latencies of one measurement, for both the live chart and the still figure."""

import math
from dataclasses import dataclass

import numpy as np

from tradespace.measuring.measurement import Measurement, Slice
from tradespace.show.common.percentiles import LOG_FROM

# The number of bins is about twice the square root of the number of samples: with more bins, it looks like a comb.
FEWEST_BINS, MOST_BINS = 8, 60
# From Okabe and Ito's palette, which is safe for colour-blind readers.
BINS = "#0072B2"


@dataclass(frozen=True)
class Histogram:
    """How many calls took how long.

    Parameters
    ----------
    edges_ms : ndarray of shape (bins + 1,)
        Edges of bins of equal width or, if `log`, of equal ratio. Empty if there are no samples.
    kept, left_out : ndarray of shape (bins,)
        Calls in the slices that statistics use, and in those that other work disturbed.
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


def histogram(measurement: Measurement) -> Histogram:
    """Count the latencies of a measurement. Edges are round, so that bins stay where they are as samples arrive.

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


def _furthest(measurement: Measurement, every: np.ndarray) -> float:
    """Return the slowest call, of those at most twice as far out as the highest percentile that is known, if any is.

    A few calls far beyond would squeeze all others together.
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
    # Samples that are all the same get one bin, a hundredth of their value wide, between empty ones.
    alone = 0 if high > low else FEWEST_BINS // 2
    width = _round_up(abs(low) / 100 if alone else (high - low) / bins)
    first, last = math.floor(round(low / width, 6)), math.ceil(round(high / width, 6))
    edges: np.ndarray = np.round(np.arange(first - alone, max(last, first + 1) + 1 + alone) * width, 12)
    return 10.0**edges if log else edges


def _round_up(value: float) -> float:
    """Round up to one of 1, 2, 5, 10, 20, ... and their tenths, hundredths, ..."""
    decade = 10.0 ** math.floor(math.log10(value))
    return next(step * decade for step in (1, 2, 5, 10) if step * decade >= value * (1 - 1e-9))
