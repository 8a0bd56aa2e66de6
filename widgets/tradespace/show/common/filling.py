"""Measures what a lens lacks, group by group, in the background."""

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
from tradespace.measuring.measurement import Measurement, Scored
from tradespace.measuring.schedule import Schedule
from tradespace.surface.columns import check_one, check_score, checked, row, table
from tradespace.tasks.task import Task

Group = tuple[Config, ...]
Row = Mapping[str, Any]
# A group, and its rows once it is finished.
Step = tuple[Group, list[Row] | None]


class Filling:
    """Measures groups of Configs, taking turns within a group, until none is left.

    `stop` ends with the current slice; `start` resumes with the unfinished group.

    Parameters
    ----------
    groups : iterable of tuple of Config
    lock : threading.RLock
        The owner's lock, held while `land` and `changed` are called from another thread.
    land : callable
        Called with the rows of a finished group, in order.
    changed : callable
        Called when a group begins, and when measuring ends.
    schedule : Schedule
    executor : concurrent.futures.Executor, optional

    Attributes
    ----------
    current : tuple of Config, optional
        The group being measured.
    error : str
        The error that ended the run, if any.
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
        self._scores: dict[Config, Scored] = {}

    @property
    def running(self) -> bool:
        return self._background.running

    @property
    def left(self) -> int:
        """The number of unfinished groups."""
        return len(self._waiting)

    def start(self) -> None:
        """Measure the unfinished groups, unless that is under way."""
        with self._lock:
            if self._waiting and not self.running:
                self.error = ""
                self._background.start(self._steps)

    def stop(self) -> None:
        """Stop measuring; the current slice is the last."""
        self._background.stop()

    def first(self, group: Group) -> None:
        """Measure `group` next, if it is unfinished."""
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
    """The rows of `surface` for `model`.

    Raises
    ------
    ValueError
        If the task has no such model, or `surface` has rows of another task or score, or of several machines.
    """
    choose("model", model, task.models)
    if surface is None:
        return table([])
    surface = checked(surface, "surface")
    others = sorted(set(surface["task"]) - {task.name})
    if others:
        raise ValueError(f"surface: wanted rows of task {task.name!r}, so that none are mixed; got {others}")
    check_one(surface, "machine")
    check_score(surface, task.score.label)
    return surface[surface["model"] == model].reset_index(drop=True)


def recorded_on(rows: pd.DataFrame) -> str:
    """The machine that `rows` were measured on, if it is not this one; else an empty string."""
    return next((name for name in rows["machine"].unique() if name != machine()), "")
