"""Fills in what a lens has not measured yet, group by group, in the background."""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

import pandas as pd

from tradespace.config import Config
from tradespace.errors import choose
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement, Score
from tradespace.surface.columns import checked, row, table
from tradespace.tasks.task import Task

Group = tuple[Config, ...]
Row = Mapping[str, Any]


class Filling:
    """One background thread that measures groups of Configs, those of a group in turns, until no group is left.

    The thread only waits for the measuring process. `stop` ends it with the slice under way, and so does the interrupt
    of a kernel; `start` goes on with the group that was not finished.

    Parameters
    ----------
    groups : iterable of tuple of Config
    land : callable
        Called from the thread with the rows of a finished group, in its order.
    changed : callable
        Called from the thread when a group begins, and when the thread ends.
    ci, budget_s, executor
        As for `measure`.
    """

    def __init__(
        self,
        task: Task,
        groups: Iterable[Group],
        land: Callable[[list[Row]], None],
        changed: Callable[[], None],
        *,
        ci: float,
        budget_s: float,
        executor: Executor | None = None,
    ) -> None:
        self.current: Group | None = None
        self._task, self._land, self._changed = task, land, changed
        self._ci, self._budget_s, self._executor = ci, budget_s, executor
        self._lock = threading.Lock()
        self._waiting = list(groups)
        self._scores: dict[Config, Score] = {}
        self._run: object | None = None

    @property
    def running(self) -> bool:
        return self._run is not None

    @property
    def left(self) -> int:
        """How many groups are not finished."""
        return len(self._waiting)

    def start(self) -> None:
        """Measure what is left, unless that is under way already."""
        with self._lock:
            if self._run is not None or not self._waiting:
                return
            self._run = run = object()
        threading.Thread(target=self._work, args=(run,), name="tradespace-filling", daemon=True).start()

    def stop(self) -> None:
        """Measure nothing more; the slice under way is the last one."""
        with self._lock:
            self._run = self.current = None

    def first(self, group: Group) -> None:
        """Measure `group` next, if it waits."""
        with self._lock:
            if group in self._waiting:
                self._waiting.remove(group)
                self._waiting.insert(0, group)

    def _work(self, run: object) -> None:
        forget = at_interrupt(self.stop)
        try:
            while (group := self._next(run)) is not None:
                self._changed()
                self._measure(group, run)
        except KeyboardInterrupt:
            pass  # the interrupt of a kernel reaches the measuring process, which hands it on
        except RuntimeError as error:
            if "interpreter shutdown" not in str(error):  # the kernel ends: no process takes requests any more
                raise
        finally:
            forget()
            with self._lock:
                if self._run is run:
                    self._run = self.current = None
            self._changed()

    def _next(self, run: object) -> Group | None:
        with self._lock:
            if self._run is not run or not self._waiting:
                return None
            self.current = self._waiting[0]
            return self.current

    def _measure(self, group: Group, run: object) -> None:
        measured: dict[Config, Measurement] = {}
        for measurement, _ in measure_rounds(
            self._task, group, ci=self._ci, budget_s=self._budget_s, executor=self._executor, scores=self._scores
        ):
            if self._run is not run:
                return
            measured[measurement.config] = measurement
        with self._lock:
            self._waiting.remove(group)
        self._land([row(measured[config]) for config in group])


def at_interrupt(stop: Callable[[], None]) -> Callable[[], None]:
    """Have `stop` called when a cell of this notebook is interrupted; returned is what ends that."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return lambda: None

    def look(result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            stop()

    shell.events.register("post_run_cell", look)
    return lambda: shell.events.unregister("post_run_cell", look)


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
