import math

import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.show.latency.figure import plot_latency
from tradespace.show.latency.numbers import histogram

MS = 1_000_000


def measured(*samples_ms, disturbed=(), **kwargs):
    made = [Slice(np.array(some) * MS, len(some), round(sum(some) * MS)) for some in samples_ms]
    made += [Slice(np.array(some) * MS, len(some), 1, wall_ns=1, waited_ns=10 * MS) for some in disturbed]
    return Measurement("toy", Config("small", threads=1), tuple(made), machine="this one", **kwargs)


@pytest.fixture
def known():
    rng = np.random.default_rng(0)
    return measured(*(rng.normal(2.0, 0.01, 100) for _ in range(8)))


def keys(figure):
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()]


def test_bars_are_the_bins_and_lines_the_percentiles(known):
    axes = plot_latency(known).axes[0]
    bins = histogram(known)
    heights = [bar.get_height() for bar in axes.containers[0]]
    assert heights == bins.kept.tolist()
    at = [line.get_xdata()[0] for line in axes.lines]
    assert at == pytest.approx([known.samples_ns.min() / MS, *(np.percentile(known.samples_ns, [50, 90, 99]) / MS)])


def test_axes_have_units_and_the_machine_is_named(known):
    figure = plot_latency(known)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time for one batch, ms", "calls")
    assert figure.get_suptitle() == "this one"
    assert axes.get_title(loc="left") == "small, fp32, eager, batch 1, 1 thread; 800 samples in 8 slices"


def test_what_is_not_known_yet_says_what_it_needs():
    figure = plot_latency(measured([1.0, 1.1, 1.2]))
    assert {"p90: needs 64 samples (have 3)", "p99: needs 662 samples (have 3)"} < set(keys(figure))
    assert len(figure.axes[0].lines) == 2


def test_a_wide_spread_has_a_logarithmic_axis():
    rng = np.random.default_rng(0)
    figure = plot_latency(measured(*(rng.lognormal(0, 1, 100) for _ in range(8))))
    figure.draw_without_rendering()
    assert figure.axes[0].get_xscale() == "log"


def test_disturbed_calls_are_grey_and_named():
    figure = plot_latency(measured(*[[1.0, 1.1]] * 6, disturbed=[[1.0, 1.1, 1.1]]))
    assert "calls disturbed by other programs: left out" in keys(figure)
    grey = figure.axes[0].containers[1]
    assert sum(bar.get_height() for bar in grey) == 3


def test_few_calls_far_beyond_are_told():
    rng = np.random.default_rng(0)
    figure = plot_latency(measured(*(rng.normal(1.0, 0.01, 100) for _ in range(8)), [50.0]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["1 call slower, up to 50 ms →"]


def test_identical_samples_can_be_drawn():
    figure = plot_latency(measured(*[[2.0] * 10] * 8))
    figure.draw_without_rendering()
    assert sum(bar.get_height() for bar in figure.axes[0].containers[0]) == 80


@pytest.mark.parametrize(
    ("failure", "words"), [(None, "not measured yet"), (Failure("failed", "no <b>kernel</b> $x_$ " * 30), "no <b>")]
)
def test_without_samples_it_says_why(failure, words):
    figure = plot_latency(Measurement("toy", Config("m" * 500, threads=1), failure=failure))
    figure.draw_without_rendering()
    assert figure.axes[0].texts[0].get_text().startswith(words)


def test_flags_are_named(known):
    shaken = measured(*(np.linspace(1, 2, 50) * f for f in np.linspace(1, 2, 8)))
    assert "noisy" in plot_latency(shaken).axes[0].get_title(loc="left")
    assert not math.isnan(known.width)
