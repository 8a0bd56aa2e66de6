import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.surface.attainment import attainment

# Few different values, so that rows tie with each other and with the limits.
POSITIVE = st.sampled_from([0.5, 1.0, 2.0, 2.0 + 1e-12, 3.0, 1000.0])
KNOWN_OR_NOT = POSITIVE | st.just(math.nan)
SHARES = st.sampled_from([0.0, 0.25, 0.5, 0.5 + 1e-12, 0.75, 1.0])
LIMITS = st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 0.0, -1.0, math.inf, -math.inf, 1e6]), min_size=1)
STATUSES = st.sampled_from(["ok", "ok", "ok", "unsupported", "failed"])


@st.composite
def surfaces(draw, latency="latency_p50_ms"):
    rows = draw(st.lists(st.tuples(KNOWN_OR_NOT, KNOWN_OR_NOT, SHARES | st.just(math.nan), STATUSES), max_size=10))
    # One row that is sound, somewhere, so that there is something to attain.
    rows.insert(draw(st.integers(0, len(rows))), (draw(POSITIVE), draw(POSITIVE), draw(SHARES), "ok"))
    frame = pd.DataFrame(rows, columns=[latency, "throughput_per_s", "accuracy", "status"])
    frame.index = frame.index[::-1] // 2  # not in order, and not unique: nothing may lean on it
    return frame


def best(surface, ms, per_s, latency="latency_p50_ms"):
    """The best accuracy within `ms` and at `per_s`, found by asking every row."""
    found = [
        row["accuracy"]
        for row in surface.to_dict("records")
        if row["status"] == "ok"
        and all(math.isfinite(row[name]) for name in (latency, "throughput_per_s", "accuracy"))
        and row[latency] <= ms
        and row["throughput_per_s"] >= per_s
    ]
    return max(found, default=math.nan)


@given(surface=surfaces(), latency=LIMITS, throughput=LIMITS)
def test_every_cell_is_what_asking_every_row_finds(surface, latency, throughput):
    before = surface.copy(deep=True)
    grid = attainment(surface, latency, throughput)
    expected = [[best(before, ms, per_s) for ms in grid.columns] for per_s in grid.index]
    np.testing.assert_array_equal(grid.to_numpy(), expected)
    assert_frame_equal(surface, before)


@given(surface=surfaces())
def test_left_to_itself_the_grid_holds_what_asking_every_row_finds(surface):
    grid = attainment(surface)
    some = grid.iloc[::13, ::13]  # a step costs a question to every row
    expected = [[best(surface, ms, per_s) for ms in some.columns] for per_s in some.index]
    np.testing.assert_array_equal(some.to_numpy(), expected)


@given(surface=surfaces())
def test_more_time_never_hurts_and_more_demand_never_helps(surface):
    grid = np.nan_to_num(attainment(surface).to_numpy(), nan=-math.inf)
    assert (grid[:, 1:] >= grid[:, :-1]).all()
    assert (grid[1:] <= grid[:-1]).all()


@given(latency=LIMITS, throughput=LIMITS)
def test_limits_come_out_sorted_and_once(latency, throughput):
    surface = pd.DataFrame({"latency_p50_ms": [1.0], "throughput_per_s": [1.0], "accuracy": [0.5], "status": "ok"})
    grid = attainment(surface, latency, throughput)
    assert grid.columns.tolist() == sorted(set(latency))
    assert grid.index.tolist() == sorted(set(throughput))


def test_left_out_the_limits_run_from_the_least_to_the_most_measured_in_even_ratios(surface_of):
    surface = surface_of(
        {"latency_p50_ms": 3.0, "throughput_per_s": 70.0, "accuracy": 0.8},
        {"latency_p50_ms": 48.0, "throughput_per_s": 7000.0, "accuracy": 0.9},
        {"latency_p50_ms": 1e-9, "throughput_per_s": 1e9, "accuracy": 1.0, "status": "failed"},
    )
    grid = attainment(surface)
    assert (grid.columns[0], grid.columns[-1], grid.index[0], grid.index[-1]) == (3.0, 48.0, 70.0, 7000.0)
    for limits in (grid.columns.to_numpy(), grid.index.to_numpy()):
        np.testing.assert_allclose(limits[1:] / limits[:-1], limits[1] / limits[0])
    assert grid.iloc[0, 0] == 0.8
    assert grid.iloc[-1, -1] == 0.9


