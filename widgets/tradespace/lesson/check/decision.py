"""Exercises of notebook 05: a hard cut-off, a limit to relax, a bill, and a decision with its evidence."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tradespace.lesson.check.answers import READ, listed, named, near, number
from tradespace.lesson.exercise import Judgement, exercise, right, unmeasured, wrong
from tradespace.measuring.compare import SAME_WITHIN
from tradespace.surface.columns import configs_of
from tradespace.surface.confirm import MOST_TRIES
from tradespace.surface.derived import MS_PER_S
from tradespace.surface.explain import explain
from tradespace.surface.objectives import Constraint, at_least, at_most, feasible, maximize, measured, minimize
from tradespace.surface.solve import PROBLEM, solve

# How much looser than needed a limit may be and still count as the smallest.
ROOM = 0.05
# What two measurements of one Config cannot all have in common.
OF_SAMPLES = (
    "measured_at", "samples", "noise", "latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p90_ms", "throughput_per_s",
)  # fmt: skip


@exercise("05-drone")
def drone_choice(choice: Any, surface: pd.DataFrame, cutoff_ms: float) -> Judgement:
    """Whether `choice` is the most accurate row at batch size 1 whose 90th percentile is within the cut-off.

    Accuracies within half a point of the highest are as good.

    Parameters
    ----------
    choice : DataFrame of one row, or row label
        A row of `surface`.
    surface : DataFrame
        Latency in ms, accuracy as a fraction.
    cutoff_ms : float

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("batch_size == 1 and runtime == 'openvino'")
    >>> limits = [ts.at_most("latency_p90_ms", 0.5)]
    >>> drone_choice(ts.solve(surface, ts.maximize("accuracy"), subject_to=limits), surface, 0.5).passed
    True
    """
    frames = surface[surface["batch_size"] == 1]
    best = solve(frames, maximize("accuracy"), [at_most("latency_p90_ms", cutoff_ms)])
    if best.empty:
        return unmeasured("no row at batch size 1 has a 90th percentile within the cut-off.")
    answer = f"`ts.maximize('accuracy')`, subject to `latency_p90_ms` at most {cutoff_ms:.3g}: {named(best)}."
    if isinstance(choice, pd.DataFrame) and choice.empty:
        return wrong("No row is left: is your cut-off in milliseconds, like the column?", answer)
    row = _row(choice, surface)
    if row["batch_size"] != 1:
        return wrong("The drone has one frame at a time and cannot wait for a batch to fill.", answer)
    if not row["latency_p90_ms"] <= cutoff_ms:
        if row["latency_p50_ms"] <= cutoff_ms:
            return wrong("Its median is within the cut-off, but half of the calls are slower than a median.", answer)
        return wrong("It answers too late.", answer)
    if row["accuracy"] < best["accuracy"].iloc[0] - SAME_WITHIN:
        return wrong("It answers in time, but a more accurate row does too.", answer)
    more = 100 * (best["accuracy"].iloc[0] - row["accuracy"])
    than = f" by more than {more:.2f} points, which is within the margin" if more > 0 else ""
    return right(
        f"9 of 10 answers come within {row['latency_p90_ms']:.3g} ms, and no row within the cut-off of {cutoff_ms:.3g} "
        f"ms is more accurate than its {100 * row['accuracy']:.1f} %{than}."
    )


@exercise("05-relax")
def relaxed_limit(limit_ms: Any, surface: pd.DataFrame, least_accuracy: float) -> Judgement:
    """Whether `limit_ms` is the smallest limit on the median latency that a row with that accuracy can meet.

    Parameters
    ----------
    limit_ms : float
    surface : DataFrame
        Latency in ms.
    least_accuracy : float
        A fraction.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet16' and threads == 1")
    >>> least = surface.loc[surface["accuracy"] >= 0.93, "latency_p50_ms"].min()
    >>> relaxed_limit(least, surface, 0.93).passed, relaxed_limit(least / 1000, surface, 0.93).passed
    (True, False)
    """
    if isinstance(limit_ms, bool | str):
        raise TypeError("wanted a number of milliseconds")
    limit = number(limit_ms, "a number of milliseconds")
    quickest = solve(surface, minimize("latency_p50_ms"), [at_least("accuracy", least_accuracy)])
    if quickest.empty:
        return unmeasured("no row is accurate enough.")
    needed = float(quickest["latency_p50_ms"].iloc[0])
    answer = f"The quickest row that is accurate enough takes {needed:.4g} ms: that is the limit to ask for."
    # Four significant digits are enough.
    if needed * (1 - 5e-4) <= limit <= needed * (1 + ROOM):
        return right(
            f"With a limit of {limit:.4g} ms there is a solution, {named(quickest)}, and below {needed:.4g} ms none."
        )
    if needed * (1 - READ) <= limit * MS_PER_S <= needed * (1 + ROOM):
        return wrong("That is in seconds; the column is in milliseconds.", answer)
    accurate = solve(surface, [maximize("accuracy"), minimize("latency_p50_ms")])
    if near(limit, float(accurate["latency_p50_ms"].iloc[0])):
        return wrong("That is what the most accurate row takes. Less accuracy is enough here.", answer)
    if limit > needed:
        return wrong("That is more than enough: whoever grants it gets nothing for the rest.", answer)
    return wrong("Nothing is feasible yet. How long does the quickest row take that is accurate enough?", answer)


@exercise("05-bill")
def bill(total: Any, priced: pd.DataFrame, millions: float, least_accuracy: float) -> Judgement:
    """Whether `total` is the lowest price of `millions` million items at that accuracy.

    Parameters
    ----------
    total : float
        In the currency of `priced`.
    priced : DataFrame
        What `with_cost` returned.
    millions : float
    least_accuracy : float
        A fraction.

    Examples
    --------
    >>> import tradespace as ts
    >>> priced = ts.with_cost(ts.load_recorded("glosses"), price_per_hour=0.1, watts=60)
    >>> best = ts.solve(priced, ts.minimize("cost_per_million"), subject_to=[ts.at_least("accuracy", 0.86)])
    >>> bill(300 * best["cost_per_million"].iloc[0], priced, 300, 0.86).passed
    True
    """
    said = number(total, "a sum of money, as a number")
    limits = [at_least("accuracy", least_accuracy)]
    best = solve(priced, minimize("cost_per_million"), limits)
    each = float(best["cost_per_million"].iloc[0])
    low, high = (millions * float(best[f"cost_per_million_{end}"].iloc[0]) for end in ("lo", "hi"))
    answer = f"{named(best)} costs {each:.3g} per million, and {millions:g} million cost {millions * each:.3g}."
    if near(said, millions * each):
        return right(
            f"{named(best)} is the cheapest that is accurate enough. Its latency has an interval, and so does the "
            f"bill: {low:.3g} to {high:.3g}."
        )
    if near(said, each):
        return wrong(f"That is for one million. The job has {millions:g}.", answer)
    if near(said, millions * 1e6 * each):
        return wrong("`cost_per_million` is already for a million.", answer)
    if near(said, millions * float(priced.loc[measured(priced), "cost_per_million"].min())):
        return wrong("That is cheaper still, but is it accurate enough?", answer)
    if near(said, millions * float(best["wh_per_million"].iloc[0])):
        return wrong("That is in watt-hours.", answer)
    quickest = solve(priced, minimize("latency_p50_ms"), limits)
    if near(said, millions * float(quickest["cost_per_million"].iloc[0])):
        return wrong("That is the row with the lowest latency. If you pay by the hour, something else matters.", answer)
    accurate = solve(priced, maximize("accuracy"), limits)
    if near(said, millions * float(accurate["cost_per_million"].iloc[0])):
        return wrong("That is the most accurate row. Accurate enough is enough: what should you minimise?", answer)
    return wrong("Minimise `cost_per_million` under the limit on accuracy, then multiply by the millions.", answer)


@exercise("05-capstone")
def capstone(decision: Any, binding: Any, surface: pd.DataFrame, brief: Sequence[Constraint]) -> Judgement:
    """Whether `decision` is the quickest row within the `brief`, measured again, and `binding` is what binds.

    Parameters
    ----------
    decision : DataFrame of one row
        Its numbers, latency in ms, are those of the second measurement. Empty if no row held when measured again.
    binding : list of str or of Constraint
        The columns whose limits bind.
    surface : DataFrame
        The first measurement.
    brief : sequence of Constraint

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet16' and threads == 1")
    >>> brief = [ts.at_least("throughput_per_s", 4000)]
    >>> decision = ts.solve(surface, ts.minimize("latency_p50_ms"), subject_to=brief)
    >>> capstone(decision, ["throughput_per_s"], surface, brief)
    Not yet. The row is straight from the table, and the best of many was often lucky. Measure it again.
    """
    if not isinstance(decision, pd.DataFrame):
        raise TypeError("wanted the row that `ts.solve` returns")
    if len(decision) > 1:
        raise ValueError(f"wanted one row; got {len(decision)}")
    best = solve(surface, minimize("latency_p50_ms"), brief)
    why = explain(best)
    answer = (
        "`ts.solve` with `ts.minimize('latency_p50_ms')`, `subject_to=brief` and `confirm=True`; "
        f"on the table, that is {named(best)}, and what binds is {listed(c.column for c in why.binding)}."
    )
    if len(decision):
        fault = _fault(decision, surface, brief)
        if fault:
            return wrong(fault, answer)
    elif not _asked(decision, brief):
        return wrong("There is no row: did you ask for other limits than those of the brief?", answer)
    if binding is ...:
        return wrong("The choice holds. Now the evidence: which limits bind?", answer)
    said = {binding} if isinstance(binding, str | Constraint) else set(binding)
    columns = {one.column if isinstance(one, Constraint) else str(one) for one in said}
    if columns != {constraint.column for constraint in why.binding}:
        hint = "The choice holds, but that is not what binds: a limit binds if a better choice appears without it."
        return wrong(f"{hint} `ts.explain` tries each.", answer)
    bound = f"What binds is {listed(sorted(columns))}."
    if not len(decision):
        return right(f"None of the best held when measured again, and saying so is a decision too. {bound}")
    again = f"{decision['latency_p50_ms'].iloc[0]:.3g} ms when measured again"
    return right(f"{named(decision)}: {again}, and it meets every limit. {bound}")


def _fault(decision: pd.DataFrame, surface: pd.DataFrame, brief: Sequence[Constraint]) -> str:
    """Return what is wrong with a decision that has a row; an empty string if nothing is."""
    order = surface[feasible(surface, brief)].sort_values("latency_p50_ms", kind="stable")
    chosen = configs_of(decision)[0]
    places = [place for place, config in enumerate(configs_of(order)) if config == chosen]
    if not places:
        return "On your table, that row breaks a limit of the brief."
    on_table = order.iloc[places[0]]
    # Without an interval, nothing is beyond doubt.
    alike = not on_table["latency_p50_lo_ms"] > order["latency_p50_hi_ms"].iloc[0]
    if places[0] and not (alike or (places[0] < MOST_TRIES and _asked(decision, brief))):
        return "It meets the brief, but others that do are quicker beyond doubt."
    if _same_samples(decision.iloc[0], on_table):
        if places[0] and on_table["latency_p50_ms"] > order["latency_p50_ms"].iloc[0]:
            return "It meets the brief, but a quicker row does too."
        return "The row is straight from the table, and the best of many was often lucky. Measure it again."
    broken = [constraint.column for constraint in brief if not constraint.met(decision).all()]
    return f"Measured again, it breaks the limit on {listed(broken)}: take the next best." if broken else ""


def _same_samples(decision: "pd.Series[Any]", on_table: "pd.Series[Any]") -> bool:
    """Whether two rows are of one measurement: all that was computed from its samples is equal."""
    shared = [name for name in OF_SAMPLES if name in decision and name in on_table]
    pairs = ((decision[name], on_table[name]) for name in shared)
    return all(a == b or (pd.isna(a) and pd.isna(b)) for a, b in pairs)


def _asked(decision: pd.DataFrame, brief: Sequence[Constraint]) -> bool:
    """Whether `solve` made `decision` from the brief: then it may have passed over rows that did not hold."""
    problem = decision.attrs.get(PROBLEM)
    if problem is None or set(problem.constraints) != set(brief):
        return False
    return problem.objectives[0] == minimize("latency_p50_ms") and bool(feasible(problem.surface, brief).any())


def _row(given: Any, surface: pd.DataFrame) -> "pd.Series[Any]":
    """Return the row of `surface` that was given."""
    if isinstance(given, pd.DataFrame):
        if len(given) != 1:
            raise ValueError(f"wanted one row; got {len(given)}")
        given = given.index[0]
    label = given.name if isinstance(given, pd.Series) else given
    if label not in surface.index:
        raise ValueError(f"wanted a row of the table; got {label!r}")
    return surface.iloc[list(surface.index).index(label)]
