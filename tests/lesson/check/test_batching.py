import math

import numpy as np
import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.batching import in_flight, largest_batch, near_peak, watt_hours

pytestmark = pytest.mark.usefixtures("alone")

KNOBS = {"task": "fashion", "machine": "m", "model": "resnet4", "pruning": "none", "precision": "fp32"}
KNOBS |= {"runtime": "eager", "device": "cpu", "threads": 1, "status": "ok"}
LIMIT_MS = 4.0
# t(B) = 1 ms + 0.1 ms x B: its knee is at 10.
FIT = ts.BatchFit(1, 0.1)


def line(fixed_ms, each_ms, sizes=(1, 4, 16, 64), **bent):
    """A curve on the line, but for `bent`: b16=1.1 makes batch 16 take 10 % longer."""
    rows = []
    for size in sizes:
        latency = (fixed_ms + each_ms * size) * bent.get(f"b{size}", 1)
        ends = {"latency_p50_lo_ms": 0.95 * latency, "latency_p50_hi_ms": 1.05 * latency}
        rows.append({**KNOBS, "batch_size": size, "latency_p50_ms": latency, **ends})
    curve = pd.DataFrame(rows)
    rate = 1e3 * curve["batch_size"] / curve["latency_p50_ms"]
    return curve.assign(throughput_per_s=rate, energy_j_per_item=np.nan)


@pytest.fixture
def curve():
    """t(B) = 1 ms + 0.1 ms x B: 1.1, 1.4, 2.6 and 7.4 ms; knee at 10."""
    return line(1, 0.1)


@pytest.fixture(params=["fp32", "bf16", "int8"])
def recorded(request):
    surface = ts.load_recorded("fashion").query("model == 'resnet4' and pruning == 'none' and threads == 2")
    return surface[(surface["precision"] == request.param) & (surface["runtime"] == "eager")]


def without_intervals(surface):
    return surface.assign(latency_p50_lo_ms=np.nan, latency_p50_hi_ms=np.nan)


def test_what_is_not_attempted_is_not_judged(curve):
    found = largest_batch(..., curve, LIMIT_MS), near_peak(..., FIT), in_flight(..., 1, 1), watt_hours(..., curve, 50)
    assert [one.passed for one in found] == [None] * 4


@pytest.mark.parametrize(
    "answer",
    [
        lambda c: 16,
        lambda c: 16.0,
        lambda c: np.int64(16),
        lambda c: c.loc[[2]],
        lambda c: c.loc[2],
        lambda c: c.loc[[2], "batch_size"],
        lambda c: ts.solve(c, ts.maximize("batch_size"), [ts.at_most("latency_p50_ms", LIMIT_MS)]),
    ],
)
def test_the_largest_batch_as_a_number_or_as_its_row(curve, answer):
    found = largest_batch(answer(curve), curve, LIMIT_MS)
    assert found.passed
    assert "so does each item in it" in found.words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (4, "so is a larger batch in the table"),
        (64, "nothing to divide"),
        (2.6, "That is a latency"),
        (30, "in the table"),
        (2, "in the table"),
        (float("nan"), "in milliseconds"),
        ("16", "cannot be read"),
        (True, "cannot be read"),
        ([4, 16], "cannot be read"),
    ],
)
def test_what_is_not_the_largest_batch(curve, answer, hint):
    curve.loc[2, "latency_p50_ms"] = 2.6
    found = largest_batch(answer, curve, LIMIT_MS)
    assert found.passed is False
    assert hint in found.words


def test_a_batch_that_is_late_even_by_the_item_is_late(curve):
    assert "takes 2.6 ms, and the limit is 0.1 ms" in largest_batch(16, curve, 0.1).words


def test_where_an_interval_holds_the_limit_either_side_of_it_is_right(curve):
    for limit in (2.5, 2.7):
        assert largest_batch(4, curve, limit).passed
        assert largest_batch(16, curve, limit).passed
    assert not largest_batch(4, curve, 3).passed
    assert not largest_batch(16, curve, 2.4).passed


