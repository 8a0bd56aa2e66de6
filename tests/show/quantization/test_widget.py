"""The lens on quantization, over a stand-in for the measuring process."""

import base64
import json
import threading

import pandas as pd
import pytest
import torch
import traitlets
from torch import nn
from tradespace.measuring.machine import machine
from tradespace.measuring.schedule import Schedule
from tradespace.show.quantization import widget
from tradespace.show.quantization.numbers import WEIGHTS
from tradespace.show.quantization.widget import QuantizationLens
from tradespace.tasks import Task

LIMIT_S = 60
ALL = ("fp32", *WEIGHTS)


def finished(inline):
    """The precisions in the order in which they were measured."""
    return [request[2].precision for request in inline.requests if request[0] == "finish"]


@pytest.fixture(autouse=True)
def quick(monkeypatch, wait_until_measured):
    monkeypatch.setattr(widget, "SCHEDULE", Schedule(0.05, 0.01))


@pytest.fixture
def complete(surface_of):
    """An accuracy for every width, made to be checked by hand."""

    def made(**changes):
        known = {"task": "tiny", "model": "wide", "machine": machine(), "accuracy_n": 30}
        rows = [{**known, "precision": name, "accuracy": 0.9 - 0.02 * place} for place, name in enumerate(ALL)]
        return surface_of(*({**row, "accuracy_lo": 0.3, "accuracy_hi": 0.95, **changes} for row in rows))

    return made


@pytest.fixture
def lens(tiny, complete):
    return QuantizationLens(tiny, "wide", surface=complete())


def test_it_opens_on_four_bits_of_the_largest_layer(lens):
    assert (lens.bits, lens.per_channel, lens.channel, lens.precision) == (4, True, "typical", "w4")
    assert lens.layers == ["0", "4"]
    assert lens.view["name"] == "4"
    assert lens.layer == 1


def test_what_is_known_already_is_not_measured(tiny, complete, inline):
    lens = QuantizationLens(tiny, "wide", surface=complete(), executor=inline)
    assert not lens.measuring
    assert not lens.unfinished
    assert lens.note == ""
    assert inline.requests == []
    assert lens.accuracy["w2-tensor"]["accuracy"] == pytest.approx(0.9 - 0.02 * 12)


def test_what_is_sent_has_no_nan(tiny, complete):
    half = complete(accuracy_lo=float("nan"), accuracy_hi=float("nan"))
    lens = QuantizationLens(tiny, "wide", surface=half)
    json.dumps([lens.view, lens.accuracy], allow_nan=False)
    assert lens.accuracy["w4"]["low"] is None


def test_what_is_not_known_is_measured_the_width_that_is_shown_first(tiny, inline, wait_until_measured):
    lens = QuantizationLens(tiny, executor=inline)
    assert lens._model == "narrow"
    wait_until_measured()
    assert not lens.measuring
    assert not lens.unfinished
    asked = finished(inline)
    assert asked[:2] == ["w4", "fp32"]
    assert set(asked) == set(ALL)
    assert {one["state"] for one in lens.accuracy.values()} == {"known"}
    assert lens.accuracy["w4"]["low"] < lens.accuracy["w4"]["accuracy"] < lens.accuracy["w4"]["high"]
    assert lens.surface["precision"].tolist() == asked
    again = QuantizationLens(tiny, "narrow", surface=lens.surface, executor=inline)
    assert not again.measuring
    assert again.accuracy == lens.accuracy


def test_what_the_slider_comes_to_is_measured_next(tiny, inline, monkeypatch, wait_until_measured):
    go = threading.Event()
    monkeypatch.setattr(inline, "interrupted", lambda: not go.wait(LIMIT_S))
    lens = QuantizationLens(tiny, "wide", surface=None, executor=inline)  # fp32 waits for `go`, w4 needs no slice
    lens.bits, lens.per_channel = 2, False
    go.set()
    wait_until_measured()
    asked = finished(inline)
    assert asked.index("w2-tensor") < asked.index("w8")


