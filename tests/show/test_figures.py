import pytest
import tradespace as ts
from tradespace.config import Config
from tradespace.show.marks import MARKS, mark


def test_a_figure_has_units_on_every_axis_and_a_legend(surface):
    figure = ts.plot_surface(surface, Config("small", threads=1, batch_size=8), max_latency_ms=3, min_accuracy=0.85)
    throughput, accuracy = figure.axes
    assert (throughput.get_xlabel(), throughput.get_ylabel()) == ("latency of a batch, ms", "items per second")
    assert (accuracy.get_xlabel(), accuracy.get_ylabel()) == ("latency of a batch, ms", "accuracy, %")
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    parts = ["frontier within limits", "you are here", "best within limits", "outside limits"]
    assert set(shown) == {"fp32", "bf16", *parts}


def test_the_star_stands_on_the_best_choice(surface):
    figure = ts.plot_surface(surface, max_latency_ms=1.0)
    (star,) = [line for line in figure.axes[0].lines if line.get_label() == "best within limits"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == pytest.approx((0.9, 8 / 0.9 * 1e3))


def test_every_measured_row_is_drawn_with_its_interval(surface):
    throughput = ts.plot_surface(surface).axes[0]
    drawn = [len(container.lines[0].get_xdata()) for container in throughput.containers]
    assert sum(drawn) == 12
    assert all(container.has_xerr for container in throughput.containers)


def test_the_figure_names_the_machine(surface):
    assert ts.plot_surface(surface).get_suptitle() == surface["machine"].iloc[0]


def test_a_surface_without_a_measured_row_is_refused(surface):
    with pytest.raises(ValueError, match="at least one measured row"):
        ts.plot_surface(surface[surface["status"] != "ok"])


def test_precisions_differ_in_colour_and_in_shape():
    for part in ("colour", "symbol", "marker"):
        assert len({getattr(one, part) for one in MARKS.values()}) == len(MARKS)
    assert mark("w3") not in MARKS.values()