def test_without_intervals_the_median_decides(curve):
    vague = without_intervals(curve)
    assert largest_batch(16, vague, LIMIT_MS).passed
    assert not largest_batch(4, vague, 2.7).passed
    assert not largest_batch(16, vague, 2.5).passed


def test_a_batch_that_was_not_measured_is_left_out(curve):
    curve.loc[3, ["status", "latency_p50_ms"]] = "out_of_memory", np.nan
    assert largest_batch(16, curve, 100).passed


def test_the_largest_batch_on_a_recorded_curve(recorded):
    limit_ms = 4 * recorded["latency_p50_ms"].min()
    largest = recorded.loc[recorded["latency_p50_ms"] <= limit_ms, "batch_size"].max()
    assert largest_batch(largest, recorded, limit_ms).passed
    assert not largest_batch(1, recorded, limit_ms).passed
    assert not largest_batch(256, recorded, limit_ms).passed


@pytest.mark.parametrize("answer", [40, 40.0, 4 * FIT.knee, 4 * FIT.fixed_ms / FIT.each_ms, 40.4, pd.Series([40])])
def test_four_knees_give_four_fifths_of_the_peak(answer):
    found = near_peak(answer, FIT)
    assert found.passed
    assert "2.5 times the latency for 1.6 times the throughput" in found.words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (10, "That is the knee"),
        (8, "a share of the knee"),
        (16, "not a straight line"),
        (50, "which part of b B is left"),
        (0.025, "upside down"),
        (8000, "That is a throughput"),
        (5, "the latency there"),
        (42, "waits longer than needed"),
        (90, "waits longer than needed"),
        (38, "further from its peak"),
        (30, "further from its peak"),
        (0, "further from its peak"),
        (-40, "further from its peak"),
        (float("nan"), "further from its peak"),
        ("many", "cannot be read"),
        ([40, 40], "cannot be read"),
    ],
)
def test_what_is_no_such_batch_size(answer, hint):
    found = near_peak(answer, FIT)
    assert found.passed is False
    assert hint in found.words


def test_the_second_hint_gives_the_answer():
    near_peak(10, FIT)
    assert "4 a / b: 40" in near_peak(10, FIT).words


@pytest.mark.parametrize("answer", [2.4, 2, 3])
def test_a_whole_number_of_items_is_right_even_where_few_are_wanted(answer):
    assert near_peak(answer, ts.BatchFit(0.6, 1)).passed


@pytest.mark.parametrize(
    ("fit", "answer", "passed", "words"),
    [
        (ts.BatchFit(1, 0), math.inf, True, "no peak is in sight"),
        (ts.BatchFit(1, 0), 40, None, "no peak is in sight"),
        (ts.BatchFit(0, 1), 0, True, "at its peak from the first item"),
        (ts.BatchFit(0, 1), 40, None, "at its peak from the first item"),
        (None, 40, None, "no line"),
    ],
)
def test_without_a_knee_nothing_but_its_absence_is_judged(fit, answer, passed, words):
    found = near_peak(answer, fit)
    assert found.passed is passed
    assert words in found.words


@pytest.mark.parametrize(
    ("times", "passed"), [(4, True), (1, False), (0.8, False), (1.6, False), (3.5, False), (5, False)]
)
def test_times_the_knee_of_a_recorded_curve(recorded, times, passed):
    fit = ts.fit_batches(recorded, ts.Config("resnet4", precision=recorded["precision"].iloc[0], threads=2))
    assert fit.knee > 5
    assert near_peak(times * fit.knee, fit).passed is passed


@pytest.mark.parametrize("answer", [25, 25.3, np.float64(25), pd.Series([25.0])])
def test_items_inside(answer):
    found = in_flight(answer, 500, 50)
    assert found.passed
    assert "500 per second, 0.05 s each: 25 inside" in found.words


