import math

import numpy as np
import pandas as pd
import pytest
import tradespace as ts

POINTS = {"latency_p50_ms": [1.0, 10.0], "throughput_per_s": [1000.0, 3000.0], "accuracy": [0.8, 0.9]}
CHARTS = [ts.plot_attainment, ts.plot_attainment_3d]


@pytest.fixture
def two():
    """Two points, each better than the other in something."""
    return pd.DataFrame(POINTS | {"status": "ok", "machine": "one of them"})


def keys(figure):
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()]


def colour_at(axes, latency, throughput):
    """The accuracy that the map shows at a point; NaN where it shows none."""
    (mesh,) = axes.collections[:1]
    corners, shown = mesh.get_coordinates(), mesh.get_array()
    column = np.searchsorted(corners[0, :, 0], latency, side="right") - 1
    row = np.searchsorted(corners[:, 0, 1], throughput, side="left") - 1
    return float(np.ma.filled(shown[row, column], math.nan))


def outline(figure):
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "meets the limits"]
    return line.get_xydata()


def test_the_map_has_units_a_colour_bar_and_a_legend(two):
    figure = ts.plot_attainment(two)
    axes, bar = figure.axes
    assert axes.get_xlabel() == "time for one batch: at most, ms"
    assert axes.get_ylabel() == "throughput: at least, items/s"
    assert bar.get_ylabel() == "best accuracy, %"
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert keys(figure) == ["not attainable", "equal accuracy", "measured, on the frontier"]
    assert figure.get_suptitle() == "one of them"


def test_the_map_is_exact_on_either_side_of_a_point(two):
    axes = ts.plot_attainment(two).axes[0]
    shown = [colour_at(axes, *at) for at in ((1, 1000), (9.99, 1000), (10, 1000), (10, 3000), (9.99, 3000), (1, 1001))]
    assert shown == pytest.approx([0.8, 0.8, 0.9, 0.9, math.nan, math.nan], nan_ok=True)


def test_what_is_not_attainable_is_hatched(two):
    figure = ts.plot_attainment(two)
    key = figure.legends[0].get_patches()[0]
    assert key.get_hatch()
    assert key.get_hatch() in {collection.get_hatch() for collection in figure.axes[0].collections}
    assert key.get_facecolor()[:3] != (1, 1, 1)


def test_lines_of_equal_accuracy_are_labelled_in_per_cent(two):
    axes = ts.plot_attainment(two).axes[0]
    labels = [text.get_text() for text in axes.texts]
    assert "90 %" in labels
    assert len(labels) == sum(line.get_label() == "equal accuracy" for line in axes.lines)
    assert all(label.endswith(" %") and 80 < float(label[:-2]) <= 90 for label in labels)


def test_the_region_within_limits_is_outlined_and_the_rest_veiled(two):
    figure = ts.plot_attainment(two, max_latency_ms=20, min_throughput_per_s=500, min_accuracy=0.85)
    corners = outline(figure)
    # The limits lie beyond the edges of the map, which has a quarter more than what was measured.
    assert (*corners.min(axis=0), *corners.max(axis=0)) == pytest.approx((10, 800, 12.5, 3000))
    assert "outside the limits" in keys(figure)


def test_each_limit_cuts_the_region(two):
    corners = outline(ts.plot_attainment(two, max_latency_ms=5, min_throughput_per_s=900))
    assert (*corners.min(axis=0), *corners.max(axis=0)) == pytest.approx((1, 900, 5, 1000))


def test_a_limit_is_met_at_equality(two):
    corners = outline(ts.plot_attainment(two, max_latency_ms=10, min_throughput_per_s=3000, min_accuracy=0.9))
    assert np.unique(corners, axis=0).tolist() == [[10, 3000]]


def test_limits_that_nothing_meets_are_told(two):
    for limits in ({"max_latency_ms": 0.5}, {"min_throughput_per_s": 4000}, {"min_accuracy": 0.95}):
        figure = ts.plot_attainment(two, **limits)
        assert figure.axes[0].get_title() == "Nothing measured meets these limits"
        assert "meets the limits" not in keys(figure)


def test_a_limit_that_is_no_number_is_refused(two):
    with pytest.raises(ValueError, match="limit on latency_p50_ms: wanted a number"):
        ts.plot_attainment(two, max_latency_ms="5")


def test_the_staircase_has_labelled_axes_in_plain_figures(two):
    figure = ts.plot_attainment_3d(two)
    (axes,) = figure.axes
    assert axes.name == "3d"
    assert axes.get_xlabel() == "time for one batch: at most, ms"
    assert axes.get_ylabel() == "throughput: at least, items/s"
    assert axes.get_zlabel() == "best accuracy, %"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "5", "10"]
    assert axes.get_xticks() == pytest.approx(np.log10([1, 2, 5, 10]))
    assert keys(figure) == ["not attainable"]
    assert figure.get_suptitle() == "one of them"


def test_the_staircase_falls_to_the_floor_where_nothing_is_attainable(two):
    axes = ts.plot_attainment_3d(two).axes[0]
    floor, top = axes.get_zlim()
    assert floor < 0.8
    assert top == pytest.approx(0.9)
    colours = {tuple(face) for face in np.round(axes.collections[0].get_facecolor(), 6)}
    # Floor, two treads, and risers on two sides of what is darker.
    assert 5 <= len(colours) <= 9


@pytest.mark.parametrize("chart", CHARTS)
def test_one_point_and_one_accuracy_are_enough(chart, two):
    for few in (two[:1], two.assign(accuracy=0.9)):
        chart(few).draw_without_rendering()


@pytest.mark.parametrize("chart", CHARTS)
def test_rows_without_a_number_or_not_measured_change_nothing(chart, two):
    others = [two.assign(**{name: math.nan}) for name in POINTS] + [two.assign(status="crashed", accuracy=1.0)]
    figure, plain = chart(pd.concat([two, *others], ignore_index=True)), chart(two)
    drawn, expected = (one.axes[0].collections[0].get_array() for one in (figure, plain))
    assert drawn is expected is None or np.array_equal(drawn, expected, equal_nan=True)
    assert figure.axes[0].get_xlim() == plain.axes[0].get_xlim()


@pytest.mark.parametrize("chart", CHARTS)
def test_the_surface_is_left_as_it_was(chart, surface):
    before = surface.copy(deep=True)
    chart(surface)
    pd.testing.assert_frame_equal(surface, before)


@pytest.mark.parametrize("chart", CHARTS)
def test_a_surface_without_a_complete_row_is_refused(chart, surface):
    for nothing in (surface[:0], surface[surface["status"] != "ok"], surface.assign(accuracy=math.nan)):
        with pytest.raises(ValueError, match="surface: wanted a measured row with latency, throughput and accuracy"):
            chart(nothing)
