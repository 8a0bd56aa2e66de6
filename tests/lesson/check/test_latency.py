import math

import numpy as np
import pandas as pd
import pytest
import tradespace as ts
from scipy import stats
from tradespace.lesson.check.latency import cutoff, enough_calls, promise, typical
from tradespace.lesson.exercise import NOT_MEASURED
from tradespace.measuring.compare import Comparison
from tradespace.measuring.measurement import Slice

FLIGHT = {"speed_m_s": 9, "sensing_range_m": 10, "braking_m_s2": 5}


pytestmark = pytest.mark.usefixtures("alone")


def measured(*slices_ms):
    slices = tuple(Slice(1e6 * np.array(one), items=len(one), busy_ns=int(1e6 * sum(one))) for one in slices_ms)
    return ts.Measurement("any", ts.Config("model", threads=1), slices)


@pytest.fixture
def skewed():
    """Twelve slices of a thousand calls: median 1 ms, mean 1.6 ms."""
    rng = np.random.default_rng(0)
    return measured(*(rng.lognormal(0, 1, 1000) for _ in range(12)))


@pytest.fixture
def few():
    """Too few slices for an interval, an even number of calls; median 3 ms, mean 17 ms."""
    return measured([1.0, 2.0], [4.0, 61.0])


def test_what_is_not_attempted_is_not_judged(few):
    found = typical(..., few), enough_calls(...), promise(..., Comparison(2, 1, 3, "same", 0.02)), cutoff(..., **FLIGHT)
    assert [one.passed for one in found] == [None] * 4


@pytest.mark.parametrize(
    "answer",
    [
        lambda m: np.median(m.samples_ns) / 1e6,
        lambda m: m.latency_p50_ms,
        lambda m: sorted(m.samples_ns / 1e6)[m.samples // 2],
        lambda m: sorted(m.samples_ns / 1e6)[m.samples // 2 - 1],
        lambda m: np.array([m.latency_p50_ms]),
        lambda m: float(np.percentile(m.samples_ns / 1e6, 50.2)),
        lambda m: round(m.latency_p50_ms, 2),
        lambda m: round(m.latency_p50_ms, 1),
    ],
)
def test_the_median_in_any_way(skewed, answer):
    found = typical(answer(skewed), skewed)
    assert found.passed
    assert "Half of the calls took longer, half took less" in found.words


def test_without_an_interval_the_median_is_right_and_the_mean_is_not(few):
    assert math.isnan(few.latency_p50_lo_ms)
    assert all(typical(answer, few).passed for answer in (3, 2, 4))
    assert "the mean" in typical(17, few).words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda m: m.samples_ns.mean() / 1e6, "the mean"),
        # Within the interval of the median, and no median.
        (lambda m: stats.trim_mean(m.samples_ns, 0.1) / 1e6, "of the calls took longer than that"),
        (lambda m: stats.trim_mean(m.samples_ns, 0.4) / 1e6, "of the calls took longer than that"),
        (lambda m: m.latency_p50_hi_ms, "of the calls took longer than that"),
        (lambda m: m.latency_p50_lo_ms, "of the calls took longer than that"),
        (lambda m: m.latency_p50_ms / 1e3, "in seconds"),
        (lambda m: m.latency_p50_ms * 1e3, "microseconds"),
        (lambda m: np.median(m.samples_ns), "nanoseconds"),
        (lambda m: m.latency_p90_ms, "late calls"),
        (lambda m: m.latency_p99_ms, "late calls"),
        (lambda m: m.samples_ns.min() / 1e6, "quickest"),
        (lambda m: 3.0, "in the middle"),
        (lambda m: 0, "in the middle"),
        (lambda m: math.nan, "in the middle"),
        (lambda m: "1 ms", "wanted a number"),
        (lambda m: m.samples_ns, "wanted a number"),
    ],
)
def test_other_statistics_are_not_what_is_usual(skewed, answer, hint):
    found = typical(answer(skewed), skewed)
    assert found.passed is False
    assert hint in found.words


def test_a_mean_that_agrees_with_the_median_is_right():
    even = measured(*([0.99, 1.0, 1.01] for _ in range(12)))
    assert typical(1.0, even).passed


def test_the_median_of_all_calls_is_as_right_as_that_of_the_undisturbed():
    quiet = [Slice(np.full(10, 1e6), items=10, busy_ns=10**7) for _ in range(6)]
    disturbed = [Slice(np.full(10, 9e6), items=10, busy_ns=10**8, wall_ns=10**8, waited_ns=9 * 10**7) for _ in range(9)]
    both = ts.Measurement("any", ts.Config("model", threads=1), (*quiet, *disturbed))
    assert both.latency_p50_ms == 1
    assert typical(1, both).passed
    assert typical(9, both).passed


def test_of_nothing_nothing_is_typical():
    found = typical(1, measured())
    assert found.passed is None
    assert found.words.startswith(NOT_MEASURED)


def test_the_fewest_calls():
    assert enough_calls(459).passed
    assert enough_calls(459.0).passed
    assert enough_calls(np.int64(459)).passed
    assert "662" in enough_calls(459).words
    assert enough_calls(44, percentile=90).passed
    assert enough_calls(299, confidence=0.95).passed
    assert enough_calls(1, percentile=50, confidence=0.5).passed