@pytest.mark.parametrize("answer", [2, 2.5, 3])
def test_few_items_inside_may_be_rounded_either_way(answer):
    assert in_flight(answer, 500, 5).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (25_000, "change its unit"),
        (10, "You divided"),
        (10_000, "You divided"),
        (0.1, "You divided"),
        (0.0001, "You divided"),
        (500, "Items inside"),
        (0, "Items inside"),
        (float("nan"), "Items inside"),
        ("25", "cannot be read"),
        (None, "Items inside"),
        ([25, 25], "cannot be read"),
    ],
)
def test_what_is_not_inside(answer, hint):
    found = in_flight(answer, 500, 50)
    assert found.passed is False
    assert hint in found.words


def test_watt_hours_of_a_million(curve):
    wanted = 50 * 1e6 / curve["throughput_per_s"].max() / 3600
    priced = ts.with_cost(curve, price_per_hour=1, watts=50)
    best = ts.solve(priced, ts.minimize("wh_per_million"))
    for answer in (wanted, round(wanted, 2), best, best.iloc[0], best["wh_per_million"]):
        assert watt_hours(answer, curve, 50).passed
    assert "assumed" in watt_hours(wanted, curve, 50).words


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda s, r: 50 * 1e6 / r, "joules"),
        (lambda s, r: 50 * 1e6 / r / 60, "watt-minutes"),
        (lambda s, r: 50 * 1e6 / r / 3600 / 1e3, "kilowatt-hours"),
        (lambda s, r: 50 / r / 3600, "one image"),
        (lambda s, r: 1e6 / r / 3600, "how many hours it takes"),
        (lambda s, r: 1e6 / r, "how many seconds it takes"),
        (lambda s, r: 50 * 1e6 * 7.4e-3 / 3600, "carries a whole batch"),
        (lambda s, r: 50 * 1e6 * 1.1e-3 / 3600, "carries a whole batch"),
        (lambda s, r: 50 * 1e6 * 1.1e-3, "carries a whole batch"),
        (lambda s, r: 50 * 1e6 / r / 3600 / 64, "once too often"),
        (lambda s, r: 50 * 1e6 / s["throughput_per_s"].min() / 3600, "carries a whole batch"),
        (lambda s, r: 50 * 1e6 / s["throughput_per_s"][1] / 3600, "First find the seconds"),
        (lambda s, r: 0, "First find the seconds"),
        (lambda s, r: float("nan"), "First find the seconds"),
        (lambda s, r: "much", "cannot be read"),
        (lambda s, r: s, "cannot be read"),
    ],
)
def test_what_are_no_watt_hours_of_a_million(curve, wrong, hint):
    found = watt_hours(wrong(curve, curve["throughput_per_s"].max()), curve, 50)
    assert found.passed is False
    assert hint in found.words


def test_what_a_counter_measured_is_right_as_well(curve):
    counted = curve.assign(energy_j_per_item=0.004)
    found = watt_hours(4000 / 3.6, counted, 50)
    assert found.passed is False  # a thousand times too much
    found = watt_hours(4000 / 3600, counted, 50)
    assert found.passed
    assert "A counter measured" in found.words
    assert watt_hours(50 * 1e6 / counted["throughput_per_s"].max() / 3600, counted, 50).passed


def test_rows_that_were_not_measured_use_no_energy(curve):
    wanted = 50 * 1e6 / curve["throughput_per_s"].max() / 3600
    curve.loc[len(curve)] = {**curve.iloc[0], "status": "unsupported", "throughput_per_s": 1e9}
    assert watt_hours(wanted, curve, 50).passed


def test_watt_hours_on_a_recorded_surface():
    surface = ts.load_recorded("fashion")
    wanted = 50 * 1e6 / surface["throughput_per_s"].max() / 3600
    for vague in (surface, without_intervals(surface)):
        assert watt_hours(wanted, vague, 50).passed
        assert not watt_hours(3600 * wanted, vague, 50).passed
