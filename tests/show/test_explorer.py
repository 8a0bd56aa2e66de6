import base64
import threading

import pandas as pd
import pytest
import tradespace as ts

LIMIT_S = 120


@pytest.fixture
def explorer(task, surface):
    return ts.Explorer(task, surface, budget_s=0.1)


def land(explorer, move):
    """Make a move and wait until the measurement it asks for is finished."""
    landed = threading.Event()

    def watch(change):
        if change["new"]:
            landed.set()

    explorer.cancel.observe(watch, "disabled")
    move()
    assert landed.wait(LIMIT_S)


def test_it_opens_on_a_measured_point_and_measures_nothing(explorer):
    assert explorer.selection == ts.Config("small", threads=1, batch_size=1)
    assert explorer.chart.state["current"] == 0
    assert explorer.cancel.disabled


def test_moving_a_slider_looks_the_point_up(explorer):
    explorer._knobs["batch_size"].value = 64
    explorer._knobs["precision"].value = "bf16"
    assert explorer.chart.label.startswith(
        "small, bf16, eager, batch 64, 1 thread: 3.7 ms (3.33 to 4.44), 17,297 items/s"
    )


@pytest.mark.parametrize("end", [0, -1])
def test_every_slider_survives_both_ends(explorer, end):
    for control in explorer._knobs.values():
        control.value = control.options[end]
    latency, accuracy = explorer.max_latency, explorer.min_accuracy
    latency.value, accuracy.value = [(10.0**latency.min, accuracy.min), (10.0**latency.max, accuracy.max)][end]
    assert explorer.chart.label
    explorer._cancel()


def test_an_unmeasured_point_is_predicted_then_measured_and_kept(explorer):
    before = len(explorer.surface)

    def move():
        explorer._knobs["batch_size"].value = 32
        assert "predicted" in explorer.chart.label
        assert explorer.chart.state["predicted"]["latency_p50_ms"] == pytest.approx(4.2)
        assert not explorer.cancel.disabled

    land(explorer, move)
    assert len(explorer.surface) == before + 1
    row = explorer.surface.iloc[-1]
    assert (row["batch_size"], row["status"]) == (32, "ok")
    assert explorer.chart.state["current"] == before
    assert "predicted" not in explorer.chart.label


def test_with_no_surface_it_measures_where_it_opens(task):
    landed = threading.Event()
    explorer = ts.Explorer(task, budget_s=0.1)
    explorer.cancel.observe(lambda change: landed.set() if change["new"] else None, "disabled")
    assert landed.wait(LIMIT_S)
    assert explorer.surface["status"].tolist() == ["ok"]


def test_what_cannot_run_says_why(explorer):
    explorer._knobs["precision"].value = "int8"
    explorer._knobs["batch_size"].value = 8
    assert "unsupported: no calibration inputs" in explorer.chart.label


def test_limits_that_nothing_meets_are_said_in_words(explorer):
    explorer.max_latency.value = 0.1
    assert "Nothing measured so far has at most 0.1 ms" in explorer.chart.label
    assert explorer.chart.state["choice"] is None


def test_a_click_on_a_point_moves_the_sliders_there(explorer):
    explorer.chart.selected = 11
    assert explorer.selection == ts.Config("large", precision="bf16", threads=1, batch_size=64)
    explorer.chart.selected = 11
    assert explorer.selection.batch_size == 64


def test_cancel_says_so_and_leaves_the_sliders_alive(explorer):
    explorer._knobs["batch_size"].value = 2
    explorer.cancel.click()
    assert explorer.cancel.disabled
    assert "cancelled" in explorer.progress.value
    explorer._knobs["batch_size"].value = 8
    assert explorer.chart.state["current"] is not None


def test_a_model_without_a_test_set_has_no_accuracy_limit(surface):
    import torch

    untested = ts.Task.from_model(
        {"small": torch.nn.Linear(4, 2), "large": torch.nn.Linear(4, 2)}, example=torch.zeros(1, 4), name="toy"
    )
    explorer = ts.Explorer(untested, surface.assign(accuracy=float("nan")))
    explorer.min_accuracy.value = 50
    assert explorer.limits.min_accuracy is None
    assert explorer.chart.state["choice"] is not None


def test_it_leaves_the_surface_it_was_given_alone(task, surface):
    before = surface.copy(deep=True)
    explorer = ts.Explorer(task, surface)
    explorer._knobs["batch_size"].value = 8
    pd.testing.assert_frame_equal(surface, before)


def test_a_still_picture_goes_with_the_widget(explorer):
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"machine": "another one"}, "rows of machine .* got \\['another one'\\]"),
        ({"task": "glosses"}, "rows of task 'toy'.* got \\['glosses'\\]"),
    ],
)
def test_a_surface_of_elsewhere_is_refused(task, surface, change, message):
    with pytest.raises(ValueError, match=message):
        ts.Explorer(task, surface.assign(**change))


def test_a_frame_that_is_no_surface_is_refused(task):
    with pytest.raises(ValueError, match=r"surface: wanted what ts\.sweep"):
        ts.Explorer(task, pd.DataFrame({"latency": [1.0]}))


def test_a_click_moves_every_knob_runtime_and_pruning_too(task, surface):
    other = surface.iloc[[0]].assign(runtime="openvino", pruning="channels-50")
    explorer = ts.Explorer(task, pd.concat([surface, other]), budget_s=0.1)
    explorer.chart.selected = len(surface)
    assert explorer.selection.runtime == "openvino"
    assert explorer.selection.pruning == "channels-50"
    assert explorer.chart.label.startswith("small, channels-50, fp32, openvino, batch 1, 1 thread: ")


def test_rows_of_accuracy_alone_are_told_in_words(task, surface):
    nothing = dict.fromkeys([name for name in surface if name.startswith(("latency", "throughput"))], float("nan"))
    known = {"precision": "w4", "status": "unsupported", "reason": "no kernel"}
    rounded = surface.iloc[[0]].assign(**known, **nothing)
    explorer = ts.Explorer(task, pd.concat([surface, rounded]), budget_s=0.1)
    explorer._knobs["precision"].value = "w4"
    assert explorer.chart.label.startswith("small, w4, eager, batch 1, 1 thread: unsupported: no kernel")
