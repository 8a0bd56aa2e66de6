import pytest
from matplotlib.collections import PathCollection
from tradespace.config import Config
from tradespace.measuring.peaks import Peaks, Rate
from tradespace.prepare.operations import Operation
from tradespace.show.stills.roofline import plot_roofline
from tradespace.surface.roofline import Roofline

MACHINE = Peaks("cpu", 1, {"fp32": Rate(100.0, 80.0, 100.0), "int8": Rate(reason="no kernel")}, Rate(10.0))


def roof(machine=MACHINE, **about):
    layers = {
        b: [
            Operation("words", "embedding", "fp32", 0, 0, 0, 100 * b),
            Operation("head", "linear", "fp32", 10**6 * b, 2 * 10**6 * b, 10**6, 10**4 * b),
            Operation("relu", "elementwise", "fp32", 0, 10**4 * b, 0, 8 * 10**4 * b),
        ]
        for b in (1, 2)
    }
    return Roofline(Config("mine", threads=1), machine, layers, **about)


def test_each_layer_with_arithmetic_is_a_point_at_each_of_two_batch_sizes():
    axes = plot_roofline(roof(), batch_size=64).axes[0]
    drawn = [one for one in axes.collections if isinstance(one, PathCollection)]
    points = sorted(tuple(map(float, one.get_offsets()[0])) for one in drawn)
    assert [x for x, _ in points] == pytest.approx(
        [0.125, 0.125, 2 * 10**6 / (10**6 + 10**4), 64 * 2 * 10**6 / (10**6 + 64 * 10**4)]
    )
    for intensity, reach in points:
        assert reach == pytest.approx(min(100, 10 * intensity))
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_the_ridge_is_named_and_only_types_that_the_layers_use_have_a_roof():
    figure = plot_roofline(roof())
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "ridge at 10 FLOP/byte" in words
    assert "int8" not in words
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"linear", "elementwise", "batch 1", "batch 256"} <= set(legend)
    assert "embedding" not in legend


def test_operations_on_integers_are_not_floating_point_operations():
    machine = Peaks("cpu", 1, {"int8": Rate(400.0, 300.0, 400.0)}, Rate(10.0))
    layers = {b: [Operation("head", "linear", "int8", 10**6 * b, 2 * 10**6 * b, 10**6, 10**4 * b)] for b in (1, 2)}
    figure = plot_roofline(Roofline(Config("mine", threads=1, precision="int8"), machine, layers))
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "int8: 400 GOP/s\nridge at 40 OP/byte" in words


def test_what_is_no_roofline_is_refused():
    with pytest.raises(ValueError, match=r"^roof: wanted what ts\.roofline\(task, config\) returns; got dict"):
        plot_roofline({})
    with pytest.raises(ValueError, match=r"^batch_size: wanted a whole number, at least 2"):
        plot_roofline(roof(), batch_size=1)


def test_the_machine_is_named():
    from dataclasses import replace

    assert "a made-up one" in plot_roofline(roof(replace(MACHINE, machine="a made-up one"))).get_suptitle()


def test_where_there_is_no_roofline_the_chart_says_why():
    figure = plot_roofline(Roofline(Config("mine", threads=1), MACHINE, {}, reason="no kernel"))
    assert [text.get_text() for text in figure.axes[0].texts] == ["No roofline: no kernel"]
