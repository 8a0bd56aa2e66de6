import math

import numpy as np
import pandas as pd
import pytest
import tradespace.measuring.engine as engine
import tradespace.surface.sweep as sweeping
from tradespace.config import Config, grid
from tradespace.measuring.measurement import Failure, Measurement, Scored, Slice
from tradespace.measuring.schedule import Schedule
from tradespace.surface.columns import configs_of
from tradespace.surface.confirm import MOST_TRIES
from tradespace.surface.derived import with_products
from tradespace.surface.explain import explain
from tradespace.surface.objectives import at_least, at_most, maximize, minimize
from tradespace.surface.solve import solve
from tradespace.tasks import list_tasks

FAST = at_most("latency_p50_ms", 5)


class Second:
    """Stands in for the measuring process: what a second measurement finds at a batch size, and who was asked for.

    A row takes 4 ms and gives a hundred items a second for each item of its batch, unless `found` says otherwise.
    """

    def __init__(self):
        self.found, self.asked, self.tasks = {}, [], []

    def rounds(self, task, configs, schedule, **given):
        for config in configs:
            self.asked.append(config.batch_size)
            self.tasks.append(task)
            given.get("scores", {})[config.variant] = Scored(whole=True)
            yield self.measurement(task, config), True

    def measurement(self, task, config):
        found = {"ms": 4.0, "per_s": 100.0 * config.batch_size} | self.found.get(config.batch_size, {})
        if "status" in found:
            failure = Failure(found["status"], "not this time")
            return Measurement(task.name, config, failure=failure, machine="this one")
        one = Slice(np.full(20, found["ms"] * 1e6), items=1000, busy_ns=round(1e12 / found["per_s"]))
        slices = () if math.isnan(found["ms"]) else (one,) * 8
        return Measurement(task.name, config, slices, np.arange(10) < 9, machine="this one", measured_at="again")


@pytest.fixture
def second(monkeypatch):
    stand_in = Second()
    measured_by(monkeypatch, stand_in.rounds)
    monkeypatch.setattr("tradespace.measuring.machine.machine", lambda: "this one")
    return stand_in


def measured_by(monkeypatch, rounds):
    """Put `rounds` in the place of the measuring process, and forget what this kernel has measured so far."""
    monkeypatch.setattr(engine, "measure_rounds", rounds)
    monkeypatch.setattr(sweeping, "measure_rounds", rounds)
    sweeping._folder.cache_clear()


@pytest.fixture
def surface(surface_of):
    """The larger the batch, the better; all of one latency."""
    of_tiny = {"model": "narrow", "task": "tiny", "latency_p50_ms": 4.0, "accuracy": 0.9}
    rows = surface_of(*(of_tiny | {"batch_size": b, "throughput_per_s": 100.0 * b} for b in range(1, 9)))
    return rows.set_axis([9, 9, 4, 4, 4, 7, 1, 0])


def confirmed(surface, task, *constraints):
    return solve(surface, maximize("throughput_per_s"), constraints or [FAST], confirm=True, task=task)


def test_the_row_that_comes_back_is_that_of_the_second_measurement(surface, tiny, second):
    second.found[8] = {"ms": 4.5, "per_s": 777.0}
    choice = confirmed(surface, tiny)
    assert second.asked == [8]
    assert second.tasks == [tiny]
    assert choice.index.tolist() == [0]
    assert choice.columns.tolist() == surface.columns.tolist()
    [taken] = choice.to_dict("records")
    assert (taken["batch_size"], taken["latency_p50_ms"], taken["measured_at"]) == (8, 4.5, "again")
    assert taken["throughput_per_s"] == pytest.approx(777)


@pytest.mark.parametrize("worse", [{"ms": 5.1}, {"ms": math.nan}, {"status": "failed"}, {"status": "crashed"}])
def test_if_it_breaks_a_limit_then_the_next_best_is_taken(surface, tiny, second, worse):
    second.found = {8: worse, 7: worse}
    choice = confirmed(surface, tiny)
    assert second.asked == [8, 7, 6]
    assert choice["batch_size"].tolist() == [6]
    assert choice.index.tolist() == [7]


