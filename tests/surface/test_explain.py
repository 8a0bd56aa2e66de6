import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.surface.explain import explain
from tradespace.surface.objectives import Constraint, at_least, at_most, maximize, minimize
from tradespace.surface.solve import solve

COLUMNS = ["ms", "mb", "accuracy"]
VALUES = st.sampled_from([-2.0, -1.0, 0.0, 0.9, 1.0, 1.05, 1.1, 2.0, 10.0])
SHARES = st.sampled_from([0.0, 0.09, 0.1, 0.105, 0.11, 0.2, 1.0])
LIMITS = st.sampled_from([-10.0, -2.0, -1.0, 0.0, 1.0, 1.5, 2.0])
CONSTRAINTS = st.builds(Constraint, st.sampled_from(["ms", "mb"]), LIMITS, st.booleans())


@st.composite
def problems(draw):
    known_or_not = VALUES | st.just(math.nan)
    rows = st.tuples(known_or_not, known_or_not, SHARES, st.sampled_from(["ok", "ok", "ok", "failed"]))
    frame = pd.DataFrame(draw(st.lists(rows, max_size=8)), columns=[*COLUMNS, "status"])
    frame = frame.astype(dict.fromkeys(COLUMNS, float)).assign(row=range(len(frame)))
    frame.index = frame.index[::-1] // 2  # not in order, and not unique: nothing may lean on it
    constraints = draw(st.lists(CONSTRAINTS, max_size=3))
    return frame, draw(st.sampled_from([minimize, maximize]))("accuracy"), constraints


def value(surface, objective, constraints):
    """What `solve` would get; NaN if nothing."""
    choice = solve(surface, objective, constraints)
    return choice["accuracy"].iloc[0] if len(choice) else math.nan


def without(constraints, i, *instead):
    return [*constraints[:i], *instead, *constraints[i + 1 :]]


def looser(constraint):
    room = 0.1 * abs(constraint.limit)
    return Constraint(
        constraint.column, constraint.limit + (-room if constraint.at_least else room), constraint.at_least
    )


def beyond(row, constraint):
    """How far a row is beyond a limit, as a share of the limit, or plainly where the limit is zero."""
    over = (
        constraint.limit - row[constraint.column] if constraint.at_least else row[constraint.column] - constraint.limit
    )
    return max(over, 0) / (abs(constraint.limit) or 1)


def nearest(surface, constraints, wanted):
    """The row that is `wanted` and least beyond its worst limit, the first of those that tie; none if there is none."""
    rows = [
        (max([beyond(row, c) for c in constraints], default=0), row["row"])
        for row in surface.to_dict("records")
        if row["status"] == "ok" and wanted(row["accuracy"]) and not any(math.isnan(row[c.column]) for c in constraints)
    ]
    return [min(rows)[1]] if rows else []


@given(drawn=problems())
def test_a_constraint_binds_if_the_choice_would_be_better_without_it(drawn):
    surface, objective, constraints = drawn
    now = value(surface, objective, constraints)
    if math.isnan(now):
        return
    thens = [value(surface, objective, without(constraints, i)) for i in range(len(constraints))]
    better = [then > now if objective.maximize else then < now for then in thens]
    found = explain(solve(surface, objective, constraints))
    assert list(found.binding) == [c for c, b in zip(constraints, better, strict=True) if b]


@given(drawn=problems())
def test_a_tenth_more_room_buys_what_solving_again_says(drawn):
    surface, objective, constraints = drawn
    before = surface.copy(deep=True)
    now = value(surface, objective, constraints)
    found = explain(solve(surface, objective, constraints))
    assert_frame_equal(surface, before)
    if math.isnan(now):
        return
    assert found.relaxed["constraint"].tolist() == [str(c) for c in constraints]
    assert found.relaxed["relaxed_to"].tolist() == [looser(c).limit for c in constraints]
    thens = [value(surface, objective, without(constraints, i, looser(c))) for i, c in enumerate(constraints)]
    assert found.relaxed["then"].tolist() == thens
    assert found.relaxed["gain"].tolist() == [then - now for then in thens]


