import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.surface.frontier import nondominated, pareto
from tradespace.surface.objectives import maximize, minimize

# Few different values, so that ties and duplicates are common, and the odd ones that break arithmetic.
VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, -1.0, 0.1, 0.1 + 1e-12, math.inf, -math.inf, math.nan, 1e300])
STATUSES = st.sampled_from(["ok", "ok", "ok", "unsupported", "failed"])


@st.composite
def surfaces_and_objectives(draw):
    directions = draw(st.lists(st.sampled_from([minimize, maximize]), min_size=1, max_size=4))
    columns = [f"objective_{i}" for i in range(len(directions))]
    rows = draw(st.lists(st.tuples(*[VALUES | st.floats() for _ in columns], STATUSES), max_size=12))
    frame = pd.DataFrame(rows, columns=[*columns, "status"]).astype(dict.fromkeys(columns, "float64"))
    frame["model"] = [f"model {i}" for i in range(len(frame))]
    frame.index = frame.index[::-1] // 2  # not in order, and not unique: nothing may lean on it
    return frame, [direction(column) for direction, column in zip(directions, columns, strict=True)]


def beats(row, other, objectives):
    """Whether `row` is at least as good as `other` in every objective and better in one."""
    pairs = [(row[o.column], other[o.column]) if o.maximize else (other[o.column], row[o.column]) for o in objectives]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def by_definition(surface, objectives):
    """Per row, whether no other beats it, found by comparing every pair."""
    rows = surface.to_dict("records")
    known = [row["status"] == "ok" and not any(math.isnan(row[o.column]) for o in objectives) for row in rows]
    others = [row for row, is_known in zip(rows, known, strict=True) if is_known]
    return [k and not any(beats(o, row, objectives) for o in others) for row, k in zip(rows, known, strict=True)]


@given(drawn=surfaces_and_objectives())
def test_the_frontier_is_what_comparing_every_pair_finds(drawn):
    surface, objectives = drawn
    before = surface.copy(deep=True)
    frontier = pareto(surface, objectives)
    assert_frame_equal(frontier, before[np.array(by_definition(before, objectives), dtype=bool)])
    assert_frame_equal(surface, before)


@given(drawn=surfaces_and_objectives())
def test_the_frontier_of_a_frontier_is_itself(drawn):
    surface, objectives = drawn
    frontier = pareto(surface, objectives)
    assert_frame_equal(pareto(frontier, objectives), frontier)


MARGINS = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.5])
# On a grid finer than the margins: within, exactly at, and beyond them.
GRID = st.integers(-12, 12).map(lambda step: step / 4)


@st.composite
def margins_too(draw):
    """A surface, its objectives, and a margin for some of them."""
    directions = draw(st.lists(st.sampled_from([minimize, maximize]), min_size=1, max_size=4))
    columns = [f"objective_{i}" for i in range(len(directions))]
    rows = draw(st.lists(st.tuples(*[GRID | VALUES for _ in columns], STATUSES), max_size=12))
    frame = pd.DataFrame(rows, columns=[*columns, "status"]).astype(dict.fromkeys(columns, "float64"))
    frame["row"] = range(len(frame))
    objectives = [direction(column) for direction, column in zip(directions, columns, strict=True)]
    return frame, objectives, draw(st.dictionaries(st.sampled_from(columns), MARGINS))


def known_gains(surface, objectives):
    """By row: the objectives, signed so that larger is better, of rows in which all are known."""
    rows = surface.to_dict("records")
    signed = {row["row"]: [row[o.column] * (1 if o.maximize else -1) for o in objectives] for row in rows}
    return {
        row["row"]: signed[row["row"]]
        for row in rows
        if row["status"] == "ok" and not np.isnan(signed[row["row"]]).any()
    }


def stands_in(one, other, widths):
    """Whether `one` is at least as good as `other` up to the margins, and better on balance: by the definition."""
    if not all(a + width * (1 + 1e-9) >= b for a, b, width in zip(one, other, widths, strict=True)):
        return False
    if any(a > b for a, b, width in zip(one, other, widths, strict=True) if not width):
        return True
    sums = [sum(np.clip(v / w, -1e100, 1e100) for v, w in zip(row, widths, strict=True) if w) for row in (one, other)]
    return sums[0] > sums[1]


@given(drawn=margins_too())
def test_with_a_margin_a_row_stays_exactly_if_none_that_stays_stands_in_for_it(drawn):
    surface, objectives, margin = drawn
    gains, widths = known_gains(surface, objectives), [margin.get(o.column, 0.0) for o in objectives]
    stays = set(pareto(surface, objectives, margin=margin)["row"])
    for row, gain in gains.items():
        assert (row in stays) != any(stands_in(gains[other], gain, widths) for other in stays), row
    assert stays <= set(pareto(surface, objectives)["row"])
    assert bool(stays) == bool(gains)


@given(drawn=margins_too(), seed=st.integers(0, 99))
def test_with_a_margin_neither_rows_nor_objectives_need_an_order(drawn, seed):
    surface, objectives, margin = drawn
    stays = set(pareto(surface, objectives, margin=margin)["row"])
    assert set(pareto(surface.sample(frac=1, random_state=seed), objectives[::-1], margin=margin)["row"]) == stays


