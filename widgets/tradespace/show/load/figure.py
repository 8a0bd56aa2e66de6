"""The hockey stick: responses over the rate of arrivals, up to what the server can take."""

import math
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.serving.arrivals import Arrivals
from tradespace.serving.batcher import Batcher
from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import checked
from tradespace.show.common.percentiles import LINES
from tradespace.show.common.style import FAINT, HERE, INK, LIMIT, canvas, legend_below, log_axis, name_machine, styled
from tradespace.show.common.words import for_still, in_brief
from tradespace.show.load.numbers import Load, Point, deadline_in_words, load_of, simulated
from tradespace.text import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# How far the axis of rates goes beyond the capacity.
BEYOND = 1.12
SHARES = {"within the deadline": "#009E73", "server busy": "#0072B2"}
RUNS = "#000000"


def plot_load(
    service: ServiceTimes,
    arrivals: Arrivals,
    batcher: Batcher | None = None,
    *,
    runs: Sequence[Served] = (),
    deadline_ms: float = math.inf,
    requests: int = 20_000,
    seed: int = 0,
) -> "Figure":
    """Plot the median and the 99th percentile of the response over the rate of arrivals, simulated.

    Below them are the share of time in which the server is busy, and the share of requests within the deadline. The
    capacity is a wall: from there on the queue grows forever. Where theory applies, it is drawn beside the mean: exact
    for one request at a time (Pollaczek and Khinchine), an upper bound for batches of all that wait (Inoue, 2021).

    Parameters
    ----------
    service : ServiceTimes
    arrivals : Poisson, Bursty, Constant or Trace
        Their rate is marked; other rates have arrivals of the same kind.
    batcher : Batcher, optional
        By default, one request at a time.
    runs : sequence of Served
        Measured runs to lay over, with their 95 % intervals.
    deadline_ms : float
    requests : int
        How many are simulated at each rate; eight times as many where these are too few to know the 99th percentile.
    seed : int

    Raises
    ------
    ValueError
        If batches may become larger than those that were measured, a request may wait for a batch longer than the
        deadline, or `runs` has something else than runs.

    Examples
    --------
    >>> import numpy as np
    >>> import tradespace as ts
    >>> service = ts.ServiceTimes({1: np.array([2.0]), 8: np.array([4.0])})
    >>> figure = ts.plot_load(service, ts.arrivals.Poisson(1000), ts.Batcher(8), deadline_ms=10, requests=2000)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['response, ms', 'share, %']
    """
    batcher = batcher or Batcher()
    deadline_ms = checked(service, batcher, deadline_ms)
    wrong = next((one for one in runs if not isinstance(one, Served)), None)
    if wrong is not None:
        raise ValueError(f"runs: wanted what ts.serve returns; got {type(wrong).__name__}")
    load = load_of(service, arrivals, batcher, list(simulated(service, arrivals, batcher, requests, seed)))
    real = [Point.of(one) for one in runs if len(one)]
    with styled():
        figure, (above, below) = canvas(11, 8, nrows=2, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
        keys = [*_responses(above, load), *_runs(above, below, real, deadline_ms)]
        if deadline_ms < math.inf:
            above.axhline(deadline_ms, color=LIMIT, lw=2, ls="--")
            keys.append(_line(color=LIMIT, lw=2, ls="--", label=deadline_in_words(deadline_ms)))
        shares = _shares(below, load, deadline_ms)
        reach = BEYOND * max(load.capacity_per_s, *(point.rate_per_s for point in real), 0.0)
        for axes in (above, below):
            axes.axvspan(load.capacity_per_s, reach, color=FAINT, alpha=0.25, lw=0)
            axes.axvline(load.capacity_per_s, color=INK, lw=2.5)
            if arrivals.rate_per_s <= reach:
                axes.axvline(arrivals.rate_per_s, color=HERE, lw=2)
        log_axis(above.yaxis)
        keys.append(_line(color=HERE, lw=2, label=f"{rate(arrivals.rate_per_s)} requests/s"))
        keys.append(_line(color=INK, lw=2.5, label=f"capacity {rate(load.capacity_per_s)}/s"))
        above.set_ylabel("response, ms")
        below.set(xlabel="arrival rate, requests/s", ylabel="share, %", xlim=(0, reach), ylim=(0, 103))
        below.xaxis.set_major_formatter("{x:,.10g}")
        above.set_title(fill(for_still(_title(service, arrivals, batcher, load), 250), 95), loc="left", size=13)
        keys += shares
        legend_below(figure, [keys[at : at + 3] for at in range(0, len(keys), 3)])
        name_machine(figure, pd.DataFrame({"machine": [service.machine or None]}))
    return figure


def _title(service: ServiceTimes, arrivals: Arrivals, batcher: Batcher, load: Load) -> str:
    model = in_brief(service.config, batch_size=False) if service.config else ""
    # Its rate is one of many here.
    kind = str(arrivals.at(1.0)).partition("requests/s ")[2]
    said = "; ".join(filter(None, (model, f"arrivals {kind}" if kind else "", str(batcher), load.residual)))
    return f"{said[:1].upper() if not model else said[:1]}{said[1:]}"


def _responses(axes: "Axes", load: Load) -> list[Any]:
    points, rates = load.points, load.rates_per_s
    keys = []
    for name in ("p50", "p99"):
        middle = [getattr(point, f"{name}_ms") for point in points]
        ends = np.array([getattr(point, f"{name}_interval_ms") for point in points])
        axes.fill_between(rates, ends[:, 0], ends[:, 1], color=LINES[name], alpha=0.25, lw=0)
        axes.plot(rates, middle, color=LINES[name], lw=3)
        keys.append(_line(color=LINES[name], lw=3, label=f"{name} and its 95 % interval"))
    axes.plot(rates, [point.mean_ms for point in points], color=FAINT, lw=1.5)
    keys.append(_line(color=FAINT, lw=1.5, label="mean"))
    if load.theory:
        look: dict[str, Any] = {"color": INK, "lw": 1.8, "ls": (0, (5, 3))}
        axes.plot(rates, load.means_ms, **look)
        keys.append(_line(**look, label=load.theory))
    return keys


def _runs(above: "Axes", below: "Axes", real: list[Point], deadline_ms: float) -> list[Any]:
    for point in real:
        for name in ("p50", "p99"):
            middle, (low, high) = getattr(point, f"{name}_ms"), getattr(point, f"{name}_interval_ms")
            error: Any = np.nan_to_num([[middle - low], [high - middle]]).clip(min=0)
            look: dict[str, Any] = {"mfc": LINES[name], "mec": RUNS, "ecolor": RUNS, "ms": 9, "mew": 1.5, "capsize": 4}
            above.errorbar(point.rate_per_s, middle, yerr=error, fmt="o", zorder=5, **look)
        shares = {"within the deadline": point.in_time(deadline_ms), "server busy": point.busy}
        for name, share in shares.items():
            if name == "server busy" or deadline_ms < math.inf:
                look = {"mfc": SHARES[name], "mec": RUNS, "ms": 8, "mew": 1.5}
                below.plot(point.rate_per_s, 100 * share, "o", zorder=5, **look)
    return [_line(ls="none", marker="o", mfc="white", mec=RUNS, ms=9, label="measured")] if real else []


def _shares(axes: "Axes", load: Load, deadline_ms: float) -> list[Any]:
    shares = {"server busy": [point.busy for point in load.points]}
    if deadline_ms < math.inf:
        shares["within the deadline"] = [point.in_time(deadline_ms) for point in load.points]
    for name, some in shares.items():
        axes.plot(load.rates_per_s, 100 * np.array(some), color=SHARES[name], lw=3, ls="-" if "busy" in name else "-.")
    return [_line(color=SHARES[name], lw=3, ls="-" if "busy" in name else "-.", label=name) for name in shares]


def _line(**look: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)
