import base64
import json
import math
import threading

import numpy as np
import pytest
import tradespace as ts
from hypothesis import given
from hypothesis import strategies as st
from tradespace.measuring import engine
from tradespace.measuring.compare import AccuracyComparison, Comparison
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.show.verdict import widget
from tradespace.show.verdict.numbers import accuracy_in_words, highest_ms, in_words, speed_in_words
from tradespace.show.verdict.widget import Verdict, chart

MS = 1_000_000
A, B = ts.Config("small", threads=1), ts.Config("large", threads=1)
RIGHT = np.arange(1000) % 10 > 0


def slices(medians_ms, rng=None, samples=50):
    rng = rng or np.random.default_rng(0)
    spread = rng.normal(0, 0.01, (len(medians_ms), samples))
    return [
        Slice((ms * (1 + some) * MS), items=samples, busy_ns=round(ms * samples * MS))
        for ms, some in zip(medians_ms, spread, strict=True)
    ]


def measured(config=A, medians_ms=(), correct=None, **kwargs):
    return Measurement("toy", config, tuple(slices(medians_ms)), scores=correct, **kwargs)


class Measuring:
    """Stands in for `measure_rounds`: what each run of a Config brings, slice by slice, the Configs in turns."""

    def __init__(self, *runs):
        self.runs = iter(runs)

    def __call__(self, task, configs, schedule, **kwargs):
        under_way = [self._run(next(self.runs), config) for config in configs]
        while under_way:
            for run in list(under_way):
                step = next(run, None)
                if step is None:
                    under_way.remove(run)
                else:
                    yield step

    def _run(self, run, config):
        medians_ms, correct, failure = run
        taken = slices(medians_ms)
        for n in range(1, len(taken) + 1):
            known = n > 1  # scored after the first slice, as the engine does
            m = Measurement("toy", config, tuple(taken[:n]), scores=correct if known else None)
            if n == 1:
                yield m, False
                m = Measurement("toy", config, tuple(taken[:n]), scores=correct)
            yield m, n == len(taken) and failure is None
        if failure:
            yield Measurement("toy", config, tuple(taken), scores=correct, failure=failure), True


def run_of(medians_ms, correct=RIGHT, failure=None):
    return list(medians_ms), correct, failure


@pytest.fixture
def measuring(monkeypatch):
    """(run of A, run of B, ...) -> the fake that will bring them, in the order they are asked for."""

    def use(*runs):
        fake = Measuring(*runs)
        monkeypatch.setattr(widget, "measure_rounds", fake)
        return fake

    return use


def turns_of(monkeypatch, task, process, b=B, **costs):
    """The Verdict of A and `b`, and whose slices were taken, in their order."""
    fake = process(**costs)
    monkeypatch.setattr(engine, "PROCESS", fake)
    one = Verdict(task, A, b, max_width=1e-9, budget_s=1.0).wait()
    return one, [config.model for name, config in fake.requests if name == "run_slice"]


def test_slices_of_a_and_b_take_turns(monkeypatch, task, process):
    one, turns = turns_of(monkeypatch, task, process, call_s=lambda config: 0.002 if config == A else 0.001)
    number = len(one.a.slices)
    assert number == len(one.b.slices) >= 6
    assert [sorted(turns[i : i + 2]) for i in range(0, 2 * number, 2)] == [["large", "small"]] * number
    assert len(set(turns[0::2])) == 2, "each round in a new order"
    assert [m.latency_p50_ms for m in (one.a, one.b)] == pytest.approx([2.0, 1.0], rel=0.05)


def test_the_one_that_takes_longer_goes_on_alone(monkeypatch, task, process):
    one, turns = turns_of(monkeypatch, task, process, call_s=lambda config: 0.5 if config == A else 0.001)
    few, many = len(one.a.slices), len(one.b.slices)
    assert few < many
    assert set(turns[2 * few :]) == {"large"}
    assert len(turns) == few + many


def test_the_same_config_takes_turns_with_itself(monkeypatch, task, process):
    one, turns = turns_of(monkeypatch, task, process, b=A)
    assert len(one.a.slices) == len(one.b.slices) >= 6
    assert len(turns) == 2 * len(one.a.slices)
    assert not {id(taken) for taken in one.a.slices} & {id(taken) for taken in one.b.slices}


