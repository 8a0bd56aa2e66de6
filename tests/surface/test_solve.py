import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.surface.objectives import at_least, at_most, maximize, minimize
from tradespace.surface.solve import solve

VALUES = st.sampled_from([0.0, 1.0, 2.0, math.inf, -math.inf, math.nan])
SURFACES = st.lists(st.tuples(VALUES, VALUES, st.sampled_from(["ok", "ok", "failed"])), max_size=8).map(
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
