import math
from itertools import pairwise

import pandas as pd
import pytest
import tradespace as ts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from tradespace.config import RUNTIMES, Config
from tradespace.show.common.marks import MARKS, mark
from tradespace.show.common.style import canvas, fill, interval, name_machine, round_numbers

UNTIMED = dict.fromkeys(["latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "throughput_per_s"], math.nan)


@pytest.fixture
def many(surface):
    """The twelve measured rows in every runtime and with three numbers of threads, each a little slower."""
    measured = surface[surface["status"] == "ok"]
    latencies = measured.filter(like="latency_")
    copies = [
        measured.assign(runtime=runtime, threads=threads, **latencies * (1 + 0.1 * i))
        for i, (runtime, threads) in enumerate((runtime, threads) for runtime in RUNTIMES for threads in (1, 2, 3))
    ]
    return pd.concat([*copies, surface[surface["status"] != "ok"]], ignore_index=True)


def keys(figure):
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()]


def points(axes):
    """Points that are drawn one by one: the number of them by whether they have an interval."""
    with_interval = [container.lines[0] for container in axes.containers]
    dots = [line for line in axes.lines if line.get_ls() == "None" and line not in with_interval]
    dots = [line for line in dots if line.get_marker() in {one.marker for one in MARKS.values()} and line.get_mew() < 2]
    return sum(len(line.get_xdata()) for line in with_interval), sum(len(line.get_xdata()) for line in dots)


def test_a_figure_has_units_on_every_axis_and_a_legend(surface):
    figure = ts.plot_surface(surface, Config("small", threads=1, batch_size=8), max_latency_ms=3, min_accuracy=0.85)
    throughput, accuracy = figure.axes
    assert (throughput.get_xlabel(), throughput.get_ylabel()) == ("time for one batch, ms", "items per second")
    assert (accuracy.get_xlabel(), accuracy.get_ylabel()) == ("time for one batch, ms", "accuracy, %")
    parts = ["frontier within limits", "you are here", "best within limits", "outside limits"]
    assert set(keys(figure)) == {"fp32", "bf16", *parts}


def test_the_star_stands_on_the_best_choice(surface):
    figure = ts.plot_surface(surface, max_latency_ms=1.0)
    (star,) = [line for line in figure.axes[0].lines if line.get_label() == "best within limits"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == pytest.approx((0.9, 8 / 0.9 * 1e3))


def test_every_measured_row_is_drawn_with_its_interval(surface):
    throughput = ts.plot_surface(surface).axes[0]
    assert points(throughput) == (12, 0)
    assert all(container.has_xerr for container in throughput.containers)


def test_of_many_rows_only_the_frontier_has_intervals(many):
    for axes in ts.plot_surface(many).axes:
        (frontier,) = [line for line in axes.lines if line.get_label() == "frontier within limits"]
        measured = (many["status"] == "ok").sum()
        assert points(axes) == (len(frontier.get_xdata()), measured - len(frontier.get_xdata()))


def test_the_legend_names_runtimes_where_there_is_more_than_one(surface, many):
    assert set(RUNTIMES) <= set(keys(ts.plot_surface(many)))
    assert not set(RUNTIMES) & set(keys(ts.plot_surface(surface)))


def test_runtimes_differ_in_filling_or_rim():
    assert len({str(fill(runtime, "#0072B2")) for runtime in RUNTIMES}) == len(RUNTIMES)


def test_precisions_without_a_mark_of_their_own_share_one_entry_of_the_legend(surface):
    measured = surface[surface["status"] == "ok"].assign(precision=["fp8", "int4"] * 6)
    assert "fp8, int4" in keys(ts.plot_surface(measured))


def test_rows_that_were_not_timed_are_left_out(surface):
    rounded = surface[:1].assign(precision="w4", **UNTIMED)
    figure = ts.plot_surface(pd.concat([surface, rounded]), max_latency_ms=3)
    assert points(figure.axes[0]) == (12, 0)
    assert "w4" not in keys(figure)


def test_a_surface_without_accuracy_says_so(surface):
    accuracy = ts.plot_surface(surface.assign(accuracy=math.nan, accuracy_lo=math.nan, accuracy_hi=math.nan)).axes[1]
    assert [text.get_text() for text in accuracy.texts] == ["no test data"]


def test_one_row_is_enough(surface):
    figure = ts.plot_surface(surface[:1])
    figure.draw_without_rendering()
    assert points(figure.axes[0]) == (1, 0)
    low, high = figure.axes[0].get_ylim()
    assert low < surface["throughput_per_s"][0] < high < 10 * low


def test_limits_that_nothing_meets_leave_no_frontier(surface):
    figure = ts.plot_surface(surface, max_latency_ms=0.001)
    (frontier,) = [line for line in figure.axes[0].lines if line.get_label() == "frontier within limits"]
    assert len(frontier.get_xdata()) == 0
    assert "best within limits" not in keys(figure)


def test_the_surface_is_left_as_it_was(many):
    before = many.copy(deep=True)
    ts.plot_surface(many, Config("small", threads=1, batch_size=8), max_latency_ms=3, min_accuracy=0.85)
    pd.testing.assert_frame_equal(many, before)


def test_tick_labels_do_not_touch(many):
    figure = ts.plot_surface(many)
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_the_figure_names_the_machine(surface):
    assert ts.plot_surface(surface).get_suptitle() == surface["machine"].iloc[0]


def test_several_machines_are_named_together(surface):
    figure = ts.plot_surface(surface)
    name_machine(figure, pd.DataFrame({"machine": ["one", "two", "one"]}))
    assert figure.get_suptitle() == "one; two"


def test_the_line_of_a_machine_that_is_longer_than_the_figure_is_broken():
    figure, _ = canvas(8, 5)
    name_machine(figure, pd.DataFrame({"machine": ["a processor of many words (AVX-512, VNNI, BF16), " * 5]}))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    line = figure._suptitle.get_window_extent(renderer)
    assert figure.bbox.x0 <= line.x0 < line.x1 <= figure.bbox.x1


def test_a_surface_without_a_measured_row_is_refused(surface):
    for nothing in (surface[surface["status"] != "ok"], surface[:0], surface.assign(**UNTIMED)):
        with pytest.raises(ValueError, match="surface: wanted at least one measured row"):
            ts.plot_surface(nothing)


@pytest.mark.parametrize(("low", "high"), [(0.8, 30), (0.1, 1e5), (1.32, 1.34), (900, 1100), (1e-3, 1e9), (2, 5)])
def test_round_numbers_lie_between_and_are_neither_few_nor_many(low, high):
    numbers = round_numbers(low, high)
    assert 2 <= len(numbers) <= 13
    assert numbers == sorted(numbers)
    assert low <= numbers[0] < numbers[-1] <= high


def test_an_interval_is_a_length_on_either_side(surface):
    assert interval(surface[:1], "latency_p50_ms").ravel() == pytest.approx([0.11, 0.22])
    assert interval(surface[:1], "accuracy").ravel() == pytest.approx([0.02, 0.02])
    assert interval(surface, "throughput_per_s") is None


def test_precisions_differ_in_colour_and_in_shape():
    for part in ("colour", "symbol", "marker"):
        assert len({getattr(one, part) for one in MARKS.values()}) == len(MARKS)
    assert mark("w3") not in MARKS.values()
    assert len({to_hex(one.colour) for one in MARKS.values()}) == len(MARKS)
