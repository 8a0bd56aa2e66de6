"""What the machine does in the background: it measures service times, and serves requests for real. One at a time."""

import math
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, wait
from dataclasses import replace

from tradespace.config import Config
from tradespace.measuring.background import Background, Ended
from tradespace.measuring.engine import Engine, measure_rounds
from tradespace.measuring.measurement import Measurement, Scored
from tradespace.measuring.open_loop import ladder
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.stop import Stop
from tradespace.measuring.work import Work
from tradespace.prepare import any_size
from tradespace.serving.live import serve
from tradespace.serving.pauses import after_pauses
from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.show.common.words import cut_short, in_brief
from tradespace.show.serving.settings import Setting
from tradespace.tasks.task import Task

# A slider that has not moved for this long counts as released.
SETTLE_S = 0.4
TICK_S = 0.25

Step = tuple[str, float]


class Jobs:
    """Measures the service times of a Config, or serves for real; something new replaces what is under way.

    Parameters
    ----------
    lock : threading.RLock
        The owner's lock, held while any of the functions is called from another thread.
    timed : callable
        Called with a Config and its service times, or why there are none.
    ran : callable
        Called with a setting and what a real run of it was like.
    changed : callable
        Called when `words` and `share` changed.
    pauses : bool
        Whether service times are measured after pauses, too.
    """

    def __init__(
        self,
        task: Task,
        lock: "threading.RLock",
        schedule: Schedule,
        seconds: float,
        executor: Executor | None,
        *,
        timed: Callable[[Config, ServiceTimes | str], None],
        ran: Callable[[Setting, Served], None],
        changed: Callable[[], None],
        pauses: bool = True,
    ) -> None:
        self._task, self._schedule, self._seconds, self._executor = task, schedule, seconds, executor
        self._lock, self._timed, self._ran, self._changed = lock, timed, ran, changed
        self._pauses = pauses
        self._background = Background[Step](lock, self._land, self._ended)
        # What is being measured or served, or about to be.
        self.measuring: Config | None = None
        self.serving: Setting | None = None
        # What it says of it, and how much is done, from 0 to 1.
        self.words, self.share = "", 0.0
        self._run: Run | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return self.measuring is not None or self.serving is not None

    def measure(self, config: Config, most: int) -> None:
        """Measure batches of `config` up to `most`, once it has been asked for a moment."""
        if config != self.measuring:
            self._begin("waiting for the slider to rest")
            self.measuring = config
            self._background.start(lambda: self._times_of(config, most), SETTLE_S)

    def serve(self, setting: Setting) -> None:
        """Serve such requests for real."""
        self._begin("starting the server")
        self.serving = setting
        self._background.start(lambda: self._served(setting))

    def cancel(self) -> None:
        """Drop what is measured; end a real run early, whose requests by then count."""
        if self.serving is not None and self._run is not None:
            self._run.stop()
        else:
            self.stop()

    def stop(self) -> None:
        """Drop what is under way."""
        self._background.stop()

    def _begin(self, words: str) -> None:
        self._background.stop()
        self.words, self.share = words, 0.0

    def _land(self, step: Step) -> None:
        self.words, self.share = step
        self._changed()

    def _ended(self, end: Ended) -> None:
        self.measuring = self.serving = None
        self.words = cut_short(end)
        self._changed()

    def _times_of(self, config: Config, most: int) -> Generator[Step, None, None]:
        work, measured = Work(), dict[Config, Measurement]()
        configs = [replace(config, batch_size=size) for size in ladder(most)]
        # Accuracy is marked as known, and empty: nobody asks for it here.
        scores = {config.variant: Scored(whole=True)}
        name = in_brief(config, batch_size=False)
        yield f"measuring service times of {name}: preparing the model", 0.0
        rounds = measure_rounds(self._task, configs, self._schedule, executor=self._executor, scores=scores, work=work)
        told_s = -math.inf
        for one, _ in rounds:
            measured[one.config] = one
            # Drawing takes a core from what is measured.
            if work.done_s - told_s >= TICK_S:
                told_s, left_s = work.done_s, sum(work.left_s().values())
                samples = sum(m.samples for m in measured.values())
                left_s += self._schedule.budget_s * len(configs) * self._pauses
                words = f"measuring service times of {name}: {samples:,} batches, about {math.ceil(left_s)} s left"
                yield words, told_s / (told_s + left_s)
        found = times_of(list(measured.values()))
        if self._pauses and isinstance(found, ServiceTimes):
            engine, hot_share = Engine(self._task, self._executor), self.share
            for done, found_by_then in after_pauses(engine, found, config, self._schedule.budget_s):
                found = found_by_then
                yield f"measuring service times of {name} after pauses", hot_share + (1 - hot_share) * done
        with self._lock:
            if self.measuring == config:
                self._timed(config, found)

    def _served(self, setting: Setting) -> Generator[Step, None, None]:
        what = f"{setting.arrivals}; {setting.batcher}"
        yield f"serving for real: {what}", 0.0
        run, began = Run(self._task, setting, self._seconds, self._executor), time.monotonic()
        self._run = run
        try:
            while not run.done:
                spent_s = min(time.monotonic() - began, self._seconds)
                yield f"serving for real, {spent_s:.0f} of {self._seconds:g} s: {what}", spent_s / self._seconds
                run.wait(TICK_S)
            with self._lock:
                if self.serving == setting:
                    self._ran(setting, run.result)
        finally:
            run.stop()


def times_of(measured: list[Measurement]) -> ServiceTimes | str:
    """The service times of Measurements that differ in batch size, or why there are none."""
    if not any(one.samples for one in measured):
        first = measured[0]
        return f"{first.status.replace('_', ' ')}: {first.reason}"
    return ServiceTimes.of(measured, padded=not any_size(measured[0].config))


class Run:
    """A real run, in a thread that waits for it."""

    def __init__(self, task: Task, setting: Setting, seconds: float, executor: Executor | None) -> None:
        self._served: Future[Served] = Future()
        self._stop = Stop()

        def follow() -> None:
            try:
                served = serve(
                    task, setting.config, setting.arrivals, setting.batcher, seconds=seconds, executor=executor,
                    stop=self._stop,
                )  # fmt: skip
                self._served.set_result(served)
            except BaseException as error:
                self._served.set_exception(error)

        threading.Thread(target=follow, name="tradespace-serving", daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._served.done()

    def wait(self, seconds: float) -> None:
        """Wait for its end, but no longer than this."""
        wait([self._served], seconds)

    @property
    def result(self) -> Served:
        """What was served; raises what it raised."""
        return self._served.result()

    def stop(self) -> None:
        """End it early, if it is not over."""
        if not self.done:
            self._stop()
