"""Fills in what a lens has not measured yet, group by group, in the background."""

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

import pandas as pd

from tradespace.config import Config
from tradespace.errors import choose
from tradespace.measuring.background import Background, Ended
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement, Score
from tradespace.measuring.schedule import Schedule
from tradespace.surface.columns import checked, row, table
from tradespace.tasks.task import Task

Group = tuple[Config, ...]
Row = Mapping[str, Any]
# A group that is under way, and its rows once it is finished.
Step = tuple[Group, list[Row] | None]


class Filling:
    """Measures groups of Configs, those of a group in turns, until no group is left.

    `stop` ends it with the slice under way; `start` goes on with the group that was not finished.

    Parameters
    ----------
    groups : iterable of tuple of Config
    lock : threading.RLock
        The owner's own: `land` and `changed` are called under it, from another thread.
    land : callable
        Called with the rows of a finished group, in its order.
    changed : callable
        Called when a group begins, and when measuring ends.
    schedule : Schedule
    executor : concurrent.futures.Executor, optional

    Attributes
    ----------
    current : tuple of Config, optional
        The group under way.
    error : str
        What ended it, if it was an error.
    """

    def __init__(
        self,
        task: Task,
        groups: Iterable[Group],
        lock: "threading.RLock",
        land: Callable[[list[Row]], None],
        changed: Callable[[], None],
        schedule: Schedule,
        executor: Executor | None = None,
    ) -> None:
        self.current: Group | None = None
        self.error = ""
        self._task, self._land, self._changed = task, land, changed
        self._schedule, self._executor = schedule, executor
        self._lock, self._background = lock, Background[Step](lock, self._take, self._ended)
        self._waiting = list(groups)
        self._scores: dict[Config, Score] = {}

    @property
    def running(self) -> bool:
        return self._background.running

    @property
    def left(self) -> int:
        """How many groups are not finished."""
        return len(self._waiting)

    def start(self) -> None:
        """Measure what is left, unless that is under way already."""
        with self._lock:
            if self._waiting and not self.running:
                self.error = ""
                self._background.start(self._steps)

    def stop(self) -> None:
        """Measure nothing more; the slice under way is the last one."""
        self._background.stop()

    def first(self, group: Group) -> None:
        """Measure `group` next, if it waits."""
        with self._lock:
            if group in self._waiting:
                self._waiting = [group, *(one for one in self._waiting if one != group)]

    def _steps(self) -> Generator[Step, None, None]:
        while waiting := self._waiting:
            group, measured = waiting[0], dict[Config, Measurement]()
            yield group, None
            for measurement, _ in measure_rounds(
                self._task, group, self._schedule, executor=self._executor, scores=self._scores
            ):
                measured[measurement.config] = measurement
                yield group, None
            yield group, [row(measured[config]) for config in group]

    def _take(self, step: Step) -> None:
        group, rows = step
        if rows is not None:
            self._waiting = [one for one in self._waiting if one != group]
            self._land(rows)
        elif group != self.current:
            self.current = group
            self._changed()

    def _ended(self, end: Ended) -> None:
        self.current, self.error = None, end.error
        self._changed()


def rows_of_model(task: Task, model: str, surface: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of `surface` that are of `model`.

    Raises
    ------
    ValueError
        If the task has no such model, or if `surface` has rows of another task or of several machines.
    """
    choose("model", model, task.models)
    if surface is None:
        return table([])
    surface = checked(surface, "surface")
    others = sorted(set(surface["task"]) - {task.name})
    if others:
        raise ValueError(f"surface: wanted rows of task {task.name!r}, so that none are mixed; got {others}")
    machines = sorted(set(surface["machine"]))
    if len(machines) > 1:
        raise ValueError(f"surface: wanted rows of one machine, so that none are mixed; got {machines}")
    return surface[surface["model"] == model].reset_index(drop=True)


def recorded_on(rows: pd.DataFrame) -> str:
    """The machine that `rows` come from, if that is another one than this; else an empty string."""
    return next((name for name in rows["machine"].unique() if name != machine()), "")
