"""The tradeoff surface as a map: the accuracy that can be had at each latency and throughput."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.scale import Scale
from tradespace.show.attainment.numbers import extent, half_range
from tradespace.show.common.style import (
    INK,
    LIMIT,
    canvas_in,
    figure_of,
    legend_below,
    log_axis,
    name_machine,
    score_axis,
    styled,
)
from tradespace.surface.attainment import attainment
from tradespace.surface.columns import plain, scale_of
from tradespace.surface.frontier import pareto
from tradespace.surface.objectives import OBJECTIVES, at_least, at_most

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LATENCY, THROUGHPUT = "time for one batch: at most, ms", "throughput: at least, items/s"
LEVELS = 10
# Labels of lines that are closer together than this share of the axis would touch.
APART = 0.065
# A point measured at exactly a round accuracy is inside its line.
ROUNDING = 1e-9


def plot_attainment(
    surface: pd.DataFrame,
    *,
    max_latency_ms: float | None = None,
    min_throughput_per_s: float | None = None,
    min_accuracy: float | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Plot a map of the best accuracy within each latency and at each throughput, with lines of equal accuracy.

    The map is a staircase, since between two measured points it promises nothing that was not measured. The dots are
    the points that define it.

    Parameters
    ----------
    surface : DataFrame
        Rows of one machine.
    max_latency_ms, min_throughput_per_s, min_accuracy : float, optional
        Limits. The part of the map that meets them is outlined, and the rest is veiled. Accuracy is a fraction, or in
        the unit of another score.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure, which also names the machine.

    Raises
    ------
    ValueError
        If no measured row has a latency, a throughput and an accuracy.

    Examples
    --------
    >>> surface = pd.DataFrame({"latency_p50_ms": [1.0, 10.0], "throughput_per_s": [1000.0, 3000.0],
    ...                         "accuracy": [0.8, 0.9], "status": "ok"})
    >>> figure = plot_attainment(surface, max_latency_ms=5)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['throughput: at least, items/s', 'best accuracy, %']
    """
    within = at_most("latency_p50_ms", np.inf if max_latency_ms is None else max_latency_ms).limit
    beyond = at_least("throughput_per_s", 0.0 if min_throughput_per_s is None else min_throughput_per_s).limit
    exact = at_least("accuracy", -np.inf if min_accuracy is None else min_accuracy).limit
    surface = plain(surface)
    grid, carriers = _staircase(surface)
    score = scale_of(surface)
    with styled():
        where, axes = canvas_in(ax, 11, 7)
        # Wherever nothing covers the background, nothing is attainable.
        axes.set_facecolor("0.85")
        keys = [_map(axes, grid, score), *_contours(axes, grid, score)]
        keys += axes.plot(
            carriers["latency_p50_ms"], carriers["throughput_per_s"], "o", ms=5, mfc="white", mec=INK, mew=0.8,
            label="measured, on the frontier",
        )  # fmt: skip
        if (max_latency_ms, min_throughput_per_s, min_accuracy) != (None, None, None):
            keys += _veil(axes, grid, within, beyond, exact)
        axes.set(xlabel=LATENCY, ylabel=THROUGHPUT)
        axes.grid(False)
        log_axis(axes.xaxis)
        log_axis(axes.yaxis)
        legend_below(where, [keys[:3], keys[3:]])
        name_machine(where, surface)
    return figure_of(axes)


def colours(grid: pd.DataFrame, score: Scale) -> Any:
    """Return a matplotlib ScalarMappable that maps accuracy, or another score, to colour."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = np.nanmin(grid), np.nanmax(grid)
    half = half_range(low, high, score)
    return ScalarMappable(Normalize((low + high) / 2 - half, (low + high) / 2 + half), "cividis")


def _staircase(surface: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `attainment` at each limit where it changes, with room around, and the frontier rows that define it."""
    all_of_it = attainment(surface)
    on = pareto(surface, OBJECTIVES)
    latency = [*extent(all_of_it.columns), *on["latency_p50_ms"]]
    throughput = [*extent(all_of_it.index), *on["throughput_per_s"]]
    return attainment(surface, latency, throughput), on