def test_every_limit_has_to_be_kept_again(surface, tiny, second):
    second.found = {8: {"per_s": 1.0}, 7: {"ms": 6.0}}
    choice = confirmed(surface, tiny, FAST, at_least("throughput_per_s", 300))
    assert second.asked == [8, 7, 6]
    assert choice["batch_size"].tolist() == [6]


def test_a_row_that_was_not_feasible_is_not_tried(surface, tiny, second):
    second.found = {8: {"per_s": 1.0}, 7: {"per_s": 1.0}}
    choice = confirmed(surface, tiny, at_least("throughput_per_s", 650))
    assert second.asked == [8, 7]
    assert len(choice) == 0


def test_at_most_five_are_tried(surface, tiny, second):
    second.found = {b: {"ms": 6.0} for b in range(1, 9)}
    choice = confirmed(surface, tiny)
    assert second.asked == [8, 7, 6, 5, 4]
    assert len(second.asked) == MOST_TRIES
    assert (len(choice), choice.columns.tolist()) == (0, surface.columns.tolist())
    assert "neither it nor the next best rows met" in repr(explain(choice))


def test_the_columns_of_the_callers_own_stay_as_they_were(surface, tiny, second):
    priced = surface.assign(price=range(8), note="mine")
    choice = confirmed(priced, tiny, FAST, at_most("price", 100))
    assert choice[["price", "note"]].to_dict("records") == [{"price": 7, "note": "mine"}]
    assert set(choice.columns) == set(priced.columns)


def test_a_computed_limit_is_computed_from_the_second_measurement(surface, tiny, second):
    second.found[8] = {"per_s": 8.0}
    choice = solve(surface, maximize("power"), [at_least("power", 100_000)], confirm=True, task=tiny)
    assert choice["batch_size"].tolist() == [7]


def test_so_it_is_if_the_computed_column_was_added(surface, tiny, second):
    second.found[8] = {"per_s": 8.0}
    added = with_products(surface)
    choice = solve(added, maximize("power"), [at_least("power", 100_000)], confirm=True, task=tiny)
    assert choice["batch_size"].tolist() == [7]


def test_nothing_is_measured_if_nothing_is_feasible(surface, tiny, second):
    choice = confirmed(surface, tiny, at_most("latency_p50_ms", 1))
    assert second.asked == []
    assert len(choice) == 0
    assert repr(explain(choice)).startswith("Nothing is feasible.")


def test_a_confirmed_choice_may_be_explained(surface, tiny, second):
    second.found[8] = {"per_s": 700.0}
    assert "Measured again: throughput_per_s 700." in explain(confirmed(surface, tiny)).sentences


def test_the_explanation_names_the_row_that_was_taken(surface, tiny, second):
    second.found = {8: {"ms": 6.0}, 7: {"per_s": 650.0}}
    assert "batch 7" in repr(explain(confirmed(surface, tiny)))


def test_a_second_measurement_of_the_same_value_is_told_too(surface, tiny, second):
    assert "Measured again: throughput_per_s 800." in explain(confirmed(surface, tiny)).sentences


@pytest.mark.parametrize("change", [lambda choice: choice.round(-3), lambda choice: choice.iloc[:0]])
def test_what_is_done_to_a_confirmed_choice_changes_nothing_about_its_second_measurement(surface, tiny, second, change):
    second.found[8] = {"per_s": 700.0}
    choice = confirmed(surface, tiny)
    assert explain(change(choice)).sentences == explain(choice).sentences


@pytest.mark.parametrize(
    "change",
    [
        lambda choice: choice.round(-3),
        lambda choice: choice.iloc[:0],
        lambda choice: choice.assign(throughput_per_s=1.0, batch_size=7),
    ],
)
def test_a_choice_that_was_rounded_or_filtered_was_not_measured_again(surface, change):
    choice = solve(surface, maximize("throughput_per_s"), [FAST])
    assert "Measured again" not in repr(explain(change(choice)))


