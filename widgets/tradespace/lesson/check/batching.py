"""Exercises of notebook 02: a batch under a limit, a share of the peak, items inside, and a job's watt-hours."""

from typing import Any

import numpy as np
import pandas as pd

from tradespace.lesson.check.answers import near, number
from tradespace.lesson.exercise import Judgement, exercise, right, unmeasured, wrong
from tradespace.surface.derived import ITEMS, J_PER_WH, MS_PER_S
from tradespace.surface.objectives import measured
from tradespace.surface.predict import BatchFit
from tradespace.text import figures, rate

# Tolerance for rounding by hand.
ROUNDED = 0.02


@exercise("02-largest")
def largest_batch(batch_size: Any, curve: pd.DataFrame, limit_ms: float) -> Judgement:
    """Whether `batch_size` is the largest of `curve` whose median latency is within the limit.

    Parameters
    ----------
    batch_size : int, or the row with that batch size
    curve : DataFrame
        Rows of one network that differ in batch size; latency in ms. A row whose interval includes the limit may count
        as within it or beyond it.
    limit_ms : float

    Examples
    --------
    >>> import tradespace as ts
    >>> curve = ts.load_recorded("fashion").query("model == 'resnet8' and pruning == 'none' and threads == 1")
    >>> curve = curve.query("precision == 'fp32' and runtime == 'openvino'")
    >>> kept = curve[curve["latency_p50_ms"] <= 1.5]
    >>> largest_batch(kept["batch_size"].max(), curve, 1.5).passed
    True
    >>> largest_batch(256, curve, 1.5)
    Not yet. A call with that many items takes ... ms, and none of them is answered sooner: there is nothing to divide.
    """
    timed = curve[measured(curve) & curve["latency_p50_ms"].notna().to_numpy()]
    sizes, latency = timed["batch_size"].to_numpy(), timed["latency_p50_ms"].to_numpy(float)
    # An interval may be unknown.
    ends = timed["latency_p50_lo_ms"], timed["latency_p50_hi_ms"]
    low, high = (np.where(np.isnan(end), latency, end) for end in ends)
    best = sizes[latency <= limit_ms].max(initial=0)
    answer = f"{best} is the largest batch whose `latency_p50_ms` is at most {limit_ms:.3g}."
    said = _number(_cell(batch_size, "batch_size"), "a batch size")
    if np.isnan(said):
        return wrong("No row is left: is your limit in milliseconds, like the column?", answer)
    at = sizes == said
    if not at.any():
        if np.isclose(latency, said, rtol=1e-9).any():
            return wrong("That is a latency. Which batch size has it?", answer)
        return wrong("Name a batch size that is in the table.", answer)
    took = latency[at].min()
    if said == best or (low[at].min() <= limit_ms and not (high[sizes > said] <= limit_ms).any()):
        kept = f"The limit is {limit_ms:.3g} ms."
        return right(f"A call with {said:g} items takes {took:.3g} ms, and so does each item in it. {kept}")
    if took <= limit_ms:
        return wrong("It is within the limit, but so is a larger batch in the table.", answer)
    if said == sizes[latency / sizes <= limit_ms].max(initial=0):
        late = f"A call with that many items takes {took:.3g} ms, and none of them is answered sooner"
        return wrong(f"{late}: there is nothing to divide.", answer)
    return wrong(f"A call with that many items takes {took:.3g} ms, and the limit is {limit_ms:.3g} ms.", answer)


