import numpy as np
import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.batching import in_flight, largest_batch, near_peak, watt_hours

pytestmark = pytest.mark.usefixtures("alone")

KNOBS = {"task": "fashion", "machine": "m", "model": "resnet4", "pruning": "none", "precision": "fp32"}
KNOBS |= {"runtime": "eager", "device": "cpu", "threads": 1, "status": "ok"}
LIMIT_MS = 4.0


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
    found = largest_batch(..., curve, LIMIT_MS), near_peak(..., curve), in_flight(..., 1, 1), watt_hours(..., curve, 50)
    assert [one.passed for one in found] == [None] * 4


def test_the_largest_batch_as_a_number_or_as_its_row(curve):
    row = ts.solve(curve, ts.maximize("batch_size"), [ts.at_most("latency_p50_ms", LIMIT_MS)])
    for answer in (16, 16.0, np.int64(16), row, row.iloc[0], row["batch_size"]):
        assert largest_batch(answer, curve, LIMIT_MS).passed, answer


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


def test_four_knees_give_four_fifths_of_the_peak(curve):
    fit = ts.fit_batches(curve, ts.Config("resnet4", threads=1))
    for answer in (40, 40.0, 4 * fit.knee, 4 * fit.fixed_ms / fit.each_ms, np.float64(40.4), pd.Series([40])):
        assert near_peak(answer, curve).passed, answer
    assert "5 ms there, against 2 ms at the knee" in near_peak(40, curve).words


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (10, "That is the knee"),
        (8, "a share of the knee"),
        (16, "not a straight line"),
        (0.025, "upside down"),
        (8000, "That is a throughput"),
        (5, "the latency there"),
        (90, "waits longer than needed"),
        (30, "further from its peak"),
        (0, "further from its peak"),
        (-40, "further from its peak"),
        (float("nan"), "further from its peak"),
        ("many", "cannot be read"),
    ],
)
def test_what_is_no_such_batch_size(curve, answer, hint):
    found = near_peak(answer, curve)
    assert found.passed is False
    assert hint in found.words


def test_the_second_hint_gives_the_answer(curve):
    near_peak(10, curve)
    assert "4 a / b: 40" in near_peak(10, curve).words


def test_a_whole_number_of_items_is_right_even_where_few_are_wanted():
    few = line(0.6, 1)
    assert near_peak(2.4, few).passed
    assert near_peak(2, few).passed
    assert near_peak(3, few).passed


def test_where_the_points_bend_what_any_of_their_lines_says_is_right():
    bent = line(1, 0.1, b16=1.4)
    knees = [ts.fit_batches(bent.drop(index=i), ts.Config("resnet4", threads=1)).knee for i in bent.index]
    assert max(knees) > 1.3 * min(knees)
    for knee in knees:
        assert near_peak(4 * knee, bent).passed
    assert not near_peak(4 * 1.2 * max(knees), bent).passed
    assert not near_peak(4 * 0.8 * min(knees), bent).passed


def test_without_a_knee_nothing_is_asked():
    assert near_peak(1, line(0, 1)).passed
    assert near_peak(1, line(1, 0)).passed
    assert near_peak(1, line(1, 1, sizes=[8])).passed


def test_four_knees_on_a_recorded_curve(recorded):
    fit = ts.fit_batches(recorded, ts.Config("resnet4", precision=recorded["precision"].iloc[0], threads=2))
    for vague in (recorded, without_intervals(recorded)):
        assert near_peak(4 * fit.knee, vague).passed
        assert near_peak(round(4 * fit.knee), vague).passed
        for share in (1, 0.8, 1.6):
            assert not near_peak(share * fit.knee, vague).passed


def test_items_inside():
    for answer in (25, 25.3, np.float64(25), pd.Series([25.0])):
        assert in_flight(answer, 500, 50).passed, answer
    assert in_flight(3, 500, 5).passed
    assert in_flight(2, 500, 5).passed


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
