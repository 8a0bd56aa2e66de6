"""Still figures: matplotlib with seaborn's styling, from the same view and marks as the live charts."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.show.marks import mark
from tradespace.show.view import Limits, View, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK, LIMIT, STAR = "#212121", "#D55E00", "#F0E442"


def plot_surface(
    surface: pd.DataFrame,
    selection: Config | None = None,
    *,
    max_latency_ms: float | None = None,
    min_accuracy: float | None = None,
) -> "Figure":
    """Latency against throughput, and latency against accuracy, with 95 % intervals and the frontier.

    Parameters
    ----------
    surface : DataFrame
        At least one row that was measured.
    selection : Config, optional
        Ringed, if it was measured, and joined to the other batch sizes and precisions at its model and threads.
    max_latency_ms, min_accuracy : float, optional
        Limits; what lies outside is shaded. Accuracy is a fraction.

    Raises
    ------
    ValueError
        If no row was measured.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> surface = ts.sweep(task, ts.grid(task, model="resnet8", batch_size=[1, 8]), budget_s=0.2, progress=False)
    >>> figure = ts.plot_surface(surface, max_latency_ms=5)
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['latency of a batch, ms', 'latency of a batch, ms']
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    if not (surface["status"] == "ok").any():
        raise ValueError("surface: wanted at least one measured row; every row has another status than ok")
    surface = surface.reset_index(drop=True)
    seen = view(surface, selection, Limits(max_latency_ms, min_accuracy))
    with sns.axes_style("whitegrid"), sns.plotting_context("notebook", font_scale=1.1):
        figure, (throughput, accuracy) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    # Made by pyplot, so that a notebook knows how to show it, and closed, so that it is not shown twice.
    plt.close(figure)
    _panel(throughput, surface, seen, "throughput_per_s", seen.throughput_frontier)
    _panel(accuracy, surface, seen, "accuracy", seen.accuracy_frontier)
    throughput.set(title="Throughput", ylabel="items per second", yscale="log")
    accuracy.set(title="Accuracy", ylabel="accuracy, %")
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    for axes in (throughput, accuracy):
        axes.set(xlabel="latency of a batch, ms", xscale="log")
        _label_1_2_5(axes.xaxis)
        _shade_right(axes, max_latency_ms)
    _label_1_2_5(throughput.yaxis)
    _shade_below(accuracy, min_accuracy)
    handles, labels = throughput.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle("; ".join(surface["machine"].unique()), size=10, color="0.35")
    return figure


def _panel(axes: "Axes", surface: pd.DataFrame, seen: View, y: str, frontier: list[int]) -> None:
    x = "latency_p50_ms"
    for precision, rows in surface[surface["status"] == "ok"].groupby("precision", sort=False):
        style = mark(str(precision))
        axes.errorbar(
            rows[x],
            rows[y],
            xerr=_ends(rows, x, "latency_p50_lo_ms", "latency_p50_hi_ms"),
            yerr=_ends(rows, y, "accuracy_lo", "accuracy_hi") if y == "accuracy" else None,
            label=str(precision),
            fmt=style.marker,
            color=style.colour,
            markersize=6,
            elinewidth=1,
            alpha=0.7,
        )
        if y != "accuracy":
            line = surface.loc[seen.lines.get(str(precision), [])]
            axes.plot(line[x], line[y], color=style.colour, lw=2)
    best = surface.loc[frontier]
    axes.step(best[x], best[y], where="post", color=INK, lw=2, label="frontier within limits")
    if seen.current is not None:
        here = surface.loc[seen.current]
        axes.plot(here[x], here[y], "o", ms=16, mfc="none", mec=INK, mew=2.5, ls="none", label="you are here")
    if seen.choice is not None:
        star = surface.loc[seen.choice]
        axes.plot(star[x], star[y], "*", ms=20, mfc=STAR, mec="black", ls="none", label="best within limits")


def _label_1_2_5(axis: "Axis") -> None:
    """Ticks at 1, 2, 5, 10, ... of a logarithmic axis, in plain figures."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def _ends(rows: pd.DataFrame, middle: str, low: str, high: str) -> np.ndarray:
    """Lengths of the error bars, below and above: shape (2, rows)."""
    return np.array([rows[middle] - rows[low], rows[high] - rows[middle]]).clip(min=0)


def _shade_right(axes: "Axes", limit: float | None) -> None:
    low, high = axes.get_xlim()
    axes.set_xlim(low, high)
    if limit is not None and limit < high:
        axes.axvspan(max(limit, low), high, facecolor=LIMIT, alpha=0.15, hatch="//", edgecolor=LIMIT, zorder=0)
        axes.axvline(limit, color=LIMIT, lw=2, ls="--", label="outside limits")


def _shade_below(axes: "Axes", limit: float | None) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    if limit is not None and not math.isnan(limit) and limit > low:
        axes.axhspan(low, min(limit, high), facecolor=LIMIT, alpha=0.15, hatch="//", edgecolor=LIMIT, zorder=0)
        axes.axhline(limit, color=LIMIT, lw=2, ls="--")