def test_the_same_config_against_itself_is_told_apart(measuring, task):
    measuring(run_of([2.0] * 12), run_of([2.002] * 13))
    one = Verdict(task, A, A).wait()
    assert (len(one.a.slices), len(one.b.slices)) == (12, 13)
    assert one.state["headline"].startswith("Same within 2%: B is ")
    assert one.state["accuracy"] == "Accuracy: both get the same items right."


@pytest.mark.parametrize("seed", range(40))
def test_the_same_is_never_faster_or_slower(measuring, task, seed):
    rng = np.random.default_rng(seed)
    measuring(*(run_of(rng.normal(1.0, 0.02, 14)) for _ in range(2)))
    assert Verdict(task, A, A).wait().state["headline"].startswith(("Same", "Can't tell"))


def test_b_is_faster_and_less_accurate(measuring, task):
    worse = RIGHT & (np.arange(1000) > 30)
    measuring(run_of([1.8] * 12), run_of([1.0] * 12, correct=worse))
    one = Verdict(task, A, B).wait()
    assert one.state["headline"].startswith("B is faster: 1.8 times (1.")
    assert one.state["accuracy"].startswith("Accuracy: B lost 2.70 points (-3.")
    assert one.state["accuracy"].endswith("p < 0.001: significant.")
    assert one.state["ratio"]["text"].startswith("1.8 (")
    json.dumps(one.state, allow_nan=False)


def test_b_is_slower(measuring, task):
    measuring(run_of([1.0] * 12), run_of([2.0] * 12))
    assert Verdict(task, A, B).wait().state["headline"].startswith("B is slower: 2 times (")


def test_states_are_json_and_say_words_before_numbers(measuring, task):
    measuring(run_of([1.8] * 12), run_of([1.0] * 12))
    states = []
    one = Verdict(task, A, B)
    one.observe(lambda change: states.append(change["new"]), "state")
    one.wait()
    for state in states:
        json.dumps(state, allow_nan=False)
    during = [state for state in states if state["running"]]
    assert {state["headline"] for state in during} == {"So far: can't tell yet.", "So far: B is faster."}
    assert during[0]["accuracy"] == "Accuracy: being scored on the test set."
    assert during[0]["ratio"] is None
    intervals = [state["ratio"]["low"] for state in during if state["ratio"]]
    assert intervals[0] is None
    assert intervals[-1] > 1.02
    assert [len(side["medians_ms"]) for side in states[-1]["sides"]] == [12, 12]


def test_what_cannot_run_says_why_and_its_accuracy_is_told(measuring, task):
    failure = Failure("unsupported", "no kernel of that width")
    measuring(run_of([1.0] * 8), run_of([], correct=RIGHT, failure=failure))
    one = Verdict(task, A, B).wait()
    assert one.state["headline"] == "No verdict. B unsupported: no kernel of that width."
    assert one.state["accuracy"] == "Accuracy: both get the same items right."
    assert len(one.a.slices) == 8
    assert one.state["ratio"] is None
    assert one._repr_mimebundle_()[0]["image/png"]


def test_when_the_process_dies_both_end_and_can_start_again(measuring, task):
    died = Failure("crashed", "the measuring process died of SIGKILL(-9)")
    measuring(run_of([1.0] * 3, failure=died), run_of([1.0] * 90), run_of([1.0] * 12), run_of([1.0] * 12))
    one = Verdict(task, A, B).wait()
    assert one.state["headline"] == "No verdict. A crashed: the measuring process died of SIGKILL(-9)."
    assert len(one.b.slices) < 5
    one.start()
    assert one.wait().state["headline"].startswith("Same")


def test_stop_keeps_what_is_known(measuring, task, monkeypatch):
    go_on, known = threading.Event(), threading.Event()

    def rounds(_task, configs, _schedule, **_):
        yield measured(configs[0], [1.0] * 6), False
        known.set()
        assert go_on.wait(120)
        yield measured(configs[0], [1.0] * 7), True

    measuring()
    monkeypatch.setattr(widget, "measure_rounds", rounds)
    one = Verdict(task, A, B)
    one.start()
    thread = one._background._run
    assert known.wait(120)
    one._handle_custom_msg({"do": "stop"}, [])
    go_on.set()
    thread.join(120)
    assert not thread.is_alive()
    assert one.state["headline"].startswith("Stopped. ")
    assert len(one.a.slices) + len(one.b.slices) < 13


