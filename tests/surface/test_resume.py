"""Sweeps that were cut short, on a process and a clock that are made up: what is not measured again."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tradespace.config import grid
from tradespace.measuring.schedule import SLICES_A_BUDGET
from tradespace.surface import sweep as sweep_module
from tradespace.surface.store import Store
from tradespace.surface.sweep import sweep

LIMITS = {"max_width": 1e-9, "budget_s": 0.6, "progress": False}
CONFIGS = 4


@pytest.fixture
def configs(tiny):
    return grid(tiny, threads=1, batch_size=[1, 2])


@pytest.fixture(autouse=True)
def kernel(monkeypatch, tmp_path):
    """-> called, it begins a new kernel, which knows nothing of the sweeps of the one before."""

    def begin():
        folder = tmp_path / f"kernel-{len(list(tmp_path.glob('kernel-*')))}"
        folder.mkdir()
        monkeypatch.setattr(sweep_module, "_folder", lambda: folder)

    begin()
    return begin


def interrupted_at(fake, requests, *args, **kwargs):
    fake.interrupt_at = len(fake.requests) + requests
    with pytest.raises(KeyboardInterrupt):
        sweep(*args, executor=fake, **LIMITS | kwargs)
    fake.interrupt_at = math.inf


def test_a_whole_budget_is_so_many_slices(tiny, configs, process):
    fake = process()
    sweep(tiny, configs, executor=fake, **LIMITS)
    assert fake.count("run_slice") == CONFIGS * SLICES_A_BUDGET


@pytest.mark.parametrize("requests", [1, 9, 20, 60, 100, 103, 105])
@pytest.mark.parametrize("stored", [False, True])
def test_cut_short_anywhere_it_goes_on_and_takes_no_slice_twice(
    tiny, configs, process, kernel, tmp_path, requests, stored
):
    fake, store = process(), tmp_path / "x.sqlite" if stored else None
    interrupted_at(fake, requests, tiny, configs, store=store)
    if stored:
        kernel()
    surface = sweep(tiny, configs, executor=fake, store=store, **LIMITS)
    assert fake.count("run_slice") == CONFIGS * SLICES_A_BUDGET
    assert (surface["status"] == "ok").all()
    assert (surface["samples"] == SLICES_A_BUDGET * 25).all()


def test_test_items_are_not_scored_twice_either(tiny, configs, process, kernel, tmp_path):
    fake, store = process(item_s=lambda config: 0.01, items=1_000), tmp_path / "x.sqlite"
    interrupted_at(fake, 25, tiny, configs, store=store, score_s=8.0)
    before = sum(len(one.scores) for one in scores_of(store))
    assert 0 < before < 1_500
    kernel()
    start_s = fake.now_s
    surface = sweep(tiny, configs, executor=fake, store=store, **LIMITS | {"score_s": 8.0})
    both = sum(len(one.scores) for one in scores_of(store))
    assert set(surface["accuracy_n"]) <= set(range(790, 840))
    assert fake.now_s - start_s > (both - before) * 0.01
    assert fake.now_s - start_s < (both - before) * 0.01 + CONFIGS * 1.5


def scores_of(path):
    store = Store(path)
    with store._connected() as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM score")]
    return [store.find_score(key) for key in keys]


def test_a_point_that_is_to_be_known_more_closely_goes_on_from_its_slices(tiny, configs, process, tmp_path):
    fake, store = process(), tmp_path / "x.sqlite"
    sweep(tiny, configs, executor=fake, store=store, **LIMITS)
    surface = sweep(tiny, configs, executor=fake, store=store, **LIMITS | {"budget_s": 2 * LIMITS["budget_s"]})
    # Slices of a budget twice as large are twice as long.
    assert fake.count("run_slice") == CONFIGS * (SLICES_A_BUDGET + SLICES_A_BUDGET // 2)
    assert (surface["samples"] == 2 * SLICES_A_BUDGET * 25).all()


def test_more_seconds_of_scoring_add_items_and_no_timing(tiny, configs, process, tmp_path):
    fake, store = process(item_s=lambda config: 0.01, items=1_000), tmp_path / "x.sqlite"
    first = sweep(tiny, configs, executor=fake, store=store, **LIMITS | {"score_s": 2.0})
    slices = fake.count("run_slice")
    again = sweep(tiny, configs, executor=fake, store=store, **LIMITS | {"score_s": 60.0})
    assert first["accuracy_n"].between(200, 240).all()
    assert (again["accuracy_n"] == 1_000).all()
    assert fake.count("run_slice") == slices
    assert again["latency_p50_ms"].tolist() == first["latency_p50_ms"].tolist()


def test_another_sweep_in_between_forgets_nothing(tiny, configs, process):
    fake = process()
    interrupted_at(fake, 100, tiny, configs)
    so_far = fake.count("run_slice")
    sweep(tiny, configs[:1], executor=fake, **LIMITS)
    others = fake.count("run_slice") - so_far
    sweep(tiny, configs, executor=fake, **LIMITS)
    assert others == SLICES_A_BUDGET, "what another sweep has measured is its own"
    assert fake.count("run_slice") == CONFIGS * SLICES_A_BUDGET + others


def test_a_sweep_that_came_to_its_end_is_measured_anew(tiny, configs, process):
    fake = process()
    for _ in range(2):
        sweep(tiny, configs, executor=fake, **LIMITS)
    assert fake.count("run_slice") == 2 * CONFIGS * SLICES_A_BUDGET


ADAPTIVE = {"search": "adaptive", "total_s": 1.5}


def test_an_adaptive_search_that_ran_out_of_time_is_measured_anew(tiny, configs, process):
    fake = process()
    for _ in range(2):
        before = fake.count("run_slice")
        surface = sweep(tiny, configs, executor=fake, **LIMITS | ADAPTIVE)
        assert 0 < len(surface) < CONFIGS
        assert fake.count("run_slice") - before == len(surface) * SLICES_A_BUDGET


def test_an_adaptive_search_that_was_interrupted_goes_on(tiny, configs, process):
    fake = process()
    fake.interrupt_at = 40
    with pytest.raises(KeyboardInterrupt) as interrupt:
        sweep(tiny, configs, executor=fake, **LIMITS | ADAPTIVE)
    assert interrupt.value.__notes__[0].startswith("1 of 4 points were measured")
    fake.interrupt_at = math.inf
    surface = sweep(tiny, configs, executor=fake, **LIMITS | ADAPTIVE)
    assert len(surface) > 1
    assert fake.count("run_slice") == len(surface) * SLICES_A_BUDGET


def test_results_scored_on_different_numbers_of_items_share_the_first(tiny, process):
    slow = {"narrow": 0.01, "wide": 0.05}
    fake = process(item_s=lambda config: slow[config.model], items=1_000)
    task = replace(tiny)
    surface = sweep(task, grid(task, threads=1), executor=fake, **LIMITS | {"score_s": 5.0}).set_index("model")
    assert surface.loc["narrow", "accuracy_n"] > 2 * surface.loc["wide", "accuracy_n"] >= 100
    assert np.isfinite(surface["accuracy_lo"]).all()
