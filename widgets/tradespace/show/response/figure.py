"""The distribution of responses of one or several streams of requests, each in its three parts."""

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.serving.served import Served
from tradespace.show.common.percentiles import LINES
from tradespace.show.common.style import FAINT, INK, LIMIT, blank, canvas, legend_below, name_machine, styled
from tradespace.show.common.words import for_still, in_brief
from tradespace.show.response.numbers import PARTS, QS, Marked, distribution, in_time, marked, parts_of, reach
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, BESIDE = 11, 4.2, 1.4
# The most characters of a title, and of a line of it and of a reason.
LONGEST, TITLE_WRAP, WRAP = 200, 85, 60
# What words on bars stand on.
GROUND: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def plot_response(*served: Served) -> "Figure":
    """Plot how many requests took how long, and what they waited for.

    Of each stream there are two bars above its histogram: the median and the 99th percentile as batch wait, queue and
    service, with their 95 % intervals. A bin of the histogram is split as the time of its requests is.

    Parameters
    ----------
    *served : Served
        From `simulate` or `serve`. They share the axis of milliseconds. One without numbers says why.

    Raises
    ------
    ValueError
        If there is none, or one of them is something else.

    Examples
    --------
    >>> import numpy as np
    >>> import tradespace as ts
    >>> service = ts.ServiceTimes({1: np.array([2.0]), 8: np.array([4.0])})
    >>> figure = ts.plot_response(ts.simulate(service, ts.arrivals.Poisson(1000), ts.Batcher(8), deadline_ms=10))
    >>> figure.axes[1].get_xlabel()
    'response, ms'
    """
    wrong = next((one for one in served if not isinstance(one, Served)), None)
    if not served or wrong is not None:
        got = "nothing" if wrong is None else type(wrong).__name__
        raise ValueError(f"served: wanted what ts.simulate or ts.serve returns; got {got}")
    reach_ms, number = reach(served), len(served)
    with styled():
        figure, axes = canvas(
            WIDTH, HEIGHT * number + BESIDE, nrows=2 * number, sharex=True, squeeze=False,
            gridspec_kw={"height_ratios": [0.55, 1.6] * number},
        )  # fmt: skip
        for one, (above, below) in zip(served, axes.reshape(number, 2), strict=True):
            above.set_title(fill(for_still(_title(one), LONGEST), TITLE_WRAP), loc="left", size=13)
            if one.failure or not len(one):
                above.set_axis_off()
                below.grid(False)
                blank(below, fill(for_still(one.reason or "no request was served", 400), WRAP))
                continue
            _bars(above, marked(one))
            _histogram(below, one, reach_ms)
            for ax in (above, below):
                _deadline(ax, one.deadline_ms, reach_ms)
        axes[-1, 0].set(xlabel="response, ms", xlim=(0, reach_ms))
        legend_below(figure, [_part_keys(served), _line_keys(any(one.deadline_ms <= reach_ms for one in served))])
        name_machine(figure, pd.DataFrame({"machine": [one.machine or None for one in served]}))
    return figure


def _title(served: Served) -> str:
    model = f"{in_brief(served.config, batch_size=False)}; " if served.config else ""
    parts = (
        f"{model}{served.arrivals}; {served.batcher}",
        in_time(served),
        ", ".join(served.flags.split()).replace("_", " "),
    )
    return f"{served.how}: {'; '.join(filter(None, parts))}"


def _bars(axes: "Axes", percentiles: list[Marked]) -> None:
    known = [one for one in percentiles if one.value_ms == one.value_ms]
    for level, one in enumerate(known):
        left = 0.0
        for (name, colour), part in zip(PARTS.items(), one.parts_ms, strict=True):
            axes.barh(level, part, left=left, height=0.6, color=colour, lw=0, label=name)
            left += part
        if one.low_ms == one.low_ms:
            error: Any = [[max(one.value_ms - one.low_ms, 0)], [max(one.high_ms - one.value_ms, 0)]]
            axes.errorbar(one.value_ms, level, xerr=error, fmt="none", ecolor=INK, elinewidth=2, capsize=5)
    axes.set_yticks(range(len(known)), [one.text for one in known])
    axes.set_ylim(len(known) - 0.4, -0.6)
    axes.grid(False)
    for edge in ("top", "right", "bottom"):
        axes.spines[edge].set_visible(False)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)


def _histogram(axes: "Axes", served: Served, reach_ms: float) -> None:
    counted = distribution(served, reach_ms)
    under = np.zeros(len(counted.edges_ms) - 1)
    for colour, shares in zip(PARTS.values(), 100 * counted.shares, strict=True):
        width = 0.92 * np.diff(counted.edges_ms)
        axes.bar(counted.edges_ms[:-1], shares, width, bottom=under, align="edge", color=colour, lw=0)
        under = under + shares
    for one in marked(served):
        if one.value_ms == one.value_ms:
            axes.axvline(one.value_ms, color=LINES[one.name], lw=3)
        if one.low_ms == one.low_ms:
            axes.axvspan(one.low_ms, one.high_ms, color=LINES[one.name], alpha=0.3, lw=0)
    if counted.slower:
        axes.text(
            0.99, 0.9, f"{counted.slower} →", transform=axes.transAxes, ha="right", va="top", color=FAINT, bbox=GROUND
        )
    axes.set_ylim(0, 1.15 * under.max())
    axes.set_ylabel("share of\nrequests, %")
    axes.grid(False, axis="x")


def _deadline(axes: "Axes", deadline_ms: float, reach_ms: float) -> None:
    if deadline_ms <= reach_ms:
        axes.axvline(deadline_ms, color=LIMIT, lw=2, ls="--")
        axes.axvspan(deadline_ms, reach_ms, color=LIMIT, alpha=0.08, lw=0)
    elif deadline_ms < np.inf and axes.get_ylabel():
        words = f"deadline {figures(deadline_ms)} ms →"
        axes.text(0.99, 0.75, words, transform=axes.transAxes, ha="right", va="top", color=LIMIT, bbox=GROUND)


def _part_keys(served: tuple[Served, ...]) -> list[Any]:
    """Of the parts that some response has."""
    from matplotlib.patches import Patch

    found = [[part.any() for part in parts_of(one)] for one in served if len(one)]
    drawn = np.any(found, axis=0) if found else [True] * len(PARTS)
    return [
        Patch(color=colour, label=name)
        for (name, colour), is_drawn in zip(PARTS.items(), drawn, strict=True)
        if is_drawn
    ]


def _line_keys(with_deadline: bool) -> list[Any]:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=LINES[f"p{q}"], lw=3, label=f"p{q} and its 95 % interval") for q in QS]
    return [*lines, Line2D([], [], color=LIMIT, lw=2, ls="--", label="deadline")] if with_deadline else lines
