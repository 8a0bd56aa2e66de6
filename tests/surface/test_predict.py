import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy.optimize import nnls
from tradespace.config import Config
from tradespace.surface.predict import BatchFit, fit_batches, nonnegative, predict, rows_of

POINT = Config("m", threads=1, batch_size=16)


@pytest.fixture
def measured(surface_of):
    """(fixed, each) -> rows of POINT's knobs at batch sizes 1, 8 and 64, taking fixed + each * batch_size ms."""

    def rows(fixed: float, each: float, **changes: object) -> pd.DataFrame:
        return surface_of(
            *({"model": "m", "batch_size": b, "latency_p50_ms": fixed + each * b} | changes for b in (1, 8, 64))
        )

    return rows


@pytest.mark.parametrize(("fixed", "each"), [(1.0, 0.5), (0.0, 0.25), (3.0, 0.0), (1e-3, 1e-4), (50.0, 0.01)])
@pytest.mark.parametrize("batch_size", [1, 16, 1000])
def test_a_fixed_cost_and_a_cost_an_item_are_recovered(measured, fixed, each, batch_size):
    prediction = predict(measured(fixed, each), Config("m", threads=1, batch_size=batch_size))
    assert prediction.latency_p50_ms == pytest.approx(fixed + each * batch_size, rel=1e-9)
    assert prediction.throughput_per_s == pytest.approx(1000 * batch_size / (fixed + each * batch_size), rel=1e-9)


def test_every_point_counts_by_its_relative_error(surface_of):
    batches, latencies = np.array([1, 8, 64]), np.array([1.0, 6.0, 60.0])
    surface = surface_of(
        *({"model": "m", "batch_size": b, "latency_p50_ms": ms} for b, ms in zip(batches, latencies, strict=True))
    )
    terms = np.column_stack([np.ones(3), batches]) / latencies[:, None]
    fixed, each = np.linalg.lstsq(terms, np.ones(3))[0]
    assert predict(surface, POINT).latency_p50_ms == pytest.approx(fixed + 16 * each)


TIMED = st.tuples(st.integers(1, 4096), st.floats(1e-3, 1e4))


