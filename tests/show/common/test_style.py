"""The house style, and still charts in axes that are given, as matplotlib's and seaborn's are."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn
import tradespace as ts
from tradespace.config import Config
from tradespace.measuring.measurement import Measurement, Slice
from tradespace.show.common.style import STYLE
from tradespace.surface.columns import configs_of

AXES = [ts.minimize("latency_p50_ms"), ts.maximize("accuracy")]
SLICES = tuple(Slice(np.full(20, 1e6 + i), items=20, busy_ns=20_000_000) for i in range(8))
CLASSES = pd.DataFrame(
    {
        "label": ["shirt", "bag"], "baseline_accuracy": [0.8, 0.9], "accuracy": [0.7, 0.9], "accuracy_lo": [0.6, 0.8],
        "accuracy_hi": [0.8, 0.95], "lost": [10, 0], "gained": [0, 0], "p_value": [0.01, 1.0],
    }
)  # fmt: skip
RUNS = pd.DataFrame({"strategy": "random", "seconds": [1.0, 2.0], "hypervolume": [0.5, 1.0], "seed": 0})
CHARTS = {
    "latency": lambda surface, ax: ts.plot_latency(Measurement("t", Config("m", threads=1), SLICES), ax=ax),
    "attainment": lambda surface, ax: ts.plot_attainment(surface, ax=ax),
    "confidence": lambda surface, ax: ts.plot_confidence(ts.frontier_confidence(surface, AXES, draws=5), ax=ax),
    "predicted": lambda surface, ax: ts.plot_predicted(ts.predicted(surface, configs_of(surface)), ax=ax),
    "parallel": lambda surface, ax: ts.plot_parallel(ts.pareto(surface, AXES), ax=ax),
    "by_class": lambda surface, ax: ts.plot_by_class(CLASSES, ax=ax),
    "search": lambda surface, ax: ts.plot_search(RUNS, ax=ax),
}


def test_the_style_is_that_of_seaborns_white_grid_with_large_type():
    theirs = seaborn.axes_style("whitegrid") | seaborn.plotting_context("notebook", font_scale=1.25)
    assert {name: theirs[name] for name in STYLE} == STYLE


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_drawn_in_the_axes_that_are_given_and_nowhere_else(surface, name):
    figure, (other, ax) = plt.subplots(ncols=2, figsize=(20, 8), layout="constrained")
    plt.close(figure)
    assert CHARTS[name](surface, ax) is figure
    assert ax.get_legend() is not None
    assert figure.get_suptitle() == ""
    assert not figure.legends
    assert not other.has_data()
    assert plt.get_fignums() == []
    figure.draw_without_rendering()


@pytest.mark.parametrize("name", CHARTS)
def test_by_default_a_chart_has_a_figure_of_its_own(surface, name):
    figure = CHARTS[name](surface, None)
    assert figure.legends
    assert plt.get_fignums() == []
