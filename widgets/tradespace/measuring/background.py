"""Measuring in the background: a thread waits for the measuring process, and the notebook goes on."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Step = TypeVar("Step")
Steps = Callable[[], Generator[Step, None, None]]

# Waiting in short turns, since on Windows a wait without end cannot be interrupted.
TURN_S = 0.2


@dataclass(frozen=True)
class Ended:
    """How a run ended: by itself, stopped by whoever may, by an interrupt of the kernel, or by an error.

    Parameters
    ----------
    error : str
        Of one that failed, its error in words.
    """

    how: Literal["done", "stopped", "interrupted", "failed"]
    error: str = ""


class Background(Generic[Step]):
    """At most one run at a time, in a thread that only waits for the measuring process.

    An interrupt of the kernel ends the run, wherever it comes: in a cell that runs meanwhile, in `wait`, while the run
    is started, or in the measuring process, which hands it on.

    Parameters
    ----------
    lock : threading.RLock
        The owner's own. `land` and `ended` are called under it, so what they see does not change meanwhile.
    land : callable
        Takes in each step of the run, from its thread; nothing of one that was dropped.
    ended : callable
        Told how a run ended, once of each, from whichever thread ended it.
    """

    def __init__(self, lock: "threading.RLock", land: Callable[[Step], None], ended: Callable[[Ended], None]) -> None:
        self._changed, self._land, self._ended = threading.Condition(lock), land, ended
        self._turn = threading.Lock()
        self._run: threading.Thread | None = None
        self._forget: Callable[[], None] = lambda: None

    @property
    def running(self) -> bool:
        """Whether there is a run that was not dropped."""
        return self._run is not None

    def start(self, steps: Steps[Step], after_s: float = 0.0) -> None:
        """Drop the run under way and begin another, after so many seconds, unless it is dropped by then.

        Parameters
        ----------
        steps : callable
            -> a generator, which the thread advances, and closes when the run is dropped.
        """
        with self._changed, self.guarded():
            self.stop()
            run = threading.Thread(
                target=self._follow, args=(steps, after_s), name="tradespace-background", daemon=True
            )
            self._forget, self._run = at_interrupt(self._interrupt), run
            run.start()

    def stop(self) -> None:
        """Drop the run under way, if there is one: the slice it is at is the last."""
        self._end(Ended("stopped"))

    def wait(self) -> None:
        """Wait for the end of the run, if there is one."""
        with self._changed, self.guarded():
            while self.running:
                self._changed.wait(TURN_S)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What is raised in this block, such as the interrupt of the kernel, ends the run too."""
        try:
            yield
        except BaseException as error:
            self._end(_end_of(error))
            raise

    def _interrupt(self) -> None:
        self._end(Ended("interrupted"))

    def _follow(self, steps: Steps[Step], after_s: float) -> None:
        me = threading.current_thread()
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._run is not me, after_s)
            # The one before ends its slice first.
            with self._turn:
                self._advance(me, steps)
        except BaseException as error:
            end = _end_of(error)
            # Whichever run the slice was of, an interrupt means the one that there is now.
            self._end(end, None if end.how == "interrupted" else me)
            if end.how == "failed":
                raise
        else:
            self._end(Ended("done"), me)

    def _advance(self, run: threading.Thread, steps: Steps[Step]) -> None:
        if self._run is not run:
            return
        with closing(steps()) as coming:
            for step in coming:
                with self._changed:
                    if self._run is not run:
                        return
                    self._land(step)

    def _end(self, end: Ended, run: threading.Thread | None = None) -> None:
        """End `run`, if it is the one under way; without it, whichever is."""
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
        return Ended("stopped")  # the kernel ends: no process takes requests any more
    return Ended("failed", f"{type(error).__name__}: {error}")


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
