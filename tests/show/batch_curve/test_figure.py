import math

import pandas as pd
import pytest
from tradespace.config import Config
from tradespace.show.batch_curve.figure import plot_batch_curve

UNTIMED = dict.fromkeys(["latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "throughput_per_s"], math.nan)
POINT = Config("small", threads=1, batch_size=8)


def keys(figure):
    return {text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()}


def notes(axes):
    return [text.get_text() for text in axes.texts]


def line(axes, label):
    return next((one for one in axes.lines if one.get_label() == label), None)


def test_both_panels_have_units_and_a_batch_size_at_each_tick(surface):
    figure = plot_batch_curve(surface, POINT)
    figure.draw_without_rendering()
    latency, throughput = figure.axes
    assert (latency.get_ylabel(), throughput.get_ylabel()) == ("time for one batch, ms", "items per second")
    for axes in figure.axes:
        assert axes.get_xlabel() == "batch size, items"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "8", "64"]


def test_every_precision_has_its_points_with_intervals_and_the_selected_one_is_strong(surface):
    for axes in plot_batch_curve(surface, POINT).axes:
        assert all(container.has_yerr for container in axes.containers)
        fp32, bf16 = (container.lines[0] for container in axes.containers)
        assert len(fp32.get_xdata()) == len(bf16.get_xdata()) == 3
        assert fp32.get_marker() != bf16.get_marker()
        assert fp32.get_alpha() == 1 > bf16.get_alpha()


def test_the_line_is_dashed_and_the_knee_and_the_ceiling_are_named(surface):
    figure = plot_batch_curve(surface, POINT)
    latency, throughput = figure.axes
    fitted = line(latency, "fitted line a + b B")
    assert fitted.is_dashed()
    assert fitted.get_ydata()[0] == pytest.approx(1.1)
    assert notes(latency) == notes(throughput) == ["knee a/b = 10"]
    assert keys(figure) == {"fp32", "bf16", "you are here", "fitted line a + b B", "ceiling 1/b = 10,000 items/s"}


def test_the_figure_says_the_fit_its_error_and_the_machine(surface):
    said = plot_batch_curve(surface, POINT).get_suptitle()
    assert said.startswith("small, fp32, eager, 1 thread: t(B) = 1 ms + 0.1 ms x B, off by less than 0.1 %")
    assert said.endswith(surface["machine"].iloc[0])


def test_the_selected_batch_size_is_ringed_if_it_was_measured(surface):
    ring = line(plot_batch_curve(surface, POINT).axes[0], "you are here")
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx((8, 1.8))
    unmeasured = Config("small", threads=1, batch_size=16)
    assert "you are here" not in keys(plot_batch_curve(surface, unmeasured))


def test_without_a_config_it_starts_at_the_first_timed_row(surface):
    first = surface[:1].assign(model="untimed", **UNTIMED)
    ring = line(plot_batch_curve(pd.concat([first, surface])).axes[0], "you are here")
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx((1, 1.1))


def test_a_limit_is_drawn_where_it_lies_within_the_picture(surface):
    assert "limit 3 ms" in keys(plot_batch_curve(surface, POINT, max_latency_ms=3))
    assert keys(plot_batch_curve(surface, POINT, max_latency_ms=1e6)) == keys(plot_batch_curve(surface, POINT))


def test_one_batch_size_has_a_point_and_no_line(surface):
    figure = plot_batch_curve(surface[:1])
    figure.draw_without_rendering()
    assert "fitted line a + b B" not in keys(figure)
    assert len(figure.axes[0].containers) == 1


@pytest.mark.parametrize("latencies", [(2.0, 2.0, 2.0), (1.0, 8.0, 64.0)])
def test_a_line_without_a_knee_has_none(surface, latencies):
    rows = surface[:3].assign(latency_p50_ms=latencies, latency_p50_lo_ms=latencies, latency_p50_hi_ms=latencies)
    figure = plot_batch_curve(rows)
    figure.draw_without_rendering()
    assert not any("knee" in note for axes in figure.axes for note in notes(axes))


def test_the_surface_is_left_as_it_was(surface):
    before = surface.copy(deep=True)
    plot_batch_curve(surface, POINT, max_latency_ms=3)
    pd.testing.assert_frame_equal(surface, before)


def test_nothing_timed_is_refused(surface):
    with pytest.raises(ValueError, match=r"surface: wanted at least one row that was timed at Config\('small'.*none"):
        plot_batch_curve(surface, Config("small", threads=3))
    for nothing in (surface[:0], surface[-1:]):
        with pytest.raises(ValueError, match="surface: wanted at least one row that was timed at "):
            plot_batch_curve(nothing)
