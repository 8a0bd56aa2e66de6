import math

import pandas as pd
import pytest
import tradespace as ts
from matplotlib.colors import to_hex
from tradespace.show.common.marks import MARKS


def names(figure):
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def lines(figure):
    """The rows, without axes and ticks."""
    return [line for line in figure.axes[0].lines if line.get_marker() != "None"]


def test_each_known_column_is_an_axis_with_its_unit(surface):
    figure = ts.plot_parallel(surface)
    assert names(figure) == ["latency\nms", "throughput\nitems/s", "accuracy\n%", "weights\nMB"]
    assert names(ts.plot_parallel(surface.assign(memory_mb=[float(i) for i in range(13)])))[-1] == "memory\nMB"
    assert names(ts.plot_parallel(surface.assign(accuracy=math.nan))) == [
        name for i, name in enumerate(names(figure)) if i != 2
    ]


def test_better_is_up_on_every_axis(surface):
    figure = ts.plot_parallel(surface)
    assert figure.axes[0].get_ylabel().startswith("better")
    measured = surface[surface["status"] == "ok"].reset_index(drop=True)
    heights = pd.DataFrame([line.get_ydata() for line in lines(figure)])
    assert heights[0][measured["latency_p50_ms"].idxmin()] == 1
    assert heights[0][measured["latency_p50_ms"].idxmax()] == 0
    assert heights[1][measured["throughput_per_s"].idxmax()] == 1
    assert heights[2][measured["accuracy"].idxmax()] == 1
    assert (heights[3] == 0.5).all(), "all models weigh the same"


def test_colours_tell_the_precision(surface):
    figure = ts.plot_parallel(surface)
    measured = surface[surface["status"] == "ok"]
    assert [to_hex(line.get_color()).upper() for line in lines(figure)] == [
        MARKS[precision].colour for precision in measured["precision"]
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["fp32", "bf16"]


def test_ticks_carry_the_values_of_their_column(surface):
    figure = ts.plot_parallel(surface)
    shown = {text.get_text() for text in figure.axes[0].texts}
    assert {"1", "2", "5", "10"} <= shown, "latencies from 0.55 to 14.8 ms"
    assert {"80", "90"} <= shown, "accuracies in per cent"
    assert "0.1" in shown, "the one weight there is"


def test_intervals_are_drawn_for_few_rows(surface):
    few, many = ts.plot_parallel(surface), ts.plot_parallel(pd.concat([surface] * 3))
    assert len(few.axes[0].collections) == 2, "latency and accuracy have intervals"
    assert len(many.axes[0].collections) == 0


def test_a_row_with_a_gap_is_drawn_as_far_as_it_is_known(surface):
    figure = ts.plot_parallel(surface.assign(accuracy=surface["accuracy"].where(surface.index != surface.index[0])))
    figure.draw_without_rendering()
    assert math.isnan(lines(figure)[0].get_ydata()[2])


def test_one_row_and_zeros_are_enough(surface):
    ts.plot_parallel(surface[:1]).draw_without_rendering()
    ts.plot_parallel(surface.assign(memory_mb=0.0)).draw_without_rendering()


def test_machines_are_named(surface):
    both = surface.assign(machine=["one", "two"] + ["one"] * 11)
    assert ts.plot_parallel(both).get_suptitle() == "one; two"


def test_the_frontier_is_left_as_it_was(surface):
    before = surface.copy(deep=True)
    ts.plot_parallel(surface)
    pd.testing.assert_frame_equal(surface, before)


def test_a_frontier_without_anything_known_is_refused(surface):
    unknown = dict.fromkeys(["latency_p50_ms", "throughput_per_s", "accuracy", "model_mb"], math.nan)
    for nothing in (surface[:0], surface[surface["status"] != "ok"], surface.assign(**unknown)):
        with pytest.raises(ValueError, match="frontier: wanted a measured row with one of latency_p50_ms"):
            ts.plot_parallel(nothing)
