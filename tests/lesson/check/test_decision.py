import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.decision import bill, capstone, drone_choice, relaxed_limit
from tradespace.surface.solve import PROBLEM

KNOBS = {"pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1, "status": "ok"}
FASTEST = ts.minimize("latency_p50_ms")


pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def surface():
    """Row 2 keeps 3 ms in the median alone; row 4 answers batches."""
    rows = [
        ("small", 1, 1.0, 1.5, 1000, 0.80),
        ("middle", 1, 2.0, 2.8, 500, 0.85),
        ("large", 1, 2.9, 3.5, 340, 0.90),
        ("huge", 1, 9.0, 9.5, 110, 0.95),
        ("large", 8, 2.5, 2.9, 3200, 0.90),
    ]
    columns = ["model", "batch_size", "latency_p50_ms", "latency_p90_ms", "throughput_per_s", "accuracy"]
    frame = pd.DataFrame(rows, columns=columns).assign(**KNOBS)
    frame = frame.assign(samples=100, measured_at="before")
    return frame.assign(latency_p50_lo_ms=0.99 * frame.latency_p50_ms, latency_p50_hi_ms=1.01 * frame.latency_p50_ms)


@pytest.fixture
def priced():
    return ts.with_cost(ts.load_recorded("glosses"), price_per_hour=0.1, watts=60, utilisation=0.5)


def test_what_is_not_attempted_is_not_judged(surface, priced):
    found = drone_choice(..., surface, 3), relaxed_limit(..., surface, 0.9), bill(..., priced, 300, 0.86)
    assert [one.passed for one in (*found, capstone(..., ..., surface, []))] == [None] * 4


def test_the_most_accurate_that_comes_in_time(surface):
    limits = [ts.at_most("latency_p90_ms", 3), ts.at_most("batch_size", 1)]
    solved = ts.solve(surface, ts.maximize("accuracy"), subject_to=limits)
    assert all(drone_choice(given, surface, 3).passed for given in (solved, 1, surface.loc[1]))


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        (0, "more accurate row does too"),
        (2, "slower than a median"),
        (3, "too late"),
        (4, "one frame"),
        (99, "a row of"),
    ],
)
def test_another_row_is_told_what_speaks_against_it(surface, row, hint):
    found = drone_choice(row, surface, 3)
    assert found.passed is False
    assert hint in found.words


def test_seconds_leave_nothing_and_two_rows_are_no_choice(surface):
    none = ts.solve(surface, ts.maximize("accuracy"), subject_to=[ts.at_most("latency_p90_ms", 0.003)])
    assert "milliseconds" in drone_choice(none, surface, 3).words
    assert "one row; got 2" in drone_choice(surface.iloc[:2], surface, 3).words


@pytest.mark.parametrize(("accuracy", "passed"), [(0.8501, True), (0.849, True), (0.846, True), (0.844, False)])
def test_within_half_a_point_of_the_most_accurate_is_as_good(surface, accuracy, passed):
    surface.loc[0, "accuracy"] = accuracy
    found = drone_choice(0, surface, 3)
    assert found.passed is passed
    assert ("within the margin" in found.words) == (passed and accuracy < 0.85)


def test_the_choice_by_the_median_is_refused_if_the_cutoff_lies_between_median_and_90th_percentile(surface):
    # Row 3 is the most accurate: its median is within the cut-off, its 90th percentile is not.
    cutoff = surface.loc[3, ["latency_p50_ms", "latency_p90_ms"]].mean()
    frames = surface[surface["batch_size"] == 1]
    quick, safe = (
        ts.solve(frames, ts.maximize("accuracy"), [ts.at_most(f"latency_{q}_ms", cutoff)]) for q in ("p50", "p90")
    )
    assert not drone_choice(quick, surface, cutoff).passed
    assert drone_choice(safe, surface, cutoff).passed


def test_a_cutoff_that_nothing_keeps_is_not_judged(surface):
    assert drone_choice(0, surface, 0.1).passed is None


def test_a_tie_in_accuracy_is_right_either_way(surface):
    surface.loc[0, "accuracy"] = 0.85
    assert drone_choice(0, surface, 3).passed
    assert drone_choice(1, surface, 3).passed


@pytest.mark.parametrize("limit", [2.5, 2.4999, 2.6, pd.Series([2.5])])
def test_the_least_that_is_enough(surface, limit):
    found = relaxed_limit(limit, surface, 0.9)
    assert found.passed
    assert "large, fp32, eager, batch 8" in found.words


def test_a_limit_for_an_accuracy_that_no_row_has_is_not_judged(surface):
    assert relaxed_limit(2.5, surface, 0.99).passed is None


@pytest.mark.parametrize(
    ("limit", "hint"),
    [
        (0.0025, "in seconds"),
        (9, "what the most accurate row takes"),
        (4, "more than enough"),
        (2, "Nothing is feasible"),
        ("2.5", "milliseconds"),
        (True, "milliseconds"),
        ([2.5, 9], "got 2"),
    ],
)
def test_other_limits(surface, limit, hint):
    found = relaxed_limit(limit, surface, 0.9)
    assert found.passed is False
    assert hint in found.words


def test_the_bill_as_a_number_or_a_column(priced):
    best = ts.solve(priced, ts.minimize("cost_per_million"), [ts.at_least("accuracy", 0.86)])
    assert "the cheapest that is accurate enough" in bill(300 * best["cost_per_million"], priced, 300, 0.86).words
    total = 300 * best["cost_per_million"]
    assert all(bill(given, priced, 300, 0.86).passed for given in (total, total.iloc[0], round(total.iloc[0], 2)))


