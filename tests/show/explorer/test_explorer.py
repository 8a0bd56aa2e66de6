import base64
import json
import math
import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
import tradespace as ts
from tradespace.config import most_threads
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.scale import Scale
from tradespace.show.controls.widget import Choice
from tradespace.show.explorer import session as module
from tradespace.show.explorer import settings
from tradespace.show.explorer.measurer import Measurer
from tradespace.show.explorer.state import GOALS, HERE, RECORDED
from tradespace.surface.columns import configs_of

LIMIT_S = 120
ELSEWHERE = "a large one, 64 cores"
HOSTILE = "<img src=x onerror=alert(1)>"


class FakeMeasurer:
    """Stands in for the thread and the measuring process: a test says when what comes."""

    def __init__(self, task, lock, report, stopped, schedule, executor):
        self.task, self.report, self.stopped = task, report, stopped
        self.requests, self.wanted, self.ask, self.rested = [], None, None, []

    @property
    def filling(self):
        return self.ask is not None

    @property
    def busy(self):
        return self.filling or self.wanted is not None

    def request(self, config, *, typing=False):
        self.requests.append(config)
        self.wanted, self.typing = config, typing

    def rest(self):
        self.rested.append(self.wanted)
        self.typing = False

    def fill(self, ask):
        self.ask = ask

    def drop_request(self):
        self.wanted = None

    def cancel(self):
        self.wanted = self.ask = None

    def grow(self, latency, slices=1, config=None):
        self.report(measured(self.task.name, config or self.wanted, latency, slices), False)

    def finish(self, latency=1.0, slices=12, config=None, **changes):
        config = config or self.wanted
        if config == self.wanted:
            self.wanted = None
        self.report(measured(self.task.name, config, latency, slices, **changes), True)

    def end(self, why):
        self.cancel()
        self.stopped(why)


def measured(task, config, latency, slices=12, correct=None, failure=None):
    """A Measurement of so many equal slices."""
    samples = np.full(10, latency * 1e6) * np.linspace(0.99, 1.01, 10)
    one = Slice(samples, 10 * config.batch_size, int(samples.sum()))
    return Measurement(task, config, (one,) * slices, scores=correct, failure=failure, machine=machine())


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(module, "Measurer", FakeMeasurer)


@pytest.fixture
def explorer(task, surface, fake):
    return ts.Explorer(task, surface, budget_s=0.1)


@pytest.fixture
def recorded(surface):
    return surface.assign(machine=ELSEWHERE)


def words(explorer):
    return explorer.tradeoff.label.split("\n")


def sentence(explorer):
    """What is said before the best choice."""
    return explorer.tiles.sentence.rpartition("\n")[0]


def shown(explorer):
    return {tile["label"]: tile for tile in explorer.tiles.tiles}


def check_sent(explorer):
    """What goes to the browser is JSON."""
    for widget in (explorer.tradeoff, explorer.batch_curve, explorer.landscape, explorer.tiles, explorer.controls):
        state = {name: getattr(widget, name) for name in widget.keys if not name.startswith(("_", "layout", "tab"))}
        json.dumps({name: one for name, one in state.items() if name != "comm"}, allow_nan=False)


# Moving


def test_it_opens_on_a_measured_point_and_measures_nothing(explorer):
    assert explorer.selection == ts.Config("small", threads=1, batch_size=1)
    assert explorer.tradeoff.state["current"] == 0
    assert explorer._session.measurer.requests == []
    assert "cancel" in explorer.bar.disabled
    assert "fill_in" not in explorer.bar.disabled
    check_sent(explorer)


def test_moving_a_slider_looks_the_point_up_everywhere(explorer):
    explorer.controls.move(batch_size=64, precision="bf16")
    assert words(explorer)[0].startswith(
        "small, bf16, eager, batch 64, 1 thread: 3.7 ms (3.33 to 4.44), 17,297 items/s"
    )
    assert shown(explorer)["latency"]["value"] == "3.7"
    assert explorer.batch_curve.state["batch_size"] == 64
    assert explorer.landscape.state["current"]["row"] == explorer.tradeoff.state["current"] == 5
    assert explorer._session.measurer.requests == []


def every_end(controls, end):
    for name, control in controls._controls.items():
        if isinstance(control, Choice):
            yield name, control.options[end]
        else:
            yield name, (control.least, control.most)[end]


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize(
    "rows", [slice(None), slice(0), slice(1), slice(-1, None)], ids=["all", "none", "one", "failed"]
)
def test_every_control_survives_both_ends(task, surface, fake, rows, end):
    explorer = ts.Explorer(task, surface[rows])
    for name, value in every_end(explorer.controls, end):
        if name != "task":
            explorer.controls.move(**{name: value})
            assert explorer.controls[name] == value
            assert len(words(explorer)) == 2
            assert "nan" not in explorer.tradeoff.label + sentence(explorer)
    check_sent(explorer)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("latency", ["latency_p50_ms", "latency_p99_ms"])
