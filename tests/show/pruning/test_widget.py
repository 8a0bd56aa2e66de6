"""The lens on pruning, over a stand-in for the measuring process."""

import base64
import json
import threading
from concurrent.futures import Future

import pytest
import torch
import traitlets
from torch import nn
from tradespace.config import PRUNINGS
from tradespace.measuring.machine import machine
from tradespace.measuring.schedule import Schedule
from tradespace.show.pruning import widget
from tradespace.show.pruning.widget import PruningLens
from tradespace.tasks import Task

LIMIT_S = 60


def finished(inline):
    """The prunings in the order in which they were measured."""
    return [request[2].pruning for request in inline.requests if request[0] == "finish"]


@pytest.fixture(autouse=True)
def quick(monkeypatch, wait_until_measured):
    monkeypatch.setattr(widget, "SCHEDULE", Schedule(0.02, 0.01))


@pytest.fixture
def complete(surface_of):
    """A row for every pruning, made to be checked by hand: zeros save nothing, channels half the time."""

    def made(**changes):
        known = {"task": "tiny", "model": "wide", "machine": machine(), "accuracy_n": 30, "batch_size": 64}
        rows = []
        for pruning in PRUNINGS:
            middle = 1.0 if pruning.startswith("channels") else 2.0
            latency = {"latency_p50_ms": middle, "latency_p50_lo_ms": 0.99 * middle, "latency_p50_hi_ms": 1.01 * middle}
            rows.append({**known, **latency, "pruning": pruning, **changes})
        return surface_of(*rows)

    return made


@pytest.fixture
def lens(tiny, complete, inline):
    return PruningLens(tiny, "wide", surface=complete(), executor=inline)


def test_it_opens_on_half_the_weights_of_the_largest_layer(lens):
    assert (lens.kind, lens.share, lens.pruning) == ("weights", 50, "weights-50")
    assert lens.layers == ["0", "4"]
    assert lens.view["name"] == "4"


def test_what_is_known_already_is_not_measured(lens, inline):
    assert not lens.measuring
    assert not lens.unfinished
    assert lens.note == ""
    assert [name for name, *_ in inline.requests] == ["channels_left_of"]
    assert lens.points["weights-90"]["ratio"] == pytest.approx(1)
    assert lens.points["weights-90"]["words"].endswith("a dense kernel multiplies by zero just as slowly.")
    assert lens.points["channels-50"]["ratio_high"] < 0.52
    assert lens.where == "fp32, eager, batch 64, 1 thread"


def test_what_is_sent_has_no_nan(tiny, complete, inline):
    unknown = dict.fromkeys(["accuracy", "accuracy_lo", "accuracy_hi", "latency_p50_lo_ms", "latency_p50_hi_ms"])
    half = complete(**dict.fromkeys(unknown, float("nan")))
    lens = PruningLens(tiny, "wide", surface=half, executor=inline)
    json.dumps([lens.view, lens.sizes, lens.points, lens.whole, lens.shares], allow_nan=False)
    assert lens.points["weights-50"]["accuracy"] is None


def test_each_pruning_is_measured_in_turns_with_the_unpruned_model(tiny, inline, wait_until_measured):
    lens = PruningLens(tiny, "wide", batch_size=2, executor=inline)
    wait_until_measured()
    assert not lens.measuring
    done = finished(inline)
    pairs = [set(done[at : at + 2]) for at in range(0, len(done), 2)]
    assert pairs[0] == {"none", "weights-50"}
    assert all("none" in pair for pair in pairs)
    assert {one for pair in pairs for one in pair} == set(PRUNINGS)
    scored = [request[2].pruning for request in inline.requests if request[0] == "score_slice"]
    assert len(scored) == len(set(scored)), "the unpruned model's accuracy is scored once"
    assert {point["state"] for point in lens.points.values()} == {"known"}
    assert all("times unpruned" in point["words"] for point in lens.points.values())
    assert sorted(lens.surface["pruning"]) == sorted(PRUNINGS)
    assert lens.whole["words"].startswith("Unpruned: accuracy ")


def test_what_the_slider_comes_to_is_measured_next(tiny, inline, monkeypatch, wait_until_measured):
    held, go = threading.Event(), threading.Event()
    monkeypatch.setattr(inline, "interrupted", lambda: held.set() or not go.wait(LIMIT_S))
    lens = PruningLens(tiny, executor=inline)
    assert held.wait(LIMIT_S)
    assert lens.note == "Measuring weights-50: 0 of 7 measured"
    assert lens.points["weights-50"]["state"] == "measuring"
    lens.kind, lens.share = "channels", 75
    go.set()
    wait_until_measured()
    done = finished(inline)
    assert set(done[2:4]) == {"none", "channels-75"}