@exercise("02-peak")
def near_peak(batch_size: Any, fit: BatchFit | None, share: float = 0.8) -> Judgement:
    """Whether the line reaches that share of its peak throughput at `batch_size`.

    Parameters
    ----------
    batch_size : float
        It need not be a whole number.
    fit : BatchFit
        What `fit_batches` returned.
    share : float
        Between 0 and 1.

    Examples
    --------
    >>> from tradespace.surface.predict import BatchFit
    >>> fit = BatchFit(fixed_ms=0.5, each_ms=0.1)
    >>> near_peak(4 * fit.fixed_ms / fit.each_ms, fit).passed, near_peak(fit.knee, fit).passed
    (True, False)
    """
    said = _number(batch_size, "a batch size")
    if fit is None:
        return unmeasured("fewer than two batch sizes have a latency, so there is no line.")
    if not 0 < fit.knee < np.inf:
        return _without_knee(said, fit)
    times = share / (1 - share)
    wanted = times * fit.knee
    answer = f"B / (a + b B) = {share:g} / b gives B = {times:.3g} a / b: {figures(wanted)}."
    if _rounded(said, wanted):
        return right(
            f"{times:.3g} times the knee of {figures(fit.knee)}. On the line, a batch takes "
            f"{figures(fit.latency_ms(wanted))} ms there, against {figures(fit.latency_ms(fit.knee))} ms at the knee: "
            f"{times / 2 + 0.5:.3g} times the latency for "
            f"{share / 0.5:.3g} times the throughput."
        )
    for value, hint in (
        (fit.knee, "That is the knee, where throughput is half of its peak. Solve for the share in the question."),
        (share * fit.knee, "That is a share of the knee. Throughput still grows beyond the knee."),
        (2 * share * fit.knee, "Throughput is not a straight line: it grows by less than the batch does."),
        (
            fit.knee / (1 - share),
            f"Nearly: from b B = {share:g} (a + b B), which part of b B is left when both sides are sorted?",
        ),
        (1 / wanted, "That is upside down: did you take b / a?"),
        (share * fit.peak_throughput_per_s, "That is a throughput. At which batch size does the line reach it?"),
        (fit.latency_ms(wanted), "That is the latency there, in milliseconds. What is the batch size?"),
    ):
        if _near(said, value):
            return wrong(hint, answer)
    if said > wanted:
        return wrong("There the line is closer to its peak than that: everybody waits longer than needed.", answer)
    return wrong("There the line is further from its peak. Insert your answer: what is B / (a + b B), times b?", answer)


def _without_knee(said: float, fit: BatchFit) -> Judgement:
    """Judge an answer on a line with a fixed cost only, or without one."""
    if fit.fixed_ms:
        words = "b is 0 on this machine: throughput grew as fast as the batch, and no peak is in sight."
        return right(words) if said == np.inf else unmeasured(words)
    words = "a is 0 on this machine: the line is at its peak from the first item on."
    return right(words) if 0 <= said <= 1 else unmeasured(words)


@exercise("02-inside")
def in_flight(items: Any, arrivals_per_s: float, stay_ms: float) -> Judgement:
    """Whether `items` is the average number of items inside a system, by Little's law.

    Parameters
    ----------
    items : float
    arrivals_per_s : float
        Items that arrive, and leave, per second.
    stay_ms : float
        Mean time that an item spends inside, in milliseconds.

    Examples
    --------
    >>> in_flight(25, 500, 50)
    Right. 500 per second, 0.05 s each: 25 inside on average, whatever order they are served in.
    >>> in_flight(25_000, 500, 50)
    Not yet. Items per second times milliseconds: one of the two must change its unit.
    """
    said, stay_s = _number(items, "a number of items"), stay_ms / MS_PER_S
    wanted = arrivals_per_s * stay_s
    answer = f"{rate(arrivals_per_s)} per second times {stay_s:.3g} s is {figures(wanted)}."
    if _rounded(said, wanted):
        return right(
            f"{rate(arrivals_per_s)} per second, {stay_s:.3g} s each: {figures(wanted)} inside on average, "
            "whatever order they are served in."
        )
    if _near(said, wanted * MS_PER_S):
        return wrong("Items per second times milliseconds: one of the two must change its unit.", answer)
    quotients = [arrivals_per_s / stay_s, arrivals_per_s / stay_ms, stay_s / arrivals_per_s, stay_ms / arrivals_per_s]
    if any(_near(said, value) for value in quotients):
        return wrong("You divided. If each stays twice as long, are there fewer inside, or more?", answer)
    return wrong("Items inside = items per second, times the seconds that each of them spends inside.", answer)