def test_every_objective_has_a_best_or_says_why_not(explorer, goal, latency):
    explorer.controls.move(objective=goal, latency=latency)
    best = words(explorer)[1]
    assert best.startswith(f"{GOALS[goal].words(Scale()).capitalize()}, without limits: ")
    assert (len(explorer.choice) == 1) == ("none, since" not in best)
    check_sent(explorer)


def test_without_a_counter_there_is_no_best_by_energy_and_the_reason(explorer):
    explorer.controls.move(objective="energy_delay")
    assert len(explorer.choice) == 0
    assert words(explorer)[1].endswith("which takes an energy counter.")


def test_the_best_follows_limits_and_objective(explorer):
    assert explorer.choice[["precision", "batch_size"]].to_numpy().tolist() == [["bf16", 64]]
    explorer.controls.move(objective="accuracy", max_latency_ms=1.0)
    assert explorer.choice[["model", "precision", "batch_size"]].to_numpy().tolist() == [["small", "bf16", 1]]
    explorer.controls.move(max_latency_ms=None)
    assert explorer.choice["model"].tolist() == ["large"]


def test_limits_that_nothing_meets_are_said_in_words(explorer):
    explorer.controls.move(min_accuracy=1.0)
    assert words(explorer)[1].startswith("No measured point meets these limits: at least 100.0%")
    assert explorer.tradeoff.state["choice"] is None
    assert explorer.choice.empty


def test_the_99th_percentile_where_none_is_known(explorer):
    explorer.controls.move(latency="latency_p99_ms", max_latency_ms=10.0)
    assert "the 99th percentile of latency is not known for any point" in words(explorer)[1]
    assert explorer.landscape.label.startswith("There is no surface to show")
    assert explorer.batch_curve.state["max_latency_ms"] is None
    assert shown(explorer)["latency"]["value"] == "?"
    explorer.controls.move(latency="latency_p50_ms")
    assert explorer.batch_curve.state["max_latency_ms"] == 10.0


def test_the_cost_limit_is_that_of_all_the_items(explorer):
    explorer.controls.move(price_per_hour=3.6, items=2e6, max_cost=1.0)
    dear = 1e6 / explorer.surface["throughput_per_s"] / 1000
    assert explorer.tradeoff.state["feasible"] == np.flatnonzero(dear <= 0.5).tolist()


# Measuring


def test_an_unmeasured_point_is_predicted_then_measured_and_kept(explorer):
    explorer.controls.move(batch_size=32)
    assert "predicted 4.2 ms" in words(explorer)[0]
    assert shown(explorer)["latency"] | {"unit": "", "about": ""} == {
        "label": "latency", "value": "4.2", "unit": "", "interval": "", "origin": "predicted", "about": "",
    }  # fmt: skip
    assert explorer._session.measurer.requests == [explorer.selection]
    assert "cancel" not in explorer.bar.disabled
    explorer._session.measurer.grow(4.0)
    assert "10 samples" in explorer.bar.doing
    assert shown(explorer)["latency"]["origin"] == "measured"
    explorer._session.measurer.finish(4.5)
    assert explorer.surface[["batch_size", "status"]].iloc[-1].tolist() == [32, "ok"]
    assert words(explorer)[0].startswith("small, fp32, eager, batch 32, 1 thread: 4.5 ms")
    assert explorer.bar.doing.startswith("Fill in: ")
    assert (explorer.bar.share, "cancel" in explorer.bar.disabled) == (None, True)
    check_sent(explorer)


def test_a_growing_row_keeps_its_place_and_so_do_the_others(explorer):
    explorer.controls.move(batch_size=32)
    explorer._session.measurer.grow(4.0)
    explorer._session.measurer.grow(5.0, 2)
    explorer._session.measurer.finish(3.0, config=ts.Config("small", threads=1, batch_size=8))
    assert explorer.surface["batch_size"].iloc[1] == 8
    assert explorer.surface["latency_p50_ms"].iloc[[1, -1]].tolist() == pytest.approx([3.0, 5.0])
    assert len(explorer.surface) == 14


def test_of_many_slices_some_are_drawn_and_all_are_counted(explorer):
    explorer.controls.move(batch_size=32)
    drawn = []
    for slices in range(1, 12):
        explorer._session.measurer.grow(4.0, slices)
        assert f"{10 * slices} samples" in explorer.bar.doing
        drawn.append(int(explorer.surface["samples"].iloc[-1]))
    assert drawn == [10, 20, 30, 40, 40, 40, 40, 80, 80, 80, 80]
    explorer._session.measurer.finish(4.0, slices=11)
    assert explorer.surface["samples"].iloc[-1] == 110


def test_with_no_surface_it_measures_where_it_opens(task, fake):
    explorer = ts.Explorer(task)
    assert len(explorer._session.measurer.requests) == 1
    explorer._session.measurer.finish()
    assert explorer.surface["status"].tolist() == ["ok"]
    assert explorer.tradeoff.state["current"] == 0


