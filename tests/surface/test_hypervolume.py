import math
from itertools import combinations

import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.surface.hypervolume import REFERENCE, hypervolume
from tradespace.surface.objectives import maximize, minimize

COLUMNS = ["latency_p50_ms", "throughput_per_s", "accuracy"]
OWN = ["delay_ms", "frames_per_s", "gain"]
LOGARITHMIC = ["latency_p50_ms", "throughput_per_s"]
VALUES = st.sampled_from([0.01, 0.1, 0.5, 0.9, 1.0, 10.0, 700.0, 1000.0, 2000.0])
SHARES = st.sampled_from([0.01, 0.1, 0.5, 0.6])
ODD = st.sampled_from([0.0, -0.0, -1.0, math.inf, -math.inf, math.nan, 1e-320, 1e308]) | VALUES
STATUSES = st.sampled_from(["ok", "ok", "ok", "failed"])


@pytest.fixture(autouse=True, scope="module")
def nothing_infinite_reaches_moocore():
    """moocore 0.3.2 ends the process on infinities: here a test fails instead."""
    compute = moocore.hypervolume

    def guarded(points, ref):
        assert np.isfinite(points).all(), f"infinite points reach moocore: {points}"
        assert np.isfinite(ref).all(), f"an infinite reference reaches moocore: {ref}"
        return compute(points, ref=ref)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tradespace.surface.hypervolume.moocore.hypervolume", guarded)
        yield


@st.composite
def surfaces_and_objectives(draw, values=VALUES, shares=SHARES, names=COLUMNS):
    columns = draw(st.permutations(names))[: draw(st.integers(1, 3))]
    rows = draw(st.lists(st.tuples(values, values, shares, STATUSES), max_size=6))
    frame = pd.DataFrame(rows, columns=[*names, "status"]).astype(dict.fromkeys(names, float))
    frame.index = frame.index[::-1] // 2
    objectives = [draw(st.sampled_from([minimize, maximize]))(column) for column in columns]
    reference = {column: draw(VALUES) for column in names}
    return frame, objectives, reference


def scaled(column, value):
    return math.log10(value) if column in LOGARITHMIC else value


def by_inclusion_and_exclusion(surface, objectives, reference):
    """The volume of a union of boxes: of each alone, less that of each two together, and so on."""
    boxes = []
    for row in surface.to_dict("records"):
        gains = [
            (1 if o.maximize else -1) * (scaled(o.column, row[o.column]) - scaled(o.column, reference[o.column]))
            for o in objectives
        ]
        if row["status"] == "ok" and min(gains) > 0:
            boxes.append(gains)
    return sum(
        (-1) ** (size + 1) * math.prod(min(sides) for sides in zip(*some, strict=True))
        for size in range(1, len(boxes) + 1)
        for some in combinations(boxes, size)
    )


@given(drawn=surfaces_and_objectives())
def test_it_is_the_volume_of_the_union_of_boxes(drawn):
    surface, objectives, reference = drawn
    before = surface.copy(deep=True)
    expected = by_inclusion_and_exclusion(surface, objectives, reference)
    assert hypervolume(surface, objectives, reference=reference) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert_frame_equal(surface, before)


def test_it_is_the_share_of_random_points_that_some_row_beats():
    rng = np.random.default_rng(0)
    rows, points = rng.random((20, 3)), rng.random((20_000, 3))
    beats = (rows[:, None, :2] <= points[:, :2]).all(axis=2) & (rows[:, None, 2] >= points[:, 2])
    surface = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(status="ok")
    volume = hypervolume(surface, [minimize("a"), minimize("b"), maximize("c")], reference={"a": 1, "b": 1, "c": 0})
    assert volume == pytest.approx(beats.any(axis=0).mean(), abs=0.02)


@given(drawn=surfaces_and_objectives())
def test_fewer_rows_never_cover_more(drawn):
    surface, objectives, reference = drawn
    volumes = [hypervolume(surface.iloc[:n], objectives, reference=reference) for n in range(len(surface) + 1)]
    assert volumes[0] == 0
    assert (np.diff(volumes) > -1e-9).all()


@given(drawn=surfaces_and_objectives())
def test_a_row_that_is_there_twice_adds_nothing(drawn):
    surface, objectives, reference = drawn
    whole = hypervolume(surface, objectives, reference=reference)
    assert hypervolume(pd.concat([surface, surface]), objectives, reference=reference) == pytest.approx(whole)


@given(drawn=surfaces_and_objectives(), worse=st.sampled_from([1.0, 1.5]))
def test_a_dominated_row_adds_nothing(drawn, worse):
    surface, objectives, reference = drawn
    factors = {o.column: 1 / worse if o.maximize else worse for o in objectives}
    dominated = surface.assign(**{column: surface[column] * factor for column, factor in factors.items()})
    whole = hypervolume(surface, objectives, reference=reference)
    assert hypervolume(pd.concat([dominated, surface]), objectives, reference=reference) == pytest.approx(whole)


@pytest.mark.parametrize(
    "beyond", [{"latency_p50_ms": 1000.0}, {"latency_p50_ms": 1e5}, {"throughput_per_s": 1.0}, {"accuracy": 0.0}]
)
def test_a_point_at_the_reference_or_beyond_it_adds_nothing(surface_of, beyond):
    good = {"latency_p50_ms": 10.0, "throughput_per_s": 100.0, "accuracy": 0.5}
    objectives = minimize("latency_p50_ms"), maximize("throughput_per_s"), maximize("accuracy")
    assert hypervolume(surface_of(good), objectives) == pytest.approx(2 * 2 * 0.5)
    assert hypervolume(surface_of(good | beyond), objectives) == 0
    assert hypervolume(surface_of(good, good | {"accuracy": 0.9} | beyond), objectives) == pytest.approx(2)


