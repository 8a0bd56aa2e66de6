import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tradespace.config import Config
from tradespace.measuring.compare import Ratio, compare, compare_accuracy, ratio_of_rows
from tradespace.measuring.engine import measure
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.tasks import Task

MS = 1_000_000


def measured(slice_medians_ms, task="t"):
    slices = tuple(Slice(np.full(9, ms * MS), 9, round(9 * ms * MS)) for ms in slice_medians_ms)
    return Measurement(task, Config("m", threads=1), slices)


def scored(correct, task="t"):
    return Measurement(task, Config("m", threads=1), measured([1.0] * 8).slices, scores=np.array(correct, dtype=bool))


def jittered(middle, n=12, spread=0.005, seed=0):
    return middle * np.exp(spread * np.random.default_rng(seed).standard_normal(n))


FAILED = Measurement("t", Config("m", threads=1), failure=Failure("crashed", "it died"))


@pytest.mark.parametrize(
    ("a_ms", "b_ms", "verdict"), [(2.0, 1.0, "faster"), (1.0, 2.0, "slower"), (1.0, 1.0, "same"), (1.0, 1.001, "same")]
)
def test_a_clear_difference_is_told_and_a_negligible_one_is_none(a_ms, b_ms, verdict):
    found = compare(measured(jittered(a_ms, seed=1)), measured(jittered(b_ms, seed=2)))
    assert found.verdict == verdict
    assert found.ratio == pytest.approx(a_ms / b_ms, rel=0.01)
    assert found.ratio_lo <= found.ratio <= found.ratio_hi


def test_noise_that_could_hide_either_answer_is_said_to():
    found = compare(measured(jittered(1.0, spread=0.3, seed=1)), measured(jittered(1.05, spread=0.3, seed=2)))
    assert found.verdict == "can't tell"


def test_a_difference_at_the_edge_of_the_margin_cannot_be_told():
    assert compare(measured(jittered(1.02, seed=1)), measured(jittered(1.0, seed=2))).verdict == "can't tell"


def test_the_other_way_round_is_the_other_way_round():
    a, b = measured(jittered(2.0, seed=1)), measured(jittered(1.0, seed=2))
    there, back = compare(a, b), compare(b, a)
    assert there.ratio_lo == pytest.approx(1 / back.ratio_hi)
    assert {there.verdict, back.verdict} == {"faster", "slower"}


def test_the_interval_covers_the_true_ratio_as_often_as_it_says():
    covered = 0
    for seed in range(500):
        a, b = jittered(3.0, spread=0.1, seed=2 * seed), jittered(2.0, spread=0.1, seed=2 * seed + 1)
        found = compare(measured(a), measured(b))
        covered += found.ratio_lo <= 1.5 <= found.ratio_hi
    assert covered / 500 >= 0.93


def test_too_few_slices_give_no_interval_and_no_verdict():
    found = compare(measured([2.0] * 5), measured([1.0] * 12))
    assert found.verdict == "can't tell"
    assert "fewer than six slices" in repr(found)


@pytest.mark.parametrize("function", [compare, compare_accuracy])
@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        (scored([1, 0]), FAILED, "B, Config('m', fp32, eager, cpu, threads=1, batch_size=1), is crashed: it died"),
        (FAILED, scored([1, 0]), "A, Config('m', fp32, eager, cpu, threads=1, batch_size=1), is crashed: it died"),
        (FAILED, FAILED, "is crashed: it died; B, "),
        (scored([1, 0]), Measurement("t", Config("m", threads=1)), "batch_size=1), has no "),
        # Where it failed, nothing else is known of it, and that is no other machine.
        (replace(scored([1, 0]), machine="laptop"), FAILED, "it died"),
    ],
)
def test_what_was_not_measured_is_said_to_be_so_and_raises_nothing(function, a, b, reason):
    found = function(a, b)
    assert found.verdict == "not measured"
    assert reason in found.reason
    assert repr(found) == f"B against A: not measured; {found.reason}"
    numbers = (
        (found.ratio, found.ratio_lo, found.ratio_hi) if function is compare else (found.difference, found.p_value)
    )
    assert all(map(math.isnan, numbers))


