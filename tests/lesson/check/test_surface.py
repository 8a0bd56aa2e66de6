import math

import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.surface import dominates, hidden, settled, volume_lost

AXES = ts.minimize("latency_p50_ms"), ts.maximize("throughput_per_s"), ts.maximize("accuracy")


pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def surface():
    """Rows 10, 11, 12 and 14 are the frontier, 12 for its accuracy alone; 13 is dominated by 10; 14 ties with 10."""
    rows = [
        (10, 1.0, 1000, 0.80, "int8"),
        (11, 4.0, 3000, 0.85, "int8"),
        (12, 8.0, 900, 0.95, "fp32"),
        (13, 2.0, 900, 0.70, "bf16"),
        (14, 1.0, 1000, 0.80, "bf16"),
    ]
    columns = ["row", "latency_p50_ms", "throughput_per_s", "accuracy", "precision"]
    return pd.DataFrame(rows, columns=columns).set_index("row").assign(status="ok")


@pytest.fixture(params=["fashion", "glosses"])
def recorded(request):
    return ts.load_recorded(request.param).query("threads == 1 and pruning == 'none'")


def test_what_is_not_attempted_is_not_judged(surface):
    found = dominates(..., 13, surface), hidden(..., surface), volume_lost(..., surface, surface, {})
    assert [one.passed for one in (*found, settled(..., surface, surface))] == [None] * 4


def test_a_dominating_point_may_be_named_in_any_way(surface):
    loser = surface.loc[[13]]
    for rival in (10, 14, surface.loc[10], surface.loc[[10]], surface.loc[[10]].index):
        assert dominates(rival, loser, surface).passed, rival
    assert "better in latency and throughput and accuracy" in dominates(10, 13, surface).words


@pytest.mark.parametrize(
    ("rival", "loser", "hint"),
    [
        (13, 13, "the point itself"),
        (12, 13, "worse in latency"),
        (11, 13, "worse in latency"),
        (14, 10, "a tie"),
        (99, 13, "row number of the table"),
        ("resnet8", 13, "row number of the table"),
    ],
)
def test_a_point_that_dominates_nothing_is_told_why(surface, rival, loser, hint):
    found = dominates(rival, loser, surface)
    assert found.passed is False
    assert hint in found.words


def test_several_points_are_no_answer(surface):
    assert "one point; got 2" in dominates(surface.loc[[10, 11]], 13, surface).words


def test_a_point_without_a_measurement_dominates_nothing(surface):
    surface.loc[10, "status"] = "failed"
    assert "not measured" in dominates(10, 13, surface).words


def test_the_second_hint_names_a_row(surface):
    dominates(12, 13, surface)
    assert "row 10" in dominates(12, 13, surface).words


def test_on_a_recorded_surface_what_solve_finds_dominates(recorded):
    frontier = ts.pareto(recorded, AXES)
    beaten = recorded[recorded["latency_p50_ms"].notna() & (recorded["status"] == "ok")].drop(frontier.index)
    for loser in beaten.index[::40]:
        ms, rate, share = beaten.loc[loser, ["latency_p50_ms", "throughput_per_s", "accuracy"]]
        limits = [
            ts.at_most("latency_p50_ms", ms),
            ts.at_least("throughput_per_s", rate),
            ts.at_least("accuracy", share),
        ]
        assert dominates(ts.solve(recorded, AXES, limits), loser, recorded).passed


def test_the_hidden_points_as_a_number_or_as_rows(surface):
    # 10 and 14 tie, and both stay.
    assert all(hidden(given, surface).passed for given in (1, 1.0, surface.loc[[12]], [12]))


@pytest.mark.parametrize(
    ("count", "hint"), [(4, "whole frontier in three"), (3, "in two"), (2, "dominated in three as well"), (7, "pareto")]
)
def test_other_counts_are_told_what_they_count(surface, count, hint):
    found = hidden(count, surface)
    assert found.passed is False
    assert hint in found.words


def test_a_text_is_no_count(surface):
    assert hidden("one", surface).passed is False


def test_on_a_recorded_surface_the_frontier_of_the_frontier_counts(recorded):
    frontier = ts.pareto(recorded, AXES)
    assert hidden(len(frontier) - len(ts.pareto(frontier, AXES[:2])), recorded).passed
    assert not hidden(len(ts.pareto(recorded, AXES[:2])), recorded).passed


MARGIN = {"accuracy": 0.005}


def test_with_a_margin_a_lead_that_is_too_small_hides_nothing(surface):
    # Row 12 leads row 11 by a tenth of a point: without a margin it is hidden on the flat chart, with one it is gone.
    surface.loc[12, "accuracy"] = 0.851
    assert hidden(1, surface).passed
    assert hidden(0, surface, MARGIN).passed
    found = hidden(1, surface, MARGIN)
    assert found.passed is False
    assert "within the margin" in found.words