def test_the_reference_is_a_second_one_item_a_second_and_nothing_right():
    assert REFERENCE == {"latency_p50_ms": 1e3, "throughput_per_s": 1.0, "accuracy": 0.0}


def test_another_reference_may_be_given(surface_of):
    surface = surface_of({"latency_p50_ms": 1.0, "accuracy": 0.9})
    objectives = minimize("latency_p50_ms"), maximize("accuracy")
    given_one = hypervolume(surface, objectives, reference={"latency_p50_ms": 100, "accuracy": 0.5})
    assert given_one == pytest.approx(2 * 0.4)


@pytest.mark.parametrize("middle", [1.0, 10.0, 100.0])
def test_halving_every_latency_adds_as_much_wherever_the_frontier_lies(surface_of, middle):
    objectives = minimize("latency_p50_ms"), maximize("accuracy")
    rows = [(middle, 0.8), (2 * middle, 0.9)]

    def of(factor):
        changes = ({"latency_p50_ms": ms * factor, "accuracy": accuracy} for ms, accuracy in rows)
        return hypervolume(surface_of(*changes), objectives)

    assert of(0.5) - of(1.0) == pytest.approx(0.9 * math.log10(2))


@pytest.mark.parametrize("column", ["latency_p99_ms", "prepare_s", "model_mb", "memory_mb", "energy_j_per_item"])
def test_times_sizes_and_energies_count_in_powers_of_ten(surface_of, column):
    assert hypervolume(surface_of({column: 0.1}), minimize(column), reference={column: 100}) == pytest.approx(3)


@pytest.mark.parametrize("column", ["accuracy", "noise", "batch_size", "latency_throughput_product"])
def test_shares_and_counts_are_taken_as_they_are(surface_of, column):
    row = {"accuracy": 0.25, "noise": 0.25, "latency_p50_ms": 500.0, "throughput_per_s": 0.5, "batch_size": 1}
    value = 1 if column == "batch_size" else 0.25
    assert hypervolume(surface_of(row), minimize(column), reference={column: 2}) == pytest.approx(2 - value)


def test_a_computed_column_may_be_an_objective(surface_of):
    surface = surface_of({"latency_p50_ms": 10.0, "throughput_per_s": 100.0})
    assert hypervolume(surface, maximize("power"), reference={"power": 1.0}) == pytest.approx(4)


@given(drawn=surfaces_and_objectives(ODD, ODD, OWN))
def test_nothing_odd_ends_the_process(drawn):
    surface, objectives, reference = drawn
    volume = hypervolume(surface, objectives, reference=reference)
    assert volume >= 0


@pytest.mark.parametrize(
    ("column", "direction", "value"),
    [("delay_ms", minimize, 0.0), ("frames_per_s", maximize, math.inf), ("gain", maximize, math.inf)],
)
def test_a_gain_without_end_is_a_volume_without_end(surface_of, column, direction, value):
    surface = surface_of({}).assign(**{column: value})
    assert hypervolume(surface, direction(column), reference={column: 1.0}) == math.inf


@pytest.mark.parametrize(
    "odd",
    [
        *({"latency_p50_ms": math.nan}, {"throughput_per_s": math.nan}, {"accuracy": math.nan}),
        *({"latency_p50_ms": 1e9}, {"latency_p50_ms": math.nan, "status": "unsupported"}),
    ],
)
def test_what_is_beyond_the_reference_or_unknown_adds_nothing(surface_of, odd):
    objectives = minimize("latency_p50_ms"), maximize("throughput_per_s"), maximize("accuracy")
    assert hypervolume(surface_of(odd), objectives) == 0
    good = {"latency_p50_ms": 10.0, "throughput_per_s": 100.0, "accuracy": 0.5}
    assert hypervolume(surface_of(odd, good), objectives) == pytest.approx(2)


def test_an_empty_surface_covers_nothing(surface_of):
    assert hypervolume(surface_of(), maximize("accuracy")) == 0
    assert hypervolume(surface_of({"status": "failed"}), maximize("accuracy")) == 0


def test_an_objective_without_a_reference_is_refused(surface_of):
    with pytest.raises(ValueError, match=r"^reference: wanted a worst value for each objective; got none for noise$"):
        hypervolume(surface_of({}), [maximize("accuracy"), minimize("noise")])


@pytest.mark.parametrize("worst", [math.nan, 0.0, -1.0, math.inf])
def test_a_reference_from_which_nothing_can_be_measured_is_refused(surface_of, worst):
    # The logarithm of a latency that is none, or endless, is no place to measure from.
    with pytest.raises(ValueError, match=r"^reference: .*latency_p50_ms"):
        hypervolume(surface_of({}), minimize("latency_p50_ms"), reference={"latency_p50_ms": worst})


def test_no_objective_is_refused(surface_of):
    with pytest.raises(ValueError, match=r"^objectives: wanted at least one"):
        hypervolume(surface_of({}), [])


def test_a_column_name_in_the_place_of_an_objective_is_refused(surface_of):
    with pytest.raises(ValueError, match=r"^objective.*got 'accuracy'"):
        hypervolume(surface_of({}), "accuracy")


def test_an_unknown_column_is_refused_with_the_nearest(surface_of):
    with pytest.raises(ValueError, match=r"^column: .*got 'acuracy'\. Did you mean 'accuracy'"):
        hypervolume(surface_of({}), maximize("acuracy"), reference={"acuracy": 0})


def test_rows_of_two_machines_are_refused(surface_of):
    with pytest.raises(ValueError, match=r"^surface: wanted rows of one machine"):
        hypervolume(surface_of({"machine": "a"}, {"machine": "b"}), maximize("accuracy"))