def test_a_single_row_makes_a_grid_without_repeated_limits(surface_of):
    grid = attainment(surface_of({"latency_p50_ms": 2.0, "throughput_per_s": 500.0, "accuracy": 0.9}))
    assert set(grid.to_numpy().ravel()) == {0.9}
    assert grid.columns.is_unique
    assert grid.index.is_unique


def test_the_axes_carry_the_names_of_their_columns(surface_of):
    grid = attainment(surface_of({}), latency_column="latency_p99_ms")
    assert (grid.index.name, grid.columns.name) == ("throughput_per_s", "latency_p99_ms")


@given(surface=surfaces(latency="latency_p99_ms"), latency=LIMITS)
def test_another_latency_may_be_limited(surface, latency):
    surface = surface.assign(latency_p50_ms=0.1)
    grid = attainment(surface, latency, [1.0], latency_column="latency_p99_ms")
    expected = [best(surface, ms, 1.0, "latency_p99_ms") for ms in grid.columns]
    np.testing.assert_array_equal(grid.loc[1.0].to_numpy(), expected)


def test_an_accuracy_without_a_latency_attains_nothing(surface_of):
    rows = surface_of(
        {"accuracy": 0.7}, {"accuracy": 0.99, "latency_p50_ms": math.nan, "status": "unsupported", "precision": "w8"}
    )
    assert np.nanmax(attainment(rows).to_numpy()) == 0.7


@pytest.mark.parametrize(
    "changes", [[], [{"status": "failed"}], [{"latency_p50_ms": math.nan}, {"accuracy": math.nan}]]
)
def test_nothing_measured_is_refused(surface_of, changes):
    with pytest.raises(ValueError, match=r"^surface: wanted a measured row with latency, throughput and accuracy"):
        attainment(surface_of(*changes))


@pytest.mark.parametrize("limits", [[], [math.nan], [1.0, math.nan]])
@pytest.mark.parametrize("argument", ["latency", "throughput"])
def test_limits_that_are_empty_or_unknown_are_refused(surface_of, argument, limits):
    with pytest.raises(ValueError, match=rf"^{argument}: wanted at least one number, and no NaN; got "):
        attainment(surface_of({}), **{argument: limits})


def test_an_unknown_latency_is_refused_with_the_nearest(surface_of):
    with pytest.raises(ValueError, match=r"^latency_column: .*got 'latency_p98_ms'\. Did you mean 'latency_p9\d_ms'"):
        attainment(surface_of({}), latency_column="latency_p98_ms")


def test_rows_of_two_machines_are_refused(surface_of):
    with pytest.raises(ValueError, match=r"^surface: wanted rows of one machine; got 'a', 'b'"):
        attainment(surface_of({"machine": "a"}, {"machine": "b"}))


def test_a_hundred_thousand_rows_need_no_table_of_rows_by_cells():
    rng = np.random.default_rng(0)
    n = 100_000
    surface = pd.DataFrame(
        {"latency_p50_ms": rng.random(n), "throughput_per_s": rng.random(n), "accuracy": rng.random(n), "status": "ok"}
    )
    limits = rng.random(300)
    grid = attainment(surface, limits, limits)
    for ms, per_s in rng.choice(limits, (20, 2)):
        serves = (surface["latency_p50_ms"] <= ms) & (surface["throughput_per_s"] >= per_s)
        assert grid.loc[per_s, ms] == surface.loc[serves, "accuracy"].max()


def test_a_column_that_the_surface_lacks_is_not_called_an_argument():
    lacking = pd.DataFrame({"latency_p50_ms": [1.0], "accuracy": [0.9], "status": "ok"})
    with pytest.raises(ValueError, match=r"^surface: wanted one of latency_p50_ms, accuracy; got 'throughput_per_s'"):
        attainment(lacking)