def test_the_usual_mistakes_are_known_by_name(priced):
    limits = [ts.at_least("accuracy", 0.86)]
    best = ts.solve(priced, ts.minimize("cost_per_million"), limits).iloc[0]
    quickest = ts.solve(priced, FASTEST, limits)["cost_per_million"].iloc[0]
    accurate = ts.solve(priced, ts.maximize("accuracy"), limits)["cost_per_million"].iloc[0]
    mistakes = {
        best["cost_per_million"]: "for one million",
        3e8 * best["cost_per_million"]: "already for a million",
        300 * priced["cost_per_million"].min(): "accurate enough?",
        300 * best["wh_per_million"]: "watt-hours",
        300 * quickest: "lowest latency",
        300 * accurate: "most accurate row",
        1.23: "under the limit",
    }
    for said, hint in mistakes.items():
        found = bill(said, priced, 300, 0.86)
        assert found.passed is False
        assert hint in found.words


def test_a_text_is_no_bill(priced):
    assert "as a number" in bill("5 dollars", priced, 300, 0.86).words


@pytest.fixture
def brief():
    """Rows 2, 3 and 4 keep it; row 4 is the quickest."""
    return [ts.at_least("accuracy", 0.9), ts.at_least("throughput_per_s", 100)]


def again(row, factor=1.02):
    """As it would come out of a second measurement, of other samples."""
    found = row.assign(latency_p50_ms=row["latency_p50_ms"] * factor, samples=101, measured_at="later")
    found.attrs.update(row.attrs)
    return found


def test_the_quickest_that_holds_with_what_binds(surface, brief):
    decision = again(ts.solve(surface, FASTEST, brief))
    for binding in (["accuracy"], "accuracy", ts.explain(decision).binding, brief[0]):
        assert capstone(decision, binding, surface, brief).passed


@pytest.mark.parametrize("binding", [[], ["throughput_per_s"], ["accuracy", "throughput_per_s"], "latency_p50_ms"])
def test_what_does_not_bind_is_no_evidence(surface, brief, binding):
    found = capstone(again(ts.solve(surface, FASTEST, brief)), binding, surface, brief)
    assert found.passed is False
    assert "what binds" in found.words


def test_without_its_evidence_a_decision_is_half_a_decision(surface, brief):
    assert "evidence" in capstone(again(ts.solve(surface, FASTEST, brief)), ..., surface, brief).words


@pytest.mark.parametrize(
    ("rows", "hint"), [([0], "breaks a limit"), ([3], "beyond doubt"), ([4], "Measure it again"), ([3, 4], "one row")]
)
def test_another_decision_is_told_what_speaks_against_it(surface, brief, rows, hint):
    found = capstone(surface.loc[rows], "accuracy", surface, brief)
    assert found.passed is False
    assert hint in found.words


@pytest.mark.parametrize("factor", [1.0, 1.0001, 0.9, 2.0])
def test_a_latency_that_was_typed_is_no_second_measurement(surface, brief, factor):
    solved = ts.solve(surface, FASTEST, brief)
    typed = solved.assign(latency_p50_ms=factor * solved["latency_p50_ms"])
    typed.attrs.update(solved.attrs)
    found = capstone(typed, "accuracy", surface, brief)
    assert found.passed is False
    assert "straight from the table" in found.words


def test_what_breaks_a_limit_when_measured_again_is_refused(surface, brief):
    slower = again(ts.solve(surface, FASTEST, brief)).assign(throughput_per_s=90)
    assert "breaks the limit on throughput_per_s" in capstone(slower, "accuracy", surface, brief).words


def test_the_next_best_is_right_if_solve_passed_over_the_first(surface, brief):
    found = again(surface.loc[[2]])
    assert not capstone(found, "accuracy", surface, brief).passed
    found.attrs[PROBLEM] = ts.solve(surface, FASTEST, brief).attrs[PROBLEM]
    assert capstone(found, "accuracy", surface, brief).passed


def test_one_that_cannot_be_told_from_the_first_is_right(surface, brief):
    surface.loc[2, ["latency_p50_ms", "latency_p50_lo_ms"]] = 2.52, 2.4
    assert capstone(again(surface.loc[[2]]), "accuracy", surface, brief).passed


def test_that_nothing_held_is_a_decision_and_that_nothing_was_asked_is_not(surface, brief):
    none = ts.solve(surface, FASTEST, brief).iloc[:0]
    none.attrs[PROBLEM] = ts.solve(surface, FASTEST, brief).attrs[PROBLEM]
    assert capstone(none, "accuracy", surface, brief).passed
    other = ts.solve(surface, FASTEST, [ts.at_least("accuracy", 0.99)])
    assert "other limits" in capstone(other, "accuracy", surface, brief).words
    assert "ts.solve" in capstone("resnet8", "accuracy", surface, brief).words


def test_on_a_recorded_surface_what_solve_finds_is_right():
    surface = ts.load_recorded("fashion").query("threads == 1 and pruning == 'none' and status == 'ok'")
    enough = surface["accuracy"].median()
    fastest = surface.loc[surface["accuracy"] >= enough, "throughput_per_s"].max()
    brief = [ts.at_least("accuracy", enough), ts.at_least("throughput_per_s", 0.5 * fastest)]
    solved = ts.solve(surface, FASTEST, brief)
    assert capstone(again(solved), ts.explain(solved).binding, surface, brief).passed
    cutoff = 1.5 * surface["latency_p90_ms"].min()
    choice = ts.solve(
        surface[surface["batch_size"] == 1], ts.maximize("accuracy"), [ts.at_most("latency_p90_ms", cutoff)]
    )
    assert drone_choice(choice, surface, cutoff).passed
