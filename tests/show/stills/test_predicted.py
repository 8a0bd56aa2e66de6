import pytest
from tradespace.config import Config
from tradespace.show.stills.predicted import MOST_BARS, plot_predicted
from tradespace.surface.search import predicted


def asked(sizes):
    return [Config("small", threads=1, batch_size=size) for size in sizes]


def words(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_it_counts_what_was_measured_and_what_was_skipped(surface):
    figure = plot_predicted(predicted(surface, asked([1, 2, 4, 8, 64])))
    assert words(figure) == ["measured: 3", "skipped, predicted: 2"]
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel().endswith("ms")
    assert "known to within a factor of" in axes.get_title(loc="left")


def test_with_nothing_skipped_it_says_nothing_of_predictions(surface):
    figure = plot_predicted(predicted(surface, asked([1, 8])))
    assert words(figure) == ["measured: 2"]
    assert figure.axes[0].get_title(loc="left") == ""


@pytest.mark.parametrize(("sizes", "bars"), [(range(100, 110), True), (range(100, 101 + MOST_BARS), False)])
def test_of_many_skipped_points_no_bars_are_drawn(surface, sizes, bars):
    axes = plot_predicted(predicted(surface, asked([1, *sizes]))).axes[0]
    hollow = axes.containers[0]
    assert hollow.has_xerr is bars


def test_a_frame_of_another_origin_is_refused(surface):
    with pytest.raises(ValueError, match=r"^believed: wanted the table that ts\.predicted returns; it lacks measured"):
        plot_predicted(surface)


def test_a_frame_without_a_latency_is_refused(surface):
    believed = predicted(surface, asked([1, 2])).assign(latency_p50_ms=float("nan"))
    with pytest.raises(ValueError, match=r"^believed: wanted at least one row with a latency"):
        plot_predicted(believed)
