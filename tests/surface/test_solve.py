import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.surface.explain import explain
from tradespace.surface.objectives import at_least, at_most, maximize, minimize
from tradespace.surface.solve import PROBLEM, solve

VALUES = st.sampled_from([0.0, 1.0, 2.0, math.inf, -math.inf, math.nan])
SHARES = st.sampled_from([0.0, 0.5, 1.0, math.nan])
SURFACES = st.lists(st.tuples(VALUES, SHARES, st.sampled_from(["ok", "ok", "failed"])), max_size=8).map(
    lambda rows: pd.DataFrame(rows, columns=["ms", "accuracy", "status"]).astype({"ms": float, "accuracy": float})
)


@pytest.fixture
def surface():
    return pd.DataFrame(
        {"ms": [1.0, 2.0, 3.0, 4.0], "accuracy": [0.7, 0.8, 0.9, 0.9], "status": "ok"}, index=[7, 5, 5, 1]
    )


@given(surface=SURFACES, direction=st.sampled_from([minimize, maximize]), limit=st.sampled_from([0.0, 1.5, 3.0]))
def test_the_choice_is_the_first_best_of_the_feasible_rows(surface, direction, limit):
    before = surface.copy(deep=True)
    choice = solve(surface, direction("accuracy"), subject_to=[at_most("ms", limit)])
    feasible = before.query("status == 'ok' and ms <= @limit").dropna()
    order = feasible.sort_values("accuracy", ascending=direction is minimize, kind="stable")
    assert_frame_equal(choice, order.head(1))
    assert_frame_equal(surface, before)


def test_without_constraints_the_best_measured_row_wins(surface):
    assert solve(surface, minimize("ms"))["ms"].tolist() == [1.0]
    surface.loc[7, "status"] = "failed"
    assert solve(surface, minimize("ms"))["ms"].tolist() == [2.0]


def test_every_constraint_is_kept(surface):
    choice = solve(surface, maximize("accuracy"), subject_to=[at_most("ms", 3), at_least("ms", 1.5)])
    assert choice["ms"].tolist() == [3.0]


def test_constraints_may_come_from_any_iterable(surface):
    assert solve(surface, maximize("accuracy"), (at_most("ms", limit) for limit in (3, 2)))["ms"].tolist() == [2.0]


def test_of_rows_that_tie_the_first_is_taken(surface):
    assert solve(surface, maximize("accuracy"))["ms"].tolist() == [3.0]
    assert solve(surface[::-1], maximize("accuracy"))["ms"].tolist() == [4.0]


def test_the_choice_is_one_row_of_the_surface_with_its_index_and_columns(surface):
    assert_frame_equal(solve(surface, minimize("ms")), surface.iloc[[0]])


def test_nothing_feasible_is_an_empty_frame_of_the_same_columns(surface):
    choice = solve(surface, maximize("accuracy"), subject_to=[at_most("ms", 0.5)])
    assert_frame_equal(choice, surface.iloc[:0])


def test_an_empty_surface_has_no_choice(surface_of):
    surface = surface_of()
    assert_frame_equal(solve(surface, maximize("accuracy"), [at_most("latency_p50_ms", 1)]), surface)


def test_the_unknown_is_never_feasible_and_never_best(surface):
    surface["ms"] = [math.nan, 2.0, 3.0, 4.0]
    assert solve(surface, minimize("ms"))["ms"].tolist() == [2.0]
    assert solve(surface, minimize("accuracy"), [at_most("ms", math.inf)])["accuracy"].tolist() == [0.8]
    assert solve(surface, minimize("accuracy"), [at_least("ms", -math.inf)])["accuracy"].tolist() == [0.8]


@pytest.mark.parametrize(("direction", "worst"), [(minimize, math.inf), (maximize, -math.inf)])
def test_the_worst_possible_feasible_row_is_preferred_to_an_infeasible_one(direction, worst):
    surface = pd.DataFrame({"cost": [1.0, worst], "accuracy": [0.5, 0.9], "status": "ok"})
    choice = solve(surface, direction("cost"), subject_to=[at_least("accuracy", 0.8)])
    assert choice["accuracy"].tolist() == [0.9]


def test_unknown_columns_are_refused_with_the_nearest(surface):
    with pytest.raises(
        ValueError, match=r"^column: wanted one of ms, accuracy; got 'acuracy'. Did you mean 'accuracy'"
    ):
        solve(surface, maximize("acuracy"))
    with pytest.raises(ValueError, match=r"^column: wanted one of ms, accuracy; got 'mss'. Did you mean 'ms'"):
        solve(surface, maximize("accuracy"), subject_to=[at_most("mss", 1)])


