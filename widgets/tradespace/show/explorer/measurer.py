"""Measures the latest request in the background, and fills in the surface while there is none."""

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor

from tradespace.config import Config
from tradespace.measuring.background import Background, Ended
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.show.common.words import cut_short
from tradespace.tasks.task import Task

# A control that has not moved for SETTLE_S counts as released. After a key, the browser says when no other followed;
# should it never do so, LOST_S are enough.
SETTLE_S, LOST_S = 0.4, 5.0

Report = Callable[[Measurement, bool], None]
Filler = Callable[[], list[Config]]
Step = tuple[Measurement, bool]


class Measurer:
    """Measures the latest request; a newer one replaces it, and `cancel` ends it.

    Parameters
    ----------
    lock : threading.RLock
        The owner's lock, held while `report` and `stopped` are called from another thread.
    report : callable
        Called with each growing Measurement and whether it is finished; while filling in, only with finished ones.
    stopped : callable
        Called with the reason when measuring ends early, or when the surface is filled in.
    """

    def __init__(
        self,
        task: Task,
        lock: "threading.RLock",
        report: Report,
        stopped: Callable[[str], None],
        schedule: Schedule,
        executor: Executor | None = None,
        *,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._task, self._report, self._stopped = task, report, stopped
        self._schedule, self._executor, self._settle_s = schedule, executor, settle_s
        self._lock, self._background = lock, Background[Step](lock, self._land, self._ended)
        # The Config being measured, or about to be.
        self.wanted: Config | None = None
        self._typing = False
        self._filler: Filler | None = None

    @property
    def filling(self) -> bool:
        """Whether the surface is being filled in."""
        return self._filler is not None

    @property
    def busy(self) -> bool:
        """Whether anything is being measured, or about to be."""
        return self.wanted is not None or self.filling

    def request(self, config: Config, *, typing: bool = False) -> None:
        """Measure `config` once it has been the latest request for a moment, or while `typing` once `rest` is called.

        It comes ahead of filling in.
        """
        with self._lock:
            if config != self.wanted:
                self.wanted, self._typing = config, typing
                self._background.start(self._steps, LOST_S if typing else self._settle_s)

    def rest(self) -> None:
        """Measure the latest request without waiting any longer: no other one follows."""
        with self._lock:
            if self.wanted is not None and self._typing:
                self._typing = False
                self._background.start(self._steps)

    def fill(self, ask: Filler) -> None:
        """Measure what `ask` returns whenever nothing is requested, until it returns nothing."""
        with self._lock:
            self._filler = ask
            if self.wanted is None:
                self._background.start(self._steps)

    def cancel(self) -> None:
        """Drop the request and stop filling in; the current slice is the last."""
        with self._lock:
            self.wanted = self._filler = None
            self._background.stop()

    def drop_request(self) -> None:
        """Drop the request; filling in goes on."""
        with self._lock:
            if self.wanted is not None:
                self.wanted = None
                self._background.start(self._steps)

    def _steps(self) -> Generator[Step, None, None]:
        """The request, then whatever fills in the surface."""
        if wanted := self.wanted:
            yield from self._rounds([wanted])
        while (ask := self._filler) and (configs := ask()):
            yield from self._rounds(configs)

    def _rounds(self, configs: list[Config]) -> Iterator[Step]:
        return measure_rounds(self._task, configs, self._schedule, executor=self._executor)

    def _land(self, step: Step) -> None:
        measurement, finished = step
        single = self.wanted is not None
        if finished:
            self.wanted = None
        if finished or single:
            self._report(measurement, finished)

    def _ended(self, end: Ended) -> None:
        if end.how == "stopped":
            return  # as requested, or to go on with something else
        words = cut_short(end) or ("filled in" if self._filler else "")
        self.wanted = self._filler = None
        if words:
            self._stopped(words)
