"""How long calls take after the server had to wait: the service times over the pause before a call."""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.measuring.statistics import median_interval
from tradespace.serving.service import ServiceTimes
from tradespace.show.common.style import INK, blank, canvas_in, figure_of, log_axis, name_machine, styled
from tradespace.show.common.words import in_brief
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The most characters in a line of the title.
TITLE_WRAP = 85
# Successive calls are alike: intervals count blocks of them.
BLOCKS = 12
# By which the lines of all batch sizes are apart, so that intervals do not lie on each other.
APART = 0.24


def plot_pauses(service: ServiceTimes, *, ax: "Axes | None" = None) -> "Figure":
    """Plot the median time of a batch over the pause before it, with 95 % intervals, for some of the batch sizes.

    If no times after pauses were measured, the chart says so.

    Parameters
    ----------
    service : ServiceTimes
        From `service_times`.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure, which also names the machine.

    Raises
    ------
    ValueError
        If `service` is something else.

    Examples
    --------
    >>> import tradespace as ts
    >>> service = ts.ServiceTimes({1: [1.0, 1.1]}, paused_ms={10.0: {1: [3.0, 3.3]}})
    >>> ts.plot_pauses(service).axes[0].get_title(loc="left")
    'after a pause of 10 ms, the median of a batch of 1 is 3 times as long'
    """
    if not isinstance(service, ServiceTimes):
        raise ValueError(f"service: wanted what ts.service_times returns; got {type(service).__name__}")
    with styled():
        where, axes = canvas_in(ax, 11, 5.5)
        if service.paused_ms:
            _lines(axes, service)
        else:
            axes.set_xticks([])
            blank(axes, "No times after pauses were measured.")
        name_machine(where, pd.DataFrame({"machine": [service.machine or None]}))
    return figure_of(axes)


def _lines(axes: "Axes", service: ServiceTimes) -> None:
    from matplotlib import colormaps

    # A pause of none has no place on a logarithmic axis: pauses are evenly apart.
    places = np.arange(len(service.pauses_ms))
    paused = sorted(service.paused_ms[service.longest_ms])
    sizes = sorted({*paused[::2], paused[-1]})  # neighbours would lie on each other
    for at, size in enumerate(sizes):
        times = [service.samples_ms[size], *(after[size] for after in service.paused_ms.values())]
        medians = np.array([np.median(each) for each in times])
        ends = np.array([median_interval(np.array_split(each, min(BLOCKS, len(each)))) for each in times]).T
        low, high = np.nan_to_num(np.abs(ends - medians))
        share = at / max(len(sizes) - 1, 1)
        colour, across = colormaps["viridis"](0.8 * share), places + APART * (share - 0.5)
        axes.errorbar(across, medians, yerr=[low, high], fmt="o-", ms=7, lw=2, elinewidth=2, capsize=4, color=colour)
        axes.annotate(
            f"batch {size}", (places[-1] + APART / 2, medians[-1]), (12, 0), textcoords="offset points", va="center",
            color=INK, annotation_clip=False,
        )  # fmt: skip
    axes.set_xticks(places, ["none", *(figures(ms) for ms in service.pauses_ms[1:])])
    axes.set(
        xlabel="pause before the call, ms",
        ylabel="median time of a batch\nand its 95 % interval, ms",
        xlim=(-0.3, places[-1] + 0.95),
    )
    log_axis(axes.yaxis)
    axes.set_title(fill(_title(service), TITLE_WRAP), loc="left", size=13)


def _title(service: ServiceTimes) -> str:
    longest_ms, after = service.longest_ms, service.paused_ms[service.longest_ms]
    ends = dict.fromkeys((min(after), max(after)))
    factors = {size: np.median(after[size]) / np.median(service.samples_ms[size]) for size in ends}
    said = ", that ".join(
        f"of a batch of {size} is {figures(factor)} times as long" for size, factor in factors.items()
    )
    of = f"{in_brief(service.config, batch_size=False)}: " if service.config else ""
    return f"{of}after a pause of {figures(longest_ms)} ms, the median {said}"