def test_a_column_name_in_the_place_of_an_objective_is_refused(surface):
    with pytest.raises(ValueError, match=r"^objective.*got 'accuracy'"):
        solve(surface, "accuracy")


def test_a_constraint_without_its_list_is_refused(surface):
    with pytest.raises(ValueError, match=r"^subject_to: "):
        solve(surface, maximize("accuracy"), subject_to=at_most("ms", 2))


@st.composite
def many_objectives(draw):
    columns = ["a", "b", "c"][: draw(st.integers(1, 3))]
    rows = draw(st.lists(st.tuples(*[VALUES for _ in "abc"], st.sampled_from(["ok", "ok", "failed"])), max_size=10))
    frame = pd.DataFrame(rows, columns=[*"abc", "status"]).astype(dict.fromkeys("abc", float))
    frame["row"] = range(len(frame))
    frame.index = frame.index[::-1] // 2  # not in order, and not unique: nothing may lean on it
    return frame, [draw(st.sampled_from([minimize, maximize]))(column) for column in columns]


@given(drawn=many_objectives(), limit=st.sampled_from([-math.inf, 0.0, 1.0, math.inf]))
def test_each_next_objective_decides_between_rows_that_tie_in_all_before_it(drawn, limit):
    surface, objectives = drawn
    before = surface.copy(deep=True)
    choice = solve(surface, objectives, [at_least("b", limit)])
    rows = [
        row
        for row in surface.to_dict("records")
        if row["status"] == "ok" and row["b"] >= limit and not any(math.isnan(row[o.column]) for o in objectives)
    ]
    # min() takes the first of those that tie.
    best = min(rows, key=lambda row: [-row[o.column] if o.maximize else row[o.column] for o in objectives], default={})
    assert choice["row"].tolist() == ([best["row"]] if best else [])
    assert_frame_equal(surface, before)


@given(
    drawn=many_objectives(),
    limit=st.sampled_from([-math.inf, 0.0, 1.0]),
    widths=st.fixed_dictionaries({}, optional=dict.fromkeys("abc", st.sampled_from([0.0, 0.5, 1.0, 1.5]))),
)
def test_with_a_margin_rows_near_the_best_tie(drawn, limit, widths):
    surface, objectives = drawn
    margin = {o.column: widths[o.column] for o in objectives if o.column in widths}
    choice = solve(surface, objectives, [at_least("b", limit)], margin=margin)
    rows = [
        row
        for row in surface.to_dict("records")
        if row["status"] == "ok" and row["b"] >= limit and not any(math.isnan(row[o.column]) for o in objectives)
    ]
    tied, signs = rows, {o.column: 1 if o.maximize else -1 for o in objectives}
    for column, sign in signs.items():
        best = max((sign * row[column] for row in tied), default=math.nan)
        tied = [row for row in tied if sign * row[column] + margin.get(column, 0.0) >= best]
    best = max(tied, key=lambda row: [sign * row[column] for column, sign in signs.items()], default={})
    assert choice["row"].tolist() == ([best["row"]] if best else [])


def test_a_margin_alone_changes_nothing_since_nothing_else_is_wanted(surface):
    assert solve(surface, maximize("accuracy"), margin={"accuracy": 0.5}).index.tolist() == [5]
    assert solve(surface, maximize("accuracy"), margin={"accuracy": 0.5})["ms"].tolist() == [3.0]


def test_a_margin_does_not_loosen_a_limit(surface):
    wanted = [maximize("accuracy"), minimize("ms")]
    choice = solve(surface, wanted, [at_least("accuracy", 0.8)], margin={"accuracy": 0.5})
    assert choice["ms"].tolist() == [2.0]


def test_a_choice_with_a_margin_is_explained_with_it(surface):
    wanted, limits = [maximize("accuracy"), minimize("ms")], [at_most("ms", 2)]
    near = explain(solve(surface, wanted, limits, margin={"accuracy": 0.25}))
    assert near.binding == ()
    assert near.nearest_miss.empty
    assert explain(solve(surface, wanted, limits)).binding == tuple(limits)
    assert explain(solve(surface, wanted, limits, margin={"accuracy": 0.05})).binding == tuple(limits)


def test_a_margin_of_another_column_is_refused(surface):
    with pytest.raises(ValueError, match=r"^margin: wanted one of accuracy; got 'ms'"):
        solve(surface, maximize("accuracy"), margin={"ms": 1})


