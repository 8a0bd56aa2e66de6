"""Exercises of notebook 01: a typical call, how many samples a percentile needs, a promise, and a cut-off."""

import math
from typing import Any

import numpy as np

from tradespace.lesson.check.answers import near, number, rounds_to
from tradespace.lesson.exercise import Judgement, exercise, right, unmeasured, wrong
from tradespace.measuring.compare import Comparison
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.statistics import PERCENTILE_FLOORS
from tradespace.surface.derived import MS_PER_S
from tradespace.text import NOT_MEASURED, sentence

# How far below the lower end of the interval a promise may be and still count as the largest.
ROOM = 0.05
# By how much the share of calls above an answer may differ from one half.
UNEVEN = 0.005
# Tolerance for a number that was printed with three digits.
WRITTEN = 0.005


@exercise("01-typical")
def typical(answer_ms: Any, measurement: Measurement) -> Judgement:
    """Whether half of the calls took longer than `answer_ms`, and half less.

    That of the slices that the statistics use is accepted as well as the median of all samples, and either of them
    rounded.

    Parameters
    ----------
    answer_ms : float
    measurement : Measurement

    Examples
    --------
    >>> import tradespace as ts
    >>> from tradespace.measuring.measurement import Slice
    >>> calls = Slice(np.array([1e6, 2e6, 9e6]), items=3, busy_ns=12_000_000)
    >>> m = ts.Measurement("any", ts.Config("model", threads=1), (calls,))
    >>> typical(2, m).passed, typical(4, m).passed
    (True, False)
    """
    said = number(answer_ms)
    if not measurement.samples:
        return unmeasured(measurement.reason or "there is not a single call.")
    samples = np.sort(measurement.samples_ns) / 1e6
    n, mean = len(samples), float(samples.mean())
    medians = measurement.latency_p50_ms, float(np.median(samples)), *map(float, samples[[(n - 1) // 2, n // 2]])
    answer = f"The median: half of the calls took longer than {medians[1]:.3g} ms."
    longer, shorter = float((samples > said).mean()), float((samples < said).mean())
    halved = math.isfinite(said) and max(longer, shorter) <= 0.5 + UNEVEN
    if halved or any(rounds_to(said, median) for median in medians):
        late = float((samples > mean).mean())
        return right(
            f"Half of the calls took longer, half took less. {late:.0%} took longer than the mean, {mean:.3g} ms."
        )
    if near(said, mean, WRITTEN):
        return wrong(f"That is the mean, and {longer:.0%} of the calls took longer: not half of them.", answer)
    for unit, factor in (("seconds", 1e-3), ("microseconds", 1e3), ("nanoseconds", 1e6)):
        if any(near(said / factor, median) for median in medians):
            return wrong(f"That is in {unit}.", answer)
    if near(said, measurement.latency_p90_ms) or near(said, measurement.latency_p99_ms):
        return wrong("That is how long the late calls take.", answer)
    if near(said, float(samples[0])):
        return wrong("That is the quickest call. It was lucky.", answer)
    if not said > 0:
        return wrong("Sort the calls by their time: which one is in the middle?", answer)
    return wrong(
        f"{longer:.1%} of the calls took longer than that. Sort them by their time: which one is in the middle?", answer
    )


@exercise("01-calls")
def enough_calls(calls: Any, percentile: int = 99, confidence: float = 0.99) -> Judgement:
    """Whether `calls` is the smallest number of calls of which one exceeds the percentile with that confidence.

    The probability that n independent calls all lie below it is (percentile / 100) ** n: at most 1 - `confidence`.

    Parameters
    ----------
    calls : int
    percentile : int
    confidence : float
        A fraction.

    Examples
    --------
    >>> enough_calls(459).passed, enough_calls(100).passed
    (True, False)
    >>> enough_calls(44, percentile=90).passed
    True
    """
    said = number(calls)
    below = percentile / 100
    needed = math.ceil(math.log(1 - confidence) / math.log(below) - 1e-9)
    answer = (
        f"{needed} is the smallest whole number n for which {below:g} to the power n is at most {1 - confidence:.2g}."
    )
    if said == needed:
        two = PERCENTILE_FLOORS.get(percentile)
        floor = f" To see two such calls with the same confidence takes {two}." if two else ""
        return right(f"With {needed} calls, none exceeds p{percentile} in {below**needed:.2%} of all cases.{floor}")
    if said < 1 or not math.isfinite(said):
        return wrong("Wanted a number of calls, at least 1.", answer)
    if math.ceil(said) == needed:
        return wrong(
            "Nearly: you cannot make part of a call, and with fewer calls the chance is still too large.", answer
        )
    if said == PERCENTILE_FLOORS.get(percentile):
        return wrong("That many are needed to see two calls beyond it. The question asks for one.", answer)
    chance = below ** min(said, 1e6)
    if said > needed:
        return wrong(
            f"That is enough: the chance that none exceeds it is {chance:.2g}. But fewer calls are enough too.", answer
        )
    return wrong(f"With that many calls, none exceeds it in {100 * chance:.4g}% of all cases: too often.", answer)


@exercise("01-promise")
def promise(factor: Any, compared: Comparison) -> Judgement:
    """Whether `factor` is the largest speed-up that `compared` supports: the lower end of its interval.

    Parameters
    ----------
    factor : float
        Latency of A over latency of B.
    compared : Comparison
        What `compare` returned. If its interval is unknown, nothing can be promised, and NaN is right.

    Examples
    --------
    >>> compared = Comparison(2.0, 1.8, 2.2, "faster", 0.02)
    >>> promise(1.8, compared).passed, promise(2, compared).passed
    (True, False)
    """
    said, low, high = number(factor), compared.ratio_lo, compared.ratio_hi
    if compared.verdict == NOT_MEASURED:
        return unmeasured(sentence(compared.reason))
    if math.isnan(low):
        unknown = "One of them has fewer than six slices, so there is no interval, and nothing to sign."
        if math.isnan(said) or said <= 0:
            return right(f"{unknown} Measured again on a quieter machine, it may have enough.")
        return wrong(unknown, "`compared.ratio_lo` is NaN, that is, unknown. Measure again, for longer.")
    answer = f"The lower end of the interval, `ratio_lo`: at least {low:.3g} times as fast."
    if not said > 0:
        return wrong("Wanted a number of times, above 0.", answer)
    exact = low * (1 - ROOM) <= said <= low * (1 + 1e-9)
    # In a narrow interval the middle may be as near to the lower end as a rounded number is.
    if not exact and rounds_to(said, compared.ratio):
        return wrong("That is the most likely value. The true one may just as well lie below it.", answer)
    if exact or rounds_to(said, low):
        slower = " That is less than 1: B may even be the slower one." if low < 1 else ""
        return right(
            f"The 95 % interval begins at {low:.3g}: the measurement supports at least that much, and no more.{slower}"
        )
    if rounds_to(said, high):
        return wrong("That is the most it might be. The question asks for the least.", answer)
    if any(near(said, 1 / value) for value in (low, compared.ratio, high)):
        return wrong("That is upside down: the time of B over that of A.", answer)
    if low < said < high:
        return wrong("The interval reaches further down than that.", answer)
    if said > high:
        return wrong("The measurement does not support that much. Operations are not time.", answer)
    return wrong("That is safe to sign, but the interval allows more.", answer)


@exercise("01-cutoff")
def cutoff(answer_ms: Any, *, speed_m_s: float, sensing_range_m: float, braking_m_s2: float) -> Judgement:
    """Whether `answer_ms` is the longest delay before braking with which the drone stops within its sensing range.

    The stopping distance is v·t + v² / 2a, as for `safe_speed_m_s`.

    Parameters
    ----------
    answer_ms : float
    speed_m_s, sensing_range_m, braking_m_s2 : float
        Without any delay, the drone must be able to stop within the range.

    Examples
    --------
    >>> drone = {"speed_m_s": 8, "sensing_range_m": 10, "braking_m_s2": 5}
    >>> cutoff(450, **drone).passed, cutoff(0.45, **drone).passed
    (True, False)
    """
    said = number(answer_ms)
    braking = speed_m_s**2 / (2 * braking_m_s2)
    left = sensing_range_m - braking
    if left <= 0:
        raise ValueError(
            f"speed_m_s: wanted a speed from which the drone can stop within {sensing_range_m:g} m; got {speed_m_s}"
        )
    needed = MS_PER_S * left / speed_m_s
    answer = (
        f"Braking takes {speed_m_s:g}² / (2 · {braking_m_s2:g}) = {braking:.3g} m, which leaves {left:.3g} m to "
        f"fly on: {left:.3g} / {speed_m_s:g} s, or {needed:.4g} ms."
    )
    if near(said, needed):
        return right(f"In {needed:.4g} ms it flies {left:.3g} m, and braking takes the other {braking:.3g} m.")
    if near(said, needed / MS_PER_S):
        return wrong("That is in seconds.", answer)
    if any(near(said, scale * sensing_range_m / speed_m_s) for scale in (1, MS_PER_S)):
        return wrong("Then it reaches the obstacle at full speed. Leave room for braking.", answer)
    if any(near(said, scale * (sensing_range_m - 2 * braking) / speed_m_s) for scale in (1, MS_PER_S)):
        return wrong("Braking takes half of that distance, since the drone slows down on the way: v² / 2a.", answer)
    if any(near(said, scale * speed_m_s / braking_m_s2) for scale in (1, MS_PER_S)):
        return wrong("That is how long it takes to brake. The question is how long it may fly on before that.", answer)
    if near(said, left) or near(said, braking):
        return wrong("That is in metres. How long does it take to fly that far?", answer)
    if said < needed:
        return wrong("Then it stops with room to spare: it may take longer.", answer)
    return wrong(
        "It stops too late. Subtract the braking distance from the range first: the rest is left to fly on.", answer
    )
