"""Latency against throughput and accuracy, for everything that was measured: the still view of the live chart."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from tradespace.config import KNOBS, Config
from tradespace.show.common.marks import mark
from tradespace.show.common.style import (
    HERE,
    INK,
    LIMIT,
    STAR,
    blank,
    canvas,
    fill,
    interval,
    legend_below,
    log_axis,
    name_machine,
    precision_keys,
    runtime_keys,
    score_axis,
    styled,
)
from tradespace.show.common.view import Limits, View, view
from tradespace.surface.columns import plain, scale_of
from tradespace.surface.objectives import measured
from tradespace.surface.reading import check_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

X = "latency_p50_ms"
# With more points than these, only those on the frontier have intervals, or are large, respectively.
INTERVALS, LARGE = 24, 80


def plot_surface(
    surface: pd.DataFrame,
    selection: Config | None = None,
    *,
    max_latency_ms: float | None = None,
    min_accuracy: float | None = None,
) -> "Figure":
    """Plot latency against throughput and against accuracy, with 95 % intervals and the frontier.

    Colour and shape show the precision, and the fill of the marker shows the runtime. With many points, only those on
    the frontier are large and have intervals. Rows without a latency, such as those of precisions that were not timed,
    are left out.

    Parameters
    ----------
    surface : DataFrame
        With at least one row that was timed.
    selection : Config, optional
        Marked with a ring if it was measured, and joined to the other batch sizes and precisions at its model and
        threads.
    max_latency_ms, min_accuracy : float, optional
        Limits; the area outside them is shaded. Accuracy is a fraction, or in the unit of another score.

    Raises
    ------
    ValueError
        If no row was measured, or no measured row has a latency.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> surface = ts.sweep(task, ts.grid(task, model="resnet8", batch_size=[1, 8]), budget_s=0.2, progress=False)
    >>> figure = ts.plot_surface(surface, max_latency_ms=5)
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['time for one batch, ms', 'time for one batch, ms']
    """
    check_columns(surface, (*KNOBS, "status", X, "throughput_per_s", "accuracy"))
    surface = plain(surface).reset_index(drop=True)
    timed = surface[measured(surface) & surface[X].notna()]
    if timed.empty:
        raise ValueError(
            "surface: wanted at least one measured row; every row has a status other than ok, or no latency"
        )
    scale = scale_of(surface)
    seen = view(surface, selection, Limits(max_latency_ms, min_accuracy))
    with styled():
        figure, (throughput, accuracy) = canvas(14, 6, ncols=2)
        _panel(throughput, surface, timed, seen, "throughput_per_s", seen.throughput_frontier)
        _panel(accuracy, surface, timed, seen, "accuracy", seen.accuracy_frontier)
        throughput.set(title="Throughput", ylabel="items per second", xlabel="time for one batch, ms")
        accuracy.set(title=scale.title, ylabel=scale.axis, xlabel="time for one batch, ms")
        for axes in (throughput, accuracy):
            log_axis(axes.xaxis)
            _shade_right(axes, max_latency_ms)
        log_axis(throughput.yaxis)
        score_axis(accuracy.yaxis, scale)
        if timed["accuracy"].isna().all():
            blank(accuracy, "no test data")
        _shade_below(accuracy, min_accuracy)
        parts, _ = throughput.get_legend_handles_labels()
        legend_below(figure, [precision_keys(timed["precision"]), runtime_keys(timed["runtime"]), parts])
        name_machine(figure, surface)
    return figure


def _panel(axes: "Axes", surface: pd.DataFrame, timed: pd.DataFrame, seen: View, y: str, frontier: list[int]) -> None:
    sure = timed if len(timed) <= INTERVALS else timed.loc[frontier]
    look = {"ms": 8, "mew": 1.5, "alpha": 0.9} if len(timed) <= LARGE else {"ms": 4, "mew": 0.7, "alpha": 0.4}
    _dots(axes, timed.drop(sure.index), y, **look)
    for precision, numbers in seen.lines.items() if y != "accuracy" else ():
        line = surface.loc[numbers]
        axes.plot(line[X], line[y], color=mark(precision).colour, lw=2)
    _bars(axes, sure, y)
    best = surface.loc[frontier]
    axes.step(best[X], best[y], where="post", color=INK, lw=2, label="frontier within limits", zorder=2.1)
    if seen.current is not None:
        here = surface.loc[seen.current]
        axes.plot(here[X], here[y], "o", ms=18, mfc="none", mec=HERE, mew=2.5, label="you are here")
    if seen.choice is not None:
        star = surface.loc[seen.choice]
        axes.plot(star[X], star[y], "*", ms=20, mfc=STAR, mec="black", label="best within limits", zorder=4)


def _dots(axes: "Axes", rows: pd.DataFrame, y: str, **look: Any) -> None:
    for (precision, runtime), some in rows.groupby(["precision", "runtime"], sort=False):
        style = mark(str(precision))
        axes.plot(some[X], some[y], ls="none", marker=style.marker, **fill(str(runtime), style.colour), **look)


def _bars(axes: "Axes", rows: pd.DataFrame, y: str) -> None:
    for (precision, runtime), some in rows.groupby(["precision", "runtime"], sort=False):
        style = mark(str(precision))
        axes.errorbar(
            some[X],
            some[y],
            xerr=interval(some, X),
            yerr=interval(some, y),
            fmt=style.marker,
            ecolor=style.colour,
            ms=8,
            mew=1.5,
            elinewidth=1.2,
            zorder=3,
            **fill(str(runtime), style.colour),
        )


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