def test_while_a_slider_is_held_nothing_is_asked_for_and_once_released_the_last_point_is(explorer):
    explorer.controls.held = True
    for batch_size in (2, 4, 16, 32):
        explorer.controls.move(batch_size=batch_size)
    assert explorer._session.measurer.requests == []
    explorer.controls.held = False
    assert explorer._session.measurer.requests == [ts.Config("small", threads=1, batch_size=32)]


def test_moves_by_key_wait_until_the_browser_says_that_they_have_ended(explorer):
    explorer.controls.typing = True
    explorer.controls.move(batch_size=32)
    assert explorer._session.measurer.typing
    explorer.controls.typing = False
    assert not explorer._session.measurer.typing
    assert explorer._session.measurer.requests == [explorer.selection]


def test_a_last_move_that_comes_with_the_end_is_the_one_that_is_measured(explorer):
    explorer.controls.typing = True
    explorer.controls.move(batch_size=32)
    with explorer.controls.hold_trait_notifications():
        explorer.controls.typing = False
        explorer.controls.move(batch_size=16)
    # It is a request of its own, which waits for a moment.
    assert explorer._session.measurer.wanted == explorer.selection == ts.Config("small", threads=1, batch_size=16)
    assert not explorer._session.measurer.typing
    assert explorer._session.measurer.rested == []


def test_released_on_a_measured_point_nothing_is_asked_for(explorer):
    explorer.controls.move(batch_size=32)
    explorer.controls.held = True
    explorer.controls.move(batch_size=64)
    explorer.controls.held = False
    assert explorer._session.measurer.wanted is None
    assert "cancel" in explorer.bar.disabled


def test_rows_that_land_while_a_slider_is_held_are_shown_and_move_nothing(explorer):
    explorer.controls.move(batch_size=32)
    wanted = explorer.selection
    explorer.controls.held = True
    explorer.controls.move(batch_size=8)
    explorer._session.measurer.finish(4.5, config=wanted)
    assert explorer.selection.batch_size == 8
    assert len(explorer.tradeoff.data["text"]) == len(explorer.surface) == 14
    assert words(explorer)[0].startswith("small, fp32, eager, batch 8, 1 thread: 1.8 ms")


@pytest.mark.parametrize("status", ["crashed", "timeout", "failed", "out_of_memory"])
def test_a_failure_is_a_row_with_its_reason(explorer, status):
    explorer.controls.move(batch_size=32)
    explorer._session.measurer.finish(failure=Failure(status, f"died of {HOSTILE}"), slices=0)
    assert explorer.surface["status"].iloc[-1] == status
    assert words(explorer)[0].endswith(f"{status.replace('_', ' ')}: died of {HOSTILE}")
    assert explorer.bar.doing == f"died of {HOSTILE}"
    assert sentence(explorer) == f"batch 32 gives no number: died of {HOSTILE}."
    explorer.controls.move(batch_size=8)
    explorer.controls.move(batch_size=32)
    # What was bad luck is tried again.
    assert len(explorer._session.measurer.requests) == 1 + (status in ("crashed", "timeout"))
    check_sent(explorer)


def test_a_measurement_of_few_samples_is_measured_again_when_one_comes_back(explorer):
    explorer.controls.move(batch_size=32)
    explorer._session.measurer.finish(4.5, slices=2)
    explorer.controls.move(batch_size=8)
    explorer.controls.move(batch_size=32)
    assert len(explorer._session.measurer.requests) == 2


def test_cancel_says_so_and_leaves_the_sliders_alive(explorer):
    explorer.controls.move(batch_size=2)
    wanted = explorer.selection
    explorer.cancel()
    assert "cancel" in explorer.bar.disabled
    assert explorer.bar.doing == "cancelled"
    # What was under way when it was pressed.
    explorer._session.measurer.grow(1.0, config=wanted)
    assert explorer.bar.doing == "cancelled"
    explorer.controls.move(batch_size=8)
    assert explorer.tradeoff.state["current"] is not None


def test_an_interrupt_is_said_and_the_next_point_is_measured(explorer):
    explorer.controls.move(batch_size=32)
    explorer._session.measurer.end("interrupted")
    assert (explorer.bar.doing, "cancel" in explorer.bar.disabled) == ("interrupted", True)
    explorer.controls.move(batch_size=16)
    assert explorer._session.measurer.wanted == explorer.selection


def test_closing_it_ends_the_measuring(explorer):
    explorer.controls.move(batch_size=32)
    explorer.close()
    assert explorer._session.measurer.wanted is None


# Filling in


def test_filling_in_shows_how_far_it_is_and_ends_by_itself(explorer):
    explorer.fill_in()
    assert explorer.bar.doing.startswith("filling in: ")
    assert ("fill_in" in explorer.bar.disabled, "cancel" in explorer.bar.disabled) == (True, False)
    asked = explorer._session.measurer.ask()
    assert asked
    for config in asked:
        explorer._session.measurer.finish(2.0, config=config)
    assert set(asked) <= set(configs_of(explorer.surface))
    assert not set(asked) & set(explorer._session.measurer.ask())
    explorer._session.measurer.end("filled in")
    assert explorer.bar.doing == "filled in"
    assert ("fill_in" in explorer.bar.disabled, "cancel" in explorer.bar.disabled) == (False, True)


