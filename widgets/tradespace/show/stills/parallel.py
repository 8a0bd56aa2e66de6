"""The frontier over more than three columns: parallel coordinates (Inselberg, 1985) in which up is always better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.show.common.marks import mark
from tradespace.show.common.style import (
    INK,
    canvas_in,
    figure_of,
    fill,
    interval,
    legend_below,
    name_machine,
    precision_keys,
    round_numbers,
    runtime_keys,
    styled,
)
from tradespace.surface.columns import plain, scale_of
from tradespace.surface.objectives import measured
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Column -> name and unit, and whether more is better.
COLUMNS = {
    "latency_p50_ms": ("latency\nms", False),
    "throughput_per_s": ("throughput\nitems/s", True),
    "accuracy": ("accuracy\n%", True),
    "model_mb": ("weights\nMB", False),
    "memory_mb": ("memory\nMB", False),
}
# If the largest value is more than this many times the smallest, the axis is logarithmic.
LOGARITHMIC_FROM = 4
TINY = 1e-12
# With more rows than this, intervals would hide the lines.
INTERVALS = 24


def plot_parallel(frontier: pd.DataFrame, *, ax: "Axes | None" = None) -> "Figure":
    """Plot each row as a line across latency, throughput, accuracy, weights and memory. Up is better on every axis.

    Colour and marker show the precision, and the fill of the marker shows the runtime.

    Parameters
    ----------
    frontier : DataFrame
        As returned by `pareto`, or any few rows of a surface. Columns without known values are left out, and so are
        rows that were not measured.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure, which also names the machine.

    Raises
    ------
    ValueError
        If no row was measured.

    Examples
    --------
    >>> frontier = pd.DataFrame({"latency_p50_ms": [1.0, 9.0], "accuracy": [0.8, 0.9], "precision": ["int8", "fp32"],
    ...                          "runtime": "eager", "status": "ok"})
    >>> figure = plot_parallel(frontier)
    >>> [label.get_text().splitlines()[0] for label in figure.axes[0].get_xticklabels()]
    ['latency', 'accuracy']
    """
    frontier = plain(frontier, "frontier")
    rows = frontier[measured(frontier)] if "status" in frontier else frontier
    columns = [column for column in COLUMNS if column in rows and rows[column].notna().any()]
    if not columns:
        raise ValueError(f"frontier: wanted a measured row with one of {', '.join(COLUMNS)}; there is none")
    score = scale_of(rows)
    scales = [_Scale.of(rows, column, score.percent if column == "accuracy" else 1.0) for column in columns]
    names = {column: name for column, (name, _) in COLUMNS.items()} | {"accuracy": score.axis.replace(", ", "\n")}
    with styled():
        where, axes = canvas_in(ax, max(2.6 * len(scales), 8), 6.5)
        for place, scale in enumerate(scales):
            _axis(axes, place, scale)
        _lines(axes, rows, scales)
        axes.set(xlim=(-0.45, len(scales) - 0.75), ylim=(-0.06, 1.06), yticks=[], ylabel="better  →")
        axes.set_xticks(range(len(scales)), [names[column] for column in columns])
        axes.tick_params("x", length=0, pad=10)
        axes.xaxis.set_ticks_position("top")
        axes.grid(False)
        axes.spines[:].set_visible(False)
        legend_below(where, [precision_keys(rows["precision"]), runtime_keys(rows["runtime"])])
        name_machine(where, frontier)
    return figure_of(axes)


@dataclass(frozen=True)
class _Scale:
    """Positions of the values of a column on its axis, from 0 (worst) to 1 (best); `times` as large in writing."""

    column: str
    worst: float
    best: float
    logarithmic: bool
    times: float

    @classmethod
    def of(cls, rows: pd.DataFrame, column: str, times: float) -> "_Scale":
        low, high = float(rows[column].min()), float(rows[column].max())
        if COLUMNS[column][1]:
            low, high = high, low
        ratio = max(low, high) / min(low, high) if min(low, high) > 0 else 0
        return cls(column, high, low, ratio > LOGARITHMIC_FROM, times)

    def place(self, values: "Sequence[float] | np.ndarray | pd.Series") -> np.ndarray:
        worst, best, x = (np.asarray(value, float) for value in (self.worst, self.best, values))
        if self.logarithmic:
            worst, best, x = (np.log(np.clip(value, TINY, None)) for value in (worst, best, x))
        # If all values are the same, they are in the middle.
        return (x - worst) / (best - worst) if best != worst else np.where(np.isnan(x), np.nan, 0.5)

    @property
    def ticks(self) -> list[float]:
        from matplotlib.ticker import MaxNLocator

        low, high = sorted((self.worst, self.best))
        if low == high:
            return [low]
        if self.logarithmic:
            return round_numbers(low, high)
        even = np.asarray(MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(self.times * low, self.times * high))
        even = even / self.times
        return [float(value) for value in even if low <= value <= high]


def _axis(axes: "Axes", at: int, scale: _Scale) -> None:
    axes.plot([at, at], [-0.03, 1.03], color="0.35", lw=1.5, zorder=1)
    for value, height in zip(scale.ticks, scale.place(scale.ticks), strict=True):
        words = figures(scale.times * value, 4)
        axes.plot([at - 0.02, at], [height, height], color="0.35", lw=1.5, zorder=1)
        axes.text(
            at - 0.04, height, words, ha="right", va="center", color=INK, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
        )  # fmt: skip


def _lines(axes: "Axes", rows: pd.DataFrame, scales: list[_Scale]) -> None:
    heights = np.column_stack([scale.place(rows[scale.column]) for scale in scales])
    few = len(rows) <= INTERVALS
    look: dict[str, Any] = {"ms": 8, "lw": 1.8, "alpha": 0.9} if few else {"ms": 5, "lw": 1.2, "alpha": 0.5}
    for line, precision, runtime in zip(heights, rows["precision"], rows["runtime"], strict=True):
        style = mark(precision)
        axes.plot(
            line, color=style.colour, marker=style.marker, mew=1.5, zorder=3, **look, **fill(runtime, style.colour)
        )  # fmt: skip
    if few:
        _intervals(axes, rows, scales)


def _intervals(axes: "Axes", rows: pd.DataFrame, scales: list[_Scale]) -> None:
    colours = [mark(precision).colour for precision in rows["precision"]]
    for at, scale in enumerate(scales):
        lengths = interval(rows, scale.column)
        if lengths is None:
            continue
        values = rows[scale.column].to_numpy(float)
        ends = scale.place(values - lengths[0]), scale.place(values + lengths[1])
        axes.vlines(np.full(len(rows), at), *ends, colors=colours, lw=1.5, zorder=2)
