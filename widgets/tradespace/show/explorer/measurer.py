"""Measures in the background what was asked for last, and fills in the surface while nothing is asked."""

import threading
from collections.abc import Callable

from tradespace.config import Config
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.measurement import Measurement
from tradespace.tasks.task import Task

# A slider that has rested this long has been released.
SETTLE_S = 0.4

Report = Callable[[Measurement, bool], None]
Filler = Callable[[], list[Config]]


class Measurer:
    """One background thread that follows the latest request: a newer one replaces it, `cancel` ends it.

    The thread only waits for the measuring process and hands on what comes: it ends when nothing is asked.

    Parameters
    ----------
    report : callable
        Called from the thread with each growing Measurement and whether it is finished; of those that fill in the
        surface, with the finished ones alone.
    stopped : callable
        Called from the thread when it ends before its work does, with why: an interrupt of the kernel reaches the
        measuring process too, and comes back as its answer.
    """

    def __init__(
        self,
        task: Task,
        report: Report,
        *,
        ci: float,
        budget_s: float,
        settle_s: float = SETTLE_S,
        stopped: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._task, self._report, self._stopped = task, report, stopped
        self._ci, self._budget_s, self._settle_s = ci, budget_s, settle_s
        self._changed = threading.Condition()
        self._wanted: Config | None = None
        self._filler: Filler | None = None
        self._thread: threading.Thread | None = None

    @property
    def wanted(self) -> Config | None:
        """The Config being measured, or about to be."""
        return self._wanted

    @property
    def filling(self) -> bool:
        """Whether the surface is being filled in."""
        return self._filler is not None

    def request(self, config: Config) -> None:
        """Measure `config` once it has been the latest request for a moment, before what fills in the surface."""
        with self._changed:
            if config != self._wanted:
                self._wanted = config
                self._start()

    def fill(self, ask: Filler) -> None:
        """Measure what `ask` names whenever nothing is requested, until it names nothing more."""
        with self._changed:
            self._filler = ask
            self._start()

    def cancel(self) -> None:
        """Want nothing any more; what is under way ends with its current slice."""
        with self._changed:
            self._wanted = self._filler = None
            self._changed.notify_all()

    def drop_request(self) -> None:
        """Want no single Config any more; the surface is still filled in."""
        with self._changed:
            self._wanted = None
            self._changed.notify_all()

    def _start(self) -> None:
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="tradespace-measurer", daemon=True)
            self._thread.start()

    def _follow(self) -> None:
        try:
            while (asked := self._settled()) is not None:
                if isinstance(asked, Config):
                    self._measure([asked], lambda asked=asked: self._wanted is asked)  # type: ignore[misc]  # a default
                else:
                    self._fill(asked)
        except BaseException as error:
            with self._changed:
                self._wanted = self._filler = self._thread = None
            interrupted = isinstance(error, KeyboardInterrupt)
            self._stopped("interrupted" if interrupted else f"{type(error).__name__}: {error}")
            if not interrupted:
                raise

    def _fill(self, ask: Filler) -> None:
        """Measure what `ask` names; if that is nothing, the surface is filled in."""
        configs = ask()
        self._measure(configs, lambda: self._wanted is None and self._filler is ask)
        with self._changed:
            if configs or self._filler is not ask:
                return
            self._filler = None
        self._stopped("filled in")

    def _measure(self, configs: list[Config], goes_on: Callable[[], bool]) -> None:
        for measurement, finished in measure_rounds(self._task, configs, ci=self._ci, budget_s=self._budget_s):
            with self._changed:
                if not goes_on():
                    return
                single = measurement.config is self._wanted
                if finished and single:
                    self._wanted = None
            if finished or single:
                self._report(measurement, finished)

    def _settled(self) -> Config | Filler | None:
        """The latest request, once it has been that for `settle_s`, or else who fills in; None, and the thread ends."""
        with self._changed:
            while self._wanted is not None and self._changed.wait(self._settle_s):
                pass
            if self._wanted is None and self._filler is None:
                self._thread = None
            return self._wanted or self._filler
