import math

import pandas as pd
import pytest
import tradespace as ts

MEANINGS = ["on the frontier", "can't tell", "not on the frontier"]


@pytest.fixture
def judged(surface):
    """Twelve measured rows: one on the frontier, two undecided, nine off it; and one that was not measured."""
    verdicts = ["on", "can't tell", "can't tell"] + ["off"] * 10
    return surface.assign(on_frontier=0.5, verdict=verdicts)


def keys(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(figure):
    """Verdict -> its markers and intervals."""
    return {container.get_label().split(":")[0]: container for container in figure.axes[0].containers}


def test_verdicts_are_counted_and_differ_in_colour_and_shape(judged):
    figure = ts.plot_confidence(judged)
    assert keys(figure) == ["on the frontier: 1", "can't tell: 2", "not on the frontier: 9"]
    marks = [container.lines[0] for container in drawn(figure).values()]
    assert len({line.get_color() for line in marks}) == len({line.get_marker() for line in marks}) == 3


def test_intervals_are_drawn_where_they_matter(judged):
    shown = drawn(ts.plot_confidence(judged, y="accuracy"))
    assert {name: (one.has_xerr, one.has_yerr) for name, one in shown.items()} == {
        "on the frontier": (True, True),
        "can't tell": (True, True),
        "not on the frontier": (False, False),
    }


def test_axes_have_units_and_fitting_scales(judged):
    axes = ts.plot_confidence(judged).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time for one batch, ms", "throughput, items/s")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    axes = ts.plot_confidence(judged, x="accuracy", y="power").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("accuracy, %", "power: throughput over latency, items/s²")
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert axes.xaxis.get_major_formatter()(0.85, 0) == "85"


def test_what_frontier_confidence_returns_is_drawn(surface):
    judged = ts.frontier_confidence(surface, [ts.minimize("latency_p50_ms"), ts.maximize("accuracy")], draws=20)
    figure = ts.plot_confidence(judged, y="accuracy")
    assert sum(int(key.split(": ")[1]) for key in keys(figure)) == 12
    assert figure.get_suptitle() == surface["machine"].iloc[0]


def test_rows_that_are_not_known_are_left_out_and_one_is_enough(judged):
    unknown = judged.assign(throughput_per_s=math.nan)
    figure = ts.plot_confidence(pd.concat([judged[:1], unknown]))
    figure.draw_without_rendering()
    assert keys(figure) == ["on the frontier: 1"]


def test_a_crowd_is_drawn_small(judged):
    crowd = pd.concat([judged[1:2]] * 50)
    few, many = (drawn(ts.plot_confidence(rows))["can't tell"].lines[0] for rows in (judged, crowd))
    assert many.get_markersize() < few.get_markersize()


def test_the_frame_is_left_as_it_was(judged):
    before = judged.copy(deep=True)
    ts.plot_confidence(judged, y="power")
    pd.testing.assert_frame_equal(judged, before)


def test_frames_without_verdicts_or_numbers_are_refused(judged, surface):
    with pytest.raises(ValueError, match=r"judged: wanted the table that ts\.frontier_confidence returns"):
        ts.plot_confidence(surface)
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        ts.plot_confidence(judged, y="acuracy")
    for nothing in (judged[:0], judged.assign(latency_p50_ms=math.nan), judged.assign(status="failed")):
        with pytest.raises(ValueError, match="judged: wanted a measured row with latency_p50_ms and throughput_per_s"):
            ts.plot_confidence(nothing)
