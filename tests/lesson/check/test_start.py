import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.start import million, quickest

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(scope="module")
def surface():
    return ts.load_recorded("fashion").query("pruning == 'none' and threads == 1")


def solve(surface, points):
    good = ts.at_least("accuracy", surface["accuracy"].max() - points / 100)
    return ts.solve(surface, ts.minimize("latency_p50_ms"), subject_to=[good])


def test_a_million_items(surface):
    assert million(..., surface).passed is None
    seconds = 1e6 / surface["throughput_per_s"].max()
    for answer in (seconds, 1.01 * seconds, round(seconds, 1)):
        assert million(answer, surface).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s: 1e9 / s["throughput_per_s"].max(), "milliseconds"),
        (lambda s: 1e3 * s["latency_p50_ms"].min(), "Use batches"),
        (lambda s: s["throughput_per_s"].max(), "Which column"),
        (lambda s: 0, "Which column"),
        (lambda s: -5, "Which column"),
        (lambda s: "soon", "cannot be read"),
        (lambda s: None, "cannot be read"),
    ],
)
def test_what_is_no_time_of_a_million_items(surface, answer, hint):
    found = million(answer(surface), surface)
    assert found.passed is False
    assert hint in found.words


def test_the_quickest_of_the_good(surface):
    assert quickest(..., surface).passed is None
    assert quickest(solve(surface, 1), surface).passed


def test_a_point_that_may_as_well_be_the_quickest_is_right(surface):
    best = solve(surface, 1)
    as_good = best.assign(latency_p50_ms=1.1 * best["latency_p50_ms"], latency_p50_lo_ms=0.9 * best["latency_p50_ms"])
    assert quickest(as_good, surface).passed


def test_without_an_interval_the_quickest_is_right_all_the_same(surface):
    vague = surface.assign(latency_p50_lo_ms=float("nan"), latency_p50_hi_ms=float("nan"))
    assert quickest(solve(vague, 1), vague).passed


def test_what_is_not_the_quickest_of_the_good(surface):
    assert "more than a point below" in quickest(solve(surface, 50), surface).words
    slow = ts.solve(surface, ts.maximize("latency_p50_ms"), [ts.at_least("accuracy", surface["accuracy"].max() - 0.01)])
    assert "answers sooner" in quickest(slow, surface).words
    assert "wanted the one row" in quickest(surface, surface).words
    assert "cannot be read" in quickest(5, surface).words


def test_what_was_not_measured_is_left_out(surface):
    unknown = surface.head(1).assign(latency_p50_ms=float("nan"), accuracy=1.0)
    assert quickest(solve(surface, 1), pd.concat([unknown.assign(accuracy=0.0), surface])).passed
