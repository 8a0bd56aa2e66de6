"""Measures the Config that was asked for last, in the background, while sliders stay alive."""

import threading
from collections.abc import Callable

from tradespace.config import Config
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.measurement import Measurement
from tradespace.tasks.task import Task

# A slider that has rested this long has been released.
SETTLE_S = 0.4

Report = Callable[[Measurement, bool], None]


class Measurer:
    """One background thread that follows the latest request: a newer one replaces it, `cancel` ends it.

    The thread only waits for the measuring process and hands on what comes: it ends when nothing is asked.

    Parameters
    ----------
    report : callable
        Called from the thread with each growing Measurement and whether it is finished.
    """

    def __init__(self, task: Task, report: Report, *, ci: float, budget_s: float, settle_s: float = SETTLE_S) -> None:
        self._task, self._report = task, report
        self._ci, self._budget_s, self._settle_s = ci, budget_s, settle_s
        self._changed = threading.Condition()
        self._wanted: Config | None = None
        self._thread: threading.Thread | None = None

    @property
    def wanted(self) -> Config | None:
        """The Config being measured, or about to be."""
        return self._wanted

    def request(self, config: Config) -> None:
        """Measure `config` once it has been the latest request for a moment."""
        with self._changed:
            self._wanted = config
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="tradespace-measurer", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Want nothing any more; what is under way ends with its current slice."""
        with self._changed:
            self._wanted = None
            self._changed.notify_all()

    def _follow(self) -> None:
        while (config := self._settled()) is not None:
            for measurement, finished in measure_rounds(self._task, [config], ci=self._ci, budget_s=self._budget_s):
                with self._changed:
                    if self._wanted is not config:
                        break
                    if finished:
                        self._wanted = None
                self._report(measurement, finished)

    def _settled(self) -> Config | None:
        """The latest request, once it has been that for `settle_s`; if there is none, None, and the thread ends."""
        with self._changed:
            while self._changed.wait(self._settle_s):
                pass
            if self._wanted is None:
                self._thread = None
            return self._wanted
