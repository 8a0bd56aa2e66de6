"""Intervals and percentiles that hold for skewed, drifting samples."""

import math

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Fewest samples for which a percentile means something at 99 % confidence: the early-stopping rule of
# MLPerf inference (Reddi et al., 2020) with a tolerance of half the distance to 100 %.
PERCENTILE_FLOORS = {90: 64, 99: 662}


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % confidence interval of the median, from order statistics: no shape of distribution is assumed.

    Fewer than six values cannot reach 95 %: then both ends are NaN. (David and Nagaraja, "Order Statistics", 7.1.)

    Examples
    --------
    >>> median_interval(np.array([5.0, 1.0, 4.0, 2.0, 3.0, 6.0]))
    (1.0, 6.0)
    >>> median_interval(np.array([1.0, 2.0]))
    (nan, nan)
    """
    n = len(values)
    # The k-th smallest and k-th largest miss the median with probability 2 P(Binomial(n, 1/2) < k).
    k = int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5))
    if stats.binom.cdf(k, n, 0.5) <= (1 - CONFIDENCE) / 2:
        k += 1
    if k < 1:
        return math.nan, math.nan
    ordered = np.sort(values)
    return float(ordered[k - 1]), float(ordered[n - k])


def percentile(samples: np.ndarray, q: int) -> float:
    """The q-th percentile, or NaN below its floor of samples (`PERCENTILE_FLOORS`).

    Examples
    --------
    >>> percentile(np.arange(20.0), 99)
    nan
    """
    return float(np.percentile(samples, q)) if len(samples) >= PERCENTILE_FLOORS[q] else math.nan


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
