"""A against B: the slices of both, and the ratio of their latencies."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.measuring.compare import MARGIN, Comparison
from tradespace.measuring.measurement import Measurement
from tradespace.show.common.percentiles import LOG_FROM, percentiles
from tradespace.show.common.style import FAINT, INK, blank, canvas, legend_below, log_axis, name_machine, styled
from tradespace.show.common.words import for_still, in_brief
from tradespace.show.verdict.numbers import SIDES, accuracy, accuracy_in_words, highest_ms, speed, speed_in_words

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The most characters in a title, and of the knobs in a legend entry.
WIDEST, NAME = 110, 60
RATIO = "latency of A over latency of B"


def plot_verdict(a: Measurement, b: Measurement) -> "Figure":
    """Plot the slices of A and B, and below them the ratio of their latencies.

    Marks are the medians of slices, and bands the intervals over all slices. The shaded range of ratios counts as the
    same. Hollow marks are slices that other work disturbed, which statistics leave out; those far above are drawn at
    the edge. If there are no samples, the figure says why.

    Parameters
    ----------
    a, b : Measurement
        Best measured in one `sweep` or by `Verdict`, where they take turns.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> one, many = (ts.measure(task, ts.Config("resnet8", batch_size=n), budget_s=0.3) for n in (1, 256))
    >>> plot_verdict(one, many).axes[1].get_xlabel()
    'latency of A over latency of B'
    """
    compared, exact = speed(a, b), accuracy(a, b)
    said = [
        speed_in_words(compared) if compared else f"No verdict{_why(a, b)}",
        accuracy_in_words(exact) if exact else "",
    ]
    with styled():
        figure, (slices, ratio) = canvas(11, 7, nrows=2, height_ratios=[3, 1])
        keys = [_slices(slices, name, one, highest_ms(a, b)) for name, one in zip(SIDES, (a, b), strict=True)]
        if any(len(one.kept) < len(one.slices) for one in (a, b)):
            keys += slices.plot(
                [], [], "o", mfc="none", mec=INK, mew=1.5, label="disturbed by other programs: left out"
            )
        slices.set(xlabel="slice, in turns", ylabel="time for one batch, ms")
        slices.set_title("\n".join(for_still(words, WIDEST) for words in said if words), loc="left", size=13)
        if any(one.samples for one in (a, b)):
            low, high = slices.yaxis.get_data_interval()
            if high / low >= LOG_FROM:
                log_axis(slices.yaxis)
        else:
            slices.set_xticks([])
            blank(slices, "not measured yet")
        _ratio(ratio, compared)
        legend_below(figure, [[key] for key in keys])
        machines = [one.machine for one in (a, b) if one.machine]
        if machines:
            name_machine(figure, pd.DataFrame({"machine": machines}))
    return figure


def _why(a: Measurement, b: Measurement) -> str:
    reasons = [f"{name}: {one.reason.rstrip('.')}" for name, one in zip(SIDES, (a, b), strict=True) if one.failure]
    return f". {'; '.join(reasons)}." if reasons else " yet."


def _slices(axes: "Axes", name: str, one: Measurement, most_ms: float) -> "Artist":
    from matplotlib.lines import Line2D

    colour, marker = SIDES[name]
    kept = {id(a_slice) for a_slice in one.kept}
    for number, a_slice in enumerate(one.slices, 1):
        face = colour if id(a_slice) in kept else "none"
        middle = min(float(np.median(a_slice.samples_ns)) / 1e6, most_ms)
        axes.plot(number, middle, marker, ms=8, mfc=face, mec=colour, mew=1.5)
    if one.samples:
        axes.axhline(one.latency_p50_ms, color=colour, lw=2)
    if not math.isnan(one.latency_p50_lo_ms):
        axes.axhspan(one.latency_p50_lo_ms, one.latency_p50_hi_ms, color=colour, alpha=0.2, lw=0)
    numbers = f"; {percentiles(one)[1].text}" if one.samples else ""
    label = f"{name}: {for_still(in_brief(one.config), NAME)}{numbers}"
    return Line2D([], [], color=colour, marker=marker, ms=8, lw=2, label=label)


def _ratio(axes: "Axes", compared: Comparison | None) -> None:
    margin = compared.margin if compared else MARGIN
    axes.axvspan(1 / (1 + margin), 1 + margin, color=FAINT, alpha=0.35, lw=0)
    axes.axvline(1, color=FAINT, lw=1.5)
    # Leave room for the shaded range on both sides.
    ends = [1 / (1 + 4 * margin), 1 + 4 * margin]
    if compared:
        known = not math.isnan(compared.ratio_lo)
        error = [[compared.ratio - compared.ratio_lo], [compared.ratio_hi - compared.ratio]] if known else None
        axes.errorbar(compared.ratio, 0, xerr=error, fmt="D", color=INK, ms=10, elinewidth=2.5, capsize=7)
        ends += [compared.ratio, *([compared.ratio_lo, compared.ratio_hi] if known else [])]
    axes.plot(ends, [0] * len(ends), ls="none")
    log_axis(axes.xaxis)
    axes.set(yticks=[], ylim=(-1, 1), xlabel=RATIO)
    axes.set_title("← B slower", loc="left", size=13)
    axes.set_title("B faster →", loc="right", size=13)
