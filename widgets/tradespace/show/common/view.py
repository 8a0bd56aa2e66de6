"""What a chart of a surface shows, as a pure function of surface, selection and limits."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.measuring.statistics import PERCENTILE_FLOORS
from tradespace.scale import ACCURACY, Scale
from tradespace.show.common.words import MEDIAN, describe_row, in_brief, which_latency
from tradespace.surface.frontier import nondominated
from tradespace.surface.objectives import (
    Constraint,
    Objective,
    at_least,
    at_most,
    feasible,
    maximize,
    measured,
    minimize,
    numbers,
)
from tradespace.surface.predict import Prediction, is_ok, predict, rows_of
from tradespace.surface.solve import Problem, ranked
from tradespace.text import figures, rate

THROUGHPUT = maximize("throughput_per_s")
# What a column needs, if not every surface has it.
TAKES = {
    "accuracy": "labelled test data",
    "energy_delay": "an energy counter",
    "latency_p99_ms": f"{PERCENTILE_FLOORS[99]} samples of a point",
    "safe_speed_m_s": f"{PERCENTILE_FLOORS[99]} samples of a point",
}


@dataclass(frozen=True)
class Limits:
    """Hard limits: latency of a batch and cost at most, accuracy and throughput at least. None means no limit.

    Parameters
    ----------
    latency : str
        The column of the limited latency: the median, or a percentile.
    score : str
        What the column of accuracies holds: fractions, or another score, by its name and unit.
    """

    max_latency_ms: float | None = None
    min_accuracy: float | None = None
    min_throughput_per_s: float | None = None
    max_cost_per_million: float | None = None
    latency: str = MEDIAN
    score: str = ACCURACY

    @property
    def constraints(self) -> list[Constraint]:
        """The limits as constraints for `solve`."""
        asked = (
            (at_most, self.latency, self.max_latency_ms),
            (at_least, "accuracy", self.min_accuracy),
            (at_least, "throughput_per_s", self.min_throughput_per_s),
            (at_most, "cost_per_million", self.max_cost_per_million),
        )
        return [limit(column, value) for limit, column, value in asked if value is not None]

    @property
    def max_median_ms(self) -> float | None:
        """The limit on the median latency, for charts that show only that; None if another latency is limited."""
        return self.max_latency_ms if self.latency == MEDIAN else None

    @property
    def words(self) -> str:
        """The limits in words; "without limits" if there are none."""
        percentile = "" if self.latency == MEDIAN else f" at the {which_latency(self.latency)}"
        scale = Scale.of(self.score)
        least = "at least {}" if scale.is_accuracy else f"{scale.name} at least {{}}"
        asked = (
            (self.max_latency_ms, "at most {} ms" + percentile, figures),
            (self.min_accuracy, least, scale.write),
            (self.min_throughput_per_s, "at least {} items/s", figures),
            (self.max_cost_per_million, "a cost of at most {} for a million items", figures),
        )
        words = [text.format(written(value)) for value, text, written in asked if value is not None]
        return " and ".join(words) or "without limits"


@dataclass(frozen=True)
class Within:
    """The row numbers of a surface that depend only on limits and objective.

    Parameters
    ----------
    throughput_frontier, accuracy_frontier : list of int
        Feasible rows that are nondominated in latency and throughput, or in latency and accuracy, sorted by the limited
        latency.
    feasible : list of int
    choice : int or None
        The best feasible row.
    """

    throughput_frontier: list[int]
    accuracy_frontier: list[int]
    feasible: list[int]
    choice: int | None


@dataclass(frozen=True)
class View(Within):
    """The row numbers of a surface, by their role in a chart.

    Parameters
    ----------
    lines : dict of str to list of int
        For each precision, the rows that share the selection's other knobs, sorted by batch size.
    current : int or None
        The selected row, if it was measured.
    predicted : Prediction or None
        A prediction for the selection, if it was not measured but its neighbours were.
    """

    lines: dict[str, list[int]]
    current: int | None
    predicted: Prediction | None


def within(surface: pd.DataFrame, limits: Limits, objective: Objective = THROUGHPUT) -> Within:
    """The part of a `View` that does not depend on the selection."""
    meets = feasible(surface, limits.constraints)
    best = ranked(Problem(surface, (objective,), ()), meets)
    return Within(
        throughput_frontier=_frontier(surface, meets, limits.latency, "throughput_per_s"),
        accuracy_frontier=_frontier(surface, meets, limits.latency, "accuracy"),
        feasible=np.flatnonzero(meets).tolist(),
        choice=int(best[0]) if len(best) else None,
    )


def view(
    surface: pd.DataFrame,
    selection: Config | None = None,
    limits: Limits | None = None,
    objective: Objective = THROUGHPUT,
    decided: Within | None = None,
) -> View:
    """The parts of `surface` that a chart draws. Without a selection there are no lines and no current row.

    Parameters
    ----------
    decided : Within, optional
        The result of `within` for this surface, limits and objective, if it is known already.
    """
    decided = decided or within(surface, limits or Limits(), objective)
    here: list[int] = np.flatnonzero(rows_of(surface, selection)).tolist() if selection else []
    ok = [row for row in here if surface["status"].iloc[row] == "ok"]
    return View(
        **vars(decided),
        lines=_lines(surface, selection) if selection else {},
        current=ok[-1] if ok else None,
        predicted=predict(surface, selection) if selection and not here else None,
    )


def _lines(surface: pd.DataFrame, selection: Config) -> dict[str, list[int]]:
    alike = rows_of(surface, selection, apart_from=("precision", "batch_size")) & is_ok(surface)
    rows = np.flatnonzero(alike)
    rows = rows[np.argsort(surface["batch_size"].to_numpy()[rows], kind="stable")]
    lines: dict[str, list[int]] = {}
    for row, precision in zip(rows.tolist(), surface["precision"].to_numpy()[rows], strict=True):
        lines.setdefault(precision, []).append(row)
    return lines


def _frontier(surface: pd.DataFrame, meets: np.ndarray, latency: str, gain: str) -> list[int]:
    """Row numbers, sorted by latency."""
    rows = np.flatnonzero(meets)
    met = surface[["status", latency, gain]].iloc[rows]
    rows = rows[nondominated(met, (minimize(latency), maximize(gain)))]
    by_latency: list[int] = rows[np.argsort(surface[latency].to_numpy()[rows], kind="stable")].tolist()
    return by_latency


def in_words(
    surface: pd.DataFrame,
    seen: View,
    selection: Config,
    limits: Limits,
    goal: str = "highest throughput",
    objective: Objective = THROUGHPUT,
    unknown: str = "not measured yet",
) -> str:
    """Two lines: the selection with its numbers, then the best choice within the limits.

    Parameters
    ----------
    goal : str
        The objective in words.
    unknown : str
        What to say about a selection without a row.
    """
    return f"{_selected(surface, seen, selection, unknown)}\n{_best(surface, seen, limits, goal, objective)}"


def _selected(surface: pd.DataFrame, seen: View, selection: Config, unknown: str) -> str:
    if seen.current is not None:
        return describe_row(surface.iloc[seen.current])
    here = np.flatnonzero(rows_of(surface, selection))
    if len(here):
        return describe_row(surface.iloc[here[-1]])
    knobs = in_brief(selection)
    if seen.predicted is None:
        return f"{knobs}: {unknown}"
    latency, throughput = figures(seen.predicted.latency_p50_ms), rate(seen.predicted.throughput_per_s)
    return f"{knobs}: predicted {latency} ms, {throughput} items/s; {unknown}"


def _best(surface: pd.DataFrame, seen: View, limits: Limits, goal: str, objective: Objective) -> str:
    goal = f"{goal.capitalize()}, {limits.words}"
    if seen.choice is not None:
        return f"{goal}: {describe_row(surface.iloc[seen.choice])}"
    timed = surface[measured(surface)]
    if timed.empty:
        return f"{goal}: nothing was measured so far."
    for column in (*(limit.column for limit in limits.constraints), objective.column):
        if np.isnan(numbers(timed, column)).all():
            return f"{goal}: {none_known(column, limits)}"
    if seen.feasible:
        return f"{goal}: {none_within(objective.column, limits)}"
    return f"No measured point meets these limits: {limits.words}. Loosen a limit, or measure other points."


def none_known(column: str, limits: Limits) -> str:
    """Say that there is no best row, since no row has a value of `column`, and what that takes."""
    takes = f", which takes {TAKES[column]}" if column in TAKES else ""
    return f"none, since {_name(column, limits)} is not known for any point{takes}."


def none_within(column: str, limits: Limits) -> str:
    """Say that there is no best row, since no row within the limits has a value of `column`."""
    return f"none, since {_name(column, limits)} is not known for any point within the limits."


def _name(column: str, limits: Limits) -> str:
    """A column in words."""
    names = {"latency_p99_ms": "the 99th percentile of latency", "energy_delay": "energy x delay"}
    names[ACCURACY] = Scale.of(limits.score).name
    return names.get(column, column.removesuffix("_per_s").removesuffix("_m_s").replace("_", " "))
