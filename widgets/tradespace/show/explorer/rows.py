"""The rows that the Explorer shows: validated, indexed by Config, and with cached results for many moves."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from functools import cache, cached_property, lru_cache, partial
from typing import Any

import pandas as pd

from tradespace.config import DEVICES, KNOBS, PRECISIONS, PRUNINGS, RUNTIMES, Config
from tradespace.errors import choose
from tradespace.measuring.measurement import Measurement
from tradespace.show.common.view import Limits, Within, within
from tradespace.show.explorer.mission import Mission
from tradespace.show.explorer.moves import Row
from tradespace.surface.columns import check_one, check_score, checked, row, table
from tradespace.surface.objectives import Objective, measured
from tradespace.surface.reading import STATUSES
from tradespace.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Priced:
    """A surface with the columns of a mission."""

    surface: pd.DataFrame

    @cached_property
    def within(self) -> Callable[[Limits, Objective], Within]:
        """The cached function from limits and an objective to what they decide."""
        return cache(partial(within, self.surface))


@dataclass(frozen=True, eq=False)
class Rows:
    """An immutable surface.

    Parameters
    ----------
    scored : mapping of Config to Measurement
        Results on the individual test items, where available.
    """

    surface: pd.DataFrame
    scored: Mapping[Config, Measurement] = field(default_factory=dict)

    @cached_property
    def priced(self) -> Callable[[Mission, str], Priced]:
        """The function from a mission and a latency column to priced rows; its last results are cached."""
        # Two, since a table for the browser is gathered over both latencies while the charts show one.
        return lru_cache(maxsize=2)(partial(_priced, self.surface))

    @cached_property
    def measured(self) -> bool:
        """Whether any row was measured."""
        return bool(measured(self.surface).any())

    @cached_property
    def _numbers(self) -> dict[tuple[Any, ...], int]:
        knobs = zip(*(self.surface[knob].tolist() for knob in KNOBS), strict=True)
        return {one: number for number, one in enumerate(knobs)}

    def number(self, config: Config) -> int | None:
        """The row number of `config`, the last one if there are several; None if there is none."""
        return self._numbers.get(astuple(config))

    def row(self, config: Config) -> Row | None:
        """The row of `config`, or None."""
        return row_of(self.surface, self.number(config))


def row_of(surface: pd.DataFrame, number: int | None) -> Row | None:
    """The row of a number, or None."""
    return None if number is None else {str(name): one for name, one in surface.iloc[number].items()}


def with_row(surface: pd.DataFrame, measurement: Measurement) -> pd.DataFrame:
    """`surface` with the row of `measurement`, in place of any earlier one: the others keep their numbers."""
    number = Rows(surface).number(measurement.config)
    there = len(surface) if number is None else number
    parts = [surface.iloc[:there], table([row(measurement)]), surface.iloc[there + 1 :]]
    return pd.concat([one for one in parts if len(one)], ignore_index=True)


def of_task(task: Task, surface: pd.DataFrame) -> pd.DataFrame:
    """`surface`, if its rows are valid, and of `task`, its score and one machine.

    Raises
    ------
    ValueError
        If they are not.
    """
    surface = checked(surface, "surface").reset_index(drop=True)
    check_one(surface, "task", "machine")
    if set(surface["task"]) - {task.name}:
        raise ValueError(f"surface: wanted rows of the task {task.name!r}; got those of {surface['task'].iloc[0]!r}")
    check_score(surface, task.score.label)
    valid = {"pruning": PRUNINGS, "precision": PRECISIONS, "runtime": RUNTIMES, "device": DEVICES, "status": STATUSES}
    for column, names in valid.items():
        for name in surface[column].unique():
            choose(f"surface: {column}", name, names)
    return surface


def _priced(surface: pd.DataFrame, mission: Mission, latency: str) -> Priced:
    return Priced(mission.of(surface, latency))