def test_a_request_comes_before_the_filling_in_which_is_then_shown_again(explorer):
    explorer.fill_in()
    explorer.controls.move(batch_size=32)
    assert explorer._session.measurer.wanted == explorer.selection
    assert explorer._session.measurer.filling
    explorer._session.measurer.finish(4.5)
    assert explorer.bar.doing.startswith("filling in: ")
    assert "cancel" not in explorer.bar.disabled


def test_moving_over_measured_points_goes_on_filling_in(explorer):
    explorer.fill_in()
    explorer.controls.move(batch_size=8)
    assert explorer._session.measurer.filling
    assert explorer.bar.doing.startswith("filling in: ")


def test_cancel_ends_the_filling_in(explorer):
    explorer.fill_in()
    explorer.cancel()
    assert not explorer._session.measurer.filling
    assert explorer.bar.doing == "cancelled"


def test_what_it_fills_in_is_of_the_pruning_and_can_run(explorer):
    explorer.controls.move(pruning="channels-50")
    explorer.fill_in()
    asked = explorer._session.measurer.ask()
    assert {config.pruning for config in asked} == {"channels-50"}
    assert all(explorer._session.why[HERE](config) is None for config in asked)


def test_a_model_that_nothing_was_measured_of_can_be_filled_in(task, fake):
    explorer = ts.Explorer(task)
    explorer.fill_in()
    assert explorer._session.measurer.ask()


# Sentences


def test_a_sentence_says_what_the_last_move_did(explorer):
    assert sentence(explorer) == ""
    explorer.controls.move(precision="bf16")
    assert sentence(explorer).startswith("bf16 here: 2.0 times as fast (1.6")
    assert sentence(explorer).endswith("as accurate.")


def test_a_sentence_follows_the_numbers_as_they_come(explorer):
    explorer.controls.move(batch_size=32)
    explorer._session.measurer.grow(1.1)
    assert "at the same latency of a batch (too few samples to be sure)" in sentence(explorer)
    explorer._session.measurer.finish(4.4)
    assert sentence(explorer).startswith("batch 32 here: 8.0 times the throughput, for 4.0 times the latency")


def test_a_drag_is_one_move_from_where_it_began(explorer):
    explorer.controls.held = True
    for batch_size in (2, 4, 8, 16, 32, 64):
        explorer.controls.move(batch_size=batch_size)
    assert sentence(explorer).startswith("batch 64 here: 9.5 times the throughput, for 6.7 times the latency")
    explorer.controls.held = False
    assert sentence(explorer).startswith("batch 64 here: 9.5 times the throughput, for 6.7 times the latency")
    explorer.controls.move(batch_size=8)
    assert sentence(explorer).startswith("batch 8 here: 0.51 times the throughput")


def test_over_an_unmeasured_point_it_is_told_from_the_last_measured_one(explorer):
    explorer.controls.move(batch_size=4)
    assert sentence(explorer) == ""
    explorer.controls.move(batch_size=8)
    assert sentence(explorer).startswith("batch 8 here: 4.9 times the throughput")


def test_the_same_items_are_compared_in_pairs(explorer):
    right = np.ones(100, dtype=bool)
    wrong = right.copy()
    wrong[:6] = False
    for precision, correct in (("fp32", right), ("bf16", wrong)):
        explorer.controls.move(precision=precision, batch_size=32)
        explorer._session.measurer.finish(2.0, correct=correct)
    assert sentence(explorer) == "bf16 here: as fast as before (1 to 1), 6.0 points lost."


def test_two_pins_are_compared_and_a_third_takes_the_place_of_the_first(explorer):
    explorer.pin()
    explorer.pin()
    assert explorer.tradeoff.state["pins"] == [0]
    explorer.controls.move(precision="bf16")
    explorer.pin()
    assert explorer.tradeoff.state["pins"] == [0, 3]
    assert "\nFrom pin A to pin B: bf16 here: 2.0 times as fast" in sentence(explorer)
    explorer.controls.move(model="large")
    explorer.pin()
    assert explorer.tradeoff.state["pins"] == [3, 9]
    assert "unpin" not in explorer.bar.disabled
    explorer.unpin()
    assert (explorer.tradeoff.state["pins"], "unpin" in explorer.bar.disabled) == ([], True)
    assert "pin" not in sentence(explorer)


def test_pins_of_what_was_not_measured_are_kept_until_it_is(explorer):
    explorer.pin()
    explorer.controls.move(batch_size=32)
    explorer.pin()
    assert explorer.tradeoff.state["pins"] == [0, -1]
    assert "nothing to compare" in sentence(explorer)
    explorer._session.measurer.finish(4.4)
    assert explorer.tradeoff.state["pins"] == [0, 13]
    assert "From pin A to pin B: batch 32 here: 8.0 times the throughput" in sentence(explorer)


# Clicks