@exercise("02-energy")
def watt_hours(energy: Any, surface: pd.DataFrame, watts: float) -> Judgement:
    """Whether `energy` is what a million items take at the highest throughput of `surface`.

    Parameters
    ----------
    energy : float
        In watt-hours. If a counter measured that row, what `with_cost` says of it is accepted too.
    surface : DataFrame
        Throughput in items per second, latency in ms.
    watts : float
        Assumed power of the machine.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion")
    >>> seconds = 1e6 / surface["throughput_per_s"].max()
    >>> watt_hours(60 * seconds / 3600, surface, 60).passed
    True
    >>> watt_hours(60 * seconds, surface, 60)
    Not yet. That is in watt-seconds, which are joules. How many of them make a watt-hour?
    """
    said = _number(_cell(energy, "wh_per_million"), "a number of watt-hours")
    timed = surface[measured(surface) & surface["throughput_per_s"].notna().to_numpy()]
    best = timed.loc[[timed["throughput_per_s"].idxmax()]]
    highest = float(best["throughput_per_s"].iloc[0])
    seconds = ITEMS / highest
    wanted = watts * seconds / J_PER_WH
    took = f"{ITEMS:,} / {rate(highest)} items/s = {figures(seconds)} s"
    answer = f"{took}; times {watts:g} W, divided by 3,600: {figures(wanted)} Wh."
    if _near(said, wanted):
        return right(f"{figures(seconds)} s at an assumed {watts:g} W: {figures(wanted)} Wh.")
    if "energy_j_per_item" in best and _near(said, float(best["energy_j_per_item"].iloc[0]) * ITEMS / J_PER_WH):
        assumed = f"At an assumed {watts:g} W, it would be {figures(wanted)} Wh."
        return right(f"A counter measured {figures(said)} Wh. {assumed}")
    batch, latency_s = (float(best[name].iloc[0]) for name in ("batch_size", "latency_p50_ms"))
    latency_s /= MS_PER_S
    hints = [
        (watts * seconds, "That is in watt-seconds, which are joules. How many of them make a watt-hour?"),
        (watts * seconds / 60, "That is in watt-minutes. How many seconds are in an hour?"),
        (wanted / 1e3, "That is in kilowatt-hours."),
        (wanted / ITEMS, "That is for one image. The job has a million."),
        (wanted / watts, "That is how many hours it takes. How much energy does the machine use in an hour?"),
        (seconds, "That is how many seconds it takes. How much energy does the machine use in that time?"),
    ]
    one_by_one = float(timed["latency_p50_ms"].min()) / MS_PER_S
    for each_s in (latency_s, one_by_one):
        hint = "That takes the latency as the time of one image. A call carries a whole batch: use the throughput."
        hints += [(watts * each_s * ITEMS / J_PER_WH, hint), (watts * each_s * ITEMS, hint)]
    if batch > 1:
        forgot = "That divides by the batch once too often: throughput already counts images, not calls."
        hints.append((wanted / batch, forgot))
    for value, hint in hints:
        if _near(said, value):
            return wrong(hint, answer)
    return wrong(
        "First find the seconds that a million images take, then watts times seconds, then watt-hours.", answer
    )


def _cell(given: Any, column: str) -> Any:
    """Return the value of `column` if a row was given, else what was given."""
    return given[column] if isinstance(given, pd.DataFrame | pd.Series) and column in given else given


def _number(given: Any, wanted: str) -> float:
    return number(np.nan if given is None else given, wanted)


def _rounded(said: float, wanted: float) -> bool:
    """Whether `said` is near `wanted`, or is `wanted` rounded up or down."""
    return _near(said, wanted) or said in {np.floor(wanted), np.ceil(wanted)} - {0}


def _near(a: float, b: float) -> bool:
    return near(a, b, within=ROUNDED)