def test_the_p_value_is_that_of_the_exact_mcnemar_test():
    a = [True] * 60 + [True] * 3 + [False] * 12 + [False] * 25
    b = [True] * 60 + [False] * 3 + [True] * 12 + [False] * 25
    found = compare_accuracy(scored(a), scored(b))
    assert (found.only_a, found.only_b) == (3, 12)
    assert found.p_value == pytest.approx(2 * stats.binom.cdf(3, 15, 0.5))
    assert found.difference == pytest.approx(0.09)
    assert found.verdict == "better"
    assert compare_accuracy(scored(b), scored(a)).verdict == "worse"


def test_two_equal_models_are_the_same_if_there_are_items_enough_and_cannot_be_told_apart_otherwise():
    assert compare_accuracy(scored([True] * 5_000), scored([True] * 5_000)).verdict == "same"
    few = [True, False] * 20
    assert compare_accuracy(scored(few), scored(few[::-1])).verdict == "can't tell"


def test_the_items_that_both_were_scored_on_are_compared():
    long, short = [True] * 60 + [False] * 40, [False] * 50
    found = compare_accuracy(scored(long), scored(short))
    assert (found.items, found.only_a, found.only_b, found.difference) == (50, 50, 0, -1.0)
    assert "of 50 items 0 right only in B, 50 only in A" in repr(found)


def test_accuracy_on_another_task_is_refused():
    with pytest.raises(ValueError, match=r"b: wanted test results of the same task as a's, 't'; got 'another'"):
        compare_accuracy(scored([1, 0]), scored([1, 0], task="another"))


def test_what_was_timed_and_not_scored_has_a_speed_and_no_accuracy():
    timed = measured([1.0] * 8)
    assert compare(timed, scored([1, 0])).verdict == "same"
    assert compare_accuracy(timed, scored([1, 0])).reason.endswith("has no test results")


@pytest.mark.parametrize(("function", "what"), [(compare, "samples"), (compare_accuracy, "test results")])
def test_two_machines_and_two_tasks_are_refused(function, what):
    a = replace(scored([1, 0]), machine="board", data="0f")
    with pytest.raises(ValueError, match=rf"^b: wanted {what} of the same machine as a's, 'board'; got 'laptop'\. "):
        function(a, replace(a, machine="laptop"))
    with pytest.raises(ValueError, match=rf"^b: wanted {what} of the same task as a's, 't'; got 'another'$"):
        function(a, replace(a, task="another"))
    with pytest.raises(
        ValueError, match=rf"^b: wanted {what} on the same inputs .* another task that is also called 't'"
    ):
        function(a, replace(a, data="1e"))


@pytest.mark.parametrize("function", [compare, compare_accuracy])
def test_where_the_data_is_not_known_the_name_of_the_task_decides(function):
    a = replace(scored([1, 0]), data="0f")
    assert function(a, replace(a, data="")) == function(replace(a, data=""), a) == function(a, a)


def test_test_results_of_another_score_are_refused_and_those_of_an_unknown_one_are_not():
    a = replace(scored([1, 0]), scored_by="0f")
    with pytest.raises(ValueError, match=r"^b: wanted test results of the same score as a's"):
        compare_accuracy(a, replace(a, scored_by="1e"))
    assert compare_accuracy(a, replace(a, scored_by="")) == compare_accuracy(a, a)


def test_tasks_of_one_name_are_told_apart_by_their_data_and_not_by_their_weights(inline):
    def measured_on(items, seed):
        torch.manual_seed(seed)
        task = Task.from_model(torch.nn.Linear(4, 2), example=torch.zeros(1, 4), test=items)
        return measure(task, Config("model", threads=1), budget_s=0.02, executor=inline)

    inputs, labels = torch.ones(8, 4), torch.zeros(8, dtype=torch.int64)
    a, taught = (measured_on((inputs, labels), seed) for seed in (0, 1))
    assert compare_accuracy(a, taught).items == compare_accuracy(a, a).items == 8
    for items in [(inputs + 1, labels), (inputs, labels + 1)]:
        for function in (compare, compare_accuracy):
            with pytest.raises(ValueError, match=r"^b: wanted .* also called 'mine'"):
                function(a, measured_on(items, 0))


def row(middle, low=None, high=None):
    low, high = (middle * 0.99 if low is None else low), (middle * 1.01 if high is None else high)
    return {"latency_p50_ms": middle, "latency_p50_lo_ms": low, "latency_p50_hi_ms": high}


lengths = st.floats(1e-3, 1e3)