def test_a_click_on_a_point_moves_the_sliders_there(explorer):
    for chart in explorer.charts:
        explorer.controls.move(model="small")
        for _ in range(2):
            chart.selected = 11
            assert explorer.selection == ts.Config("large", precision="bf16", threads=1, batch_size=64)
            assert chart.selected is None


@pytest.mark.parametrize("row", [13, 10**6, -1])
def test_a_click_on_a_row_that_is_no_longer_there_is_nothing(explorer, row):
    explorer.tradeoff.selected = row
    assert explorer.selection == ts.Config("small", threads=1, batch_size=1)


def test_a_click_reaches_every_row_whatever_the_sliders_had(task, surface, fake):
    odd = {
        "runtime": "openvino", "pruning": "channels-50", "precision": "w4-tensor", "batch_size": 3, "threads": 96,
        "model": "other",
    }  # fmt: skip
    explorer = ts.Explorer(task, pd.concat([surface, surface.iloc[[0]].assign(**odd)]))
    explorer.tradeoff.selected = len(surface)
    assert {name: getattr(explorer.selection, name) for name in odd} == odd
    assert words(explorer)[0].startswith("other, channels-50, w4-tensor, openvino, batch 3, 96 threads: 1.1 ms")


# Recorded elsewhere


def test_what_was_measured_elsewhere_is_recorded_and_named(task, recorded, fake):
    explorer = ts.Explorer(task, recorded)
    assert explorer.controls["data"] == RECORDED
    assert explorer.surface.empty
    assert explorer.bar.doing == f"recorded on {ELSEWHERE}: nothing is measured now"
    assert {tile["origin"] for tile in explorer.tiles.tiles if tile["value"] != "?"} == {"recorded"}
    assert explorer.tradeoff.data["machine"] == ELSEWHERE
    assert "fill_in" in explorer.bar.disabled


def test_over_recorded_rows_nothing_is_measured(task, recorded, fake):
    explorer = ts.Explorer(task, recorded)
    explorer.controls.move(batch_size=32)
    assert "predicted 4.2 ms" in words(explorer)[0]
    explorer.controls.move(model="large", runtime="openvino", threads=most_threads())
    explorer.fill_in()
    explorer.controls.held = True
    explorer.controls.held = False
    assert (explorer._session.measurer.requests, explorer._session.measurer.filling) == ([], False)
    assert words(explorer)[0].endswith("not among the recorded points")


def test_recorded_rows_and_those_of_this_machine_are_never_mixed(task, recorded, fake):
    explorer = ts.Explorer(task, recorded)
    explorer.controls.move(data=HERE)
    assert explorer._session.measurer.requests == [explorer.selection]
    assert explorer.tradeoff.data["text"] == []
    explorer._session.measurer.finish(1.0)
    assert explorer.surface["machine"].tolist() == [machine()]
    assert len(explorer.tradeoff.data["text"]) == 1
    explorer.controls.move(data=RECORDED)
    assert explorer.tradeoff.data["machine"] == ELSEWHERE
    assert len(explorer.tradeoff.data["text"]) == len(recorded)
    assert sentence(explorer) == ""


def test_looking_at_recorded_rows_ends_what_is_measured(task, recorded, fake):
    explorer = ts.Explorer(task, recorded)
    explorer.controls.move(data=HERE)
    explorer.fill_in()
    wanted = explorer._session.measurer.wanted
    explorer.controls.move(data=RECORDED)
    assert (explorer._session.measurer.wanted, explorer._session.measurer.filling) == (None, False)
    # What was under way is kept, and not shown among the others.
    explorer._session.measurer.grow(1.0, config=wanted)
    assert explorer.tradeoff.data["machine"] == ELSEWHERE
    assert ELSEWHERE in explorer.bar.doing
    assert len(explorer.surface) == 1


def test_a_device_and_threads_that_are_not_here_can_be_looked_at_and_left(task, recorded, fake):
    explorer = ts.Explorer(task, recorded.assign(device="cuda", threads=96))
    assert (explorer.selection.device, explorer.selection.threads) == ("cuda", 96)
    assert explorer.tradeoff.state["current"] == 0
    assert "threads" not in explorer.controls.disabled
    explorer.controls.move(data=HERE)
    assert explorer._session.measurer.requests == []
    assert explorer.bar.doing.startswith("cannot run here: this machine has ")
    explorer.controls.move(threads=1)
    if not torch.cuda.is_available():
        assert explorer.bar.doing.startswith("cannot run here: torch finds no cuda device")
        assert set(explorer.controls.disabled["device"]) == {str(explorer.controls.options("device").index("cuda"))}
    explorer.controls.move(device="cpu")
    assert explorer._session.measurer.requests[-1] == ts.Config("small", threads=1, batch_size=1)
    assert str(explorer.controls.options("threads").index(96)) in explorer.controls.disabled["threads"]


def test_what_could_not_run_elsewhere_is_disabled_there_and_what_cannot_here_is_not(task, recorded, fake):
    failed = recorded.assign(accuracy=recorded["accuracy"].where(recorded["status"] == "ok"))
    explorer = ts.Explorer(task, failed)
    number = str(explorer.controls.options("precision").index("int8"))
    assert explorer.controls.disabled == {"precision": {number: "no calibration inputs"}}


