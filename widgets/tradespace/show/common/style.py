"""Shared style of the still figures: large type, plain tick labels with units, marks, intervals, machine names."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.config import RUNTIMES
from tradespace.recording import recording
from tradespace.scale import ACCURACY, Scale
from tradespace.show.common.marks import mark
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis, XAxis, YAxis
    from matplotlib.figure import Figure

# LIMIT and STAR are Okabe and Ito's vermilion and yellow, which no mark of a precision uses. HERE, the ring on what is
# selected, is seen on white and on black.
INK, LIMIT, STAR, FAINT, HERE = "#212121", "#D55E00", "#F0E442", "#767676", "#E0218A"
LABELS = {
    "latency_p50_ms": "time for one batch, ms",
    "latency_p90_ms": "90th percentile of latency, ms",
    "latency_p99_ms": "99th percentile of latency, ms",
    "throughput_per_s": "throughput, items/s",
    "model_mb": "weights, MB",
    "memory_mb": "memory, MB",
    "energy_j_per_item": "energy per item, J",
    "cost_per_million": "cost per million items",
    "cost_per_million_served": "cost per million served requests",
    "max_rate_per_s": "highest rate that meets the deadline, requests/s",
    "wh_per_million": "energy per million items, Wh",
    "safe_speed_m_s": "safe speed, m/s",
    "power": "power: throughput over latency, items/s²",
    "latency_throughput_product": "latency times throughput, items in flight",
    "energy_delay": "energy per item times latency, J·s",
}
TICKS: dict[str, Any] = {
    "color": ".15",
    "direction": "out",
    "labelsize": 13.75,
    "major.size": 6.0,
    "major.width": 1.25,
    "minor.size": 4.0,
    "minor.width": 1.0,
}
# Seaborn's axes_style("whitegrid") and plotting_context("notebook", font_scale=1.25). Importing seaborn, which imports
# the statistics of SciPy, would take longer than drawing a figure.
STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": ".8",
    "axes.linewidth": 1.25,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": ".8",
    "grid.linestyle": "-",
    "grid.linewidth": 1.0,
    "lines.linewidth": 1.5,
    "lines.markersize": 6.0,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 1.0,
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "font.size": 15.0,
    "text.color": ".15",
    "axes.labelcolor": ".15",
    "axes.labelsize": 15.0,
    "axes.titlesize": 15.0,
    "legend.fontsize": 13.75,
    "legend.title_fontsize": 15.0,
    "xtick.bottom": False,
    "ytick.left": False,
    **{f"{axis}.{name}": value for axis in ("xtick", "ytick") for name, value in TICKS.items()},
}
WATERMARK: dict[str, Any] = {"s": "recorded", "alpha": 0.09, "rotation": 20, "ha": "center", "va": "center"}


@contextmanager
def styled() -> Iterator[None]:
    """Seaborn's white grid, with type that can be read from the back row when projected."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def canvas(width: float, height: float, **subplots: Any) -> "tuple[Figure, Any]":
    """Return a figure, sized in inches, and its axes.

    pyplot makes it, so that a notebook knows how to show it, and closes it, so that it is not shown twice. In recorded
    mode, a watermark says that its numbers are recorded.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained", **subplots)
    plt.close(figure)
    if recording():
        figure.text(0.5, 0.5, size=14 * height, **WATERMARK)
    return figure, axes


def canvas_in(ax: "Axes | None", width: float, height: float) -> "tuple[Figure | Axes, Any]":
    """Return what `legend_below` and `name_machine` take, and the axes: those given, or of a new figure in inches."""
    if ax is None:
        return canvas(width, height)
    if recording():
        ax.text(0.5, 0.5, size=40, transform=ax.transAxes, **WATERMARK)
    return ax, ax


def figure_of(axes: "Axes") -> "Figure":
    """Return the figure that contains `axes`; with subfigures, the outermost one."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def name_machine(where: "Figure | Axes", frame: pd.DataFrame) -> None:
    """Write above a figure, in small type, which machine measured the rows. Do nothing if `where` is an Axes."""
    from matplotlib.figure import Figure

    if "machine" in frame and isinstance(where, Figure):
        where.suptitle("; ".join(note_machine(where, frame)), size=11, color="0.35", wrap=True)


def note_machine(figure: "Figure", frame: pd.DataFrame) -> list[str]:
    """Keep with a figure which machines measured its rows, for a report that shows it, and return them."""
    machines = [name for name in frame["machine"].dropna().unique() if name] if "machine" in frame else []
    figure.machines = machines  # type: ignore[attr-defined]
    return machines


