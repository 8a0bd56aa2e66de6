import math

import pandas as pd
import pytest
import torch
import tradespace as ts
from tradespace.config import PRUNINGS, RUNTIMES, Config, most_threads
from tradespace.show.controls.widget import Controls
from tradespace.show.explorer import settings
from tradespace.show.explorer.settings import SHOWN_PRECISIONS, cannot_run, could_not_run, groups, unavailable
from tradespace.show.explorer.state import GOALS, HERE, RECORDED, State

START = Config("small", threads=1)


def controls_of(task, surface, start=START, sources=(HERE, RECORDED), tasks=()):
    return Controls(groups(task, surface, start, sources, tasks), State(task.name, sources[0], start).values)


def test_the_controls_reach_every_row_of_the_surface(task, surface):
    odd = surface.iloc[[0]].assign(model="other", precision="w4-tensor", threads=96, batch_size=3, device="cuda")
    controls = controls_of(task, odd)
    for name in ("model", "precision", "threads", "batch_size", "device"):
        assert odd[name].iloc[0] in controls.options(name)
    assert controls.options("model") == ("small", "large", "other")
    assert list(controls.options("threads")) == sorted({*range(1, most_threads() + 1), 96})


def test_an_empty_surface_has_all_the_controls(task, surface):
    controls = controls_of(task, surface[:0], sources=(HERE,))
    assert controls.options("model") == task.models
    assert controls.options("pruning") == PRUNINGS
    assert controls.options("runtime") == tuple(RUNTIMES)
    assert controls.options("precision") == SHOWN_PRECISIONS
    assert controls.options("device")[0] == "cpu"
    assert controls["max_latency_ms"] is controls["min_accuracy"] is None


def test_where_it_starts_is_reached_too(task, surface):
    controls = controls_of(task, surface[:0], Config("small", threads=96, batch_size=3))
    assert (controls["threads"], controls["batch_size"]) == (96, 3)


def test_what_may_be_opened_is_what_ships_and_ones_own(task, surface):
    assert controls_of(task, surface, tasks=["mine", "fashion"]).options("task") == (*ts.list_tasks(), "mine", "toy")


def texts(controls, name):
    (sent,) = (one for group in controls.groups for one in group["controls"] if one["name"] == name)
    return list(sent["options"])


def test_ids_are_chosen_and_words_are_shown(task, surface):
    controls = controls_of(task, surface)
    assert controls.options("data") == (HERE, RECORDED)
    assert texts(controls, "data") == ["measured here", "recorded"]
    assert controls.options("objective") == tuple(GOALS)
    assert texts(controls, "objective") == [
        "highest throughput", "lowest latency", "highest accuracy", "highest power (throughput / latency)",
        "lowest latency x throughput", "lowest energy x delay", "lowest cost", "highest safe speed",
    ]  # fmt: skip
    assert controls.options("latency") == ("latency_p50_ms", "latency_p99_ms")
    assert texts(controls, "latency") == ["median", "99th percentile"]


def test_where_measurements_are_played_back_the_words_change_and_the_ids_do_not(task, surface, monkeypatch):
    monkeypatch.setattr(settings, "recording", lambda: True)
    controls = controls_of(task, surface)
    assert controls.options("data") == (HERE, RECORDED)
    assert texts(controls, "data") == ["played back", "recorded"]


def test_the_loose_end_of_a_limit_asks_nothing(task, surface):
    controls = controls_of(task, surface)
    assert controls.options("max_latency_ms")[-1] is controls.options("max_cost")[-1] is None
    assert controls.options("min_accuracy")[0] is controls.options("min_throughput_per_s")[0] is None


def test_limits_are_written_without_exponents(task, surface):
    controls = controls_of(task, surface.assign(throughput_per_s=1e3 * surface["throughput_per_s"]))
    written = texts(controls, "min_throughput_per_s")
    assert "1,000,000 /s" in written
    assert not any("e+" in text for text in written)


@pytest.mark.parametrize("values", [[1.0], [1.0, 10.0], [0.02, 3.0], [math.nan], [], [5.0, math.inf, 0.0, math.nan]])
def test_the_steps_are_round_ascending_and_hold_the_values(task, surface, values):
    rows = surface.iloc[[0] * len(values)].assign(latency_p50_ms=values)
    *steps, loose = controls_of(task, rows).options("max_latency_ms")
    assert loose is None
    assert steps == sorted(set(steps))
    assert len(steps) > 10
    for value in values:
        assert not 0 < value < math.inf or steps[0] <= value <= steps[-1]


def test_surfaces_of_different_ranges_share_their_steps(task, surface):
    few = set(controls_of(task, surface[:1]).options("max_latency_ms"))
    many = set(controls_of(task, surface.assign(latency_p50_ms=[1e-4, *[1e3] * 12])).options("max_latency_ms"))
    assert few < many


@pytest.mark.parametrize("accuracy", [0.0, 0.001, 0.1, 0.895, 0.9, 1.0, math.nan])
def test_the_accuracies_go_from_the_least_to_all(task, surface, accuracy):
    loose, *steps = controls_of(task, surface.assign(accuracy=accuracy)).options("min_accuracy")
    assert loose is None
    assert steps == sorted(set(steps))
    assert steps[-1] == 1.0
    assert math.isnan(accuracy) or accuracy - 0.011 < steps[0] <= accuracy


def test_what_this_machine_cannot_run_has_a_reason(task):
    why = cannot_run(task)
    assert why(START) is None
    assert why(Config("small", threads=most_threads() + 1)).startswith(f"this machine has {most_threads()} thread")
    assert why(Config("huge", threads=1)) == "the task toy has no model of that name"
    assert "calibration" in why(Config("small", precision="int8", threads=1))
    assert why(Config("small", precision="int8", runtime="compile", threads=1))
    if not torch.cuda.is_available():
        assert "cuda" in why(Config("small", device="cuda", threads=1))


def test_what_could_not_run_elsewhere_is_told_by_its_rows(surface):
    untimed = surface.iloc[[-1]].assign(precision="w4", accuracy=0.8)
    failed = surface.iloc[[-1]].assign(accuracy=math.nan)
    mixed = failed.assign(precision="bf16")
    rows = pd.concat([surface[:-1], failed, mixed, untimed])
    why = could_not_run(rows)
    assert why(Config("small", precision="int8", threads=96)) == "no calibration inputs"
    # Other batch sizes of it could; of it an accuracy is known; nobody tried.
    for precision in ("bf16", "w4", "fp16"):
        assert why(Config("small", precision=precision, threads=1)) is None


def options_of(**options):
    return lambda knob: options.get(knob, (getattr(START, knob),))


def test_options_that_cannot_run_are_told_for_each_knob():
    def why(config):
        return "too many" if config.threads > 2 else "no kernel" if config.precision == "int8" else None

    options = options_of(precision=("fp32", "int8"), threads=(1, 2, 4), runtime=("eager", "openvino"))
    expected = {"precision": {"int8": "no kernel"}, "threads": {4: "too many"}}
    assert unavailable(START, options, why) == expected
    # Standing on one that cannot, the others stay open: it is the way out.
    stuck = Config("small", precision="int8", threads=4)
    assert unavailable(stuck, options, why)["precision"] == {"int8": "no kernel"}
    assert "runtime" not in unavailable(stuck, options, why)


def test_no_knob_is_stuck_where_nothing_can_run():
    options = options_of(precision=("fp32", "int8"), threads=(1, 2))
    assert unavailable(START, options, lambda config: "nothing runs") == {}
