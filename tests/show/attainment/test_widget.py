import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.config import Config
from tradespace.show.attainment.numbers import CELLS, terraces
from tradespace.show.attainment.widget import CIVIDIS, NO_HEIGHT, NO_PERCENTILE, NOTHING, Landscape
from tradespace.show.common.view import Limits, view
from tradespace.surface.attainment import attainment
from tradespace.surface.frontier import nondominated
from tradespace.surface.objectives import OBJECTIVES

SELECTED = Config("small", threads=1, batch_size=8)
POINT = st.tuples(st.floats(1e-3, 1e4), st.floats(1e-1, 1e6), st.floats(0, 1))


@pytest.fixture
def landscape(surface):
    landscape = Landscape()
    landscape.show_surface(surface)
    return landscape


def sent(landscape):
    """What the browser gets. JSON has neither NaN nor infinity."""
    return json.loads(json.dumps([landscape.data, landscape.state, landscape.marks], allow_nan=False))


def carriers_of(points):
    return points[nondominated(points, OBJECTIVES)]


@given(st.lists(POINT, min_size=1, max_size=60))
def test_all_of_a_cell_is_attainable_and_no_accuracy_is_lost(places):
    points = pd.DataFrame(places, columns=["latency_p50_ms", "throughput_per_s", "accuracy"]).assign(status="ok")
    carriers = carriers_of(points)
    grid = terraces(points, carriers)
    heights = np.array(grid["accuracy"], dtype=float)
    latency, throughput = np.array(grid["latency"]), np.array(grid["throughput"])
    assert heights.shape == (len(throughput) - 1, len(latency) - 1)
    assert max(heights.shape) <= CELLS
    # The corner that asks most of a cell: its least latency at its highest throughput.
    corners = attainment(points, latency[:-1], throughput[1:]).to_numpy()
    np.testing.assert_array_equal(heights, corners)
    # Whatever a point has, some cell has too, no further off than a step.
    steps = [math.log(edges[-1] / edges[0]) / (CELLS - 1) for edges in (latency, throughput)]
    for point in carriers.itertuples():
        served = heights[np.ix_(throughput[1:] >= 0, latency[:-1] <= point.latency_p50_ms * math.exp(steps[0] + 1e-9))]
        served = served[throughput[1:] >= point.throughput_per_s * math.exp(-steps[1] - 1e-9)]
        assert np.nanmax(served) >= point.accuracy
    assert grid["floor"] < grid["low"] < grid["high"]


def test_few_points_have_their_steps_exactly_where_they_are(surface):
    measured = surface[surface["status"] == "ok"]
    carriers = carriers_of(measured)
    grid = terraces(measured, carriers)
    assert set(carriers["latency_p50_ms"]) <= set(grid["latency"])
    assert set(carriers["throughput_per_s"]) <= set(grid["throughput"])


def test_what_is_sent_has_no_nan(surface):
    surface.loc[0, ["latency_p50_lo_ms", "accuracy_lo"]] = math.nan
    landscape = Landscape()
    landscape.show_surface(surface)
    landscape.show_view(view(surface, SELECTED), math.inf, None, 0.5)
    assert sent(landscape)[1]["limits"] == [None, None, 0.5]


def test_the_points_are_the_frontier_by_latency_under_their_numbers(landscape, surface):
    rows = [point["row"] for point in landscape.data["points"]]
    assert sorted(rows) == np.flatnonzero(nondominated(surface, OBJECTIVES)).tolist()
    assert surface["latency_p50_ms"].iloc[rows].is_monotonic_increasing
    point = landscape.data["points"][0]
    assert point["place"] == surface[["latency_p50_ms", "throughput_per_s", "accuracy"]].iloc[rows[0]].tolist()
    assert set(landscape.marks) == {point["precision"] for point in landscape.data["points"]}


def test_row_numbers_count_whatever_the_index_is(surface):
    landscape = Landscape()
    landscape.show_surface(surface.set_index(surface.index[::-1] + 100))
    landscape.show_view(view(surface, SELECTED))
    assert landscape.state["current"]["row"] == 1
    assert landscape.state["current"]["text"].startswith("small, fp32, eager, batch 8")


def test_a_move_sends_the_selection_the_choice_and_the_limits_alone(landscape, surface):
    data = landscape.data
    seen = view(surface, SELECTED, Limits(max_latency_ms=3))
    landscape.show_view(seen, 3.0, 500.0, 0.75)
    assert landscape.data is data
    assert (landscape.state["current"]["row"], landscape.state["choice"]["row"]) == (1, seen.choice)
    assert landscape.state["limits"] == [3.0, 500.0, 0.75]
    assert landscape.state["current"]["latency_ends"] == [0.9 * 1.8, 1.2 * 1.8]
    assert len(json.dumps(landscape.state)) < 1500


