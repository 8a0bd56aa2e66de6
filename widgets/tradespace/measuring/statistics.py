"""Intervals and percentiles that are valid for skewed, drifting samples."""

import math
from collections.abc import Sequence

import numpy as np

# scipy.stats is imported where it is used: importing takes a second or two, and the measuring process never needs it.

CONFIDENCE = 0.95
# With this few, the interval from the smallest to the largest just reaches 95 %; with fewer, it does not.
FEWEST_SLICES = 6
# Fewest samples of which, at 99 % confidence, two or more exceed the percentile: the early-stopping rule of MLPerf
# Inference (in its rules since 2022).
PERCENTILE_FLOORS = {90: 64, 99: 662}


def median_interval(slices: Sequence[np.ndarray]) -> tuple[float, float]:
    """95 % confidence interval of the median of all samples, taken in slices (`quantile_interval`).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> low, high = median_interval([rng.lognormal(size=100) for _ in range(12)])
    >>> 0.8 < low < high < 1.2
    True
    >>> median_interval([np.array([1.0])] * 5)
    (nan, nan)
    """
    return quantile_interval(slices, 0.5)


def quantile_interval(slices: Sequence[np.ndarray], fraction: float) -> tuple[float, float]:
    """95 % confidence interval of a quantile of all samples, taken in slices; its ends are samples.

    Samples of one slice resemble each other, so slices are counted, not samples. The share of each slice below the
    quantile scatters around `fraction`. A t interval of the mean share, converted back to quantiles of all samples, is
    the interval of the quantile (Woodruff, 1952, for samples in clusters); it is no wider than the range of the
    quantiles of the slices. No shape of distribution is assumed. Slices that resemble their predecessors count for
    fewer than they are (`effective_number`). With fewer than six slices, both ends are NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> low, high = quantile_interval([rng.uniform(size=1000) for _ in range(20)], 0.9)
    >>> 0.89 < low < 0.9 < high < 0.91
    True
    """
    from scipy import stats

    k = len(slices)
    if k < FEWEST_SLICES:
        return math.nan, math.nan
    samples = np.sort(np.concatenate(slices))
    quantile = _quantile(samples, fraction)
    shares = np.array([np.mean(one < quantile) + fraction * np.mean(one == quantile) for one in slices])
    effective = effective_number(shares)
    half = (
        float(stats.t.ppf((1 + CONFIDENCE) / 2, effective - 1)) * float(np.std(shares, ddof=1)) / math.sqrt(effective)
    )
    last = len(samples) - 1
    low = samples[max(math.floor((fraction - half) * last), 0)]
    high = samples[min(math.ceil((fraction + half) * last), last)]
    own = [_quantile(np.sort(one), fraction) for one in slices]
    return float(max(low, min(*own, quantile))), float(min(high, max(*own, quantile)))


def _quantile(ascending: np.ndarray, fraction: float) -> float:
    """As `np.quantile`, which takes twenty times as long for a few hundred values; charts ask for it at every move."""
    place = fraction * (len(ascending) - 1)
    below = int(place)
    low, high = ascending[below], ascending[min(below + 1, len(ascending) - 1)]
    return float(low + (place - below) * (high - low))


def effective_number(values: np.ndarray) -> float:
    """Effective number of values: how many independent ones would determine the mean as well as these do.

    It is n (1 - r) / (1 + r), at least 2, where r is the correlation of neighbours, corrected for its bias in short
    series and clipped to between 0 and 0.95. (Zieba, "Effective number of observations", 2010.)

    Examples
    --------
    >>> effective_number(np.array([1.0, 2.0, 1.0, 2.0, 1.0, 2.0]))
    6.0
    >>> effective_number(np.arange(12.0)) < 3
    True
    """
    n = len(values)
    centred = values - values.mean()
    scatter = float((centred**2).sum())
    correlation = float((centred[1:] * centred[:-1]).sum()) / scatter if scatter > 0 else 0.0
    r = min(max((n * correlation + 1) / (n - 4), 0.0), 0.95) if correlation > 0 else 0.0
    return max(n * (1 - r) / (1 + r), 2.0)


def percentile(samples: np.ndarray, q: int) -> float:
    """The q-th percentile, or NaN below its minimum number of samples (`PERCENTILE_FLOORS`).

    Examples
    --------
    >>> percentile(np.arange(20.0), 99)
    nan
    """
    return float(np.percentile(samples, q)) if len(samples) >= PERCENTILE_FLOORS[q] else math.nan


def _least_rank(n: int, fraction: float) -> int:
    """The largest k for which the k-th smallest of n values is above the quantile at most 2.5 % of the time."""
    from scipy import stats

    tail = (1 - CONFIDENCE) / 2
    k = int(stats.binom.ppf(tail, n, fraction))
    return k + 1 if stats.binom.cdf(k, n, fraction) <= tail else k


def percentile_interval(samples: np.ndarray, q: int) -> tuple[float, float]:
    """95 % confidence interval of the q-th percentile, from order statistics; NaN below its minimum of samples.

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
    from scipy import stats

    interval = stats.binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def mean_interval(values: np.ndarray, effective: float | None = None) -> tuple[float, float]:
    """95 % confidence interval of a mean (Student, 1908); NaN of fewer than two values.

    It is approximate where values are skewed and few. `effective` is the number of independent values that they are
    worth (`effective_number`), by default all of them.

    Examples
    --------
    >>> low, high = mean_interval(np.array([-1.0, -2.0, -3.0]))
    >>> f"{low:.2f} to {high:.2f}"
    '-4.48 to 0.48'
    """
    from scipy import stats

    n = len(values) if effective is None else effective
    if n < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return float(values.mean()) - half, float(values.mean()) + half
