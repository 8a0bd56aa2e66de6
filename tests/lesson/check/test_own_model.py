import numpy as np
import pandas as pd
import pytest
import torch
import tradespace as ts
from tradespace.lesson.check.own_model import batch_axis, changed_answers, quickest_agreeing, refusing
from tradespace.lesson.exercise import NOT_MEASURED
from tradespace.recording import VARIABLE, recording

pytestmark = pytest.mark.usefixtures("alone")

RECORDINGS, KINDS = torch.zeros(6, 120, 40), torch.zeros(40)


@pytest.fixture
def eight():
    """Of 400 items, 388 are answered alike."""
    return pd.DataFrame({"precision": ["int8"], "accuracy": [0.97], "accuracy_n": [400]})


@pytest.fixture
def surface(surface_of):
    """The quickest of all agrees too little; of the others, the second."""
    return surface_of(
        {"latency_p50_ms": 1.0, "accuracy": 0.98, "precision": "int8"},
        {"latency_p50_ms": 2.0, "accuracy": 0.99, "runtime": "onnxruntime"},
        {"latency_p50_ms": 3.0, "accuracy": 1.0},
    )


@pytest.fixture
def refused():
    runtimes = ["eager", "onnxruntime", "openvino", "compile"]
    return pd.DataFrame({"runtime": runtimes, "status": ["unsupported", "ok", "unsupported", "failed"]})