def test_an_interrupt_stops_it_and_it_can_go_on(tiny, inline, wait_until_measured):
    inline.interrupted = lambda: True
    lens = PruningLens(tiny, executor=inline)
    wait_until_measured()
    assert not lens.measuring
    assert lens.unfinished
    assert lens.note == "Stopped: 0 of 7 measured"
    inline.interrupted = lambda: False
    lens.measuring = True
    wait_until_measured()
    assert not lens.unfinished
    assert lens.note == ""


def test_which_channels_go_is_shown_once_it_is_known(tiny, complete):
    class Later:
        def submit(self, function, *args):
            self.looked, self.work = Future(), lambda: function(*args)
            return self.looked

    later = Later()
    lens = PruningLens(tiny, "wide", surface=complete(), executor=later)
    assert lens.view["lines"]["50"] is None
    assert lens.sizes["channels"][2]["words"] == "Working out which channels to remove."
    later.looked.set_result(later.work())
    assert sum(lens.view["lines"]["50"]["columns"]) == 72
    assert lens.sizes["channels"][2]["parameters"] < lens.sizes["weights"][0]["parameters"]


def test_if_that_fails_the_reason_is_shown(tiny, complete):
    class Dead:
        def submit(self, function, *args):
            looked = Future()
            looked.set_exception(RuntimeError("the measuring process died"))
            return looked

    lens = PruningLens(tiny, "wide", surface=complete(), executor=Dead())
    assert lens.sizes["channels"][1]["words"].endswith("could not be worked out: the measuring process died")
    assert lens.view["lines"]["25"] is None


def test_of_channels_only_some_shares_exist(lens):
    lens.share = 90
    lens.kind = "channels"
    assert (lens.share, lens.pruning) == (75, "channels-75")
    with pytest.raises(traitlets.TraitError, match=r"share: wanted one of 0, 25, 50, 75 per cent.*nearest is 75"):
        lens.share = 90
    lens.share = 0
    assert lens.pruning == "none"


def test_kind_and_share_may_come_together_as_the_browser_sends_them(lens):
    lens.set_state({"share": 25, "kind": "channels"})
    assert (lens.kind, lens.share) == ("channels", 25)
    lens.set_state({"share": 95, "kind": "weights"})
    assert (lens.kind, lens.share) == ("weights", 95)


def test_rows_of_another_machine_are_shown_and_not_added_to(tiny, complete, inline):
    recorded = complete(machine="another one", threads=16)[:4]
    lens = PruningLens(tiny, "wide", surface=recorded, executor=inline)
    assert not lens.unfinished
    assert lens.note == "Recorded on another one; nothing is measured here."
    assert lens.where.endswith("16 threads")
    assert lens.points["channels-75"]["state"] == "known"
    assert lens.points["weights-50"]["state"] == "missing"
    assert len(lens.surface) == 4


def test_a_linear_model_of_ones_own_without_a_test_set_has_latency_alone(inline, wait_until_measured):
    mine = Task.from_model(nn.Linear(4, 2), example=torch.zeros(1, 4))
    lens = PruningLens(mine, executor=inline)
    wait_until_measured()
    assert lens.untested
    assert "times unpruned" in lens.points["weights-90"]["words"]
    assert lens.points["weights-90"]["accuracy"] is None
    assert lens.points["channels-50"]["words"].startswith("50% of the channels out: unsupported: this model has no")
    assert lens.sizes["channels"][2]["words"].startswith("No channel can be taken out: this model")
    assert base64.b64decode(lens._repr_mimebundle_()[0]["image/png"]).startswith(b"\x89PNG")


def test_a_model_with_nothing_to_prune_is_refused(inline):
    mine = Task.from_model(nn.Softmax(1), example=torch.zeros(1, 4))
    with pytest.raises(ValueError, match="'model' cannot be pruned"):
        PruningLens(mine, executor=inline)


@pytest.mark.parametrize(("kind", "share"), [("weights", 0), ("weights", 95), ("channels", 0), ("channels", 75)])
def test_a_still_picture_goes_with_it_at_both_ends(lens, kind, share):
    lens.kind = kind
    lens.share = share
    data, _ = lens._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