def test_the_objectives_decide_which_is_tried_first(surface, tiny, second):
    choice = solve(surface, [maximize("accuracy"), minimize("throughput_per_s")], confirm=True, task=tiny)
    assert second.asked == [1]
    assert choice["batch_size"].tolist() == [1]


def test_the_surface_stays_as_it_is(surface, tiny, second):
    before = surface.copy(deep=True)
    confirmed(surface, tiny)
    pd.testing.assert_frame_equal(surface, before)
    assert surface.attrs == {}


def test_the_shipped_task_that_the_surface_names_is_measured_again(surface, second):
    solve(surface.assign(task="fashion", model="resnet8"), maximize("throughput_per_s"), confirm=True)
    assert [task.name for task in second.tasks] == ["fashion"]
    assert "fashion" in list_tasks()


@pytest.mark.parametrize("names", [["mine"] * 8, ["fashion"] * 4 + ["mine"] * 4])
def test_a_task_that_is_not_shipped_has_to_be_given(surface, second, names):
    with pytest.raises(ValueError, match=r"^task: wanted the Task that was measured, since .*'mine'.* is not shipped$"):
        solve(surface.assign(task=names), maximize("throughput_per_s"), confirm=True)
    assert second.asked == []


def test_a_task_without_the_model_of_the_surface_is_refused(surface, tiny, second):
    with pytest.raises(ValueError, match=r"^model: wanted one of narrow, wide; got 'resnet8'"):
        solve(surface.assign(model="resnet8"), maximize("throughput_per_s"), confirm=True, task=tiny)
    assert second.asked == []


def test_a_surface_of_another_machine_is_refused(surface, tiny, second):
    with pytest.raises(
        ValueError, match=r"^confirm: wanted a surface of this machine \(this one\), .*; got one of 'that'"
    ):
        solve(surface.assign(machine="that"), maximize("throughput_per_s"), confirm=True, task=tiny)
    assert second.asked == []


def test_without_confirm_nothing_is_measured(surface, tiny, second):
    solve(surface, maximize("throughput_per_s"), [FAST], task=tiny)
    assert second.asked == []


def test_a_choice_is_measured_again_each_time_it_is_confirmed(surface, tiny, second):
    for _ in range(2):
        confirmed(surface, tiny)
    assert second.asked == [8, 8]


def test_a_choice_of_an_adaptive_sweep_is_measured_again_too(tiny, second):
    configs = [Config("narrow", threads=1, batch_size=b) for b in (1, 2)]
    surface = sweeping.sweep(tiny, configs, progress=False, search="adaptive", total_s=1e9)
    second.asked.clear()
    second.found[2] = {"per_s": 150.0}
    choice = confirmed(surface, tiny)
    assert second.asked == [2]
    assert choice["throughput_per_s"].tolist() == pytest.approx([150])


def test_confirming_does_not_forget_a_sweep_that_was_interrupted(surface, tiny, second, monkeypatch):
    configs = [Config("narrow", threads=1, batch_size=b) for b in (1, 2)]

    def interrupted(task, configs, schedule, **given):
        yield from second.rounds(task, configs[:1], schedule, **given)
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeping, "measure_rounds", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweeping.sweep(tiny, configs, progress=False)
    monkeypatch.setattr(sweeping, "measure_rounds", second.rounds)
    confirmed(surface, tiny)
    second.asked.clear()
    sweeping.sweep(tiny, configs, progress=False)
    assert second.asked == [2]


def test_a_real_choice_is_really_measured_again(tiny, inline, monkeypatch):
    real = engine.measure_rounds

    def rounds(task, configs, schedule, **given):
        yield from real(task, configs, Schedule(0.9, 0.02), **given | {"executor": inline})

    measured_by(monkeypatch, rounds)
    surface = sweeping.sweep(tiny, grid(tiny, threads=1), progress=False)
    before = inline.slices
    choice = solve(surface, maximize("throughput_per_s"), [at_least("throughput_per_s", 0.1)], confirm=True, task=tiny)
    assert inline.slices > before
    assert choice["status"].tolist() == ["ok"]
    assert configs_of(choice)[0] in configs_of(surface)
