import math

import numpy as np
import pytest
from tradespace.measuring.statistics import (
    PERCENTILE_FLOORS,
    median_interval,
    percentile,
    percentile_interval,
    proportion_interval,
)

STREAMS = {
    "skewed": lambda rng: rng.lognormal(size=(12, 50)),
    "a heavy tail": lambda rng: 2 ** (-2 / 3) * (1 - rng.random((12, 50))) ** (-2 / 3),
    "slices apart": lambda rng: np.exp(0.1 * rng.standard_normal((12, 50)) + 0.3 * rng.standard_normal((12, 1))),
    "one sample a slice": lambda rng: rng.lognormal(size=(12, 1)),
    "six slices": lambda rng: rng.lognormal(size=(6, 30)),
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_the_median_interval_covers_the_median_about_as_often_as_it_says(stream):
    rng = np.random.default_rng(0)
    intervals = [median_interval(list(stream(rng))) for _ in range(1_000)]
    assert sum(low <= 1.0 <= high for low, high in intervals) / 1_000 >= 0.93


def test_slices_that_differ_widen_the_interval_as_more_samples_do_not_narrow_it():
    alike = median_interval([np.linspace(1, 2, 1_000)] * 12)
    apart = median_interval([np.linspace(1, 2, 1_000) + i % 2 for i in range(12)])
    assert alike[0] == pytest.approx(alike[1], abs=0.002)
    assert apart[1] - apart[0] > 0.5


def test_the_interval_contains_the_median_though_the_fast_slices_hold_most_samples():
    slices = [np.full(900, 1.0), np.full(900, 1.0), *[np.full(3, 3.0)] * 10]
    low, high = median_interval(slices)
    assert low <= 1.0 <= high


def test_samples_that_never_change_have_an_interval_of_no_width():
    assert median_interval([np.full(5, 2.0)] * 6) == (2.0, 2.0)


def test_a_trend_from_slice_to_slice_counts_them_for_fewer():
    levels = np.linspace(1, 2, 12)
    noise = np.random.default_rng(0).standard_normal((12, 50)) / 20
    trend = median_interval(list(levels[:, None] + noise))
    shuffled = median_interval(list(np.random.default_rng(1).permutation(levels)[:, None] + noise))
    assert np.diff(trend) > np.diff(shuffled)


@pytest.mark.parametrize("slices", [0, 1, 5])
def test_too_few_slices_have_no_interval(slices):
    assert all(math.isnan(end) for end in median_interval([np.ones(1_000)] * slices))


@pytest.mark.parametrize("q", [90, 99])
def test_a_percentile_is_unknown_below_its_floor_and_known_from_it_on(q):
    floor = PERCENTILE_FLOORS[q]
    assert math.isnan(percentile(np.arange(floor - 1.0), q))
    assert percentile(np.arange(float(floor)), q) == pytest.approx(q / 100 * (floor - 1))


@pytest.mark.parametrize("q", [90, 99])
def test_the_interval_of_a_percentile_covers_it_as_often_as_it_says(q):
    rng, truth = np.random.default_rng(0), -math.log(1 - q / 100)
    intervals = [percentile_interval(rng.exponential(size=800), q) for _ in range(1_000)]
    assert sum(low <= truth <= high for low, high in intervals) / 1_000 >= 0.95


def test_the_interval_of_a_perfect_score_stays_inside_zero_and_one():
    low, high = proportion_interval(100, 100)
    assert 0.96 < low < 1
    assert high == 1