def test_a_prediction_has_no_row_and_says_so(landscape, surface):
    landscape.show_view(view(surface, Config("small", threads=1, batch_size=32)))
    current = landscape.state["current"]
    assert current["row"] is None
    assert "not measured" in current["text"]
    assert current["place"] == pytest.approx([4.2, 32 / 4.2e-3, 0.8])


def test_a_prediction_without_accuracy_has_no_height(surface):
    surface.loc[surface["precision"] == "fp32", "accuracy"] = math.nan
    landscape = Landscape()
    landscape.show_surface(surface)
    landscape.show_view(view(surface, Config("small", threads=1, batch_size=32)))
    assert sent(landscape)[1]["current"]["place"][2] is None


def test_nothing_selected_and_nothing_chosen(landscape, surface):
    landscape.show_view(view(surface, None, Limits(max_latency_ms=0.01)), 0.01)
    assert (landscape.state["current"], landscape.state["choice"]) == (None, None)
    assert landscape.label == (
        "No measured point meets these limits: at most 0.01 ms. Loosen a limit, or measure other points."
    )


def test_the_label_names_the_best_accuracy_within_the_limits(landscape, surface):
    assert landscape.label.startswith("Highest accuracy, without limits: large, bf16, eager, batch 1,")
    landscape.show_view(view(surface), max_latency_ms=1.0)
    assert landscape.label.startswith("Highest accuracy, at most 1 ms: small, bf16, eager, batch 1,")
    # A point that lands leaves the limits where they are.
    landscape.show_surface(surface)
    assert "at most 1 ms" in landscape.label


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_measured(surface, rows):
    landscape = Landscape()
    landscape.show_surface(surface.iloc[len(surface) - rows :])
    landscape.show_view(view(surface.iloc[:0], SELECTED))
    assert landscape.data["grid"] is None
    assert landscape.label == NOTHING
    assert sent(landscape)[0]["points"] == []


def test_a_view_before_any_surface(surface):
    landscape = Landscape()
    landscape.show_view(view(surface.iloc[:0], SELECTED), 5.0)
    assert landscape.label == NOTHING


def test_without_accuracy_there_is_a_sentence(surface):
    landscape = Landscape()
    surface["accuracy"] = math.nan
    landscape.show_surface(surface)
    landscape.show_view(view(surface, SELECTED))
    assert (landscape.data["grid"], landscape.label) == (None, NO_HEIGHT.format("an accuracy"))
    assert sent(landscape)[1]["current"]["place"][2] is None


def test_one_row_is_one_step(surface):
    landscape = Landscape()
    landscape.show_surface(surface.iloc[:1])
    assert landscape.data["grid"]["accuracy"] == [[None, 0.8], [None, None]]
    assert landscape.data["grid"]["low"] < 0.8 < landscape.data["grid"]["high"]


def test_a_percentile_is_drawn_over_its_own_column(surface):
    landscape = Landscape()
    landscape.show_surface(surface, latency="latency_p99_ms")
    assert landscape.label == NO_PERCENTILE
    surface["latency_p99_ms"] = 2 * surface["latency_p50_ms"]
    landscape.show_surface(surface, latency="latency_p99_ms")
    landscape.show_view(view(surface, SELECTED), max_latency_ms=2.0)
    assert landscape.data["axis"] == "99th percentile of latency at most, ms"
    assert landscape.state["current"]["place"][0] == pytest.approx(3.6)
    assert landscape.state["current"]["latency_ends"] == [None, None]
    assert "at most 2 ms at the 99th percentile: small" in landscape.label
    landscape.show_view(view(surface, Config("small", threads=1, batch_size=32)))
    assert landscape.state["current"]["place"][0] is None


def test_an_unknown_latency_is_refused(landscape, surface):
    with pytest.raises(ValueError, match="latency_p50_ms"):
        landscape.show_surface(surface, latency="latency_p5_ms")


def test_rows_of_two_machines_are_refused(landscape, surface):
    surface.loc[0, "machine"] = "another"
    with pytest.raises(ValueError, match="one machine"):
        landscape.show_surface(surface)


def test_a_name_with_markup_goes_as_text(surface):
    name = "<img src=x onerror=alert(1)>" + 200 * "m"
    landscape = Landscape()
    landscape.show_surface(surface.assign(model=name))
    assert all(point["text"].startswith(name) for point in landscape.data["points"])


def test_the_colours_are_those_of_matplotlib():
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    assert [to_hex(colormaps["cividis"](share)) for share in np.linspace(0, 1, len(CIVIDIS))] == list(CIVIDIS)


def test_a_still_picture_is_beside_the_widget(landscape):
    bundle, _ = landscape._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBOR")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "image/png" not in Landscape()._repr_mimebundle_()[0]
