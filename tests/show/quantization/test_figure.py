import math

import pytest
from tradespace.show.quantization.figure import plot_quantization
from tradespace.show.quantization.numbers import WEIGHTS


@pytest.fixture
def rows(surface_of):
    known = {"task": "tiny", "model": "wide", "accuracy_lo": 0.4, "accuracy_hi": 0.95, "machine": "another one"}
    names = ("fp32", *WEIGHTS)
    return surface_of(*({**known, "precision": name, "accuracy": 0.9 - 0.03 * i} for i, name in enumerate(names)))


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_every_axis_has_a_unit_and_every_mark_a_name(tiny, rows):
    figure = plot_quantization(tiny, "wide", "w4", surface=rows)
    figure.draw_without_rendering()
    weights, errors, accuracy = figure.axes
    assert (weights.get_xlabel(), weights.get_ylabel()) == ("weight", "share of the weights, %")
    assert errors.get_xlabel() == "rounded minus exact, steps"
    assert accuracy.get_ylabel() == "accuracy, %"
    assert labels(weights)[2] == "its 15 levels"
    assert set(labels(accuracy)) == {"a step for each channel", "one step for the tensor", "fp32", "this width"}
    assert accuracy.yaxis.get_major_formatter()(0.9, 0) == "90"
    assert figure.get_suptitle() == "w4; recorded on another one"


@pytest.mark.parametrize(("precision", "levels"), [("w8", 255), ("w2", 3), ("w3-tensor", 7)])
def test_as_many_levels_are_drawn_as_there_are(tiny, precision, levels):
    (lines,) = plot_quantization(tiny, "wide", precision).axes[0].collections
    assert len(lines.get_segments()) == levels


def test_accuracies_have_intervals_and_the_width_shown_is_ringed(tiny, rows):
    accuracy = plot_quantization(tiny, "wide", "w2-tensor", surface=rows).axes[2]
    assert [container.has_yerr for container in accuracy.containers] == [True, True]
    (ring,) = [line for line in accuracy.lines if line.get_label() == "this width"]
    assert ring.get_ydata()[0] == pytest.approx(0.9 - 0.03 * 12)


def test_without_accuracies_it_says_so(tiny, rows):
    for surface in (None, rows.assign(accuracy=math.nan), rows[:0]):
        accuracy = plot_quantization(tiny, "wide", "w4", surface=surface).axes[2]
        assert [text.get_text() for text in accuracy.texts] == ["no accuracy is known"]


def test_one_row_is_enough(tiny, rows):
    plot_quantization(tiny, "wide", "w8", surface=rows[1:2]).draw_without_rendering()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "int8"}, "precision: wanted one of w8"),
        ({"model": "wider"}, "Did you mean 'wide'"),
        ({"layer": "head"}, "layer: wanted one of 0, 4"),
        ({"channel": "first"}, "channel: wanted one of typical"),
    ],
)
def test_what_does_not_exist_is_refused(tiny, change, message):
    with pytest.raises(ValueError, match=message):
        plot_quantization(tiny, **change)