def legend_below(where: "Figure | Axes", rows: Sequence[Sequence[Any]]) -> None:
    """Draw a legend below the axes, where it cannot cover data. `rows` are its entries, row by row."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = [row for row in rows if row]
    width = max(map(len, rows))
    padded = [[*row, *[Line2D([], [], ls="none", label=" ")] * (width - len(row))] for row in rows]
    # Matplotlib fills a legend column by column.
    entries = [row[i] for i in range(width) for row in padded]
    look: dict[str, Any] = {"loc": "outside lower center"}
    if not isinstance(where, Figure):
        look = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.15)}
    where.legend(handles=entries, ncols=width, frameon=False, **look)


def fill(runtime: str, colour: str) -> dict[str, Any]:
    """Return the fill and edge of a runtime's marker, which may have any `colour` and shape."""
    fills: list[dict[str, Any]] = [
        {"mfc": colour, "mec": colour},
        {"mfc": colour, "mec": colour, "fillstyle": "left", "markerfacecoloralt": "white"},
        {"mfc": "white", "mec": colour},
        {"mfc": colour, "mec": INK},
        {"mfc": colour, "mec": colour, "fillstyle": "top", "markerfacecoloralt": "white"},
        {"mfc": "white", "mec": INK},
    ]
    return fills[[*RUNTIMES].index(runtime) % len(fills)] if runtime in RUNTIMES else fills[0]


def precision_keys(precisions: Iterable[str]) -> "list[Artist]":
    """Return one legend entry per colour and shape: precisions without a mark of their own share one."""
    from matplotlib.lines import Line2D

    named: dict[Any, list[str]] = {}
    for precision in dict.fromkeys(precisions):
        named.setdefault(mark(precision), []).append(precision)
    return [
        Line2D([], [], ls="none", marker=style.marker, color=style.colour, ms=9, label=", ".join(names))
        for style, names in named.items()
    ]


def runtime_keys(runtimes: Iterable[str]) -> "list[Artist]":
    """Return one legend entry per runtime, or none if there is only one runtime."""
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(runtimes))
    if len(names) < 2:
        return []
    return [Line2D([], [], ls="none", marker="o", ms=9, mew=1.8, label=name, **fill(name, "0.55")) for name in names]


def interval(rows: pd.DataFrame, column: str) -> np.ndarray | None:
    """Return the lengths of the error bars of `column`, below and above: shape (2, rows); None without an interval."""
    stem, unit = (column.removesuffix("_ms"), "_ms") if column.endswith("_ms") else (column, "")
    low, high = f"{stem}_lo{unit}", f"{stem}_hi{unit}"
    if low not in rows or high not in rows:
        return None
    middle = rows[column].to_numpy(float)
    return np.array([middle - rows[low].to_numpy(float), rows[high].to_numpy(float) - middle]).clip(min=0)


def round_numbers(low: float, high: float, most: int = 8) -> list[float]:
    """Return round numbers between two positive ones, at most about `most`, for a logarithmic axis.

    Examples
    --------
    >>> round_numbers(0.8, 30)
    [1.0, 2.0, 5.0, 10.0, 20.0]
    >>> round_numbers(0.8, 30000)
    [1.0, 10.0, 100.0, 1000.0, 10000.0]
    >>> round_numbers(11, 19)
    [12.0, 14.0, 16.0, 18.0]
    """
    from matplotlib.ticker import MaxNLocator

    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ([1, 2, 5], [1, 3], [1]):
        numbers = np.outer(10.0**decades, steps).ravel()
        numbers = numbers[(low <= numbers) & (numbers <= high)]
        if len(numbers) <= most:
            break
    if len(numbers) < 3:
        numbers = np.asarray(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high), float)
        numbers = numbers[(low <= numbers) & (numbers <= high)]
    return [float(f"{number:.12g}") for number in numbers]


def log_axis(axis: "XAxis | YAxis", most: int = 8) -> None:
    """Make an axis logarithmic, with as many round ticks as fit. Call this after everything is drawn."""
    from matplotlib.ticker import NullLocator

    scale, limits = (f"{axis.axis_name}{part}" for part in ("scale", "lim"))
    axis.axes.set(**{scale: "log"})
    low, high = axis.get_data_interval()
    if low == high:
        # By default, matplotlib would show a decade around a single value.
        axis.axes.set(**{limits: (low / 1.25, high * 1.25)})
    axis.set_ticks(round_numbers(*axis.get_view_interval(), most))
    axis.set_major_formatter(lambda value, _: figures(value, 10))
    axis.set_minor_locator(NullLocator())


def label_of(column: str, scale: Scale) -> str:
    """The label of an axis: the name and unit of a column; that of accuracies as `scale` says."""
    return scale.axis if column == ACCURACY else LABELS.get(column, column)


def score_axis(axis: "Axis", scale: Scale) -> None:
    """Write the numbers of an axis of scores: an accuracy in per cent."""
    axis.set_major_formatter(lambda value, _: f"{scale.percent * value:.4g}")


def blank(axes: "Axes", words: str) -> None:
    """Say in `words` why these axes are empty."""
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=FAINT)