@given(drawn=margins_too())
def test_with_a_margin_what_stays_stays_again_and_nothing_is_changed(drawn):
    surface, objectives, margin = drawn
    before = surface.copy(deep=True)
    stays = pareto(surface, objectives, margin=margin)
    assert_frame_equal(pareto(stays, objectives, margin=margin), stays)
    assert_frame_equal(surface, before)


@given(drawn=margins_too())
def test_a_margin_of_nothing_leaves_the_frontier_whole(drawn):
    surface, objectives, margin = drawn
    assert_frame_equal(pareto(surface, objectives, margin=dict.fromkeys(margin, 0)), pareto(surface, objectives))


def test_rows_that_beat_each_other_in_a_circle_do_not_all_vanish():
    # Each is worse than the next by no more than the margin, twice, and better beyond it, once.
    circle = pd.DataFrame({"a": [0.0, 2.0, 1.0], "b": [0.0, -1.0, 1.0], "c": [0.0, -1.0, -2.0], "status": "ok"})
    objectives = [maximize("a"), maximize("b"), maximize("c")]
    assert len(pareto(circle, objectives, margin=dict.fromkeys("abc", 1.0))) == 3


def test_a_chain_of_small_steps_is_not_dropped_as_a_whole():
    # Each is within the margin of the next, and the ends are far apart.
    shares = [0.90 + 0.002 * step for step in range(6)]
    chain = pd.DataFrame({"ms": np.arange(1.0, 7.0), "accuracy": shares, "status": "ok"})
    stays = pareto(chain, [minimize("ms"), maximize("accuracy")], margin={"accuracy": 0.005})
    assert stays["ms"].tolist() == [1.0, 4.0]


def test_a_difference_of_exactly_the_margin_is_within_it():
    surface = pd.DataFrame({"ms": [1.0, 2.0], "accuracy": [0.91, 0.92], "status": "ok"})
    assert 0.92 - 0.91 > 0.01
    assert pareto(surface, [minimize("ms"), maximize("accuracy")], margin={"accuracy": 0.01})["ms"].tolist() == [1.0]


def test_a_margin_of_a_time_is_a_share_of_it():
    surface = pd.DataFrame({"latency_p50_ms": [1.0, 1.02, 100.0, 101.0], "accuracy": [0.8, 0.9, 0.91, 0.91 + 1e-6]})
    objectives = [minimize("latency_p50_ms"), maximize("accuracy")]
    for margin, stays in (({"latency_p50_ms": 0.02}, [1.02, 101.0]), ({"latency_p50_ms": 0.015}, [1.0, 1.02, 101.0])):
        both = {**margin, "accuracy": 1e-9}
        assert pareto(surface.assign(status="ok"), objectives, margin=both)["latency_p50_ms"].tolist() == stays


@pytest.mark.parametrize(
    ("margin", "match"),
    [
        ({"acuracy": 0.01}, r"^margin: wanted one of ms, accuracy; got 'acuracy'. Did you mean 'accuracy'"),
        ({"accuracy": -0.01}, r"^margin of accuracy: wanted a finite number, at least 0; got -0.01"),
        ({"accuracy": math.inf}, r"^margin of accuracy: .*got inf"),
        ({"accuracy": math.nan}, r"^margin of accuracy: .*got nan"),
        ({"accuracy": "1 %"}, r"^margin of accuracy: .*got '1 %'"),
        (0.01, r"^margin: wanted one for each column, such as \{'accuracy': 0.005\}; got 0.01"),
    ],
)
def test_a_margin_that_cannot_be_is_refused(margin, match):
    surface = pd.DataFrame({"ms": [1.0], "accuracy": [0.9], "status": "ok"})
    with pytest.raises(ValueError, match=match):
        pareto(surface, [minimize("ms"), maximize("accuracy")], margin=margin)


def test_a_share_of_what_is_below_zero_is_refused():
    surface = pd.DataFrame({"saved_ms": [-1.0, 1.0], "status": "ok"})
    with pytest.raises(ValueError, match=r"^margin of saved_ms: it is a share"):
        pareto(surface, maximize("saved_ms"), margin={"saved_ms": 0.1})


def test_a_slower_and_worse_row_is_not_on_the_frontier():
    surface = pd.DataFrame({"ms": [3.0, 1.0, 2.0], "accuracy": [0.85, 0.8, 0.9], "status": "ok"})
    assert pareto(surface, [minimize("ms"), maximize("accuracy")]).index.tolist() == [1, 2]
    assert pareto(surface, [maximize("ms"), minimize("accuracy")]).index.tolist() == [0, 1]
    assert pareto(surface, [maximize("ms"), maximize("accuracy")]).index.tolist() == [0, 2]


