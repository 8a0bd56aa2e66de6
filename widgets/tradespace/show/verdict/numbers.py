"""A comparison of two measurements, in words."""

import math

from tradespace.measuring.compare import AccuracyComparison, Comparison, compare, compare_accuracy
from tradespace.measuring.measurement import Measurement
from tradespace.scale import Scale
from tradespace.text import probability, sentence

# A circle and a triangle, in two of Okabe and Ito's colours.
SIDES = {"A": ("#0072B2", "o"), "B": ("#009E73", "^")}


def speed(a: Measurement, b: Measurement) -> Comparison | None:
    """Return how much faster `b` is, as far as is known; None if one of them has no samples or has failed."""
    timed = all(one.status == "ok" and one.samples for one in (a, b))
    return compare(a, b) if timed else None


def accuracy(a: Measurement, b: Measurement) -> AccuracyComparison | None:
    """Return how much more accurate `b` is; None unless both accuracies are known."""
    both = a.scores is not None and b.scores is not None
    return compare_accuracy(a, b) if both else None


def speed_in_words(compared: Comparison) -> str:
    """Return the verdict on speed, with its numbers.

    Examples
    --------
    >>> print(speed_in_words(Comparison(1.8, 1.7, 1.9, "faster", 0.02)))
    B is faster: 1.8 times (1.7 to 1.9).
    >>> print(speed_in_words(Comparison(0.5, 0.4, 0.625, "slower", 0.02)))
    B is slower: 2 times (1.6 to 2.5).
    """
    low, middle, high = compared.ratio_lo, compared.ratio, compared.ratio_hi
    if compared.verdict == "faster":
        return f"B is faster: {_between(middle, low, high)}."
    if compared.verdict == "slower":
        return f"B is slower: {_between(1 / middle, 1 / high, 1 / low)}."
    if math.isnan(low):
        return "Can't tell: an interval needs six slices of each."
    between = f"B is {_between(middle, low, high)} as fast as A"
    if compared.verdict == "same":
        return f"Same within {compared.margin:.0%}: {between}."
    return f"Can't tell: {between}, and differences of up to {compared.margin:.0%} do not count."


def ratio_in_words(compared: Comparison) -> str:
    """Return the ratio and its interval.

    Examples
    --------
    >>> ratio_in_words(Comparison(1.7964, 0.99651, 2.0, "can't tell", 0.02))
    '1.8 (0.997 to 2)'
    """
    if math.isnan(compared.ratio_lo):
        return f"{_digits(compared.ratio)}, no interval yet"
    return f"{_digits(compared.ratio)} ({_digits(compared.ratio_lo)} to {_digits(compared.ratio_hi)})"


def _between(middle: float, low: float, high: float) -> str:
    return f"{_digits(middle)} times ({_digits(low)} to {_digits(high)})"


def _digits(ratio: float) -> str:
    """Format a ratio, with more digits near 1, where they matter."""
    if ratio >= 1000:
        return f"{ratio:,.0f}"
    return f"{ratio:.3f}" if 0.9 < ratio < 1.1 else f"{ratio:.3g}"


def highest_ms(a: Measurement, b: Measurement) -> float:
    """Return the upper end of a chart of slices. Those that other work disturbed may be a hundred times higher."""
    ends = [one for m in (a, b) for one in (*m.slice_medians_ms, m.latency_p50_hi_ms) if not math.isnan(one)]
    return float(1.5 * max(ends)) if ends else math.nan


def accuracy_in_words(compared: AccuracyComparison) -> str:
    """Return the verdict on accuracy, with its numbers.

    Examples
    --------
    >>> print(accuracy_in_words(AccuracyComparison(-0.002, -0.006, 0.002, 0.4, 30, 24, 10_000, "can't tell")))
    Accuracy: B lost 0.20 points (-0.60 to +0.20), p = 0.4: not significant.
    >>> print(accuracy_in_words(AccuracyComparison(0.5, 0.2, 0.8, 0.001, 30, 70, 100, "better", "gain, dB")))
    Gain: B is 0.5 dB higher (+0.2 to +0.8), p = 0.001: significant.
    """
    scale = Scale.of(compared.score)
    if compared.only_a == compared.only_b == 0:
        return f"{scale.title}: both get the same {'items right' if scale.is_accuracy else 'of each item'}."
    change = changed(scale, compared.difference)
    change = f"B {'' if scale.is_accuracy else 'is '}{change}" if change else "B gained as much as it lost"
    between = f"{scale.signed(compared.difference_lo)} to {scale.signed(compared.difference_hi)}"
    if math.isnan(compared.difference_lo):
        between = "no interval: too few items"
    p = probability(compared.p_value)
    sure = "significant" if compared.verdict in ("better", "worse") else "not significant"
    return f"{scale.title}: {change} ({between}), {p}: {sure}."


def changed(scale: Scale, difference: float) -> str:
    """Describe a difference; return "" if there is none.

    Examples
    --------
    >>> changed(Scale(), -0.002), changed(Scale("gain", "dB"), -0.002)
    ('lost 0.20 points', '0.002 dB lower')
    """
    if not difference:
        return ""
    size = scale.difference(abs(difference)).removeprefix("+")
    if scale.is_accuracy:
        return f"{'lost' if difference < 0 else 'gained'} {size}"
    return f"{size} {'lower' if difference < 0 else 'higher'}"


def in_words(a: Measurement, b: Measurement, running: bool, cut_short: str, has_test: bool) -> tuple[str, str]:
    """Return the verdicts on speed and accuracy. While running, omit numbers: screen readers speak at every change."""
    compared, exact = speed(a, b), accuracy(a, b)
    title = Scale.of(a.score).title
    about_accuracy = f"{title}: no test set, so not known."
    if has_test:
        about_accuracy = f"{title}: {'being scored on the test set' if running else 'not known'}."
    if exact:
        about_accuracy = accuracy_in_words(exact)
    failed = [(name, one) for name, one in zip(SIDES, (a, b), strict=True) if one.failure]
    if failed:
        told = "; ".join(f"{name} {one.status.replace('_', ' ')}: {one.reason.rstrip('.')}" for name, one in failed)
        return f"No verdict. {sentence(told)}", about_accuracy
    if running:
        so_far = compared.verdict if compared else "can't tell"
        words = {"same": "the same", "can't tell": "can't tell yet"}.get(so_far, f"B is {so_far}")
        return f"So far: {words}.", about_accuracy
    end = f"{sentence(cut_short)} " if cut_short else ""
    if compared is None:
        return end + "Not measured yet; Start measures both.", about_accuracy
    return end + speed_in_words(compared), about_accuracy
