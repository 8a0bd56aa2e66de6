import math

import pytest
from tradespace.config import PRUNINGS
from tradespace.show.pruning.figure import plot_pruning


@pytest.fixture
def rows(surface_of):
    known = {"task": "tiny", "model": "wide", "batch_size": 64, "machine": "another one"}
    latency = {"latency_p50_ms": 1.0, "latency_p50_lo_ms": 0.9, "latency_p50_hi_ms": 1.1}
    return surface_of(*({**known, **latency, "pruning": name} for name in PRUNINGS))


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_every_axis_has_a_unit_and_every_mark_a_name(tiny, rows):
    figure = plot_pruning(tiny, "wide", "weights-90", surface=rows)
    figure.draw_without_rendering()
    weights, picture, accuracy, latency = figure.axes
    assert (weights.get_xlabel(), weights.get_ylabel()) == ("weight", "share of the weights, %")
    assert picture.get_title() == "4, 3 by 144"
    assert accuracy.get_ylabel() == "accuracy, %"
    assert latency.get_ylabel() == "times unpruned"
    for axes in (accuracy, latency):
        assert set(labels(axes)) == {"weights to zero", "channels out", "this share", "unpruned"}
        assert all(container.has_yerr for container in axes.containers)
    assert latency.get_ylim()[0] == 0
    assert figure.get_suptitle() == "90% of the weights; fp32, eager, batch 64, 1 thread; another one"


def test_the_picture_is_that_of_the_zeros(tiny):
    (image,) = plot_pruning(tiny, "wide", "weights-70").axes[1].images
    zeros = 1 - image.get_array().mean()
    assert image.get_array().shape == (3, 144)
    assert 0.5 < zeros < 0.9


def test_channels_are_whole_rows(tiny):
    (image,) = plot_pruning(tiny, "wide", "channels-50", layer="0").axes[1].images
    assert sorted(image.get_array().sum(1).tolist()) == [0, 0, 9, 9]


def test_nothing_pruned_leaves_everything(tiny):
    weights, picture, *_ = plot_pruning(tiny, "wide", "none").axes
    assert picture.images[0].get_array().all()
    assert labels(weights) == ["pruned", "left"]


def test_without_rows_it_says_so(tiny, rows):
    for surface in (None, rows[rows["pruning"] != "none"], rows.assign(accuracy=math.nan, latency_p50_ms=math.nan)):
        _, _, *charts = plot_pruning(tiny, "wide", "weights-50", surface=surface).axes
        assert [text.get_text() for axes in charts for text in axes.texts] == ["not known"] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pruning": "weights-35"}, "pruning: wanted one of none"),
        ({"model": "wider"}, "Did you mean 'wide'"),
        ({"layer": "head"}, "layer: wanted one of 0, 4"),
    ],
)
def test_what_does_not_exist_is_refused(tiny, change, message):
    with pytest.raises(ValueError, match=message):
        plot_pruning(tiny, **change)
