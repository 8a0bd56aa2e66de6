"""Which points are certainly on the frontier, and which may be."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from tradespace.scale import Scale
from tradespace.show.common.style import (
    canvas_in,
    figure_of,
    interval,
    label_of,
    legend_below,
    log_axis,
    name_machine,
    score_axis,
    styled,
)
from tradespace.surface.columns import plain, scale_of
from tradespace.surface.objectives import LOGARITHMIC, measured, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Verdict -> meaning, colour, marker. Later entries are drawn on top.
VERDICTS = {
    "off": ("not on the frontier", "#767676", "x"),
    "can't tell": ("can't tell", "#E69F00", "D"),
    "on": ("on the frontier", "#0072B2", "o"),
}
# If more points than this are on the frontier, or may be, they are drawn smaller.
MANY = 40


def plot_confidence(
    judged: pd.DataFrame, x: str = "latency_p50_ms", y: str = "throughput_per_s", *, ax: "Axes | None" = None
) -> "Figure":
    """Plot the points that are certainly or possibly on the frontier, with 95 % intervals, and those that are not.

    Parameters
    ----------
    judged : DataFrame
        As returned by `frontier_confidence`.
    x, y : str
        Numeric columns, or `power`, `latency_throughput_product` or `energy_delay`. A point may be on the frontier
        because of a third objective that is not drawn.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure, which also names the machine.

    Raises
    ------
    ValueError
        If `judged` has no verdicts, a column is missing, or no measured row has both columns.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = pd.DataFrame({"latency_p50_ms": [1.0, 1.01, 9.0], "latency_p50_lo_ms": [0.9, 0.9, 8.9],
    ...                         "latency_p50_hi_ms": [1.1, 1.1, 9.1], "accuracy": [0.8, 0.8, 0.7], "status": "ok"})
    >>> judged = ts.frontier_confidence(surface, ts.minimize("latency_p50_ms"))
    >>> figure = plot_confidence(judged, y="accuracy")
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ["can't tell: 2", 'not on the frontier: 1']
    """
    if "verdict" not in judged:
        raise ValueError("judged: wanted the table that ts.frontier_confidence returns; it has no column 'verdict'")
    judged = plain(judged, "judged")
    drawn = judged.assign(**{x: numbers(judged, x, "x"), y: numbers(judged, y, "y")})
    drawn = drawn[measured(judged)].dropna(subset=[x, y])
    if drawn.empty:
        raise ValueError(f"judged: wanted a measured row with {x} and {y}; there is none")
    scale = scale_of(judged) if "accuracy" in (x, y) else Scale()
    with styled():
        where, axes = canvas_in(ax, 11, 7)
        keys: list[Any] = []
        crowded = (drawn["verdict"] != "off").sum() > MANY
        for verdict, (meaning, colour, marker) in VERDICTS.items():
            rows = drawn[drawn["verdict"] == verdict]
            if rows.empty:
                continue
            look = {"ms": 5, "mec": colour, "alpha": 0.5} if verdict == "off" else {
                "ms": 7 if crowded else 10, "mec": "black", "alpha": 0.9,
                "xerr": interval(rows, x), "yerr": interval(rows, y),
                "elinewidth": 1 if crowded else 2, "capsize": 0 if crowded else 4,
            }  # fmt: skip
            bars = axes.errorbar(rows[x], rows[y], fmt=marker, color=colour, label=f"{meaning}: {len(rows)}", **look)
            keys.insert(0, bars)
        for axis, column in ((axes.xaxis, x), (axes.yaxis, y)):
            axis.set_label_text(label_of(column, scale))
            if column.endswith(LOGARITHMIC) and (drawn[column] > 0).all():
                log_axis(axis)
            elif column == "accuracy":
                score_axis(axis, scale)
        legend_below(where, [keys])
        name_machine(where, judged)
    return figure_of(axes)