def test_the_recorded_surface_that_ships_is_shown_at_first(fashion, fake):
    explorer = ts.Explorer(fashion)
    assert explorer.controls["data"] == RECORDED
    assert len(explorer.tradeoff.data["text"]) == len(ts.load_recorded("fashion"))
    assert explorer._session.measurer.requests == []
    check_sent(explorer)


def test_the_name_of_a_machine_is_text(task, recorded, fake):
    assert HOSTILE in ts.Explorer(task, recorded.assign(machine=HOSTILE)).bar.doing


# Tasks


def test_a_task_of_ones_own_is_left_and_come_back_to(task, surface, fashion, fake):
    explorer = ts.Explorer(task, surface)
    explorer.controls.move(batch_size=32, max_latency_ms=1.0)
    explorer.pin()
    own = explorer._session.measurer
    explorer.controls.move(task="fashion")
    assert explorer.selection.model == "resnet4"
    assert explorer.controls["data"] == RECORDED
    assert explorer.controls["max_latency_ms"] is None
    assert (own.wanted, explorer.tradeoff.state["pins"], "unpin" in explorer.bar.disabled) == (None, [], True)
    # What was under way is kept where it belongs.
    own.grow(4.2, config=ts.Config("small", threads=1, batch_size=32))
    own.stopped("interrupted")
    assert "interrupted" not in explorer.bar.doing
    assert explorer.surface.empty
    check_sent(explorer)
    explorer.controls.move(task="toy")
    assert len(explorer.surface) == len(surface) + 1
    assert explorer.selection == ts.Config("small", threads=1, batch_size=1)
    assert explorer.tradeoff.state["current"] == 0
    check_sent(explorer)


def test_after_one_comes_back_the_sliders_reach_recorded_rows_too(task, recorded, fashion, fake):
    explorer = ts.Explorer(task, recorded.assign(batch_size=recorded["batch_size"] + 2))
    explorer.controls.move(data=HERE)
    explorer._session.measurer.finish()
    explorer.controls.move(task="fashion")
    explorer.controls.move(task="toy")
    assert explorer.controls["data"] == HERE
    explorer.controls.move(data=RECORDED)
    explorer.tradeoff.selected = 4
    assert explorer.selection.batch_size == 10


def test_a_model_without_test_or_calibration_data_has_no_accuracy_and_no_int8(fake):
    untested = ts.Task.from_model({"one": torch.nn.Linear(4, 2)}, example=torch.zeros(1, 4))
    explorer = ts.Explorer(untested)
    number = str(explorer.controls.options("precision").index("int8"))
    assert "calibration" in explorer.controls.disabled["precision"][number]
    explorer._session.measurer.finish()
    explorer.controls.move(batch_size=16)
    explorer._session.measurer.finish(2.0)
    explorer.controls.move(batch_size=4)
    assert explorer.tradeoff.state["predicted"]["accuracy"] is None
    assert shown(explorer)["accuracy"]["value"] == "?"
    explorer.controls.move(min_accuracy=0.5)
    assert words(explorer)[1].endswith("accuracy is not known for any point, which takes labelled test data.")
    check_sent(explorer)


def test_a_disabled_option_never_leaves_a_slider_without_another(explorer):
    for knobs in ({}, {"precision": "int8"}, {"runtime": "openvino", "precision": "int8"}, {"precision": "w4"}):
        explorer.controls.move(**knobs)
        for name, reasons in explorer.controls.disabled.items():
            assert 0 < len(reasons) < len(explorer.controls.options(name))
            assert all(reasons.values())


def test_what_cannot_run_says_why(explorer):
    explorer.controls.move(precision="int8", batch_size=8)
    assert words(explorer)[0].endswith("unsupported: no calibration inputs")
    explorer.controls.move(batch_size=64)
    assert words(explorer)[0].endswith("not measured yet")
    assert explorer.bar.doing.startswith("cannot run here: ")
    assert explorer._session.measurer.requests == []


# State


def test_state_goes_and_comes_back(task, surface, explorer):
    explorer.controls.move(
        batch_size=64, precision="bf16", max_latency_ms=explorer.controls.options("max_latency_ms")[7],
        min_accuracy=0.8, price_per_hour=0.37, items=12345.0, objective="latency_throughput",
        latency="latency_p99_ms",
    )  # fmt: skip
    for text in (explorer.state, f"?{explorer.state}"):
        other = ts.Explorer(task, surface, state=text)
        assert other.controls.chosen == explorer.controls.chosen
        assert other.state == explorer.state
        assert other.tradeoff.label == explorer.tradeoff.label


def test_pins_come_and_go_with_the_state(task, surface, explorer):
    explorer.pin()
    explorer.controls.move(precision="bf16")
    explorer.pin()
    other = ts.Explorer(task, surface, state=explorer.state)
    assert other.state == explorer.state
    assert (other.tradeoff.state["pins"], "unpin" in other.bar.disabled) == ([0, 3], False)
    assert "From pin A to pin B: bf16 here" in sentence(other)
    other.state = "pin="
    assert (other.tradeoff.state["pins"], "unpin" in other.bar.disabled) == ([], True)
    assert other.selection == explorer.selection