def test_one_objective_is_the_same_in_a_list_in_a_tuple_and_alone(surface):
    for objective in (minimize("ms"), [minimize("ms")], (minimize("ms"),)):
        assert solve(surface, objective).index.tolist() == [7]


@pytest.mark.parametrize("objective", [[], ()])
def test_no_objective_is_refused(surface, objective):
    with pytest.raises(
        ValueError, match=r"^objectives: wanted at least one, such as ts\.maximize\('accuracy'\); got none"
    ):
        solve(surface, objective)


def test_each_of_several_objectives_must_be_one(surface):
    with pytest.raises(ValueError, match=r"^objectives: .*got 'ms'"):
        solve(surface, [maximize("accuracy"), "ms"])


def test_any_numeric_column_may_be_limited(surface_of):
    surface = surface_of(
        {"model_mb": 5.0, "accuracy": 0.9}, {"model_mb": 1.0, "accuracy": 0.8, "batch_size": 8}, {"accuracy": 0.7}
    )
    assert solve(surface, maximize("accuracy"), [at_most("model_mb", 2)]).index.tolist() == [1]
    assert solve(surface, maximize("accuracy"), [at_least("batch_size", 8)]).index.tolist() == [1]
    assert solve(surface, maximize("accuracy"), [at_least("power", 0)]).index.tolist() == [0]


def test_an_accuracy_without_a_latency_is_never_chosen(surface_of):
    rows = surface_of({"accuracy": 0.8}, {"accuracy": 0.99, "latency_p50_ms": math.nan, "status": "unsupported"})
    assert solve(rows, maximize("accuracy")).index.tolist() == [0]


def test_rows_of_two_machines_are_refused_with_the_way_out(surface_of):
    surface = surface_of({"machine": "a", "accuracy": 0.8}, {"machine": "b", "accuracy": 0.9})
    with pytest.raises(ValueError, match=r"one machine; got 'a', 'b'.*surface\.assign\(machine='both'\)"):
        solve(surface, maximize("accuracy"))
    assert solve(surface.assign(machine="both"), maximize("accuracy")).index.tolist() == [1]


def test_a_choice_remembers_its_problem_through_the_usual_operations(surface):
    choice = solve(surface, maximize("accuracy"), [at_most("ms", 2)])
    told = repr(explain(choice))
    for same in (choice.copy(), choice.assign(note="x"), choice.iloc[:1], choice[["ms", "accuracy"]], choice.round(1)):
        assert repr(explain(same)) == told
    assert repr(explain(pickle.loads(pickle.dumps(choice)))) == told


def test_copying_a_choice_does_not_copy_the_surface(surface):
    choice = solve(surface, maximize("accuracy"))
    for copied in (choice.copy(deep=True), copy.deepcopy(choice), choice.assign(note="x")):
        assert copied.attrs[PROBLEM] is choice.attrs[PROBLEM]


def test_choices_may_be_put_below_one_another(surface):
    choices = [solve(surface, maximize("accuracy"), [at_most("ms", limit)]) for limit in (1, 2, 3, 0)]
    assert pd.concat(choices)["ms"].tolist() == [1, 2, 3]
    again = pd.concat([choices[0], choices[0]])
    assert again["ms"].tolist() == [1, 1]
    assert pd.concat([surface, choices[0]])["ms"].tolist() == [1, 2, 3, 4, 1]


def test_the_surface_carries_nothing_of_a_problem(surface):
    surface.attrs["note"] = "mine"
    choice = solve(surface, maximize("accuracy"))
    assert surface.attrs == {"note": "mine"}
    assert choice.attrs["note"] == "mine"


def test_a_choice_is_chosen_from_in_its_turn(surface):
    choice = solve(surface, maximize("accuracy"), [at_most("ms", 2)])
    second = solve(choice, minimize("ms"))
    assert_frame_equal(second, choice)
    assert repr(explain(second)).startswith("The best of 1 feasible rows: ms 2")


def test_a_surface_that_is_changed_later_does_not_change_what_was_asked(surface):
    choice = solve(surface, maximize("accuracy"), [at_most("ms", 2)])
    told = repr(explain(choice))
    surface.loc[7, "accuracy"] = 0.99
    assert repr(explain(choice)) == told


def test_whole_numbers_are_objectives_too():
    surface = pd.DataFrame({"a": np.array([1, 2, 2], dtype=np.uint8), "b": [0, 5, 4], "status": "ok"})
    assert solve(surface, [maximize("a"), minimize("b")]).index.tolist() == [2]