def unmeasured(surface):
    unknown = ["latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "accuracy", "accuracy_lo", "accuracy_hi"]
    return surface.assign(status="unsupported", accuracy_n=0, **dict.fromkeys(unknown, np.nan))


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    recording.cache_clear()
    yield
    recording.cache_clear()


def test_what_is_not_attempted_is_not_judged(eight, surface, refused):
    found = changed_answers(..., eight), quickest_agreeing(..., surface), batch_axis(..., RECORDINGS, KINDS)
    assert [one.passed for one in (*found, refusing(..., refused))] == [None] * 4


def test_where_nothing_was_measured_no_answer_is_judged(surface):
    nothing = unmeasured(surface)
    found = changed_answers(3, nothing.head(1)), changed_answers(3, nothing.head(0))
    found += quickest_agreeing(nothing.head(0), nothing), quickest_agreeing(3, nothing)
    for one in found:
        assert one.passed is None
        assert one.words.startswith(NOT_MEASURED)


@pytest.mark.usefixtures("recorded")
def test_what_recorded_mode_refuses_says_nothing_about_a_runtime(surface, refused):
    for names in (["eager"], []):
        found = refusing(names, unmeasured(surface))
        assert found.passed is None
        assert found.words.startswith(NOT_MEASURED)
    assert refusing(["eager", "openvino"], refused).passed


@pytest.mark.parametrize("changed", [12, 12.0, np.int64(12), pd.Series([12.0]), 0.03 * 400, 12.4, (1 - 0.97) * 400])
def test_answers_that_changed(eight, changed):
    assert changed_answers(changed, eight).passed


def test_none_changed_where_all_agree(eight):
    assert changed_answers(0, eight.assign(accuracy=1.0)).passed
    assert changed_answers(1, eight.assign(accuracy=1.0)).passed is False


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        (388, "how many it answers alike"),
        (0.03, "That is a share"),
        (3, "That is a share"),
        (0.97, "on which they agree"),
        (97, "on which they agree"),
        (400, "Multiply"),
        (-12, "Multiply"),
        (36, "Multiply"),
        (np.nan, "Multiply"),
        (pd.Series([], dtype=float), "cannot be read"),
        ("12", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_number_of_changed_answers(eight, changed, hint):
    found = changed_answers(changed, eight)
    assert found.passed is False
    assert hint in found.words


def solve(surface, least):
    return ts.solve(surface, ts.minimize("latency_p50_ms"), subject_to=[ts.at_least("accuracy", least)])


def test_the_quickest_that_agrees(surface):
    assert quickest_agreeing(solve(surface, 0.99), surface).passed
    assert quickest_agreeing(surface.iloc[[1]], surface).passed


def test_what_may_be_as_quick_is_right_too(surface):
    surface.loc[2, "latency_p50_lo_ms"] = 1.9
    assert quickest_agreeing(surface.iloc[[2]], surface).passed


def test_without_an_interval_the_quickest_is_right_all_the_same(surface):
    vague = surface.assign(latency_p50_lo_ms=np.nan, latency_p50_hi_ms=np.nan)
    assert quickest_agreeing(solve(vague, 0.99), vague).passed


@pytest.mark.parametrize(
    ("choice", "hint"),
    [
        (lambda s: solve(s, 0), "agrees on 98.0%"),
        (lambda s: solve(s, 1), "answers sooner"),
        (lambda s: solve(s, 0.99).head(0), "got 0"),
        (lambda s: s, "got 3"),
        (lambda s: s.loc[1, "latency_p50_ms"], "cannot be read"),
        (lambda s: unmeasured(s).head(1), "agrees on nan"),
    ],
)
def test_what_is_not_the_quickest_that_agrees(surface, choice, hint):
    found = quickest_agreeing(choice(surface), surface)
    assert found.passed is False
    assert hint in found.words


def test_where_none_agrees_an_empty_table_is_right(surface):
    poor = surface.assign(accuracy=0.5, accuracy_lo=0.5, accuracy_hi=0.5)
    assert quickest_agreeing(solve(poor, 0.99), poor).passed
    assert quickest_agreeing(solve(poor, 0.4), poor).passed is False


@pytest.mark.parametrize("axis", [2, 2.0, np.int64(2), torch.tensor(2)])
def test_the_batch_axis(axis):
    assert batch_axis(axis, RECORDINGS, KINDS).passed


@pytest.mark.parametrize(
    ("axis", "hint"),
    [
        (40, "the length of the axis"),
        (3, "counted from 0"),
        (-1, "from the front"),
        (0, "one label for each item"),
        (1, "one label for each item"),
        ("2", "cannot be read"),
        (True, "cannot be read"),
    ],
)
def test_another_axis_is_told_why_not(axis, hint):
    found = batch_axis(axis, RECORDINGS, KINDS)
    assert found.passed is False
    assert hint in found.words


def test_of_two_axes_that_fit_either_is_right():
    assert [batch_axis(axis, torch.zeros(40, 3, 40), KINDS).passed for axis in (0, 1, 2)] == [True, False, True]


@pytest.mark.parametrize(
    "names",
    [
        ["eager", "openvino"],
        ("openvino", "eager"),
        {"eager", "openvino"},
        np.array(["eager", "openvino"]),
        pd.Series(["eager", "openvino"]),
        pd.DataFrame({"runtime": ["eager", "openvino"]}),
        ["eager", "openvino", "eager"],
    ],
)
def test_refusals_may_be_listed_in_any_way(refused, names):
    assert refusing(names, refused).passed


def test_a_single_refusal_is_a_name_and_none_is_an_empty_list(refused):
    assert refusing("eager", refused.head(2)).passed
    assert refusing([], refused.iloc[[1]]).passed
    assert refusing(["onnxruntime"], refused.iloc[[1]]).passed is False


def test_all_may_refuse(refused):
    assert refusing(["eager", "openvino"], refused.iloc[[0, 2]]).passed
    assert refusing([], refused.iloc[[0, 2]]).passed is False


def test_a_runtime_that_refuses_one_batch_size_does_not_refuse_the_model():
    table = pd.DataFrame({"runtime": ["eager", "eager"], "status": ["unsupported", "ok"]})
    assert refusing([], table).passed


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["eager"], "1 more"),
        ([], "2 more"),
        (["eager", "openvino", "onnxruntime"], "status of onnxruntime"),
        (["compile"], "status of compile"),
        (["torch"], "has no 'torch'"),
        (3, "cannot be read"),
        ([0, 2], "cannot be read"),
    ],
)
def test_other_refusals_are_told_why_not(refused, names, hint):
    found = refusing(names, refused)
    assert found.passed is False
    assert hint in found.words