@given(st.lists(TIMED, min_size=2, max_size=9, unique_by=lambda one: one[0]))
def test_the_closed_form_agrees_with_nonnegative_least_squares(timed):
    batch, latency = np.array(timed, dtype=float).T
    parts = np.column_stack([1 / latency, batch / latency])
    ours, (theirs, error) = nonnegative(parts), nnls(parts, np.ones(len(latency)))
    assert (ours >= 0).all()
    assert np.linalg.norm(parts @ ours - 1) == pytest.approx(error, rel=1e-6, abs=1e-9)
    assert parts @ ours == pytest.approx(parts @ theirs, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("latencies", [(9.0, 5.0, 1.0), (1.0, 100.0, 10_000.0), (1e-6, 1e6, 1e-6)])
@pytest.mark.parametrize("batch_size", [1, 10_000])
def test_no_prediction_is_negative(surface_of, latencies, batch_size):
    rows = [{"model": "m", "batch_size": b, "latency_p50_ms": ms} for b, ms in zip((1, 8, 64), latencies, strict=True)]
    prediction = predict(surface_of(*rows), Config("m", threads=1, batch_size=batch_size))
    assert prediction.latency_p50_ms > 0
    assert 0 < prediction.throughput_per_s < math.inf


@pytest.mark.parametrize("batches", [[], [8], [8, 8, 8]])
def test_two_batch_sizes_are_needed(surface_of, batches):
    assert predict(surface_of(*({"model": "m", "batch_size": b} for b in batches)), POINT) is None


@pytest.mark.parametrize(
    "other",
    [
        *({"model": "n"}, {"pruning": "weights-50"}, {"precision": "int8"}),
        *({"runtime": "openvino"}, {"device": "cuda"}, {"threads": 2}),
    ],
)
def test_rows_that_differ_in_another_knob_are_left_out(measured, other):
    surface = pd.concat([measured(70, 7, **other), measured(1, 0.5)], ignore_index=True)
    assert predict(surface, POINT).latency_p50_ms == pytest.approx(9)
    assert predict(measured(70, 7, **other), POINT) is None


@pytest.mark.parametrize("latency", [1e6, math.nan])
def test_rows_that_were_not_measured_are_left_out(measured, surface_of, latency):
    failed = {"model": "m", "batch_size": 16, "latency_p50_ms": latency, "status": "failed", "accuracy": 0.1}
    surface = pd.concat([surface_of(failed), measured(1, 0.5, accuracy=0.9)], ignore_index=True)
    assert predict(surface, POINT).latency_p50_ms == pytest.approx(9)
    assert predict(surface, POINT).accuracy == 0.9


def test_accuracy_comes_from_any_row_of_other_threads_or_batch_size_that_has_it(measured, surface_of):
    scored = surface_of({"model": "m", "threads": 2, "batch_size": 128, "accuracy": 0.9})
    surface = pd.concat([measured(1, 0.5, accuracy=math.nan), scored], ignore_index=True)
    assert predict(surface, POINT).accuracy == 0.9


@pytest.mark.parametrize("other", [{"model": "n"}, {"precision": "int8"}, {"pruning": "weights-50"}])
def test_accuracy_of_another_model_precision_or_pruning_is_not_taken(measured, other):
    surface = pd.concat([measured(1, 1, accuracy=0.9, **other), measured(1, 1, accuracy=math.nan)], ignore_index=True)
    assert math.isnan(predict(surface, POINT).accuracy)


def test_the_index_of_the_surface_plays_no_part_and_the_surface_stays_as_it_is(measured):
    surface = measured(1, 0.5).set_index(pd.Index([3, 3, 3]))
    before = surface.copy(deep=True)
    assert predict(surface, POINT).latency_p50_ms == pytest.approx(9)
    assert_frame_equal(surface, before)


def test_rows_of_a_config_are_those_with_all_its_knobs(surface_of):
    surface = surface_of(
        *({"model": "m", "batch_size": 16}, {"model": "m", "batch_size": 1}, {"model": "n", "batch_size": 16})
    )
    assert rows_of(surface, POINT).tolist() == [True, False, False]
    assert rows_of(surface, POINT, apart_from=("batch_size",)).tolist() == [True, True, False]
    assert rows_of(surface, POINT, apart_from=("model",)).tolist() == [True, False, True]


@pytest.mark.parametrize("column", ["task", "machine"])
def test_rows_of_two_machines_or_tasks_are_not_fitted_together(measured, column):
    mixed = pd.concat([measured(1, 1), measured(1, 2, **{column: "another"})])
    with pytest.raises(ValueError, match=f"^surface: wanted rows of one {column}; got "):
        fit_batches(mixed, POINT)


@pytest.mark.parametrize(
    ("fixed", "each", "knee", "peak"),
    [(1, 0.5, 2, 2000), (0, 0.25, 0, 4000), (3, 0, math.inf, math.inf), (0, 0, math.nan, math.inf)],
)
def test_the_knee_is_the_fixed_cost_over_that_of_an_item(fixed, each, knee, peak):
    fit = BatchFit(fixed, each)
    assert (fit.knee, fit.peak_throughput_per_s) == pytest.approx((knee, peak), nan_ok=True)


@given(st.floats(1e-3, 1e3), st.floats(1e-4, 1e2))
def test_at_the_knee_throughput_is_half_its_peak_latency_twice_the_fixed_cost_and_power_largest(fixed, each):
    fit = BatchFit(fixed, each)
    assert fit.latency_ms(fit.knee) == pytest.approx(2 * fixed)
    assert fit.throughput_per_s(fit.knee) == pytest.approx(fit.peak_throughput_per_s / 2)
    sizes = fit.knee * np.geomspace(0.1, 10, 101)
    power = fit.throughput_per_s(sizes) / fit.latency_ms(sizes)
    assert np.argmax(power) == 50


def test_the_fit_tells_how_far_it_is_from_each_point(surface_of):
    rows = [
        {"model": "m", "batch_size": b, "latency_p50_ms": ms} for b, ms in [(1, 1.0), (4, 2.0), (16, 9.0), (64, 60.0)]
    ]
    fit = fit_batches(surface_of(*rows), POINT)
    assert fit.batch_sizes == (1, 4, 16, 64)
    said = [fit.latency_ms(row["batch_size"]) for row in rows]
    assert said == pytest.approx([row["latency_p50_ms"] * (1 + e) for row, e in zip(rows, fit.errors, strict=True)])
    assert fit.largest_error == max(abs(error) for error in fit.errors) > 0.1


def test_a_straight_line_has_no_error_and_says_itself_in_words(measured):
    fit = fit_batches(measured(0.42, 0.031), POINT)
    assert fit.errors == pytest.approx((0, 0, 0), abs=1e-9)
    assert str(fit) == "t(B) = 0.42 ms + 0.031 ms x B"
    assert math.isnan(BatchFit(1, 1).largest_error)


@pytest.mark.parametrize(("fixed", "each"), [(2.0, 0.0), (0.0, 2.0)])
def test_what_rounding_leaves_of_a_cost_is_none(measured, fixed, each):
    fit = fit_batches(measured(fixed, each), POINT)
    assert (fit.fixed_ms, fit.each_ms) == pytest.approx((fixed, each))
    assert 0 in (fit.fixed_ms, fit.each_ms)


def test_precisions_that_are_not_timed_have_no_fit(measured):
    untimed = measured(1, 0.5, latency_p50_ms=math.nan)
    assert fit_batches(untimed, POINT) is None
    assert predict(untimed, POINT) is None
    some = pd.concat([untimed, measured(1, 0.5)], ignore_index=True)
    assert fit_batches(some, POINT).latency_ms(16) == pytest.approx(9)


def test_an_empty_surface_has_no_fit(surface_of):
    assert fit_batches(surface_of(), POINT) is None
