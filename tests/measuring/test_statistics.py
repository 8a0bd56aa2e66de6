import math

import numpy as np
import pytest
from tradespace.measuring.statistics import PERCENTILE_FLOORS, median_interval, percentile, proportion_interval


def test_the_median_interval_covers_the_median_of_a_skewed_distribution_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2_000):
        low, high = median_interval(rng.lognormal(size=12))
        covered += low <= 1.0 <= high
    assert covered / 2_000 >= 0.95


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (100, 40)])
def test_the_median_interval_takes_the_tabled_ranks(n, rank):
    # Ranks of the sign test at 95 %, as tabled in texts on nonparametric statistics.
    values = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert median_interval(values) == (rank, n + 1 - rank)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_values_have_no_interval(n):
    assert all(math.isnan(end) for end in median_interval(np.arange(float(n))))


@pytest.mark.parametrize("q", [90, 99])
def test_a_percentile_is_unknown_below_its_floor_and_known_from_it_on(q):
    floor = PERCENTILE_FLOORS[q]
    assert math.isnan(percentile(np.arange(floor - 1.0), q))
    assert percentile(np.arange(float(floor)), q) == pytest.approx(q / 100 * (floor - 1))


def test_the_interval_of_a_perfect_score_stays_inside_zero_and_one():
    low, high = proportion_interval(100, 100)
    assert 0.96 < low < 1
    assert high == 1