def test_a_state_means_the_same_where_measurements_are_played_back(task, surface, explorer, monkeypatch):
    explorer.controls.move(objective="latency", batch_size=8)
    monkeypatch.setattr(settings, "recording", lambda: True)
    played = ts.Explorer(task, surface, state=explorer.state)
    assert played.state == explorer.state


def test_the_state_of_an_explorer_that_shows_recorded_rows(task, recorded, fake):
    explorer = ts.Explorer(task, recorded)
    assert ts.Explorer(task, recorded, state=explorer.state).state == explorer.state
    explorer.controls.move(data=HERE)
    explorer._session.measurer.finish()
    other = ts.Explorer(task, recorded, state=explorer.state)
    assert other.state == explorer.state
    assert other._session.measurer.wanted == other.selection


def test_part_of_a_state_moves_that_part(explorer):
    explorer.state = "batch_size=64&max_latency_ms="
    assert explorer.selection == ts.Config("small", threads=1, batch_size=64)
    explorer.state = ""
    assert explorer.selection.batch_size == 64


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            "batch_size=64&bach_size=4",
            r"^state: wanted one of task, data, .*; got 'bach_size'\. Did you mean 'batch_size'",
        ),
        ("batch_size=64&precision=int9", r"^precision: wanted one of .*; got 'int9'\. Did you mean 'int8'\?"),
        (
            "precision=bf16&batch_size=5",
            r"^batch_size: wanted one of the 9 steps from 1 to 256; got '5'\. .* choice is 4$",
        ),
        ("batch_size=64&max_latency_ms=3.3", r"^max_latency_ms: wanted one of the .* valid choice is 3\.16228$"),
        ("batch_size=64&task=fashion", r"^state: wanted one of the task 'toy'; got one of 'fashion'"),
        ("batch_size=64&data=recorded", r"^data: wanted one of here; got 'recorded'"),
        (
            "batch_size=64&items=0",
            r"^items: wanted a number from 1 to 1e\+12; got '0'\. The nearest valid choice is 1$",
        ),
        ("batch_size=64&watts=nan", r"^watts: wanted a number from 1 to 10000; got 'nan'$"),
        ("batch_size=64&watts=", r"^watts: wanted a number from 1 to 10000; got ''$"),
        ("batch_size=64&threads=960", r"^threads: wanted one of the .* steps from 1 to .*; got '960'\. The nearest"),
        ("batch_size=64&pin=small", r"^pin: wanted model,pruning,.*; got 'small'"),
        ("v=2&batch_size=64", r"^state: wanted version 1; got '2', which a newer tradespace wrote"),
        ("gibberish", r"^state: wanted one of .*; got 'gibberish'"),
        (64, r"^state: wanted the text that explorer\.state was; got 64"),
        (None, r"got None"),
    ],
)
def test_a_state_that_means_nothing_is_refused_and_moves_nothing(explorer, state, message):
    before, label = explorer.controls.chosen, explorer.tradeoff.label
    with pytest.raises(ValueError, match=message):
        explorer.state = state
    assert (explorer.controls.chosen, explorer.tradeoff.label) == (before, label)
    assert explorer._session.measurer.requests == []


def test_a_bad_state_is_refused_at_once(task, surface, fake):
    with pytest.raises(ValueError, match=r"^state: wanted one of"):
        ts.Explorer(task, surface, state="nothing=1")


# What it is given


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "glosses"}, r"^surface: wanted rows of the task 'toy'; got those of 'glosses'$"),
        ({"task": ["toy"] * 12 + ["glosses"]}, r"^surface: wanted rows of one task; got \['glosses', 'toy'\]$"),
        ({"machine": [ELSEWHERE] * 12 + ["b"]}, r"^surface: wanted rows of one machine; got"),
        ({"precision": "int9"}, r"^surface: precision: wanted one of .*Did you mean 'int8'"),
        ({"status": "fine"}, r"^surface: status in row 0: wanted one of"),
        ({"batch_size": "many"}, r"^surface: wanted numbers in batch_size; got 'many', which is text, in row 0"),
        ({"threads": math.nan}, r"^surface: wanted whole numbers from 0 in threads; got nan in row 0"),
    ],
)
def test_a_surface_that_is_none_of_this_task_is_refused(task, surface, fake, change, message):
    with pytest.raises(ValueError, match=message):
        ts.Explorer(task, surface.assign(**change))


def test_a_frame_that_is_no_surface_is_refused(task, fake):
    with pytest.raises(ValueError, match=r"^surface: wanted the columns of a surface; it lacks task"):
        ts.Explorer(task, pd.DataFrame({"latency": [1.0]}))
    with pytest.raises(ValueError, match=r"^budget_s: wanted a finite number above 0"):
        ts.Explorer(task, budget_s=0)