def test_measuring_can_be_stopped_and_goes_on(tiny, inline, monkeypatch, wait_until_measured):
    held, go = threading.Event(), threading.Event()

    def hold():
        held.set()
        return not go.wait(LIMIT_S)

    monkeypatch.setattr(inline, "interrupted", hold)
    lens = QuantizationLens(tiny, "wide", executor=inline)
    assert held.wait(LIMIT_S)
    assert lens.measuring
    assert lens.unfinished
    assert lens.note == "Measuring fp32: 1 of 13 measured"
    assert lens.accuracy["fp32"]["state"] == "measuring"
    lens.measuring = False
    assert lens.unfinished
    assert lens.note == "Stopped: 1 of 13 measured"
    go.set()
    wait_until_measured()
    assert lens.accuracy["fp32"]["state"] == "missing"
    lens.measuring = True
    wait_until_measured()
    assert lens.note == ""
    assert lens.accuracy["fp32"]["state"] == "known"


def test_an_interrupt_stops_it(tiny, inline, monkeypatch, wait_until_measured):
    monkeypatch.setattr(inline, "interrupted", lambda: True)
    lens = QuantizationLens(tiny, "wide", executor=inline)
    wait_until_measured()
    assert not lens.measuring
    assert lens.unfinished
    assert lens.note == "Stopped: 1 of 13 measured"


def test_an_error_stops_it_and_is_told(tiny, inline, monkeypatch, wait_until_measured):
    def fail(*_):
        raise TypeError("cannot pickle that")

    monkeypatch.setattr(inline, "submit", fail)
    lens = QuantizationLens(tiny, "wide", executor=inline)
    wait_until_measured()
    assert lens.note == "Stopped by TypeError: cannot pickle that: 0 of 13 measured"
    assert (lens.measuring, lens.unfinished) == (False, True)


def test_closed_it_measures_no_more(tiny, inline, monkeypatch, wait_until_measured):
    held, go = threading.Event(), threading.Event()
    monkeypatch.setattr(inline, "interrupted", lambda: held.set() or not go.wait(LIMIT_S))
    lens = QuantizationLens(tiny, "wide", executor=inline)
    assert held.wait(LIMIT_S)
    lens.close()
    go.set()
    wait_until_measured()
    assert len(lens.surface) == 1


def test_rows_of_another_machine_are_shown_and_not_added_to(tiny, complete, inline):
    recorded = complete(machine="another one")[:5]
    lens = QuantizationLens(tiny, "wide", surface=recorded, executor=inline)
    assert not lens.unfinished
    assert lens.note == "Recorded on another one; nothing is measured here."
    assert inline.requests == []
    assert lens.accuracy["w2-tensor"]["state"] == "missing"
    pd.testing.assert_frame_equal(lens.surface, recorded)


def test_a_linear_model_of_ones_own_without_a_test_set_has_no_accuracy(inline):
    mine = Task.from_model(nn.Linear(4, 2), example=torch.zeros(1, 4))
    lens = QuantizationLens(mine, executor=inline)
    assert lens.layers == ["weight"]
    assert lens.untested == "This task has no test set, so its accuracy is not known."
    assert not lens.measuring
    assert not lens.unfinished
    assert inline.requests == []
    assert "image/png" in lens._repr_mimebundle_()[0]


def test_names_are_sent_as_they_are(inline):
    name = "<img onerror=alert(1)>" * 20
    mine = Task.from_model({name: nn.Sequential(nn.Linear(4, 2))}, example=torch.zeros(1, 4), name=name)
    lens = QuantizationLens(mine, name, executor=inline)
    assert lens.layers == ["0"]


def test_another_layer_is_computed_once(lens, monkeypatch):
    lens.layer = 0
    first = lens.view
    assert first["name"] == "0"
    lens.layer = 1
    monkeypatch.setattr(widget, "rounded_layer", pytest.fail)
    lens.layer = 0
    assert lens.view is first


@pytest.mark.parametrize(("name", "value"), [("layer", 2), ("layer", -1), ("bits", 7), ("channel", "first")])
def test_what_does_not_exist_is_refused(lens, name, value):
    before = getattr(lens, name)
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(lens, name, value)
    assert getattr(lens, name) == before


def test_a_model_that_the_task_lacks_is_refused(tiny):
    with pytest.raises(ValueError, match="Did you mean 'wide'"):
        QuantizationLens(tiny, "wider")


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bits", [8, 2])
def test_a_still_picture_goes_with_it_at_both_ends(lens, bits, per_channel):
    lens.bits, lens.per_channel = bits, per_channel
    data, _ = lens._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
