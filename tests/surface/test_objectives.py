import math

import numpy as np
import pandas as pd
import pytest
from tradespace.surface.objectives import (
    Constraint,
    Objective,
    at_least,
    at_most,
    check_one_machine,
    feasible,
    maximize,
    minimize,
    numbers,
)

SURFACE = pd.DataFrame(
    {
        "model": ["a", "b", "c", "d"],
        "latency_p50_ms": [1.0, 5.0, math.nan, 4.0],
        "threads": [1, 2, 3, 4],
        "status": ["ok", "ok", "ok", "failed"],
    }
)


def test_an_objective_has_a_column_and_a_direction():
    assert minimize("latency_p50_ms") == Objective("latency_p50_ms", maximize=False)
    assert maximize("accuracy") == Objective("accuracy", maximize=True)


def test_a_constraint_has_a_column_a_plain_number_and_a_side():
    assert at_most("latency_p50_ms", 5) == Constraint("latency_p50_ms", 5.0, at_least=False)
    assert at_least("accuracy", np.float32(0.5)) == Constraint("accuracy", 0.5, at_least=True)
    assert type(at_most("threads", np.int64(5)).limit) is float


@pytest.mark.parametrize("limit", ["5", True, None, math.nan, np.float64("nan"), [5], 1j])
@pytest.mark.parametrize("side", [at_most, at_least])
def test_a_limit_must_be_a_number(side, limit):
    with pytest.raises(ValueError, match=r"^limit on latency_p50_ms: wanted a number; got "):
        side("latency_p50_ms", limit)


def test_the_values_of_an_objective_are_unknown_in_rows_that_were_not_measured():
    np.testing.assert_array_equal(minimize("latency_p50_ms").values(SURFACE), [1, 5, math.nan, math.nan])


@pytest.mark.parametrize(
    ("constraint", "met"),
    [
        (at_most("latency_p50_ms", 5), [True, True, False, True]),
        (at_most("latency_p50_ms", 4), [True, False, False, True]),
        (at_least("latency_p50_ms", 4), [False, True, False, True]),
        (at_most("latency_p50_ms", math.inf), [True, True, False, True]),
        (at_least("latency_p50_ms", -math.inf), [True, True, False, True]),
        (at_most("latency_p50_ms", 0), [False, False, False, False]),
    ],
)
def test_a_constraint_is_met_at_equality_and_never_by_the_unknown(constraint, met):
    assert constraint.met(SURFACE).tolist() == met


def test_whole_numbers_come_as_floats():
    threads = numbers(SURFACE, "threads")
    assert threads.dtype == float
    assert threads.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("column", "nearest"), [("latency", "latency_p50_ms"), ("latency_p50", "latency_p50_ms"), ("thread", "threads")]
)
def test_an_unknown_column_is_answered_with_the_numeric_ones_and_the_nearest(column, nearest):
    message = rf"^column: wanted one of latency_p50_ms, threads; got '{column}'\. Did you mean '{nearest}'\?$"
    with pytest.raises(ValueError, match=message):
        minimize(column).values(SURFACE)
    with pytest.raises(ValueError, match=message):
        at_most(column, 5).met(SURFACE)


@pytest.mark.parametrize("column", ["model", "status"])
def test_a_column_of_words_cannot_be_an_objective(column):
    with pytest.raises(ValueError, match=rf"^column: wanted numbers in {column}; got '.*', which is text, in row 0"):
        maximize(column).values(SURFACE)


def test_a_row_is_feasible_if_it_was_measured_and_meets_every_constraint():
    assert feasible(SURFACE, []).tolist() == [True, True, True, False]
    assert feasible(SURFACE, [at_most("latency_p50_ms", 5)]).tolist() == [True, True, False, False]
    assert feasible(SURFACE, [at_most("latency_p50_ms", 5), at_least("threads", 2)]).tolist() == [
        False,
        True,
        False,
        False,
    ]


def test_a_constraint_reads_as_a_sentence():
    assert str(at_most("latency_p50_ms", 5)) == "latency_p50_ms at most 5"
    assert str(at_least("accuracy", 0.915)) == "accuracy at least 0.915"


def test_without_rows_nothing_is_feasible():
    assert feasible(SURFACE.iloc[:0], [at_most("latency_p50_ms", 5)]).tolist() == []


@pytest.mark.parametrize("subject_to", [5, None, "ms <= 5", at_most("threads", 1)])
def test_constraints_that_are_no_list_are_refused(subject_to):
    with pytest.raises(ValueError, match=r"^subject_to: wanted a list of constraints; got "):
        feasible(SURFACE, subject_to)


@pytest.mark.parametrize("constraint", ["threads <= 1", ("threads", 1), None, minimize("threads")])
def test_a_constraint_of_another_kind_is_refused(constraint):
    with pytest.raises(ValueError, match=r"^subject_to: wanted ts\.at_most\(\.\.\.\) or ts\.at_least\(\.\.\.\); got "):
        feasible(SURFACE, [constraint])


def test_a_missing_value_of_whatever_kind_is_unknown():
    surface = SURFACE.assign(threads=pd.array([1, None, 3, 4], dtype="Int64"))
    np.testing.assert_array_equal(numbers(surface, "threads"), [1, math.nan, 3, 4])
    assert at_most("threads", 9).met(surface).tolist() == [True, False, True, True]


def test_the_computed_columns_are_offered_with_the_others(surface_of):
    with pytest.raises(
        ValueError, match=r"noise, power, latency_throughput_product, energy_delay; got 'powr'.*'power'"
    ):
        numbers(surface_of({}), "powr")


@pytest.mark.parametrize("column", ["power", "latency_throughput_product", "energy_delay"])
def test_a_computed_column_is_unknown_where_its_parts_are_and_is_not_kept(surface_of, column):
    surface = surface_of({}, {"latency_p50_ms": math.nan})
    columns = surface.columns
    assert np.isnan(numbers(surface, column)).tolist() == [False, True]
    assert surface.columns.equals(columns)


def test_rows_of_two_machines_are_refused_with_the_way_out(surface_of):
    surface = surface_of({"machine": "laptop"}, {"machine": "board"}, {"machine": "laptop"})
    message = r"^surface: wanted rows of one machine; got 'board', 'laptop'\. .*surface\.assign\(machine='both'\)$"
    for judge in (check_one_machine, lambda one: feasible(one, [])):
        with pytest.raises(ValueError, match=message):
            judge(surface)
    check_one_machine(surface.assign(machine="both"))
    check_one_machine(surface.drop(columns="machine"))
    check_one_machine(surface.iloc[:0])


@pytest.mark.parametrize("missing", [math.nan, None])
def test_a_machine_without_a_name_is_another_one(surface_of, missing):
    surface = surface_of({"machine": "laptop"}, {})
    surface["machine"] = ["laptop", missing]
    with pytest.raises(ValueError, match=r"^surface: wanted rows of one machine; got "):
        check_one_machine(surface)
