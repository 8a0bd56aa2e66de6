"""Intervals and percentiles that hold for skewed, drifting samples."""

import math

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
FEWEST_VALUES = 6
# Fewest samples for which a percentile means something at 99 % confidence: the early-stopping rule of
# MLPerf inference (Reddi et al., 2020) with a tolerance of half the distance to 100 %.
PERCENTILE_FLOORS = {90: 64, 99: 662}


def _least_rank(n: int, fraction: float) -> int:
    """The largest k for which the k-th smallest of n values lies above the quantile at most 2.5 % of the time."""
    tail = (1 - CONFIDENCE) / 2
    k = int(stats.binom.ppf(tail, n, fraction))
    return k + 1 if stats.binom.cdf(k, n, fraction) <= tail else k


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % confidence interval of the median, from order statistics: no shape of distribution is assumed.

    Values that resemble their predecessors count for fewer than they are: their number is cut to n (1 - r) / (1 + r),
    r being the correlation of neighbours where it is positive. Six values are the fewest that reach 95 %: with fewer,
    both ends are NaN; with fewer in effect, they are the least and the largest value. (David and Nagaraja, "Order
    Statistics", 7.1; Zieba, "Effective number of observations", 2010.)

    Examples
    --------
    >>> median_interval(np.array([5.0, 1.0, 4.0, 2.0, 3.0, 6.0]))
    (1.0, 6.0)
    >>> median_interval(np.array([1.0, 2.0]))
    (nan, nan)
    """
    n = len(values)
    if n < FEWEST_VALUES:
        return math.nan, math.nan
    ordered = np.sort(values)
    effective = n * (1 - neighbour_correlation(values)) / (1 + neighbour_correlation(values))
    k = max(1, round(_least_rank(int(effective), 0.5) * n / effective)) if effective >= FEWEST_VALUES else 1
    return float(ordered[k - 1]), float(ordered[n - k])


def neighbour_correlation(values: np.ndarray) -> float:
    """Rank correlation of each value with the next, no less than 0 and below 1; 0 where chance alone could give it.

    Ranks, so that one outlier neither makes nor hides a correlation. Chance: below one standard error, 1 / sqrt(n).
    """
    ranks = stats.rankdata(values)
    if np.ptp(ranks) == 0:
        return 0.0
    centred = ranks - ranks.mean()
    correlation = float((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
    return min(correlation, 0.99) if correlation > 1 / math.sqrt(len(values)) else 0.0


def percentile(samples: np.ndarray, q: int) -> float:
    """The q-th percentile, or NaN below its floor of samples (`PERCENTILE_FLOORS`).

    Examples
    --------
    >>> percentile(np.arange(20.0), 99)
    nan
    """
    return float(np.percentile(samples, q)) if len(samples) >= PERCENTILE_FLOORS[q] else math.nan


def percentile_interval(samples: np.ndarray, q: int) -> tuple[float, float]:
    """95 % confidence interval of the q-th percentile, from order statistics; NaN below its floor of samples.

    Examples
    --------
    >>> percentile_interval(np.arange(1000.0), 90)
    (880.0, 918.0)
    """
    n = len(samples)
    if n < PERCENTILE_FLOORS[q]:
        return math.nan, math.nan
    ordered = np.sort(samples)
    low, from_above = _least_rank(n, q / 100), _least_rank(n, 1 - q / 100)
    return float(ordered[max(low, 1) - 1]), float(ordered[n - max(from_above, 1)])


def proportion_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % confidence interval of a proportion (Wilson, 1927).

    Examples
    --------
    >>> low, high = proportion_interval(9_200, 10_000)
    >>> f"{low:.3f} to {high:.3f}"
    '0.915 to 0.925'
    """
    interval = stats.binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