@pytest.mark.parametrize("margin", [None, MARGIN])
def test_on_a_recorded_surface_the_hidden_points_of_what_is_left(recorded, margin):
    kept = ts.pareto(recorded, AXES, margin=margin)
    assert hidden(len(kept) - len(ts.pareto(kept, AXES[:2])), recorded, margin).passed
    assert not hidden(len(kept), recorded, margin).passed


NEAR = {"latency_p50_ms": 10, "throughput_per_s": 800, "accuracy": 0.75}


@pytest.fixture
def losses(surface):
    """Without int8, at the near reference and at the distant one."""
    kept = surface[surface["precision"] != "int8"]
    near, far = (
        [ts.hypervolume(rows, AXES, reference=reference) for rows in (surface, kept)] for reference in (NEAR, None)
    )
    return kept, near, far


@pytest.mark.parametrize("given", [lambda loss: loss, lambda loss: 100 * loss, lambda loss: round(loss, 3)])
def test_the_loss_is_a_share_at_the_reference_that_was_asked_for(surface, losses, given):
    kept, (whole, left), (far_whole, far_left) = losses
    found = volume_lost(given(1 - left / whole), surface, kept, NEAR)
    assert found.passed
    assert f"{1 - far_left / far_whole:.1%}" in found.words


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (lambda near, far: 1 - far[1] / far[0], "distant reference"),
        (lambda near, far: near[1] / near[0], "the share that is left"),
        (lambda near, far: near[0] / near[1] - 1, "Divide by the whole"),
        (lambda near, far: near[0] - near[1], "share of the whole"),
        (lambda near, far: 0.0, "Work out both volumes"),
        (lambda near, far: "half", "wanted a number"),
        (lambda near, far: [0.1, 0.2], "got 2"),
    ],
)
def test_other_losses_are_told_what_they_are(surface, losses, given, hint):
    kept, near, far = losses
    found = volume_lost(given(near, far), surface, kept, NEAR)
    assert found.passed is False
    assert hint in found.words


def test_where_nothing_else_was_measured_there_is_no_loss_to_judge(surface):
    surface.loc[surface["precision"] == "int8", "status"] = "unsupported"
    for kept in (surface[surface["precision"] != "int8"], surface[surface["precision"] == "int8"]):
        assert volume_lost(0.0, surface, kept, NEAR).passed is None
    worst = {"latency_p50_ms": 0.1, "throughput_per_s": 800, "accuracy": 0.75}
    assert volume_lost(math.nan, surface, surface[:1], worst).passed is None


KNOBS = {"pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1}


def with_verdicts(*verdicts):
    return pd.DataFrame({"batch_size": range(1, len(verdicts) + 1), "verdict": verdicts, "model": "m", **KNOBS})


BEFORE = with_verdicts("on", "off", "on", *["can't tell"] * 5)
AFTER = with_verdicts("on", "off", "can't tell", "on", "off", "on", "can't tell", "can't tell")


@pytest.mark.parametrize(
    ("count", "passed", "words"),
    [
        (3, True, "Of 5 points in doubt, 3 are settled now: 2 on the frontier, 1 off it"),
        (3.0, True, "however long"),
        ([3, 4, 5], True, "settled"),
        (5, False, "were in doubt"),
        (2, False, "Count the rows"),
        (8, False, "Count the rows"),
        (0, False, "Count the rows"),
        ("three", False, "wanted a number"),
    ],
)
def test_the_settled_are_those_that_were_in_doubt_and_are_not_now(count, passed, words):
    found = settled(count, BEFORE, AFTER)
    assert found.passed is passed
    assert words in found.words


@pytest.mark.parametrize(("count", "words"), [(2, "are in doubt now"), (4, "never were in doubt")])
def test_what_else_may_be_counted_is_known(count, words):
    after = with_verdicts("on", "off", "on", "on", "can't tell", "can't tell")
    assert words in settled(count, with_verdicts("on", "off", "on", *["can't tell"] * 3), after).words


def test_rows_in_another_order_are_found_by_their_knobs():
    assert settled(3, BEFORE, AFTER[::-1]).passed


@pytest.mark.parametrize(("count", "passed"), [(0, True), (1, False), (2, False)])
def test_where_nothing_was_in_doubt_nothing_was_settled(count, passed):
    sure = with_verdicts("on", "off")
    assert settled(count, sure, sure).passed is passed


def test_where_nothing_could_be_settled_none_is_right():
    assert settled(0, BEFORE, BEFORE).passed
    assert not settled(5, BEFORE, BEFORE).passed
