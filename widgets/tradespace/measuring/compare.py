"""Compare the speed and the accuracy of two measurements, with intervals.

The verdict may be "can't tell" or, if one of the two has no numbers, "not measured".
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from tradespace.errors import positive
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.statistics import FEWEST_SLICES, effective_number
from tradespace.scale import ACCURACY, Scale
from tradespace.text import NOT_MEASURED, probability

Z = NormalDist().inv_cdf(0.975)
# Two equally fast points may come out this far apart when they are measured again.
MARGIN = 0.02
# A difference in accuracy is significant below this p-value.
SIGNIFICANT = 0.05
# Two proportions of right answers that are no further apart than this are the same for most uses.
SAME_WITHIN = 0.005
# Draws of a bootstrap, and the fewest items of which it says anything.
DRAWS, FEWEST_ITEMS = 2000, 6


@dataclass(frozen=True)
class Ratio:
    """How many times as fast B is as A, with a 95 % interval. The ends of the interval are NaN if it is not known."""

    value: float
    low: float
    high: float

    @property
    def inverse(self) -> "Ratio":
        """How many times as long B takes."""
        return Ratio(1 / self.value, 1 / self.high, 1 / self.low)

    def verdict(self, margin: float = MARGIN) -> str:
        """Return `faster` or `slower` if the interval is all beyond `margin`, `same` if all within, else `can't tell`.

        Examples
        --------
        >>> Ratio(1.2, 1.1, 1.3).verdict(), Ratio(1.0, 0.99, 1.01).verdict(), Ratio(1.2, 0.91, 1.5).verdict()
        ('faster', 'same', "can't tell")
        """
        if self.low > 1 + margin:
            return "faster"
        if self.high < 1 / (1 + margin):
            return "slower"
        return "same" if self.low >= 1 / (1 + margin) and self.high <= 1 + margin else "can't tell"


def ratio_of_rows(a: Mapping[str, Any], b: Mapping[str, Any]) -> Ratio:
    """Return how many times as fast row `b` of a surface is as row `a`.

    The two medians are assumed to be independent: their intervals are combined on a logarithmic scale (MOVER; Zou and
    Donner, 2008). `compare`, which has the samples, assumes less.

    Examples
    --------
    >>> row = {"latency_p50_ms": 1.0, "latency_p50_lo_ms": 0.8, "latency_p50_hi_ms": 1.25}
    >>> ratio = ratio_of_rows(row, row)
    >>> round(ratio.low, 2), round(ratio.high, 2)
    (0.73, 1.37)
    """
    columns = "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms"
    (a_ms, a_low, a_high), (b_ms, b_low, b_high) = ([float(row[name]) for name in columns] for row in (a, b))
    if math.isnan(a_ms + b_ms):
        return Ratio(math.nan, math.nan, math.nan)
    down = math.hypot(math.log(a_ms / a_low), math.log(b_high / b_ms))
    up = math.hypot(math.log(a_high / a_ms), math.log(b_ms / b_low))
    return Ratio(a_ms / b_ms, a_ms / b_ms * math.exp(-down), a_ms / b_ms * math.exp(up))


@dataclass(frozen=True)
class Comparison:
    """How much faster B is than A.

    Parameters
    ----------
    ratio, ratio_lo, ratio_hi : float
        Latency of A over latency of B, with its 95 % interval. 2 means that B takes half the time.
    verdict : str
        The verdict on B: `faster`, `slower`, `same`, `can't tell` or `not measured`.
    margin : float
        Differences up to this are too small to matter.
    reason : str
        What was not measured, and why; otherwise empty.
    """

    ratio: float
    ratio_lo: float
    ratio_hi: float
    verdict: str
    margin: float
    reason: str = ""

    def __repr__(self) -> str:
        if self.verdict == NOT_MEASURED:
            return f"B against A: {self.verdict}; {self.reason}"
        interval = f"{self.ratio:.3g} times as fast (95 % interval {self.ratio_lo:.3g} to {self.ratio_hi:.3g})"
        if math.isnan(self.ratio_lo):
            interval = "no interval: fewer than six slices of one of them"
        return f"B against A: {self.verdict}; {interval}; differences of up to {self.margin:.0%} do not count"


def compare(a: "Measurement | pd.DataFrame", b: "Measurement | pd.DataFrame", *, margin: float = MARGIN) -> Comparison:
    """Is `b` faster than `a`? Return the ratio of their latencies, with its 95 % interval, and a verdict.

    The ratio is the median of the ratios of all pairs of slices (Hodges and Lehmann, 1963). Its interval inverts the
    rank test of Mann and Whitney (1947), which assumes no shape of distribution. The verdict is `faster` or `slower` if
    the whole interval is beyond `margin`, `same` if it is within, and `can't tell` otherwise. The margin allows for
    what no interval of one run can show: the same point, measured again later, may come out one or two per cent
    different.

    Parameters
    ----------
    a, b : Measurement, or DataFrame of one row
        Of any two Configs. Best measured in one `sweep`, where they take turns. Rows of surfaces have no samples: the
        intervals of their medians are combined instead (MOVER; Zou and Donner, 2008).
    margin : float
        Differences up to this are too small to matter.

    Returns
    -------
    Comparison
        If one of the two was not measured, its verdict is `not measured`, and its numbers are NaN.

    Raises
    ------
    ValueError
        If they are from two machines or two tasks, or a DataFrame has not one row.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> one, many = (ts.measure(task, ts.Config("resnet8", batch_size=n), budget_s=0.3) for n in (1, 256))
    >>> ts.compare(many, one).verdict
    'faster'
    """
    margin = positive("margin", margin)
    if isinstance(a, pd.DataFrame) or isinstance(b, pd.DataFrame):
        rows = _only_row("a", a), _only_row("b", b)
        for knob in ("machine", "task"):
            if len(several := {str(row[knob]) for row in rows if knob in row}) > 1:
                raise ValueError(f"b: wanted a row of the same {knob} as a's; got {' and '.join(sorted(several))}")
        return compare_rows(*rows, margin=margin)
    if reason := _without(a, b, "times", lambda one: one.status == "ok" and one.samples > 0):
        return Comparison(math.nan, math.nan, math.nan, NOT_MEASURED, margin, reason)
    _check_comparable(a, b, "samples")
    logs_a, logs_b = np.log(a.slice_medians_ms), np.log(b.slice_medians_ms)
    differences = np.sort(np.subtract.outer(logs_a, logs_b), axis=None)
    ratio = math.exp(float(np.median(differences)))
    if min(len(logs_a), len(logs_b)) < FEWEST_SLICES:
        return Comparison(ratio, math.nan, math.nan, "can't tell", margin)
    n, m = effective_number(logs_a), effective_number(logs_b)
    # The share of all pairs below the interval, as for n and m independent slices (Mann and Whitney, 1947).
    below = max(0.5 - Z * math.sqrt((n + m + 1) / (12 * n * m)), 0.0)
    rank = max(math.floor(below * len(differences)) - 1, 0)
    low, high = math.exp(differences[rank]), math.exp(differences[-1 - rank])
    return Comparison(ratio, low, high, Ratio(ratio, low, high).verdict(margin), margin)


def compare_rows(a: Mapping[str, Any], b: Mapping[str, Any], margin: float = MARGIN) -> Comparison:
    """As `compare`, of two rows of a surface, from the intervals of their medians.

    Examples
    --------
    >>> slow = {"status": "ok", "latency_p50_ms": 2.0, "latency_p50_lo_ms": 1.9, "latency_p50_hi_ms": 2.1}
    >>> quick = {"status": "ok", "latency_p50_ms": 1.0, "latency_p50_lo_ms": 0.9, "latency_p50_hi_ms": 1.1}
    >>> compare_rows(slow, quick)
    B against A: faster; 2 times as fast (95 % interval 1.79 to 2.25); differences of up to 2% do not count
    """
    reasons = [
        _why_not(name, row["status"], row.get("reason", ""), "latency")
        for name, row in (("A", a), ("B", b))
        if row["status"] != "ok" or math.isnan(row["latency_p50_ms"])
    ]
    if reasons:
        return Comparison(math.nan, math.nan, math.nan, NOT_MEASURED, margin, "; ".join(reasons))
    ratio = ratio_of_rows(a, b)
    return Comparison(ratio.value, ratio.low, ratio.high, ratio.verdict(margin), margin)


def _only_row(name: str, given: "Measurement | pd.DataFrame") -> Mapping[str, Any]:
    if not isinstance(given, pd.DataFrame) or len(given) != 1:
        got = f"{len(given)} rows" if isinstance(given, pd.DataFrame) else repr(given)
        raise ValueError(f"{name}: wanted a DataFrame of one row, as the other; got {got}")
    return {str(column): value for column, value in given.iloc[0].items()}


@dataclass(frozen=True)
class AccuracyComparison:
    """How much more accurate B is than A or, by another score, how much better.

    Parameters
    ----------
    difference, difference_lo, difference_hi : float
        Accuracy of B minus accuracy of A, with its 95 % interval; in the unit of the score.
    p_value : float
        Probability that chance alone gives at least as large a difference.
    only_a, only_b : int
        Items that one of them got right and the other wrong; by a score of numbers, items on which it is better.
    items : int
        Test items on which both were scored.
    verdict : str
        The verdict on B: `better`, `worse`, `same`, `can't tell` or `not measured`.
    score : str
        Name and unit of the score.
    reason : str
        What has no test results, and why; otherwise empty.
    """

    difference: float
    difference_lo: float
    difference_hi: float
    p_value: float
    only_a: int
    only_b: int
    items: int
    verdict: str
    score: str = ACCURACY
    reason: str = ""

    def __repr__(self) -> str:
        if self.verdict == NOT_MEASURED:
            return f"B against A: {self.verdict}; {self.reason}"
        scale = Scale.of(self.score)
        ends = f"95 % interval {scale.signed(self.difference_lo)} to {scale.signed(self.difference_hi)}"
        if math.isnan(self.difference_lo):
            ends = "no interval: too few items"
        if scale.is_accuracy:
            split = f"{self.only_b} right only in B, {self.only_a} only in A"
        else:
            split = f"{self.only_b} better in B, {self.only_a} better in A"
        name = "" if scale.is_accuracy else f"{scale.name} "
        return (
            f"B against A: {self.verdict}; {name}{scale.difference(self.difference)} ({ends}), "
            f"{probability(self.p_value)}; of {self.items:,} items {split}"
        )


def compare_accuracy(a: Measurement, b: Measurement, *, margin: float | None = None) -> AccuracyComparison:
    """Is `b` more accurate than `a`? Return the paired difference on their common items, and how sure it is.

    Of right and wrong answers, only items on which the two differ count: if neither model were better, each would win
    half of them (McNemar, 1947; exact, by a binomial test). The interval is that of Agresti and Min (2005). By a score
    of numbers, the mean difference is drawn again from resampled items (paired bootstrap: Efron and Tibshirani, 1993);
    its interval holds the middle 95 % of the draws, and p is twice the share of draws on the other side of zero.

    The verdict is `better` or `worse` if p is below 5 %, `same` if it is not and the whole interval is within `margin`,
    and `can't tell` otherwise.

    Parameters
    ----------
    a, b : Measurement
        Of any two Configs of one task.
    margin : float, optional
        Differences up to this are too small to matter, in the unit of the score. By default 0.005 of a proportion; of
        numbers, nothing is too small.

    Returns
    -------
    AccuracyComparison
        If one of the two has no test results, its verdict is `not measured`, and its numbers are NaN.

    Raises
    ------
    ValueError
        If they are from two machines or two tasks, or of two scores.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> small, large = (ts.measure(task, ts.Config(name), budget_s=0.1) for name in ("resnet4", "resnet32"))
    >>> ts.compare_accuracy(small, large).verdict
    'better'
    """
    if reason := _without(a, b, "test results", lambda one: one.scores is not None):
        unknown = math.nan, math.nan, math.nan, math.nan
        return AccuracyComparison(*unknown, 0, 0, 0, NOT_MEASURED, a.score, reason)
    _check_comparable(a, b, "test results")
    if a.score != b.score:
        raise ValueError(f"b: wanted test results of the same score as a's, {a.score!r}; got {b.score!r}")
    if a.scored_by and b.scored_by and a.scored_by != b.scored_by:
        raise ValueError("b: wanted test results of the same score as a's; got those of another score")
    assert a.scores is not None
    assert b.scores is not None
    n = min(a.accuracy_n, b.accuracy_n)
    of_a, of_b = a.scores[:n], b.scores[:n]
    proportions = of_a.dtype == of_b.dtype == bool
    only_a, only_b = int((of_a > of_b).sum()), int((of_b > of_a).sum())
    default = SAME_WITHIN if proportions or a.score == ACCURACY else 0.0
    margin = default if margin is None else positive("margin", margin)
    found = _mcnemar(only_a, only_b, n) if proportions else _bootstrap(of_b.astype(float) - of_a)
    difference, low, high, p_value = found
    if p_value < SIGNIFICANT:
        verdict = "better" if difference > 0 else "worse"
    else:
        verdict = "same" if max(abs(low), abs(high)) <= margin else "can't tell"
    return AccuracyComparison(difference, low, high, p_value, only_a, only_b, n, verdict, a.score)


def _mcnemar(only_a: int, only_b: int, n: int) -> tuple[float, float, float, float]:
    """Difference of two proportions on the same n items, its 95 % interval, and the exact p-value."""
    differing = only_a + only_b
    # Imported here as in statistics.py: it takes a second, and an Explorer opens without it.
    from scipy import stats

    p_value = float(stats.binomtest(only_b, differing).pvalue) if differing else 1.0
    # Half an item is added to each of the four cells of the table.
    shift, spread = (only_b - only_a) / (n + 2), (differing + 1) - (only_b - only_a) ** 2 / (n + 2)
    half = Z * math.sqrt(spread) / (n + 2)
    return (only_b - only_a) / n, shift - half, shift + half, p_value


def _bootstrap(differences: np.ndarray) -> tuple[float, float, float, float]:
    """Mean of paired differences, its 95 % interval, and the p-value, from resampled items."""
    n, mean = len(differences), float(differences.mean())
    if n < FEWEST_ITEMS:
        return mean, math.nan, math.nan, 1.0
    if not differences.any():
        return 0.0, 0.0, 0.0, 1.0
    rng = np.random.default_rng(0)
    means = np.array([differences[rng.integers(n, size=n)].mean() for _ in range(DRAWS)])
    # The data count as one draw (Davison and Hinkley, 1997), so that no p-value is 0.
    beyond = min((means <= 0).sum(), (means >= 0).sum())
    low, high = np.quantile(means, [SIGNIFICANT / 2, 1 - SIGNIFICANT / 2])
    return mean, float(low), float(high), float(min(2 * (beyond + 1) / (DRAWS + 1), 1.0))


def _without(a: Measurement, b: Measurement, what: str, known: Callable[[Measurement], bool]) -> str:
    """Say which of the two has no numbers, and why; "" if both have."""
    return "; ".join(
        _why_not(f"{name}, {one.config},", one.status, one.reason, what)
        for name, one in (("A", a), ("B", b))
        if not known(one)
    )


def _why_not(name: str, status: str, reason: str, what: str) -> str:
    """Say why something has no numbers: it could not be measured, or only this was not."""
    return f"{name} has no {what}" if status == "ok" else f"{name} is {status}: {reason}"


def _check_comparable(a: Measurement, b: Measurement, what: str) -> None:
    if a.machine != b.machine:
        raise ValueError(
            f"b: wanted {what} of the same machine as a's, {a.machine!r}; got {b.machine!r}. To compare them anyway, "
            "give them the same name: dataclasses.replace(b, machine=a.machine)"
        )
    if a.task != b.task:
        raise ValueError(f"b: wanted {what} of the same task as a's, {a.task!r}; got {b.task!r}")
    if a.data and b.data and a.data != b.data:
        raise ValueError(
            f"b: wanted {what} on the same inputs and labels as a's; got those of another task that is also called "
            f"{b.task!r}. Compare models within one task: ts.Task.from_model({{'one': ..., 'other': ...}}, ...)"
        )