def _map(axes: "Axes", grid: pd.DataFrame, score: Scale) -> "Artist":
    """Colour the map. Return the legend entry for what is outside it."""
    from matplotlib.patches import Patch

    scale = colours(grid, score)
    # A cell excludes its largest latency and includes its largest throughput: it has the value of its top left corner.
    axes.pcolormesh(grid.columns, grid.index, grid.to_numpy()[1:, :-1], cmap=scale.cmap, norm=scale.norm, zorder=1)
    bar = figure_of(axes).colorbar(scale, ax=axes, label=f"best {score.axis}", pad=0.02)
    score_axis(bar.ax.yaxis, score)
    nothing: dict[str, Any] = {"facecolor": "0.85", "edgecolor": "0.6", "hatch": "xx", "lw": 0}
    reach = np.maximum(_reach(grid, -np.inf), grid.index[0])
    axes.fill_between(grid.columns, reach, grid.index[-1], step="post", zorder=0, **nothing)
    return Patch(**nothing, label="not attainable")


def _reach(grid: pd.DataFrame, accuracy: float) -> np.ndarray:
    """Return the highest throughput at this accuracy for each latency of `grid`; 0 if there is none."""
    reach: np.ndarray = np.where(grid.to_numpy() >= accuracy, grid.index.to_numpy()[:, None], 0.0).max(axis=0)
    return reach


def _outline(grid: pd.DataFrame, accuracy: float, within: float = np.inf, beyond: float = 0.0) -> np.ndarray:
    """Return the corners of the part of the map with this accuracy and within limits, in order: shape (corners, 2)."""
    latency, reach = grid.columns.to_numpy(), _reach(grid, accuracy)
    bottom, right = max(beyond, grid.index[0]), min(within, latency[-1])
    serves = (reach >= bottom) & (latency <= right)
    if not serves.any():
        return np.empty((0, 2))
    x, y = np.repeat(np.append(latency[serves], right), 2), np.repeat(reach[serves], 2)
    return np.column_stack([x, np.concatenate([[bottom], y, [bottom]])])


def _contours(axes: "Axes", grid: pd.DataFrame, score: Scale) -> "list[Artist]":
    """Draw lines where a round accuracy ends, as many as can be labelled at their right ends."""
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    worst, best = score.percent * np.nanmin(grid), score.percent * np.nanmax(grid)
    levels = np.asarray(MaxNLocator(LEVELS, steps=[1, 2, 5, 10]).tick_values(worst, best))
    low, high = np.log(grid.index[[0, -1]])
    taken: list[float] = []
    lines: list[Artist] = []
    for level in levels[(worst < levels) & (levels <= best)][::-1]:
        edge = _outline(grid, level / score.percent - ROUNDING * (best - worst))
        at = (np.log(edge[-2, 1]) - low) / (high - low)
        if any(abs(at - other) < APART for other in taken):
            continue
        taken.append(at)
        halo = [withStroke(linewidth=4, foreground=INK)]
        lines += axes.plot(*edge[:-1].T, color="white", lw=1.8, path_effects=halo, label=f"equal {score.name}")
        axes.annotate(
            score.mark(level), (edge[-2, 0], edge[-2, 1]), (-6, -4), textcoords="offset points",
            ha="right", va="top", color="white", weight="bold", path_effects=halo,
        )  # fmt: skip
    return lines[:1]


def _veil(axes: "Axes", grid: pd.DataFrame, within: float, beyond: float, exact: float) -> "list[Artist]":
    """Veil the part of the map that is outside the limits, and outline the part that is inside."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    inside = _outline(grid, exact, within, beyond)
    look: dict[str, Any] = {"facecolor": (1, 1, 1, 0.6), "edgecolor": "0.35", "hatch": "//", "lw": 0}
    # The corners of a hole are in the opposite order.
    whole = _outline(grid, -np.inf)
    parts = [Path(np.append(part, part[:1], axis=0), closed=True) for part in (whole, inside[::-1]) if len(part)]
    veil = PathPatch(Path.make_compound_path(*parts), **look, label="outside the limits")
    axes.add_patch(veil)
    if not len(inside):
        axes.set_title("Nothing measured meets these limits", color=LIMIT)
        return [veil]
    return [veil, *axes.plot(*np.append(inside, inside[:1], axis=0).T, color=LIMIT, lw=4, label="meets the limits")]