def test_it_leaves_the_surface_it_was_given_alone(task, surface, fake):
    before = surface.copy(deep=True)
    explorer = ts.Explorer(task, surface)
    explorer.controls.move(batch_size=32)
    explorer._session.measurer.finish()
    pd.testing.assert_frame_equal(surface, before)


def test_the_index_of_the_surface_plays_no_part(task, surface, fake):
    explorer = ts.Explorer(task, surface.set_index(pd.Index([7] * len(surface))))
    explorer.tradeoff.selected = 11
    assert explorer.tradeoff.state["current"] == 11


def test_a_still_picture_goes_with_the_widget(explorer):
    for knobs in ({}, {"latency": "latency_p99_ms", "max_latency_ms": 1.0}):
        explorer.controls.move(**knobs)
        bundle = explorer._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_with_nothing_timed_there_is_no_picture(task, surface, fake):
    assert "image/png" not in ts.Explorer(task, surface[-1:])._repr_mimebundle_()


# Undo


def test_moves_are_taken_back_and_made_again(explorer):
    start = explorer.state
    assert {"undo", "redo"} <= set(explorer.bar.disabled)
    explorer.controls.move(batch_size=8)
    explorer.controls.move(max_latency_ms=None, precision="int8")
    moved = explorer.state
    explorer.undo()
    assert (explorer.selection.batch_size, explorer.selection.precision) == (8, "fp32")
    explorer.bar.press("undo")
    assert explorer.state == start
    assert "undo" in explorer.bar.disabled
    explorer.undo()
    explorer.bar.press("redo")
    explorer.redo()
    assert explorer.state == moved
    assert "redo" in explorer.bar.disabled
    explorer.undo()
    explorer.pin()
    assert "redo" in explorer.bar.disabled
    explorer.undo()
    assert "pin=," not in explorer.state
    assert "unpin" in explorer.bar.disabled


def test_a_drag_is_one_move(explorer):
    explorer.controls.move(batch_size=2)
    explorer.controls.held = True
    for size in (4, 8, 16, 64):
        explorer.controls.move(batch_size=size)
    explorer.controls.held = False
    explorer.undo()
    assert explorer.selection.batch_size == 2
    explorer.redo()
    assert explorer.selection.batch_size == 64


def test_the_browser_presses_what_is_enabled_and_nothing_else(explorer):
    explorer.controls.move(batch_size=8)
    for message in ({"press": "redo"}, {"press": "surface"}, {"press": None}, "undo", {}):
        explorer.bar._handle_custom_msg(message, [])
    assert explorer.selection.batch_size == 8
    explorer.bar._handle_custom_msg({"press": "undo"}, [])
    assert explorer.selection.batch_size == 1


def test_two_explorers_have_nothing_in_common(task, surface, fake):
    one, other = ts.Explorer(task, surface), ts.Explorer(task, surface)
    label = other.tradeoff.label
    one.controls.move(batch_size=32)
    one._session.measurer.finish()
    one.pin()
    assert (other.tradeoff.label, len(other.surface), other._session.measurer.requests) == (label, len(surface), [])


# Threads


def test_moves_clicks_and_rows_may_come_from_several_threads_at_once(explorer):
    errors, barrier = [], threading.Barrier(4)

    def run(steps):
        barrier.wait(LIMIT_S)
        try:
            for step in range(20):
                steps[step % len(steps)]()
        except BaseException as error:
            errors.append(error)

    move = explorer.controls.move
    new = [ts.Config("large", threads=1, batch_size=2**i) for i in range(9)]
    work = [
        [partial(move, batch_size=b) for b in (1, 2, 64)] + [partial(move, max_latency_ms=None)],
        [partial(move, precision=p) for p in ("fp32", "bf16", "int8")] + [explorer.pin, explorer.unpin],
        [partial(explorer._session.measurer.finish, 2.0, config=config) for config in new],
        [partial(setattr, explorer.tradeoff, "selected", row) for row in (0, 5, 11)] + [explorer.cancel],
    ]
    threads = [threading.Thread(target=run, args=(steps,)) for steps in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert errors == []
    assert set(explorer.surface.loc[explorer.surface["model"] == "large", "batch_size"]) >= {2**i for i in range(9)}
    explorer.controls.move(model="small", precision="fp32", batch_size=64)
    assert words(explorer)[0].startswith("small, fp32, eager, batch 64, 1 thread: 7.4 ms")


def test_a_point_is_measured_in_the_real_process(task, surface, monkeypatch):
    monkeypatch.setattr(module, "Measurer", partial(Measurer, settle_s=0.05))
    explorer, idle = ts.Explorer(task, surface, budget_s=0.1), threading.Event()
    explorer.controls.move(batch_size=32)
    explorer.bar.observe(lambda change: idle.set() if "cancel" in change["new"] else None, "disabled")
    assert idle.wait(LIMIT_S)
    row = explorer.surface.iloc[-1]
    assert (len(explorer.surface), row["batch_size"], row["status"]) == (len(surface) + 1, 32, "ok")
    assert "predicted" not in explorer.tradeoff.label
    assert shown(explorer)["accuracy"]["origin"] == "measured"