def test_rows_that_tie_in_every_objective_stay_together():
    surface = pd.DataFrame({"ms": [1.0, 1.0, 1.0], "accuracy": [0.9, 0.9, 0.8], "status": "ok"})
    assert pareto(surface, [minimize("ms"), maximize("accuracy")]).index.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "on"),
    [([(4, 1, 2), (-math.inf, -math.inf, 4)], [0, 1]), ([(1, math.inf, 2, 1), (2, math.inf, 2, math.inf)], [0])],
)
def test_infinities_are_numbers_like_any_other(rows, on):
    # Given to moocore 0.3.2 as they are, the first ends the process and the second stays whole.
    surface = pd.DataFrame(rows, columns=list("abcd"[: len(rows[0])])).astype(float).assign(status="ok")
    assert pareto(surface, [*map(minimize, "abcd"[: len(rows[0])])]).index.tolist() == on


def test_one_objective_leaves_the_best_rows():
    surface = pd.DataFrame({"ms": [2.0, 1.0, 1.0, 3.0], "status": "ok"})
    assert pareto(surface, minimize("ms")).index.tolist() == [1, 2]


def test_a_row_that_was_not_measured_is_never_on_the_frontier_and_beats_no_other():
    surface = pd.DataFrame({"ms": [0.1, 1.0], "status": ["failed", "ok"]})
    assert pareto(surface, minimize("ms")).index.tolist() == [1]


def test_a_row_that_is_unknown_in_an_objective_is_never_on_the_frontier_and_beats_no_other():
    surface = pd.DataFrame({"ms": [0.1, 1.0], "accuracy": [math.nan, 0.5], "status": "ok"})
    assert pareto(surface, [minimize("ms"), maximize("accuracy")]).index.tolist() == [1]
    assert pareto(surface, minimize("ms")).index.tolist() == [0]


def test_a_single_row_is_its_own_frontier(surface_of):
    surface = surface_of({})
    assert_frame_equal(pareto(surface, [minimize("latency_p50_ms"), maximize("accuracy")]), surface)


@pytest.mark.parametrize("changes", [[], [{"status": "failed"}], [{"latency_p50_ms": math.nan}]])
def test_without_a_measured_row_the_frontier_is_empty_and_keeps_its_columns(surface_of, changes):
    surface = surface_of(*changes)
    frontier = pareto(surface, minimize("latency_p50_ms"))
    assert len(frontier) == 0
    assert frontier.columns.tolist() == surface.columns.tolist()


def test_the_mask_has_one_bool_a_row(surface_of):
    mask = nondominated(surface_of({"accuracy": 0.8}, {"accuracy": 0.9}), (maximize("accuracy"),))
    assert mask.dtype == bool
    assert mask.tolist() == [False, True]


def test_no_objective_is_refused(surface_of):
    with pytest.raises(ValueError, match=r"^objectives: wanted at least one"):
        pareto(surface_of({}), [])


def test_an_unknown_column_is_refused_with_the_nearest(surface_of):
    with pytest.raises(ValueError, match=r"^column: .*got 'latency'\. Did you mean 'latency_p\d\d_ms'"):
        pareto(surface_of({}), minimize("latency"))


def test_a_column_name_in_the_place_of_an_objective_is_refused(surface_of):
    with pytest.raises(ValueError, match=r"^objective.*got 'accuracy'"):
        pareto(surface_of({}), "accuracy")


def test_a_frame_without_a_status_is_refused():
    with pytest.raises(ValueError, match="status"):
        pareto(pd.DataFrame({"ms": [1.0]}), minimize("ms"))


def test_rows_of_two_machines_are_refused_with_the_way_out(surface_of):
    surface = surface_of({"machine": "a", "accuracy": 0.8}, {"machine": "b", "accuracy": 0.9})
    with pytest.raises(ValueError, match=r"one machine; got 'a', 'b'.*surface\.assign\(machine='both'\)"):
        pareto(surface, maximize("accuracy"))
    assert pareto(surface.assign(machine="both"), maximize("accuracy")).index.tolist() == [1]


def test_a_computed_column_may_be_an_objective_and_is_not_kept(surface_of):
    surface = surface_of(
        {"latency_p50_ms": 1.0, "throughput_per_s": 100.0, "accuracy": 0.8},
        {"latency_p50_ms": 2.0, "throughput_per_s": 190.0, "accuracy": 0.9},
        {"latency_p50_ms": 2.0, "throughput_per_s": 180.0, "accuracy": 0.85},
    )
    frontier = pareto(surface, [maximize("power"), maximize("accuracy")])
    assert_frame_equal(frontier, surface.iloc[:2])


def test_an_accuracy_without_a_latency_beats_nothing(surface_of):
    rows = surface_of(
        {"accuracy": 0.8}, {"accuracy": 0.99, "latency_p50_ms": math.nan, "status": "unsupported", "precision": "w8"}
    )
    assert pareto(rows, maximize("accuracy")).index.tolist() == [0]


def test_the_same_objective_twice_is_that_objective(surface_of):
    surface = surface_of({"accuracy": 0.8}, {"accuracy": 0.9})
    assert pareto(surface, [maximize("accuracy"), maximize("accuracy")]).index.tolist() == [1]
