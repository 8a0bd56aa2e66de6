"""What a chart of a surface shows: one pure function of (surface, selection, limits)."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.surface.columns import KNOBS
from tradespace.surface.frontier import nondominated
from tradespace.surface.objectives import Constraint, at_least, at_most, feasible, maximize, minimize
from tradespace.surface.predict import Prediction, predict, rows_of
from tradespace.surface.solve import solve


@dataclass(frozen=True)
class Limits:
    """Hard limits: latency of a batch at most, accuracy (a fraction) at least; None asks nothing."""

    max_latency_ms: float | None = None
    min_accuracy: float | None = None

    @property
    def constraints(self) -> list[Constraint]:
        """The limits as `solve` wants them."""
        asked = []
        if self.max_latency_ms is not None:
            asked.append(at_most("latency_p50_ms", self.max_latency_ms))
        if self.min_accuracy is not None:
            asked.append(at_least("accuracy", self.min_accuracy))
        return asked


@dataclass(frozen=True)
class View:
    """Row numbers of a surface, by the part they play in its chart.

    Parameters
    ----------
    lines : dict of str to list of int
        For each precision, the rows that share the selection's other knobs, by batch size.
    throughput_frontier, accuracy_frontier : list of int
        Feasible rows that no other feasible row beats in latency and throughput, or latency and accuracy; by latency.
    feasible : list of int
    current, choice : int or None
        The selected row, if it was measured; the feasible row of highest throughput.
    predicted : Prediction or None
        What the selection would give, if it was not measured but its neighbours were.
    """

    lines: dict[str, list[int]]
    throughput_frontier: list[int]
    accuracy_frontier: list[int]
    feasible: list[int]
    current: int | None
    choice: int | None
    predicted: Prediction | None


def view(surface: pd.DataFrame, selection: Config | None = None, limits: Limits | None = None) -> View:
    """The parts of `surface` that a chart draws. Without a selection: no lines and nothing current."""
    surface = surface.reset_index(drop=True)
    limits = limits or Limits()
    meets = feasible(surface, limits.constraints)
    chosen = solve(surface, maximize("throughput_per_s"), limits.constraints)
    here: list[int] = np.flatnonzero(rows_of(surface, selection)).tolist() if selection else []
    measured = [row for row in here if surface["status"].iloc[row] == "ok"]
    return View(
        lines=_lines(surface, selection) if selection else {},
        throughput_frontier=_frontier(surface[meets], "throughput_per_s"),
        accuracy_frontier=_frontier(surface[meets], "accuracy"),
        feasible=np.flatnonzero(meets).tolist(),
        current=measured[-1] if measured else None,
        choice=int(chosen.index[0]) if len(chosen) else None,
        predicted=predict(surface, selection) if selection and not here else None,
    )


def _lines(surface: pd.DataFrame, selection: Config) -> dict[str, list[int]]:
    alike = rows_of(surface, selection, apart_from=("precision", "batch_size")) & (surface["status"] == "ok")
    ordered = surface[alike].sort_values("batch_size")
    return {str(name): [int(row) for row in group.index] for name, group in ordered.groupby("precision", sort=False)}


def _frontier(surface: pd.DataFrame, gain: str) -> list[int]:
    on = nondominated(surface, (minimize("latency_p50_ms"), maximize(gain)))
    return [int(row) for row in surface[on].sort_values("latency_p50_ms").index]


def in_words(surface: pd.DataFrame, seen: View, selection: Config, limits: Limits) -> str:
    """Two lines: the selection and its numbers, then the best choice within the limits."""
    return f"{_selected(surface, seen, selection)}\n{_best(surface, seen, limits)}"


def describe_row(row: pd.Series) -> str:
    """Knobs and numbers of one row, in words."""
    knobs = _knobs(Config(*row[list(KNOBS)]))
    if row["status"] != "ok":
        return f"{knobs}: {row['status'].replace('_', ' ')}: {row['reason']}"
    latency = f"{row['latency_p50_ms']:.3g} ms"
    if not math.isnan(row["latency_p50_lo_ms"]):
        latency += f" ({row['latency_p50_lo_ms']:.3g} to {row['latency_p50_hi_ms']:.3g})"
    accuracy = "not known"
    if not math.isnan(row["accuracy"]):
        accuracy = f"{row['accuracy']:.1%} ({row['accuracy_lo']:.1%} to {row['accuracy_hi']:.1%})"
    doubt = f" [{row['flags']}]" if row["flags"] else ""
    return f"{knobs}: {latency}, {row['throughput_per_s']:,.0f} items/s, accuracy {accuracy}{doubt}"


def _knobs(config: Config) -> str:
    pruned = f", {config.pruning}" if config.pruning != "none" else ""
    threads = f"{config.threads} thread{'s' * (config.threads > 1)}"
    return f"{config.model}{pruned}, {config.precision}, {config.runtime}, batch {config.batch_size}, {threads}"


def _selected(surface: pd.DataFrame, seen: View, selection: Config) -> str:
    here = np.flatnonzero(rows_of(surface, selection))
    if len(here):
        return describe_row(surface.iloc[here[-1]])
    knobs = _knobs(selection)
    if seen.predicted is None:
        return f"{knobs}: not measured yet"
    latency, rate = seen.predicted.latency_p50_ms, seen.predicted.throughput_per_s
    return f"{knobs}: predicted {latency:.3g} ms, {rate:,.0f} items/s; not measured yet"


def _best(surface: pd.DataFrame, seen: View, limits: Limits) -> str:
    asked = []
    if limits.max_latency_ms is not None:
        asked.append(f"at most {limits.max_latency_ms:.3g} ms")
    if limits.min_accuracy is not None:
        asked.append(f"at least {limits.min_accuracy:.1%}")
    within = " and ".join(asked) or "without limits"
    if seen.choice is None:
        return f"Nothing measured so far has {within}. Loosen a limit, or measure other points."
    return f"Highest throughput, {within}: {describe_row(surface.iloc[seen.choice])}"
