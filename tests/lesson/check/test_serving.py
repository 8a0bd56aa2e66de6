import numpy as np
import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.serving import busy_rate, flattering, full_batch, lying_report
from tradespace.lesson.exercise import NOT_MEASURED

pytestmark = pytest.mark.usefixtures("alone")

# t(B) = 1 ms + 1 ms x B: one at a time, 500 requests a second; in full batches of 32, 970.
SERVICE = ts.ServiceTimes({1: np.array([2.0]), 32: np.array([33.0])})
# Of a batch of B, the first request takes (B - 1) + 1 + B ms: 20 ms with 10.
RATE_PER_S, DEADLINE_MS = 1000, 21.0
CLAIMS = pd.DataFrame(
    {"requests_per_s": [100, 200, 300], "response_ms": [50, 20, 10], "inside": [5.1, 8, 2.9]}, index=["A", "B", "C"]
)
BENCH = pd.DataFrame(
    {
        "mistake": ["too low", "too high", "as it is", "nobody knows", "far too low"],
        "claimed": [1, 5, 2, 1, 0.1],
        "truth": [2.0, 2.0, 2.1, np.nan, 2.0],
        "truth_lo": [1.9, 1.9, 1.9, np.nan, 1.9],
        "truth_hi": [2.1, 2.1, 2.3, np.nan, 2.1],
    }
)


def test_what_is_not_attempted_is_not_judged():
    found = (
        busy_rate(..., SERVICE),
        full_batch(..., SERVICE, RATE_PER_S, DEADLINE_MS),
        lying_report(..., CLAIMS),
        flattering(..., BENCH),
    )
    assert [one.passed for one in found] == [None] * 4


@pytest.mark.parametrize("answer", [350, 350.0, np.float64(349), [352], 0.7 * SERVICE.capacity_per_s(1)])
def test_a_rate_that_keeps_the_server_busy_for_that_share(answer):
    found = busy_rate(answer, SERVICE)
    assert found.passed
    assert "it was busy 70 % of the time" in found.words


def test_another_share():
    assert busy_rate(450, SERVICE, busy=0.9).passed
    assert not busy_rate(350, SERVICE, busy=0.9).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.35, "per millisecond"),
        (500, "busy all the time"),
        (714, "Do you divide"),
        (150, "idle for that share"),
        (1.4, "That is a time"),
        (0.7 * SERVICE.capacity_per_s(32), "full batches"),
        (0, "above 0"),
        (-350, "above 0"),
        (float("nan"), "above 0"),
        (9000, "at most 500"),
        (400, "busy 80 % of the time"),
        ("350", "cannot be read"),
        (True, "cannot be read"),
        ([350, 351], "cannot be read"),
    ],
)
def test_a_rate_that_does_not(answer, hint):
    found = busy_rate(answer, SERVICE)
    assert found.passed is False
    assert hint in found.words
    assert "350 requests/s" in busy_rate(answer, SERVICE).words or "cannot be read" in hint


@pytest.mark.parametrize("answer", [10, 10.0, np.int64(10)])
def test_the_largest_full_batch_that_keeps_a_deadline(answer):
    found = full_batch(answer, SERVICE, RATE_PER_S, DEADLINE_MS)
    assert found.passed
    assert "9 ms for the others and 11 ms for the call: 20 ms of 21. With 11 it would be 22 ms." in found.words


def test_the_largest_measured_batch_may_keep_it():
    found = full_batch(32, SERVICE, RATE_PER_S, deadline_ms=1000)
    assert found.passed
    assert "With 33" not in found.words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (9, "so does a larger batch"),
        (11, "10 ms for the others and 12 ms for the call: 22 ms of 21"),
        (20, "The call alone takes 21 ms. But the first request has waited 19 ms"),
        (32, "would wait 31 ms for the others"),
        (10.5, "whole number from 1 to 32"),
        (0, "whole number from 1 to 32"),
        (33, "whole number from 1 to 32"),
        ("10", "cannot be read"),
        (range(1, 11), "cannot be read"),
        (float("nan"), "whole number from 1 to 32"),
        (float("inf"), "whole number from 1 to 32"),
    ],
)
def test_a_full_batch_that_does_not(answer, hint):
    found = full_batch(answer, SERVICE, RATE_PER_S, DEADLINE_MS)
    assert found.passed is False
    assert hint in found.words


def test_without_a_batch_that_keeps_the_deadline_nothing_is_judged():
    found = full_batch(1, SERVICE, RATE_PER_S, deadline_ms=1.0)
    assert found.passed is None
    assert found.words.startswith(NOT_MEASURED)


@pytest.mark.parametrize("answer", ["B", " b ", CLAIMS.loc["B"], CLAIMS.loc[["B"]], CLAIMS.index[[1]], ["B"]])
def test_the_report_that_lies(answer):
    found = lying_report(answer, CLAIMS)
    assert found.passed
    assert "make 4 inside; 8 were counted" in found.words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ("A", "make 5 inside, and 5.1 were counted: that can be"),
        ("C", "that can be"),
        ("D", "cannot be read"),
        (1, "cannot be read"),
        (["A", "B"], "cannot be read"),
    ],
)
def test_a_report_that_does_not(answer, hint):
    found = lying_report(answer, CLAIMS)
    assert found.passed is False
    assert hint in found.words


def test_without_a_lie_nothing_is_judged():
    found = lying_report("A", CLAIMS.drop("B"))
    assert found.passed is None
    assert found.words.startswith(NOT_MEASURED)


@pytest.mark.parametrize(
    "answer",
    [
        ["too low", "far too low"],
        ("far too low", "too low", "too low"),
        BENCH.loc[BENCH["claimed"] < BENCH["truth_lo"], "mistake"],
        BENCH[BENCH["claimed"] < BENCH["truth_lo"]],
        BENCH.set_index("mistake").loc[["too low", "far too low"]],
    ],
)
def test_the_claims_that_flatter(answer):
    found = flattering(answer, BENCH)
    assert found.passed
    assert "The one that flatters most claims 0.1 ms instead of 2. Too high, and as wrong: too high." in found.words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (["too low"], "but 1 more does"),
        ([], "but 2 more do"),
        ("far too low", "but 1 more does"),
        (["too low", "far too low", "too high"], "too high: it is wrong, but"),
        (["too low", "far too low", "as it is"], "as it is: its claim lies within"),
        (["too low", "far too low", "nobody knows"], "nobody knows: it has no truth"),
        (["too small"], "cannot be read"),
        (2, "cannot be read"),
    ],
)
def test_claims_that_do_not(answer, hint):
    found = flattering(answer, BENCH)
    assert found.passed is False
    assert hint in found.words


def test_a_bench_without_flattery():
    found = flattering([], BENCH.iloc[[1, 2]])
    assert found.passed
    assert "No claim is below" in found.words


def test_a_bench_that_measured_nothing_is_not_judged():
    found = flattering([], BENCH.iloc[[3]])
    assert found.passed is None
    assert found.words.startswith(NOT_MEASURED)
