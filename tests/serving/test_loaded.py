import math
from dataclasses import replace

import numpy as np
import pytest
from pandas.testing import assert_frame_equal
from tradespace.config import Config
from tradespace.measuring.measurement import Measurement, Slice
from tradespace.serving.batcher import Batcher
from tradespace.serving.loaded import with_max_rate
from tradespace.serving.max_rate import max_rate_of
from tradespace.serving.service import ServiceTimes
from tradespace.surface.columns import load_surface, save_surface
from tradespace.surface.derived import with_cost
from tradespace.surface.explain import explain
from tradespace.surface.objectives import at_least, maximize
from tradespace.surface.solve import solve

BRIEFLY = {"p99_ms": 20.0, "requests": 5_000}
RATES = ["max_rate_per_s_lo", "max_rate_per_s", "max_rate_per_s_hi"]
# ms of a batch of 1 and of 8
MODELS = {"small": (0.5, 1.0), "middle": (2.0, 4.0), "large": (8.0, 16.0), "huge": (30.0, 60.0)}


def config(model, threads=1, batch_size=1):
    return Config(model, threads=threads, batch_size=batch_size)


def measured(model, size, ms, **given):
    ns = np.full(20, round(ms * 1e6))
    slices = (Slice(ns, 20 * size, int(ns.sum())),) * 6
    return Measurement("fashion", config(model, batch_size=size), slices, **{"machine": "this one"} | given)


@pytest.fixture
def surface(surface_of):
    """Two batch sizes of each model; those with more accuracy are slower."""
    return surface_of(
        *[
            {"model": model, "batch_size": size, "threads": 1, "accuracy": 0.7 + 0.05 * i, "latency_p50_ms": ms}
            for i, (model, times) in enumerate(MODELS.items())
            for size, ms in zip((1, 8), times, strict=True)
        ]
    )


@pytest.fixture
def services():
    return [ServiceTimes({1: [one], 8: [eight]}, config=config(name)) for name, (one, eight) in MODELS.items()]


def test_the_most_accurate_model_that_serves_so_many_within_the_deadline(surface, services):
    loaded = with_max_rate(surface, services, batcher=Batcher(8), **BRIEFLY)
    assert loaded["model"].tolist() == list(MODELS)
    for rate, model in ((500, "middle"), (3000, "small"), (100, "large")):
        choice = solve(loaded, maximize("accuracy"), [at_least("max_rate_per_s", rate)])
        assert choice["model"].tolist() == [model]
    nothing = solve(loaded, maximize("accuracy"), [at_least("max_rate_per_s", 1e6)])
    assert nothing.empty
    assert "max_rate_per_s at least 1,000,000" in str(explain(nothing))


def test_each_rate_is_that_of_its_server(surface, services):
    loaded = with_max_rate(surface, services, batcher=Batcher(8), **BRIEFLY)
    for row, service in zip(loaded.itertuples(), services, strict=True):
        found = max_rate_of(service, Batcher(8), **BRIEFLY)
        assert (row.max_rate_per_s, row.max_rate_per_s_lo, row.max_rate_per_s_hi) == (
            found.rate_per_s,
            found.lo,
            found.hi,
        )
    assert set(loaded["max_rate_at"]) == {"p99 of 20 ms, Poisson arrivals, batches of at most 8"}
    # No rate meets 20 ms where a single request takes 30.
    assert loaded.iloc[-1][RATES].tolist() == [0, 0, 0]


def test_nothing_else_changes(surface, services):
    surface.index = surface.index[::-1]
    before = surface.copy(deep=True)
    loaded = with_max_rate(surface, services, **BRIEFLY)
    assert_frame_equal(surface, before)
    assert_frame_equal(loaded[before.columns], before.iloc[::2])
    assert loaded.columns.drop(before.columns).tolist() == ["max_rate_per_s", *RATES[::2], "max_rate_at"]


def test_a_server_has_the_row_of_its_least_batch_that_was_measured(surface_of):
    rows = surface_of(
        {"model": "a", "batch_size": 8},
        {"model": "a", "batch_size": 1, "status": "failed"},
        {"model": "b", "batch_size": 4, "status": "failed"},
        {"model": "a", "batch_size": 2},
        {"model": "a", "batch_size": 1, "threads": 2},
    )
    loaded = with_max_rate(rows, [], **BRIEFLY)
    assert loaded.index.tolist() == [2, 3, 4]
    assert loaded[RATES].isna().all(axis=None)


def test_what_was_not_measured_up_to_the_largest_batch_is_unknown(surface, services):
    short = [services[0], replace(services[1], samples_ms={1: [2.0]})]
    loaded = with_max_rate(surface, short, batcher=Batcher(8), **BRIEFLY)
    assert loaded[RATES].notna().all(axis=1).tolist() == [True, False, False, False]


def test_measurements_are_taken_together_by_server(surface):
    several = [
        measured(name, size, ms) for name, times in MODELS.items() for size, ms in zip((1, 8), times, strict=True)
    ]
    services = [ServiceTimes.of(several[i : i + 2]) for i in range(0, len(several), 2)]
    expected = with_max_rate(surface, services, batcher=Batcher(8), **BRIEFLY)
    found = with_max_rate(
        surface, iter([*several, Measurement("fashion", config("small"))]), batcher=Batcher(8), **BRIEFLY
    )
    assert_frame_equal(found, expected)


def test_times_of_another_machine_or_task_are_refused(surface):
    with pytest.raises(
        ValueError, match=r"^services: wanted times of the machine 'this one'; got those of 'that one'$"
    ):
        with_max_rate(surface, [measured("small", 1, 1, machine="that one")], **BRIEFLY)
    glosses = replace(measured("small", 1, 1), task="glosses")
    with pytest.raises(ValueError, match=r"^services: wanted times of the task 'fashion'; got those of 'glosses'$"):
        with_max_rate(surface, [glosses], **BRIEFLY)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"p99_ms": -1}, r"p99_ms: wanted a finite number above 0; got -1"),
        ({"p99_ms": 5, "batcher": Batcher(8, 5)}, r"batcher: wanted max_wait_ms below the deadline of 5 ms"),
    ],
)
def test_what_cannot_be_asked_is_refused_even_if_nothing_is_known(surface, given, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        with_max_rate(surface, [], **given)


def test_several_machines_or_tasks_are_refused(surface):
    for column in ("machine", "task"):
        with pytest.raises(ValueError, match=rf"^surface: wanted rows of one {column}; got "):
            with_max_rate(surface.assign(**{column: ["a", "b"] * 4}), [], **BRIEFLY)


def test_it_is_priced_saved_and_read_again(surface, services, tmp_path):
    loaded = with_cost(with_max_rate(surface, services[:2], **BRIEFLY), price_per_hour=1)
    cost = loaded["cost_per_million_served"]
    assert cost.iloc[0] == pytest.approx(1e6 / 3600 / loaded["max_rate_per_s"].iloc[0])
    assert math.isnan(cost.iloc[-1])
    save_surface(loaded, tmp_path / "loaded.csv")
    back = load_surface(tmp_path / "loaded.csv")
    np.testing.assert_allclose(back["max_rate_per_s"], loaded["max_rate_per_s"])
    assert back["max_rate_at"].tolist() == loaded["max_rate_at"].tolist()
