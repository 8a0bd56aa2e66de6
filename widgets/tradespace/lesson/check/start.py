"""Exercises of notebook 00: what a throughput is worth, and a choice under a limit."""

from typing import Any

import numpy as np
import pandas as pd

from tradespace.lesson.check.answers import as_quick, named, number, row_of
from tradespace.lesson.exercise import Judgement, exercise, right, wrong
from tradespace.surface.objectives import at_least, minimize
from tradespace.surface.solve import solve

# Tolerance for rounding by hand.
ROUNDED = 0.02
MILLION = 1_000_000


@exercise("00-million")
def million(seconds: Any, surface: pd.DataFrame) -> Judgement:
    """Whether a million items take `seconds` at the highest throughput of `surface`, in items per second.

    Examples
    --------
    >>> surface = pd.DataFrame({"latency_p50_ms": [1.0, 4.0], "throughput_per_s": [1_000, 8_000]})
    >>> million(125, surface)
    Right. At 8,000 items/s, a million items take 125 s.
    >>> million(1_000, surface).passed
    False
    """
    highest, answer = surface["throughput_per_s"].max(), number(seconds, "a number of seconds")
    wanted = MILLION / highest
    if abs(answer / wanted - 1) <= ROUNDED:
        return right(f"At {highest:,.0f} items/s, a million items take {wanted:,.3g} s.")
    told = f"Divide a million by the highest throughput, {highest:,.0f} items/s: {wanted:,.3g} s."
    if answer > 0 and abs(answer / (1e3 * wanted) - 1) <= ROUNDED:
        return wrong("That is in milliseconds.", told)
    one_by_one = MILLION * surface["latency_p50_ms"].min() / 1e3
    if abs(answer / one_by_one - 1) <= ROUNDED:
        return wrong("That is the shortest latency, a million times over: one call after another. Use batches.", told)
    return wrong("Which column gives the items per second? Take its best row.", told)


@exercise("00-quickest")
def quickest(choice: Any, surface: pd.DataFrame) -> Judgement:
    """Whether `choice` has the lowest latency of all points within one percentage point of the best accuracy.

    A point whose interval reaches down to the lowest latency is accepted too.

    Parameters
    ----------
    choice : DataFrame of one row, Series, row number, or Config
        A row of `surface`. What the surface says of it counts.
    surface : DataFrame
        Latency in ms, accuracy as a fraction.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("runtime == 'eager' and pruning == 'none'")
    >>> good = ts.at_least("accuracy", surface["accuracy"].max() - 0.01)
    >>> quickest(ts.solve(surface, ts.minimize("latency_p50_ms"), subject_to=[good]), surface).passed
    True
    """
    row = surface.loc[[row_of(choice, surface)]]
    ms, accuracy = float(row["latency_p50_ms"].iloc[0]), float(row["accuracy"].iloc[0])
    most = surface["accuracy"].max()
    least = most - 0.01
    best = solve(surface, minimize("latency_p50_ms"), [at_least("accuracy", least)])
    told = f"Minimise `latency_p50_ms`, subject to an accuracy of at least {least:.1%}: {named(best)}."
    if np.isnan(ms) or np.isnan(accuracy):
        return wrong("That point has no latency or no accuracy here.", told)
    if accuracy < least:
        return wrong(f"Its accuracy of {accuracy:.1%} is more than a point below the best you measured.", told)
    if not as_quick(row.iloc[0], best):
        return wrong("It is accurate enough, but another point that is accurate enough answers sooner.", told)
    why = f"{named(row)}: {accuracy:.1%} is within a point of the best, {most:.1%}, and "
    if row.index[0] == best.index[0]:
        return right(f"{why}no other point within it answers sooner than in {ms:.3g} ms.")
    return right(f"{why}its interval reaches down to the {best['latency_p50_ms'].iloc[0]:.3g} ms of the quickest.")