@given(drawn=problems())
def test_the_feasible_rows_are_counted(drawn):
    surface, objective, constraints = drawn
    rows = [row for row in surface.to_dict("records") if row["status"] == "ok"]
    kept = [row for row in rows if all(beyond(row, c) == 0 for c in constraints)]  # NaN is beyond nothing, but not 0
    assert explain(solve(surface, objective, constraints)).feasible == len(kept)


@given(drawn=problems())
def test_the_nearest_miss_is_the_better_row_that_breaks_its_worst_limit_least(drawn):
    surface, objective, constraints = drawn
    now = value(surface, objective, constraints)
    found = explain(solve(surface, objective, constraints)).nearest_miss
    if math.isnan(now):
        expected = nearest(surface, constraints, lambda accuracy: True)
    else:
        expected = nearest(
            surface, constraints, lambda accuracy: accuracy > now if objective.maximize else accuracy < now
        )
    assert found["row"].tolist() == expected
    assert found.columns.tolist() == surface.columns.tolist()


@given(drawn=problems())
def test_if_nothing_is_feasible_the_least_relaxation_of_each_limit_lets_a_row_in_and_less_does_not(drawn):
    surface, objective, constraints = drawn
    if not math.isnan(value(surface, objective, constraints)):
        return
    found = explain(solve(surface, objective, constraints))
    assert found.feasible == 0
    assert list(found.relaxed["constraint"]) == [str(c) for c in constraints]
    assert found.relaxed[["then", "gain"]].isna().all(axis=None)
    enough = []
    for i, (constraint, relaxed_to) in enumerate(zip(constraints, found.relaxed["relaxed_to"], strict=True)):
        others = without(constraints, i)
        # Any limit that lets a row in may as well be the value of a row.
        limits = [Constraint(constraint.column, v, constraint.at_least) for v in surface[constraint.column].dropna()]
        letting = [c.limit for c in limits if len(solve(surface, objective, [*others, c]))]
        best = (max if constraint.at_least else min)(letting, default=math.nan)
        np.testing.assert_equal(relaxed_to, best)
        enough += [constraint] if letting else []
    assert list(found.binding) == enough


@given(drawn=problems())
def test_it_is_told_in_whole_sentences(drawn):
    surface, objective, constraints = drawn
    found = explain(solve(surface, objective, constraints))
    assert repr(found) == "\n".join(found.sentences)
    for sentence in found.sentences:
        assert re.fullmatch(r"['A-Za-z].*[\w%]\)?\.", sentence), sentence
        assert "nan" not in sentence
    assert len(set(found.sentences)) == len(found.sentences) or len(set(constraints)) < len(constraints)


@pytest.fixture
def surface():
    return pd.DataFrame({"ms": [1.0, 2.0, 2.1, 9.0], "accuracy": [0.8, 0.85, 0.9, 0.95], "status": "ok"})


def test_a_limit_that_is_just_too_tight_binds_and_says_what_a_little_more_buys(surface):
    found = explain(solve(surface, maximize("accuracy"), [at_most("ms", 2), at_least("accuracy", 0.5)]))
    assert found.binding == (at_most("ms", 2),)
    np.testing.assert_allclose(found.relaxed["relaxed_to"], [2.2, 0.45])
    np.testing.assert_allclose(found.relaxed["gain"], [0.05, 0])
    assert found.nearest_miss.index.tolist() == [2]
    assert found.sentences == (
        "The best of 2 feasible rows: accuracy 0.85.",
        "'ms at most 2' binds: with at most 2.2, accuracy would be 0.9.",
        "Nearest miss: accuracy 0.9 with ms 2.1, 5 % beyond its limit.",
    )


def test_a_limit_that_a_little_more_room_does_not_help_says_so(surface):
    found = explain(solve(surface, maximize("accuracy"), [at_most("ms", 3)]))
    assert found.binding == (at_most("ms", 3),)
    assert found.sentences[1] == "'ms at most 3' binds: with at most 3.3, nothing would change."