@pytest.mark.parametrize(
    ("calls", "hint"),
    [
        (20, "too often"),
        (100, "36.6%"),
        (299, "too often"),
        (458, "too often"),
        (math.log(0.01) / math.log(0.99), "part of a call"),
        (460, "fewer calls are enough"),
        (662, "one"),
        (10**9, "fewer calls are enough"),
        (0, "a number of calls"),
        (-5, "a number of calls"),
        (math.nan, "a number of calls"),
        (math.inf, "a number of calls"),
        ("459", "wanted a number"),
    ],
)
def test_other_numbers_of_calls(calls, hint):
    found = enough_calls(calls)
    assert found.passed is False
    assert hint in found.words


@pytest.fixture
def compared():
    return Comparison(2.0, 1.7, 2.4, "faster", 0.02)


@pytest.mark.parametrize("factor", [1.7, 1.69, 1.65, np.float64(1.7), pd.Series([1.7])])
def test_the_lower_end_may_be_promised(compared, factor):
    found = promise(factor, compared)
    assert found.passed
    assert "begins at 1.7" in found.words


@pytest.mark.parametrize("factor", [5.8637, 5.86, 5.864, 5.9, 5.8, 5.6])
def test_the_lower_end_may_be_rounded(factor):
    assert promise(factor, Comparison(6.61, 5.8637, 7.55, "faster", 0.02)).passed


@pytest.mark.parametrize(
    ("factor", "hint"),
    [
        (2.0, "most likely"),
        (2.4, "the most"),
        (1 / 1.7, "upside down"),
        (0.5, "upside down"),
        (1.71, "further down"),
        (1.9, "further down"),
        (15.4, "not time"),
        (math.inf, "not time"),
        (1.2, "allows more"),
        (0, "above 0"),
        (-1.7, "above 0"),
        (math.nan, "above 0"),
        (True, "wanted a number"),
        ("faster", "wanted a number"),
    ],
)
def test_another_promise_is_told_why_not(compared, factor, hint):
    found = promise(factor, compared)
    assert found.passed is False
    assert hint in found.words


@pytest.mark.parametrize("factor", [2.0034, 2.0, 2.003])
def test_the_middle_of_a_narrow_interval_is_still_the_middle(factor):
    narrow = Comparison(2.0034, 1.996, 2.01, "faster", 0.02)
    assert promise(1.996, narrow).passed
    assert "most likely" in promise(factor, narrow).words


def test_the_second_hint_names_the_lower_end(compared):
    promise(2.0, compared)
    assert "1.7" in promise(2.0, compared).words


def test_of_a_slower_one_less_than_one_is_promised():
    found = promise(0.8, Comparison(0.9, 0.8, 1.1, "can't tell", 0.02))
    assert found.passed
    assert "slower" in found.words


def test_without_a_comparison_nothing_is_judged():
    missing = ts.compare(measured([1.0]), ts.Measurement("any", ts.Config("model", threads=1)))
    found = promise(2, missing)
    assert found.passed is None
    assert found.words.startswith(NOT_MEASURED)


def test_without_an_interval_nothing_is_promised():
    unknown = Comparison(2.0, math.nan, math.nan, "can't tell", 0.02)
    assert promise(unknown.ratio_lo, unknown).passed
    assert promise(0, unknown).passed
    assert "nothing to sign" in promise(2.0, unknown).words


def test_what_two_measurements_give_can_be_promised():
    rng = np.random.default_rng(0)
    slow, quick = (measured(*(scale * rng.lognormal(0, 0.1, 50) for _ in range(12))) for scale in (3, 1))
    compared = ts.compare(slow, quick)
    assert promise(compared.ratio_lo, compared).passed
    assert not promise(compared.ratio_hi, compared).passed


@pytest.mark.parametrize("answer", [211, 211.1, 1000 * 1.9 / 9, 212, 210])
def test_what_is_left_of_the_range_may_be_flown(answer):
    assert cutoff(answer, **FLIGHT).passed


def test_at_the_cut_off_the_safe_speed_is_the_speed_asked_for():
    drone = {"sensing_range_m": 4, "braking_m_s2": 9}
    speed = ts.safe_speed_m_s(37, **drone)
    assert cutoff(37, speed_m_s=speed, **drone).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.211, "seconds"),
        (1.111, "Leave room"),
        (1111, "Leave room"),
        (-689, "half of that distance"),
        (1800, "takes to brake"),
        (1.9, "metres"),
        (8.1, "metres"),
        (100, "room to spare"),
        (400, "too late"),
        ("211 ms", "wanted a number"),
    ],
)
def test_other_cut_offs(answer, hint):
    found = cutoff(answer, **FLIGHT)
    assert found.passed is False
    assert hint in found.words


def test_a_speed_from_which_it_never_stops_has_no_cut_off():
    assert "speed_m_s" in cutoff(1, speed_m_s=11, sensing_range_m=10, braking_m_s2=5).words
