import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.start import million, quickest
from tradespace.surface.columns import configs_of

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(scope="module")
def surface():
    return ts.load_recorded("fashion").query("pruning == 'none' and threads == 1")


def solve(surface, points):
    good = ts.at_least("accuracy", surface["accuracy"].max() - points / 100)
    return ts.solve(surface, ts.minimize("latency_p50_ms"), subject_to=[good])


def seconds(surface):
    return 1e6 / surface["throughput_per_s"].max()


@pytest.mark.parametrize(
    "answer",
    [seconds, lambda s: 1.01 * seconds(s), lambda s: round(seconds(s), 1), lambda s: pd.Series([seconds(s)])],
)
def test_the_time_of_a_million_items(surface, answer):
    found = million(answer(surface), surface)
    assert found.passed
    assert f"At {surface['throughput_per_s'].max():,.0f} items/s" in found.words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s: 1e9 / s["throughput_per_s"].max(), "milliseconds"),
        (lambda s: 1e3 * s["latency_p50_ms"].min(), "Use batches"),
        (lambda s: s["throughput_per_s"].max(), "Which column"),
        (lambda s: 1e6 / s["throughput_per_s"].min(), "Which column"),
        (lambda s: 0, "Which column"),
        (lambda s: -5, "Which column"),
        (lambda s: float("nan"), "Which column"),
        (lambda s: "soon", "cannot be read"),
        (lambda s: None, "cannot be read"),
        (lambda s: s["throughput_per_s"], "cannot be read"),
    ],
)
def test_what_is_no_time_of_a_million_items(surface, answer, hint):
    found = million(answer(surface), surface)
    assert found.passed is False
    assert hint in found.words


def test_what_is_not_attempted_is_not_judged(surface):
    assert million(..., surface).passed is None
    assert quickest(..., surface).passed is None


def best(surface):
    return solve(surface, 1)


@pytest.mark.parametrize(
    "answer",
    [
        best,
        lambda s: best(s).index[0],
        lambda s: int(best(s).index[0]),
        lambda s: best(s).index,
        lambda s: list(best(s).index),
        lambda s: best(s).iloc[0],
        lambda s: configs_of(best(s))[0],
        lambda s: best(s)[["model", "precision", "batch_size", "latency_p50_ms", "accuracy"]],
        lambda s: best(s).round(3),
        lambda s: best(s).reset_index(drop=True),
        lambda s: s[s["accuracy"] >= s["accuracy"].max() - 0.01]["latency_p50_ms"].idxmin(),
        lambda s: s[s["accuracy"] >= s["accuracy"].max() - 0.01].nsmallest(1, "latency_p50_ms"),
    ],
)
def test_the_quickest_of_the_good_in_any_form(surface, answer):
    found = quickest(answer(surface), surface)
    assert found.passed, found.words
    assert "no other point within it answers sooner" in found.words


def slowest_good(surface):
    good = ts.at_least("accuracy", surface["accuracy"].max() - 0.01)
    return ts.solve(surface, ts.maximize("latency_p50_ms"), [good])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s: solve(s, 50), "more than a point below"),
        (lambda s: solve(s, 50).index[0], "more than a point below"),
        (lambda s: solve(s, 50).iloc[0], "more than a point below"),
        (slowest_good, "answers sooner"),
        (lambda s: slowest_good(s).index[0], "answers sooner"),
        # Invented: a frame of no row of the surface, or one that was made better than it was measured.
        (lambda s: pd.DataFrame({"latency_p50_ms": [1e-6], "accuracy": [1.0]}), "not in it"),
        (lambda s: best(s).assign(latency_p50_ms=1e-6, latency_p50_lo_ms=1e-6), "not in it"),
        (lambda s: solve(s, 50).assign(accuracy=1.0), "not in it"),
        (lambda s: pd.DataFrame({"anything": [1]}), "not in it"),
        (lambda s: ts.Config("resnet8", threads=7), "not in it"),
        (lambda s: 10**9, "not in it"),
        (lambda s: s, "wanted one row"),
        (lambda s: s.head(0), "wanted one row"),
        (lambda s: best(s)["latency_p50_ms"].iloc[0], "or its number"),
        (lambda s: "resnet8", "or its number"),
        (lambda s: None, "or its number"),
        (lambda s: True, "or its number"),
    ],
)
def test_what_is_not_the_quickest_of_the_good(surface, answer, hint):
    found = quickest(answer(surface), surface)
    assert found.passed is False
    assert hint in found.words


def test_a_point_that_may_as_well_be_the_quickest_is_right(surface):
    row = slowest_good(surface).index
    vague = surface.copy()
    vague.loc[row, "latency_p50_lo_ms"] = 0.9 * best(surface)["latency_p50_ms"].iloc[0]
    found = quickest(vague.loc[row], vague)
    assert found.passed
    assert "its interval reaches down" in found.words


def test_without_an_interval_the_quickest_is_right_all_the_same(surface):
    vague = surface.assign(latency_p50_lo_ms=float("nan"), latency_p50_hi_ms=float("nan"))
    assert quickest(best(vague), vague).passed


def test_what_was_not_measured_is_left_out(surface):
    unknown = surface.head(1).assign(latency_p50_ms=float("nan"), accuracy=0.0, precision="fp16")
    both = pd.concat([unknown, surface], ignore_index=True)
    assert quickest(best(both), both).passed
    assert "no latency" in quickest(0, both).words