def test_a_limit_of_zero_or_below_has_room_on_the_right_side():
    surface = pd.DataFrame({"gain": [-1.0, -1.05, 0.0], "accuracy": [0.8, 0.9, 0.7], "status": "ok"})
    found = explain(solve(surface, maximize("accuracy"), [at_least("gain", -1)]))
    assert found.relaxed["relaxed_to"].tolist() == [-1.1]
    assert found.relaxed["then"].tolist() == [0.9]
    zero = explain(solve(surface, maximize("accuracy"), [at_least("gain", 0)]))
    assert zero.relaxed["relaxed_to"].tolist() == [0]
    assert zero.nearest_miss["gain"].tolist() == [-1]


def test_without_constraints_none_binds_and_nothing_is_missed(surface):
    found = explain(solve(surface, maximize("accuracy")))
    assert (found.feasible, found.binding, len(found.relaxed), len(found.nearest_miss)) == (4, (), 0, 0)
    assert found.relaxed.columns.tolist() == ["constraint", "relaxed_to", "then", "gain"]
    assert repr(found).startswith("The best of 4 feasible rows: accuracy 0.95.\nNo constraint")


def test_the_choice_is_named_by_its_knobs(surface_of):
    surface = surface_of(
        {"accuracy": 0.9, "pruning": "channels-50", "threads": 2, "batch_size": 16},
        {"accuracy": 0.95, "latency_p50_ms": 7.0},
    )
    told = repr(explain(solve(surface, maximize("accuracy"), [at_most("latency_p50_ms", 5)])))
    assert "accuracy 0.9 (resnet8, channels-50, fp32, eager, 2 threads, batch 16)." in told
    assert "Nearest miss: accuracy 0.95 (resnet8, fp32, eager, 1 thread, batch 1) with latency_p50_ms 7, 40 %" in told


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (["model", "threads"], "(resnet8, 1 thread)"),
        (["threads"], "(1 thread)"),
        (["batch_size"], "(batch 1)"),
        (["model", "batch_size"], "(resnet8, batch 1)"),
        (["model"], "(resnet8)"),
    ],
)
def test_a_frame_of_fewer_columns_is_named_by_those_it_has(surface_of, columns, name):
    surface = surface_of({"accuracy": 0.9})[[*columns, "accuracy", "status"]]
    assert explain(solve(surface, maximize("accuracy"))).sentences[0].endswith(f"accuracy 0.9 {name}.")


def test_a_computed_column_may_bind(surface_of):
    surface = surface_of(
        {"latency_p50_ms": 1.0, "throughput_per_s": 100.0, "accuracy": 0.8},
        {"latency_p50_ms": 10.0, "throughput_per_s": 500.0, "accuracy": 0.9},
    )
    found = explain(solve(surface, maximize("accuracy"), [at_least("power", 60_000)]))
    assert found.binding == (at_least("power", 60_000),)
    assert found.nearest_miss.index.tolist() == [1]


def test_each_limit_that_is_enough_by_itself_is_told_with_its_change(surface):
    found = explain(solve(surface, maximize("accuracy"), [at_most("ms", 2), at_least("accuracy", 0.9)]))
    assert found.feasible == 0
    np.testing.assert_allclose(found.relaxed["relaxed_to"], [2.1, 0.85])
    assert found.sentences == (
        "Nothing is feasible.",
        "Enough by itself: 'ms at most 2' relaxed to 2.1 (+5 %).",
        "Enough by itself: 'accuracy at least 0.9' relaxed to 0.85 (-5.6 %).",
    )


def test_if_no_limit_is_enough_by_itself_the_row_that_comes_nearest_is_told(surface):
    limits = [at_most("ms", 0.5), at_least("accuracy", 0.99)]
    found = explain(solve(surface, maximize("accuracy"), limits))
    assert found.relaxed["relaxed_to"].isna().all()
    assert found.nearest_miss["ms"].tolist() == [1.0]
    assert found.sentences[1].startswith("No constraint is enough by itself. The row that comes nearest: ms 1, ")


