"""Latency and throughput over batch size, the fitted line and its knee: the still view of the live batch curve."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.config import KNOBS, Config
from tradespace.show.batch_curve.numbers import LATENCY, RATE, curve_of, error_in_words, first_config, knee_in_words
from tradespace.show.common.marks import mark
from tradespace.show.common.style import (
    FAINT,
    HERE,
    INK,
    LIMIT,
    canvas,
    interval,
    legend_below,
    log_axis,
    name_machine,
    precision_keys,
    styled,
)
from tradespace.show.common.words import in_brief
from tradespace.surface.columns import plain
from tradespace.surface.predict import BatchFit, fit_batches
from tradespace.surface.reading import check_columns
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis
    from matplotlib.figure import Figure

# A ceiling further above the points than this factor is left out: below it, the plot would be mostly empty.
HEADROOM = 1.6


def plot_batch_curve(
    surface: pd.DataFrame, config: Config | None = None, *, max_latency_ms: float | None = None
) -> "Figure":
    """Plot batch latency and throughput over batch size, with 95 % intervals, the fitted line and its knee.

    Points are measurements. The dashed line t(B) = a + b * B is fitted to those at the precision of `config`; the
    other precisions at its knobs are faint. At the knee, a / b, throughput is half its ceiling, 1 / b, and latency is
    twice the fixed cost, a.

    Parameters
    ----------
    surface : DataFrame
        As returned by `sweep`, for one task and one machine.
    config : Config, optional
        Marked with a ring if it was measured. By default, the first row that was timed.
    max_latency_ms : float, optional
        A limit on the latency, drawn if it is within the plot.

    Raises
    ------
    ValueError
        If nothing was timed at the knobs of `config`, or the rows are of several tasks or machines.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> surface = ts.sweep(task, ts.grid(task, model="resnet4", batch_size=[1, 8]), budget_s=0.2, progress=False)
    >>> figure = ts.plot_batch_curve(surface)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['time for one batch, ms', 'items per second']
    """
    check_columns(surface, (*KNOBS, "status", LATENCY, RATE, "latency_p50_lo_ms", "latency_p50_hi_ms"))
    surface = plain(surface).reset_index(drop=True)
    config = config or first_config(surface)
    timed = curve_of(surface, config) if config else surface[:0]
    if config is None or timed.empty:
        raise ValueError(
            f"surface: wanted at least one row that was timed at {config or 'any knobs'}, at any batch size and "
            "precision; there is none"
        )
    fit = fit_batches(surface, config)
    with styled():
        figure, (latency, throughput) = canvas(14, 6, ncols=2)
        latency.set(title="Latency", ylabel="time for one batch, ms", xlabel="batch size, items")
        throughput.set(title="Throughput", ylabel="items per second", xlabel="batch size, items")
        for axes, column in ((latency, LATENCY), (throughput, RATE)):
            _points(axes, timed, column, config)
        if fit:
            _line(latency, throughput, timed, fit)
        log_axis(latency.yaxis)
        low, high = latency.get_ylim()
        if max_latency_ms is not None and low <= max_latency_ms <= high:
            latency.axhline(max_latency_ms, color=LIMIT, lw=2, ls="--", label=f"limit {max_latency_ms:.3g} ms")
        throughput.set_ylim(bottom=0)
        throughput.yaxis.set_major_formatter("{x:,.10g}")
        for axes in (latency, throughput):
            _sizes(axes.xaxis, timed["batch_size"])
        parts = {key.get_label(): key for axes in figure.axes for key in axes.get_legend_handles_labels()[0]}
        legend_below(figure, [precision_keys(timed["precision"]), [*parts.values()]])
        name_machine(figure, surface)
        said = f": {fit}, {error_in_words(fit)}" if fit else ""
        figure.suptitle(f"{in_brief(config, batch_size=False)}{said}\n{figure.get_suptitle()}", size=12, color="0.35")
    return figure


def _points(axes: "Axes", timed: pd.DataFrame, column: str, config: Config) -> None:
    for precision, rows in timed.groupby("precision", sort=False):
        style, strong = mark(str(precision)), precision == config.precision
        axes.errorbar(
            rows["batch_size"], rows[column], yerr=_interval(rows, column), fmt=style.marker + "-", color=style.colour,
            ms=10 if strong else 7, lw=1.5 if strong else 1, elinewidth=2, capsize=4, alpha=1 if strong else 0.4,
            zorder=3 if strong else 2,
        )  # fmt: skip
    here = timed[(timed["precision"] == config.precision) & (timed["batch_size"] == config.batch_size)]
    if len(here):
        ring: dict[str, Any] = {"ms": 20, "mfc": "none", "mec": HERE, "mew": 2.5, "label": "you are here"}
        axes.plot(here["batch_size"].iloc[-1], here[column].iloc[-1], "o", zorder=4, **ring)


def _interval(rows: pd.DataFrame, column: str) -> np.ndarray | None:
    if column == LATENCY:
        return interval(rows, column)
    middle = rows[RATE].to_numpy(float)
    ends = rows["throughput_lo_per_s"].to_numpy(float), rows["throughput_hi_per_s"].to_numpy(float)
    return np.array([middle - ends[0], ends[1] - middle]).clip(min=0)


def _line(latency: "Axes", throughput: "Axes", timed: pd.DataFrame, fit: BatchFit) -> None:
    low, high = timed["batch_size"].min(), timed["batch_size"].max()
    sizes = np.geomspace(low, high, 100)
    look: dict[str, Any] = {"color": INK, "lw": 2, "ls": (0, (5, 3)), "zorder": 2.5}
    latency.plot(sizes, fit.latency_ms(sizes), label="fitted line a + b B", **look)
    throughput.plot(sizes, fit.throughput_per_s(sizes), **look)
    if low <= fit.knee <= high:
        for axes in (latency, throughput):
            axes.axvline(fit.knee, color=INK, lw=1.2, zorder=1.5)
            axes.annotate(
                f"knee a/b = {knee_in_words(fit)}", (fit.knee, 1), (4, -4), axes.get_xaxis_transform(),
                textcoords="offset points", va="top", size="small",
            )  # fmt: skip
    peak = fit.peak_throughput_per_s
    if peak <= HEADROOM * timed["throughput_hi_per_s"].fillna(timed[RATE]).max():
        throughput.axhline(peak, color=FAINT, lw=1.5, label=f"ceiling 1/b = {figures(peak)} items/s")


def _sizes(axis: "XAxis", sizes: pd.Series) -> None:
    """Put a tick at each batch size, on a logarithmic axis."""
    from matplotlib.ticker import NullLocator

    axis.axes.set_xscale("log", base=2)
    axis.axes.set_xlim(sizes.min() / 1.3, sizes.max() * 1.3)
    axis.set_ticks(sorted(set(sizes)))
    axis.set_major_formatter("{x:,.0f}")
    axis.set_minor_locator(NullLocator())