@given(lengths, lengths, st.floats(1, 2), st.floats(1, 2))
def test_the_interval_of_a_ratio_of_rows_holds_it_and_is_wider_than_either(a, b, spread_a, spread_b):
    ratio = ratio_of_rows(row(a, a / spread_a, a * spread_a), row(b, b / spread_b, b * spread_b))
    assert ratio.value == pytest.approx(a / b)
    widest = max(spread_a, spread_b)
    assert ratio.low <= ratio.value / widest * (1 + 1e-9)
    assert ratio.high >= ratio.value * widest * (1 - 1e-9)


def test_the_interval_of_a_ratio_of_rows_is_that_of_independent_errors():
    ratio = ratio_of_rows(row(2.0, 2 / math.e**0.03, 2 * math.e**0.03), row(1.0, 1 / math.e**0.04, math.e**0.04))
    assert (math.log(ratio.low / 2), math.log(ratio.high / 2)) == pytest.approx((-0.05, 0.05))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.7, 2.5, "faster"), (1.01, 2.0, "can't tell"), (1.01, 1.03, "can't tell"), (0.99, 1.02, "same"),
        (0.7, 1.3, "can't tell"), (0.91, 1.5, "can't tell"), (0.8, 0.97, "slower"), (0.8, 0.99, "can't tell"),
        (math.nan, math.nan, "can't tell"),
    ],
)  # fmt: skip
def test_a_verdict_says_no_more_than_the_interval(low, high, verdict):
    ratio = Ratio((low + high) / 2, low, high)
    assert ratio.verdict() == verdict
    assert ratio.inverse.verdict() == {"faster": "slower", "slower": "faster"}.get(verdict, verdict)


def test_rows_that_were_not_timed_have_no_ratio():
    assert math.isnan(ratio_of_rows(row(math.nan), row(1.0)).value)
    assert ratio_of_rows(row(1.0, math.nan, math.nan), row(2.0)).verdict() == "can't tell"


@pytest.mark.parametrize("margin", [0, -1, "2 %"])
def test_a_margin_is_a_number_above_zero(margin):
    with pytest.raises(ValueError, match="margin: wanted a finite number above 0"):
        compare(measured([1.0] * 8), measured([1.0] * 8), margin=margin)


ROW = {"status": "ok", "reason": "", "machine": "here", "task": "t", "latency_p50_ms": 1.0, "latency_p50_lo_ms": 0.99}


def row_of(ms, width=0.005, **changes):
    times = {"latency_p50_ms": ms, "latency_p50_lo_ms": ms * (1 - width), "latency_p50_hi_ms": ms * (1 + width)}
    return pd.DataFrame([{**ROW, **times, **changes}])


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (row_of(2.0), row_of(1.0), "faster"),
        (row_of(1.0), row_of(2.0), "slower"),
        (row_of(1.0), row_of(1.001), "same"),
        (row_of(1.0, 0.2), row_of(0.9, 0.2), "can't tell"),
        # The interval of the ratio decides, and not whether the two intervals overlap: these do not, those do.
        (row_of(1.04, 0.018), row_of(1.0, 0.018), "can't tell"),
        (row_of(1.2, 0.1), row_of(1.0, 0.1), "faster"),
        (row_of(1.0), row_of(math.nan), "not measured"),
        (row_of(1.0), row_of(2.0, status="unsupported", reason="no kernel"), "not measured"),
        (row_of(1.0), row_of(2.0, latency_p50_lo_ms=math.nan), "can't tell"),
    ],
)
def test_two_rows_of_a_surface_are_compared_by_their_intervals(a, b, verdict):
    found = compare(a, b)
    assert found.verdict == verdict
    assert found.ratio == pytest.approx(a["latency_p50_ms"][0] / b["latency_p50_ms"][0], nan_ok=True) or (
        verdict == "not measured"
    )


def test_why_a_row_was_not_measured_is_said():
    assert "B is unsupported: no kernel" in repr(
        compare(row_of(1.0), row_of(1.0, status="unsupported", reason="no kernel"))
    )


@pytest.mark.parametrize(
    ("b", "match"),
    [
        (row_of(1.0, machine="there"), r"^b: wanted a row of the same machine as a's; got here and there"),
        (row_of(1.0, task="u"), r"^b: wanted a row of the same task"),
        (pd.concat([row_of(1.0)] * 2), r"^b: wanted a DataFrame of one row, as the other; got 2 rows"),
        (measured([1.0] * 8), r"^b: wanted a DataFrame of one row"),
    ],
)
def test_rows_that_do_not_go_together_are_refused(b, match):
    with pytest.raises(ValueError, match=match):
        compare(row_of(1.0), b)