@pytest.mark.parametrize("limits", [[at_most("ms", 0.5), at_least("accuracy", 0.99)], [at_most("ms", 0.4)]])
def test_more_than_the_whole_of_a_limit_is_written_in_plain_digits(surface, limits):
    assert "e+" not in repr(explain(solve(surface, maximize("accuracy"), limits)))


@pytest.mark.parametrize("limit", [10_000, 15_000, 2_000_000])
def test_thousands_of_items_a_second_are_written_in_plain_digits(surface_of, limit):
    surface = surface_of({"throughput_per_s": 12_345.6, "accuracy": 0.9}, {"throughput_per_s": 9_876.5})
    found = explain(solve(surface, maximize("throughput_per_s"), [at_least("throughput_per_s", limit)]))
    assert "e+" not in repr(found)


def test_a_change_is_upwards_if_the_limit_rises_even_from_below_zero():
    surface = pd.DataFrame({"gain": [-2.0], "accuracy": [0.8], "status": "ok"})
    found = explain(solve(surface, maximize("accuracy"), [at_most("gain", -10)]))
    assert found.sentences[1] == "Enough by itself: 'gain at most -10' relaxed to -2 (+80 %)."


def test_limits_that_contradict_each_other_are_named(surface):
    found = explain(solve(surface, maximize("accuracy"), [at_most("ms", 1), at_least("ms", 3), at_most("ms", 5)]))
    assert "'ms at most 1' and 'ms at least 3' contradict each other." in found.sentences
    assert sum("contradict" in sentence for sentence in found.sentences) == 1


def test_equal_limits_from_both_sides_are_no_contradiction(surface):
    found = explain(solve(surface, maximize("accuracy"), [at_most("ms", 3), at_least("ms", 3)]))
    assert "contradict" not in repr(found)


def test_a_limit_on_what_was_never_read_says_so(surface_of):
    surface = surface_of({"energy_j_per_item": math.nan}, {"energy_j_per_item": math.nan})
    found = explain(solve(surface, maximize("accuracy"), [at_most("energy_j_per_item", 1)]))
    assert found.sentences[:2] == (
        "Nothing is feasible.",
        "energy_j_per_item is unknown in every measured row, so no row can meet a limit on it.",
    )
    assert found.relaxed["relaxed_to"].isna().all()
    assert len(found.nearest_miss) == 0


@pytest.mark.parametrize("changes", [[], [{"status": "failed"}]])
def test_a_surface_without_measured_rows_says_so(surface_of, changes):
    found = explain(solve(surface_of(*changes), maximize("accuracy"), [at_most("latency_p50_ms", 1)]))
    assert found.sentences == ("Nothing is feasible.", "The surface has no measured row.")
    assert (found.feasible, found.binding, len(found.nearest_miss)) == (0, (), 0)


def test_an_empty_choice_without_constraints_names_the_objective_that_is_not_known(surface_of):
    found = explain(solve(surface_of({"energy_j_per_item": math.nan}), minimize("energy_j_per_item")))
    assert found.sentences[0] == "Nothing is feasible."
    assert "energy_j_per_item is unknown in every measured row" in found.sentences[1]
    assert not any("comes nearest" in sentence for sentence in found.sentences)


def test_no_relaxation_is_advised_that_lets_in_only_rows_whose_objective_is_not_known():
    surface = pd.DataFrame({"ms": [3.0, 5.0], "accuracy": [math.nan, 0.9], "status": "ok"})
    found = explain(solve(surface, maximize("accuracy"), [at_most("ms", 2)]))
    assert found.relaxed["relaxed_to"].tolist() == [5]
    assert found.nearest_miss["ms"].tolist() == [5]


def test_an_objective_that_nobody_knows_is_not_the_fault_of_a_limit_that_is_kept():
    surface = pd.DataFrame({"ms": [1.0, 2.0], "energy": [math.nan, math.nan], "status": "ok"})
    found = explain(solve(surface, minimize("energy"), [at_most("ms", 3)]))
    assert found.binding == ()
    assert found.relaxed["relaxed_to"].isna().all()