def test_displayed_it_starts_and_a_still_picture_goes_with_it(measuring, task):
    measuring(run_of([1.0] * 12), run_of([1.0] * 12))
    one = Verdict(task, A, B)
    assert one.state["headline"] == "Not measured yet; Start measures both."
    data, _ = one._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert len(one.wait().a.slices) == 12
    waiting = Verdict(task, A, B, start=False)
    waiting._repr_mimebundle_()
    assert not waiting.running


def test_without_a_test_set_accuracy_is_not_known():
    assert in_words(measured(), measured(B), True, "", False)[1] == "Accuracy: no test set, so not known."
    assert in_words(measured(), measured(B), False, "", True)[1] == "Accuracy: not known."


def test_slices_that_others_disturbed_are_marked_and_do_not_stretch_the_axis():
    hurt = Slice(np.full(5, 100.0 * MS), 5, 500 * MS, wall_ns=MS, waited_ns=500 * MS)
    a = Measurement("toy", A, (*slices([1.0] * 8), hurt))
    state = chart(a, measured(B, [2.0] * 8))
    assert state["sides"][0]["left_out"] == [False] * 8 + [True]
    assert state["highest_ms"] == pytest.approx(3.0, rel=0.05)
    assert math.isnan(highest_ms(measured(), measured()))


def test_doubts_name_the_side():
    hurt = Slice(np.full(5, 1.0 * MS), 5, 5 * MS, wall_ns=MS, waited_ns=50 * MS)
    shaken = Measurement("toy", A, (*slices([1.0] * 8), *[hurt] * 4))
    found = {doubt["flag"] for doubt in widget.doubts(shaken, measured(B, [1.0] * 5), running=False)}
    assert found == {"contended (A)", "few_samples (B)", "unconverged (B)"}
    assert [doubt["flag"] for doubt in widget.doubts(shaken, measured(B), running=True)] == ["contended (A)"]
    assert widget.doubts(measured(), measured(), running=False) == []


def test_names_from_data_are_text_and_never_html():
    import torch

    name = "<img src=x onerror=alert(1)>" * 20
    task = ts.Task.from_model({name: torch.nn.Linear(4, 2)}, example=torch.zeros(1, 4))
    one = Verdict(task, ts.Config(name, threads=1), ts.Config(name, threads=1), start=False)
    assert one.state["sides"][0]["title"].startswith(name)
    assert one._repr_mimebundle_()[0]["image/png"]


@pytest.mark.parametrize(
    ("b", "asked", "message"),
    [
        (ts.Config("larg", threads=1), {}, "model: wanted one of small, large; got 'larg'. Did you mean 'large'"),
        (B, {"budget_s": -1}, "budget_s: wanted a finite number above 0"),
        (B, {"max_width": "2%"}, "max_width: wanted a finite number above 0"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(task, b, asked, message):
    with pytest.raises(ValueError, match=message):
        Verdict(task, A, b, **asked)


@given(st.floats(0.01, 100), st.floats(0.5, 1), st.floats(1, 2))
def test_the_words_hold_the_numbers(ratio, low, high):
    for judged in ("faster", "slower", "same", "can't tell"):
        words = speed_in_words(Comparison(ratio, ratio * low, ratio * high, judged, 0.02))
        assert words.lower().startswith((judged, f"b is {judged}"))
        assert "nan" not in words


def test_accuracy_in_words():
    def said(difference, p, only_a, only_b, judged):
        return accuracy_in_words(
            AccuracyComparison(difference, difference - 0.01, difference + 0.01, p, only_a, only_b, 1_000, judged)
        )

    assert (
        said(0.012, 0.0001, 1, 13, "better")
        == "Accuracy: B gained 1.20 points (+0.20 to +2.20), p < 0.001: significant."
    )
    assert said(0.0, 1.0, 5, 5, "same") == (
        "Accuracy: B gained as much as it lost (-1.00 to +1.00), p = 1: not significant."
    )


# Over the real measuring process.


def test_it_measures(task):
    one = Verdict(task, A, A, budget_s=0.3).wait()
    assert (one.a.status, one.b.status) == ("ok", "ok")
    assert one.a.accuracy == one.b.accuracy
    assert one.state["accuracy"] == "Accuracy: both get the same items right."
    assert one.state["headline"] != ""
    one.close()
