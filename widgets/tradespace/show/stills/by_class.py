"""What a compressed model forgets: accuracy before and after compression, class by class."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.show.common.style import (
    INK,
    LIMIT,
    canvas_in,
    figure_of,
    interval,
    legend_below,
    note_machine,
    score_axis,
    styled,
)
from tradespace.surface.columns import scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("label", "accuracy", "accuracy_lo", "accuracy_hi", "baseline_accuracy", "lost", "gained", "p_value")
NOW = "#0072B2"


def plot_by_class(table: pd.DataFrame, *, ax: "Axes | None" = None) -> "Figure":
    """Plot the accuracy of each class, with its 95 % interval, joined to the baseline's; the most forgotten is on top.

    The numbers of items lost and gained are on the right, in bold where p is below 5 %, which happens by chance for one
    class in twenty.

    Parameters
    ----------
    table : DataFrame
        As returned by `accuracy_by_class` with a baseline.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure.

    Raises
    ------
    ValueError
        If `table` has no rows or no baseline.

    Examples
    --------
    >>> table = pd.DataFrame({"label": ["shirt", "bag"], "items": 100, "accuracy": [0.6, 0.9],
    ...                       "accuracy_lo": [0.5, 0.83], "accuracy_hi": [0.69, 0.94],
    ...                       "baseline_accuracy": [0.7, 0.89], "lost": [12, 0], "gained": [2, 1],
    ...                       "p_value": [0.01, 1.0]})
    >>> [label.get_text() for label in plot_by_class(table).axes[0].get_yticklabels()]
    ['shirt', 'bag']
    """
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(
            "table: wanted the table that ts.accuracy_by_class(task, measurement, baseline) returns; it has no "
            f"{', '.join(missing)}"
        )
    table = table.dropna(subset=["accuracy", "baseline_accuracy"])
    if table.empty:
        raise ValueError("table: wanted at least one class with an accuracy and a baseline; there is none")
    table = table.iloc[np.argsort(table["gained"] - table["lost"], kind="stable")]
    places, scale = np.arange(len(table)), scale_of(table)
    with styled():
        where, axes = canvas_in(ax, 11, 2.2 + 0.5 * len(table))
        before, now = table["baseline_accuracy"], table["accuracy"]
        worse = np.where(now < before, LIMIT, "0.6")
        axes.hlines(places, before, now, colors=worse, lw=6, alpha=0.6, zorder=2)
        was = axes.plot(before, places, "D", ms=9, mfc="white", mec=INK, mew=1.8, label="baseline", zorder=3)
        bars = axes.errorbar(
            now, places, xerr=interval(table, "accuracy"), fmt="o", color=NOW, ms=9, elinewidth=2, capsize=4,
            label="now, with 95 % interval", zorder=4,
        )  # fmt: skip
        for place, (lost, gained, p) in enumerate(table[["lost", "gained", "p_value"]].itertuples(index=False)):
            axes.text(
                1.02, place, f"{-lost:,.0f}  {gained:+,.0f}", transform=axes.get_yaxis_transform(), va="center",
                weight="bold" if p < 0.05 else "normal", color=INK,
            )  # fmt: skip
        axes.set_yticks(places, table["label"])
        axes.set(xlabel=scale.axis, ylim=(len(table) - 0.5, -0.5))
        counted = "items lost, gained" if scale.is_accuracy else "items worse, better"
        axes.annotate(
            f"{counted}\n(bold: p < 0.05)", (1.02, 1), (0, 8), "axes fraction", textcoords="offset points",
            va="bottom", size="small",
        )  # fmt: skip
        score_axis(axes.xaxis, scale)
        legend_below(where, [[*was, bars]])
        note_machine(figure_of(axes), pd.DataFrame({"machine": table.attrs.get("machines", [])}))
    return figure_of(axes)
