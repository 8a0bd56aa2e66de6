"""What a search has measured, and what it predicts for the points that it skipped."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.show.common.style import (
    LABELS,
    canvas_in,
    figure_of,
    interval,
    legend_below,
    log_axis,
    note_machine,
    styled,
)
from tradespace.surface.columns import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = ("latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "throughput_per_s", "measured")
MEASURED, SKIPPED = "#0072B2", "#767676"
# With more skipped points than this, their intervals would merge into a grey cloud.
MOST_BARS = 150


def plot_predicted(believed: pd.DataFrame, *, ax: "Axes | None" = None) -> "Figure":
    """Plot measured points, filled, and skipped points, hollow, at their predicted latency and throughput.

    Parameters
    ----------
    believed : DataFrame
        As returned by `predicted`. Up to 150 skipped points are drawn with the intervals of their predictions. With
        more, only the line above the chart says how wide these are.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure.

    Raises
    ------
    ValueError
        If columns are missing, or no row has a latency.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and runtime == 'openvino'")
    >>> configs = [ts.Config("resnet8", runtime="openvino", threads=1, batch_size=b) for b in (1, 2, 4, 8, 16, 32)]
    >>> figure = plot_predicted(ts.predicted(surface, configs))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['measured: 4', 'skipped, predicted: 2']
    """
    missing = [column for column in NEEDED if column not in believed]
    if missing:
        raise ValueError(f"believed: wanted the table that ts.predicted returns; it lacks {', '.join(missing)}")
    believed = plain(believed, "believed")
    known = believed.dropna(subset=["latency_p50_ms", "throughput_per_s"])
    if known.empty:
        raise ValueError("believed: wanted at least one row with a latency; there is none")
    there, skipped = known[known["measured"]], known[~known["measured"]]
    with styled():
        where, axes = canvas_in(ax, 11, 7)
        bars = interval(skipped, "latency_p50_ms") if len(skipped) <= MOST_BARS else None
        style = {"fmt": "o", "mfc": "none", "color": SKIPPED, "ms": 6, "mew": 1.3, "elinewidth": 1}
        hollow = axes.errorbar(
            skipped["latency_p50_ms"], skipped["throughput_per_s"], xerr=bars, **style,
            label=f"skipped, predicted: {len(skipped)}",
        )  # fmt: skip
        solid = axes.errorbar(
            there["latency_p50_ms"], there["throughput_per_s"], xerr=interval(there, "latency_p50_ms"),
            fmt="o", color=MEASURED, mec="black", ms=8, elinewidth=2, label=f"measured: {len(there)}",
        )  # fmt: skip
        if len(skipped):
            axes.set_title(_width(skipped), size=11, color="0.35", loc="left")
        axes.set(xlabel=LABELS["latency_p50_ms"], ylabel=LABELS["throughput_per_s"])
        log_axis(axes.xaxis)
        log_axis(axes.yaxis)
        legend_below(where, [[solid, hollow] if len(skipped) else [solid]])
        note_machine(figure_of(axes), there)
    return figure_of(axes)


def _width(skipped: pd.DataFrame) -> str:
    off = np.median(np.sqrt(skipped["latency_p50_hi_ms"] / skipped["latency_p50_lo_ms"]))
    return f"Half of the predicted latencies are known to within a factor of {off:.2g} (95 % interval)"
