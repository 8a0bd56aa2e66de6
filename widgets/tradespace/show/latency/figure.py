"""The latencies of one measurement: a histogram with its percentiles."""

import math
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.measuring.measurement import Measurement
from tradespace.show.common.percentiles import percentiles
from tradespace.show.common.style import (
    FAINT,
    LIMIT,
    blank,
    canvas_in,
    figure_of,
    legend_below,
    log_axis,
    name_machine,
    styled,
)
from tradespace.show.common.words import for_still, in_brief
from tradespace.show.latency.numbers import BINS, histogram
from tradespace.text import counted

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The most characters of a reason, in total and per line.
LONGEST, WRAP = 400, 80


def plot_latency(measurement: Measurement, *, ax: "Axes | None" = None) -> "Figure":
    """Plot how many calls took how long, with the median, p90 and p99, and their 95 % intervals as bands.

    Calls in slices that other work disturbed, which statistics leave out, are grey. If there are no samples, the figure
    says why.

    Parameters
    ----------
    measurement : Measurement
        As returned by `measure`.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure, which also names the machine.

    Examples
    --------
    >>> import tradespace as ts
    >>> m = ts.measure(ts.load_task("fashion"), ts.Config("resnet8", batch_size=8), budget_s=0.2)
    >>> plot_latency(m).axes[0].get_xlabel()
    'time for one batch, ms'
    """
    with styled():
        where, axes = canvas_in(ax, 11, 5.5)
        axes.set(xlabel="time for one batch, ms", ylabel="calls")
        axes.set_title(for_still(_title(measurement)), loc="left", size=13)
        if measurement.samples:
            lines = _lines(axes, measurement)
            legend_below(where, [_bins(axes, measurement), lines[:2], lines[2:]])
        else:
            axes.set_xticks([])
            blank(axes, fill(for_still(measurement.reason or "not measured yet", LONGEST), WRAP))
        if measurement.machine:
            name_machine(where, pd.DataFrame({"machine": [measurement.machine]}))
    return figure_of(axes)


def _title(measurement: Measurement) -> str:
    parts = [in_brief(measurement.config)]
    if measurement.samples:
        parts.append(f"{counted(measurement.samples, 'sample')} in {counted(len(measurement.slices), 'slice')}")
    if measurement.failure or measurement.flags:
        parts.append((measurement.flags.replace(" ", ", ") or measurement.status).replace("_", " "))
    return "; ".join(parts)


def _bins(axes: "Axes", measurement: Measurement) -> "list[Artist]":
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    bins = histogram(measurement)
    widths = np.diff(bins.edges_ms)
    at: dict[str, Any] = {"align": "edge", "width": widths, "lw": 0}
    axes.bar(bins.edges_ms[:-1], bins.kept, color=BINS, alpha=0.75, **at)
    axes.bar(bins.edges_ms[:-1], bins.left_out, bottom=bins.kept, color=FAINT, alpha=0.5, **at)
    keys: list[Artist] = [Patch(color=BINS, alpha=0.75, label="calls")]
    if bins.left_out.any():
        keys.append(Patch(color=FAINT, alpha=0.5, label="calls disturbed by other programs: left out"))
    if bins.slower:
        words = f"{counted(bins.slower, 'call')} slower, up to {bins.slowest_ms:.3g} ms →"
        axes.text(0.99, 0.5, words, transform=axes.transAxes, ha="right", color=LIMIT)
    if bins.log:
        log_axis(axes.xaxis)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(False, axis="x")
    return keys


def _lines(axes: "Axes", measurement: Measurement) -> "list[Artist]":
    from matplotlib.lines import Line2D

    keys: list[Artist] = []
    for one in percentiles(measurement):
        known = not math.isnan(one.value_ms)
        if known:
            axes.axvline(one.value_ms, color=one.colour, lw=3)
        if not math.isnan(one.low_ms):
            axes.axvspan(one.low_ms, one.high_ms, color=one.colour, alpha=0.3, lw=0)
        keys.append(
            Line2D([], [], color=one.colour if known else FAINT, lw=3, ls="-" if known else ":", label=one.text)
        )
    return keys
