"""Measure in the background: a thread waits for the measuring process, and the notebook goes on."""

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, TypeVar

Step = TypeVar("Step")

LOG = logging.getLogger(__name__)

# Wait in short turns: on Windows a wait without timeout cannot be interrupted.
TURN_S = 0.2


@dataclass(frozen=True)
class Ended:
    """How a run ended: by itself, on request, by an interrupt of the kernel, or with an error, whose message it has."""

    how: Literal["done", "stopped", "interrupted", "failed"]
    error: str = ""


class Background(Generic[Step]):
    """Runs at most one measurement at a time, in a thread that only waits for the measuring process.

    An interrupt of the kernel ends the run, wherever it arrives: in a cell that is running, in `wait`, while the run
    starts, or in the measuring process, which passes it on.

    Parameters
    ----------
    lock : threading.RLock
        The owner's lock, held while `land` and `ended` are called.
    land : callable
        Called with each step of the run, from its thread; never for a run that was dropped.
    ended : callable
        Called once per run with how it ended, from the thread that ended it.
    """

    def __init__(self, lock: "threading.RLock", land: Callable[[Step], None], ended: Callable[[Ended], None]) -> None:
        self._changed, self._land, self._ended = threading.Condition(lock), land, ended
        self._turn = threading.Lock()
        self._run: threading.Thread | None = None
        self._forget: Callable[[], None] = lambda: None

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None

    def start(self, steps: Callable[[], Generator[Step, None, None]], after_s: float = 0.0) -> None:
        """Drop any run under way and start another, after `after_s` seconds unless it is dropped by then.

        `steps` returns a generator, which the thread advances, and closes if the run is dropped.
        """
        with self._changed, self.guarded():
            self.stop()
            run = threading.Thread(
                target=self._follow, args=(steps, after_s), name="tradespace-background", daemon=True
            )
            self._forget, self._run = at_interrupt(partial(self._end, Ended("interrupted"))), run
            run.start()

    def stop(self) -> None:
        """Drop the run under way, if any; its current slice is the last."""
        self._end(Ended("stopped"))

    def wait(self) -> None:
        """Wait for the end of the run, if any."""
        with self._changed, self.guarded():
            while self.running:
                self._changed.wait(TURN_S)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """End the run too if this block raises, for instance on an interrupt of the kernel."""
        try:
            yield
        except BaseException as error:
            self._end(_end_of(error))
            raise

    def _follow(self, steps: Callable[[], Generator[Step, None, None]], after_s: float) -> None:
        me = threading.current_thread()
        with self._changed:
            self._changed.wait_for(lambda: self._run is not me, after_s)
        # Let the previous run finish its slice, and say how it ended.
        with self._turn:
            try:
                with closing(steps()) as coming:
                    for step in coming if self._run is me else ():
                        with self._changed:
                            if self._run is not me:
                                break
                            self._land(step)
            except BaseException as error:
                end = _end_of(error)
                # An interrupt ends the current run, even if it arrived in a slice of the previous one.
                self._end(end, None if end.how == "interrupted" else me)
                if end.how == "failed":
                    LOG.error("Measuring in the background failed", exc_info=error)
            else:
                self._end(Ended("done"), me)

    def _end(self, end: Ended, run: threading.Thread | None = None) -> None:
        """End `run` if it is under way, or by default whichever is."""
        with self._changed:
            if self._run is None or run not in (None, self._run):
                return
            self._forget()
            self._run = None
            self._changed.notify_all()
            self._ended(end)


def _end_of(error: BaseException) -> Ended:
    if isinstance(error, KeyboardInterrupt):
        return Ended("interrupted")
    if isinstance(error, RuntimeError) and "interpreter shutdown" in str(error):
        return Ended("stopped")  # the kernel is exiting, and takes no more requests
    return Ended("failed", f"{type(error).__name__}: {error}")


def at_interrupt(stop: Callable[[], None]) -> Callable[[], None]:
    """Call `stop` when a cell of this notebook is interrupted. Return a function that cancels this."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return lambda: None

    def look(result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            stop()

    shell.events.register("post_run_cell", look)
    return lambda: shell.events.unregister("post_run_cell", look)
