import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring.compare import compare
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.show.verdict.figure import plot_verdict

MS = 1_000_000
RIGHT = np.arange(1000) % 10 > 0


def measured(medians_ms, model="small", correct=RIGHT, disturbed=(), seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    made = [Slice(ms * rng.normal(1, 0.01, 50) * MS, 50, round(50 * ms * MS)) for ms in medians_ms]
    made += [Slice(np.full(5, ms * MS), 5, 1, wall_ns=1, waited_ns=10 * MS) for ms in disturbed]
    config = Config(model, threads=1)
    return Measurement("toy", config, tuple(made), scores=correct, machine="this one", **kwargs)


@pytest.fixture
def slow():
    return measured([2.0] * 12)


@pytest.fixture
def fast():
    return measured([1.0] * 12, "fast", seed=1)


def title(figure):
    return figure.axes[0].get_title(loc="left")


def keys(figure):
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()]


def test_every_slice_is_a_mark_and_the_verdict_is_the_title(slow, fast):
    figure = plot_verdict(slow, fast)
    slices = figure.axes[0]
    marks = [line for line in slices.lines if line.get_marker() in "o^"]
    assert [line.get_marker() for line in marks] == ["o"] * 12 + ["^"] * 12
    assert [line.get_ydata()[0] for line in marks[:12]] == pytest.approx(slow.slice_medians_ms)
    assert title(figure).startswith("B is faster: 2")
    assert title(figure).endswith("Accuracy: both get the same items right.")
    assert keys(figure)[0].startswith("A: small, fp32, eager, batch 1, 1 thread; p50 1.999 ms (")


def test_the_ratio_has_its_interval_and_what_counts_as_the_same_is_shaded(slow, fast):
    ratio = plot_verdict(slow, fast).axes[1]
    compared = compare(slow, fast)
    (drawn,) = ratio.containers
    assert drawn.lines[0].get_xdata()[0] == pytest.approx(compared.ratio)
    ends = drawn.lines[2][0].get_segments()[0][:, 0]
    assert ends == pytest.approx([compared.ratio_lo, compared.ratio_hi])
    assert ratio.patches[0].get_x() == pytest.approx(1 / 1.02)
    assert ratio.get_xscale() == "log"
    assert ratio.get_xlabel() == "latency of A over latency of B"


def test_axes_have_units_and_the_machine_is_named_once(slow, fast):
    figure = plot_verdict(slow, fast)
    assert figure.axes[0].get_ylabel() == "time for one batch, ms"
    assert figure.get_suptitle() == "this one"


def test_far_apart_the_axis_is_logarithmic(slow):
    figure = plot_verdict(slow, measured([0.1] * 12))
    figure.draw_without_rendering()
    assert figure.axes[0].get_yscale() == "log"
    assert plot_verdict(slow, slow).axes[0].get_yscale() == "linear"


def test_disturbed_slices_are_hollow_and_do_not_stretch_the_axis(slow):
    figure = plot_verdict(slow, measured([1.0] * 12, disturbed=[400.0]))
    assert "disturbed by other programs: left out" in keys(figure)
    assert figure.axes[0].get_ylim()[1] < 5
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())]
    assert len(hollow) == 1


def test_too_few_slices_have_a_ratio_without_interval(slow):
    figure = plot_verdict(slow, measured([1.0] * 3))
    figure.draw_without_rendering()
    assert title(figure).startswith("Can't tell: an interval needs six slices of each.")


@pytest.mark.parametrize(
    ("failure", "words"),
    [(None, "No verdict yet."), (Failure("failed", "no $x_ kernel " * 60), r"No verdict. B: no \$x_")],
)
def test_without_samples_it_says_why(slow, failure, words):
    nothing = Measurement("toy", Config("m" * 500, threads=1), failure=failure)
    for a in (slow, Measurement("toy", Config("small", threads=1))):
        figure = plot_verdict(a, nothing)
        figure.draw_without_rendering()
        assert title(figure).startswith(words)


def test_of_results_on_different_numbers_of_items_the_shared_ones_are_compared(slow):
    other = measured([1.0] * 12, correct=RIGHT[:500])
    assert "Accuracy: both get the same items right." in title(plot_verdict(slow, other)).replace("\n", " ")
