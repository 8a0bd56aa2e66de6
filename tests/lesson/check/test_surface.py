import pandas as pd
import pytest
import tradespace as ts
from tradespace.lesson.check.surface import dominates, expendable, hidden, measure_again

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
    judged = ts.frontier_confidence(surface, AXES, draws=10)
    found = dominates(..., 13, surface), hidden(..., surface), expendable(..., surface), measure_again(..., judged)
    assert [one.passed for one in found] == [None] * 4


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


def test_what_carries_nothing_is_expendable(surface):
    assert expendable("bf16", surface).passed
    assert "bf16 0.0%" in expendable("bf16", surface).words


@pytest.mark.parametrize(
    ("choice", "hint"),
    [("int8", "the one to keep"), ("fp32", "in turn"), ("int4", "Wanted one of"), (3, "Wanted one of")],
)
def test_another_precision_is_not(surface, choice, hint):
    found = expendable(choice, surface)
    assert found.passed is False
    assert hint in found.words


def test_volumes_that_are_alike_are_all_accepted(surface):
    twins = pd.concat([surface, surface.assign(precision="int4")], ignore_index=True)
    assert expendable("int4", twins).passed
    assert expendable("int8", twins).passed


def test_a_precision_that_could_not_run_is_expendable(surface):
    surface.loc[[13, 14], "status"] = "unsupported"
    assert expendable("bf16", surface).passed


@pytest.fixture
def judged():
    chances = [1.0, 0.9, 0.5, 0.45, 0.7, 0.02]
    knobs = {"model": "m", "pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1}
    verdicts = ["on", *4 * ["can't tell"], "off"]
    rows = [{**knobs, "batch_size": 2**i, "on_frontier": p} for i, p in enumerate(chances)]
    return pd.DataFrame(rows).assign(verdict=verdicts)


def test_the_least_certain_are_worth_measuring(judged):
    best = ts.worth_measuring(judged)[:3]
    assert measure_again(best, judged).passed
    assert measure_again(best[::-1], judged).passed
    assert measure_again(judged.iloc[[2, 3, 4]], judged).passed


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        ([0, 2, 3], "1 of yours is already settled"),
        ([0, 5], "2 of yours are already settled"),
        ([2, 3], "Wanted 3 different points; got 2"),
        ([2, 2, 3], "got 2"),
        ([1, 2, 3], "others are more so"),
    ],
)
def test_other_points_are_not(judged, rows, hint):
    found = measure_again(judged.iloc[rows], judged)
    assert found.passed is False
    assert hint in found.words


def test_a_point_from_elsewhere_or_no_point_at_all_is_refused(judged):
    assert "not in the table" in measure_again([ts.Config("m", threads=1, batch_size=512)] * 3, judged).words
    assert "list of Configs" in measure_again("all", judged).words


def test_where_nothing_is_in_doubt_an_empty_list_is_right(judged):
    assert measure_again([], judged.iloc[[0, 5]]).passed
    assert not measure_again([], judged).passed


def test_on_a_recorded_surface_the_first_three(recorded):
    judged = ts.frontier_confidence(recorded, AXES, draws=50)
    assert measure_again(ts.worth_measuring(judged)[:3], judged).passed
    assert not measure_again(ts.pareto(recorded, AXES), judged).passed
