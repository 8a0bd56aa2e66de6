"""Requirements on a Config: objectives to optimise and constraints to meet."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tradespace.errors import choose
from tradespace.surface.columns import scale_of
from tradespace.surface.derived import PRODUCTS, computed
from tradespace.surface.reading import check_columns, check_values, floats, measured_rows


@dataclass(frozen=True)
class Objective:
    """A column to make as small or as large as possible."""

    column: str
    maximize: bool

    def values(self, surface: pd.DataFrame) -> np.ndarray:
        """The column of `surface`, with NaN in rows that were not measured."""
        column = numbers(surface, self.column)
        return np.where(measured(surface), column, np.nan)


@dataclass(frozen=True)
class Constraint:
    """A limit on a column. A value equal to the limit meets it; NaN, an unknown value, does not."""

    column: str
    limit: float
    at_least: bool

    def __str__(self) -> str:
        return f"{self.column} at {'least' if self.at_least else 'most'} {self.limit:,.10g}"

    def met(self, surface: pd.DataFrame) -> np.ndarray:
        """Whether each row meets the limit."""
        column = numbers(surface, self.column)
        return column >= self.limit if self.at_least else column <= self.limit


def minimize(column: str) -> Objective:
    """Objective to make `column` as small as possible.

    Examples
    --------
    >>> minimize("latency_p50_ms")
    Objective(column='latency_p50_ms', maximize=False)
    """
    return Objective(column, maximize=False)


def maximize(column: str) -> Objective:
    """Objective to make `column` as large as possible.

    Examples
    --------
    >>> maximize("accuracy")
    Objective(column='accuracy', maximize=True)
    """
    return Objective(column, maximize=True)


# Doubling the speed is the same gain at 1 ms as at 100 ms: times and rates count in powers of ten.
LOGARITHMIC = ("_ms", "_per_s", "_s", "_mb", "_per_million", "_served", "power", "energy_j_per_item", "energy_delay")
# The three axes on which a deployed network is judged.
OBJECTIVES = (minimize("latency_p50_ms"), maximize("throughput_per_s"), maximize("accuracy"))


def at_most(column: str, limit: float) -> Constraint:
    """Constraint that `column` is at most `limit`.

    Examples
    --------
    >>> at_most("latency_p50_ms", 5)
    Constraint(column='latency_p50_ms', limit=5.0, at_least=False)
    """
    return Constraint(column, _limit(column, limit), at_least=False)


def at_least(column: str, limit: float) -> Constraint:
    """Constraint that `column` is at least `limit`.

    Examples
    --------
    >>> at_least("throughput_per_s", 1000)
    Constraint(column='throughput_per_s', limit=1000.0, at_least=True)
    """
    return Constraint(column, _limit(column, limit), at_least=True)


def as_objectives(*objectives: "Objective | Iterable[Objective]") -> tuple[Objective, ...]:
    """Return objectives as a tuple, whether they were given one by one or as a list.

    Raises
    ------
    ValueError
        If there is none, or one is not an Objective: a column name does not say which way is better.

    Examples
    --------
    >>> fast, right = minimize("latency_p50_ms"), maximize("accuracy")
    >>> as_objectives(fast, right) == as_objectives([fast, right])
    True
    """
    several: list[Objective] = []
    for one in objectives:
        several += [one] if isinstance(one, str) or not isinstance(one, Iterable) else one
    if not several:
        raise ValueError("objectives: wanted at least one, such as ts.maximize('accuracy'); got none")
    for one in several:
        if not isinstance(one, Objective):
            raise ValueError(f"objectives: wanted ts.minimize(column) or ts.maximize(column); got {one!r}")
    return tuple(several)


def measured(surface: pd.DataFrame) -> np.ndarray:
    """Whether each row was measured."""
    check_columns(surface, ())
    if "status" not in surface and "tried" in surface:
        raise ValueError(
            "surface: wanted measured rows; got predictions. Measure the promising ones: ts.sweep(task, configs)"
        )
    if "status" not in surface:
        raise ValueError("surface: wanted a column 'status', which says what was measured; got none")
    return measured_rows(surface)


def numbers(surface: pd.DataFrame, column: str, argument: str = "column") -> np.ndarray:
    """A numeric column of `surface` as floats, or one that `derived.PRODUCTS` computes from others.

    Raises
    ------
    ValueError
        If there is no such column of numbers; the message names `argument`, which asked for it, and the nearest column.
        If it is that of accuracies, and rows have different scores.
    """
    check_columns(surface, ())
    if column == "accuracy":
        scale_of(surface)
    parts = _parts(surface, column)
    if not set(parts) <= set(surface):
        known = [str(name) for name, kind in surface.dtypes.items() if kind.kind in "iuf"]
        products = [name for name, (_, needed) in PRODUCTS.items() if set(needed) <= set(known)]
        choose(argument, column, dict.fromkeys([*known, *products]))
    return floats(surface, column, argument) if parts == (column,) else computed(surface, column).to_numpy()


def check_possible(
    surface: pd.DataFrame, columns: Iterable[str], argument: str = "column", order_only: bool = False
) -> None:
    """Raise a ValueError unless `columns` hold numbers that can be; see `reading.check_values`."""
    columns = list(columns)
    for column in columns:
        numbers(surface, column, argument)
    check_values(surface, [part for column in columns for part in _parts(surface, column)], order_only=order_only)


def _parts(surface: pd.DataFrame, column: str) -> tuple[str, ...]:
    """The columns of `surface` that `column` is read from."""
    return PRODUCTS[column][1] if column in PRODUCTS and column not in surface else (column,)


def check_one_machine(surface: pd.DataFrame) -> None:
    """Raise a ValueError if rows come from different machines, whose times must not be compared by accident."""
    names = sorted(map(str, surface["machine"].unique())) if "machine" in surface else []
    if len(names) > 1:
        machines = ", ".join(map(repr, names))
        raise ValueError(
            f"surface: wanted rows of one machine; got {machines}. To compare machines on purpose, give them one "
            "name: surface.assign(machine='both')"
        )


def feasible(surface: pd.DataFrame, subject_to: Iterable[Constraint]) -> np.ndarray:
    """Whether each row was measured and meets every constraint."""
    if not isinstance(subject_to, Iterable) or isinstance(subject_to, str):
        raise ValueError(f"subject_to: wanted a list of constraints; got {subject_to!r}")
    check_one_machine(surface)
    kept = measured(surface)
    for constraint in subject_to:
        if not isinstance(constraint, Constraint):
            raise ValueError(f"subject_to: wanted ts.at_most(...) or ts.at_least(...); got {constraint!r}")
        check_possible(surface, [constraint.column])
        kept = kept & constraint.met(surface)
    return kept


def _limit(column: str, limit: float) -> float:
    if isinstance(limit, bool) or not isinstance(limit, int | float | np.number) or np.isnan(limit):
        raise ValueError(f"limit on {column}: wanted a number; got {limit!r}")
    return float(limit)