def test_a_row_that_is_not_known_in_a_later_objective_is_no_miss():
    surface = pd.DataFrame({"accuracy": [0.8, 0.9], "joules": [1.0, math.nan], "ms": [1.0, 1.0], "status": "ok"})
    found = explain(solve(surface, [maximize("accuracy"), minimize("joules")], [at_most("ms", 3)]))
    assert len(found.nearest_miss) == 0
    assert not any(sentence.startswith("Nearest miss") for sentence in found.sentences)


def test_every_row_that_keeps_the_limits_is_counted_known_in_the_objective_or_not():
    surface = pd.DataFrame({"accuracy": [0.8, math.nan], "ms": [1.0, 1.0], "status": "ok"})
    assert explain(solve(surface, maximize("accuracy"), [at_most("ms", 3)])).feasible == 2
    assert explain(solve(surface[1:], maximize("accuracy"), [at_most("ms", 3)])).feasible == 1


def test_a_limit_that_only_a_later_objective_feels_binds_too():
    surface = pd.DataFrame({"accuracy": [0.9, 0.9], "ms": [5.0, 1.0], "mb": [1.0, 2.0], "status": "ok"})
    found = explain(solve(surface, [maximize("accuracy"), minimize("mb")], [at_most("ms", 2)]))
    assert "the choice would be the same" not in repr(found)
    assert found.binding == (at_most("ms", 2),)


def test_the_same_limit_twice_is_told_alike_whether_it_is_one_object_or_two(surface):
    cap = at_most("ms", 2)
    twice = explain(solve(surface, maximize("accuracy"), [cap, cap]))
    two = explain(solve(surface, maximize("accuracy"), [cap, at_most("ms", 2)]))
    assert repr(twice) == repr(two)


@pytest.mark.parametrize("side", [at_most, at_least])
def test_the_relaxation_that_is_told_is_enough_when_it_is_typed(side):
    surface = pd.DataFrame({"ms": [2.12344999, 2.12345001], "accuracy": [0.8, 0.9], "status": "ok"})
    limit = side("ms", 1 if side is at_most else 3)
    [told] = re.findall(r"relaxed to ([\d.]+)", repr(explain(solve(surface, maximize("accuracy"), [limit]))))
    assert len(solve(surface, maximize("accuracy"), [side("ms", float(told))])) == 1


@pytest.mark.parametrize("limit", [at_most("ms", math.inf), at_least("ms", -math.inf)])
def test_a_limit_without_end_does_not_bind(limit):
    surface = pd.DataFrame({"ms": [1.0, -math.inf, math.inf], "accuracy": [0.8, 0.9, 0.9], "status": "ok"})
    found = explain(solve(surface, maximize("accuracy"), [limit]))
    assert found.binding == ()


def test_a_limit_that_nothing_can_reach_is_relaxed_to_what_there_is(surface):
    found = explain(solve(surface, maximize("accuracy"), [at_least("ms", math.inf)]))
    assert found.relaxed["relaxed_to"].tolist() == [9.0]
    assert "nan" not in repr(found)


@pytest.mark.parametrize("lost", [pd.DataFrame({"ms": [1.0]}), pd.DataFrame()])
def test_a_frame_that_carries_no_problem_is_refused(lost):
    with pytest.raises(ValueError, match=r"^choice: wanted what ts\.solve\(\) returned; got a DataFrame that does not"):
        explain(lost)


def test_a_choice_that_lost_its_problem_is_refused(surface):
    choices = [solve(surface, maximize("accuracy"), [at_most("ms", limit)]) for limit in (1, 2)]
    for lost in (pd.concat(choices), pd.DataFrame(choices[0].to_dict("list"))):
        with pytest.raises(ValueError, match=r"^choice: wanted what ts\.solve\(\) returned"):
            explain(lost)
