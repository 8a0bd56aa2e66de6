"""What takes too long for a move: it is simulated in the background afterwards, and kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from tradespace.measuring.background import Background, Ended

Result = TypeVar("Result")

KEPT = 32


class Later(Generic[Result]):
    """One thing at a time, the one that was asked for last.

    Parameters
    ----------
    lock : threading.RLock
        The owner's lock, held while `found` is called from another thread.
    after_s : float
        How long it waits for another one to be asked for. A move is answered first: they would take turns.
    found : callable
        Called when the one that was asked for last is there.
    """

    def __init__(self, lock: "threading.RLock", after_s: float, found: Callable[[], None]) -> None:
        self._after_s, self._found = after_s, found
        self._background = Background[Result | None](lock, self._land, self._ended)
        self._known: OrderedDict[Hashable, Result] = OrderedDict()
        self._asked: Hashable = None

    def of(self, key: Hashable, steps: Callable[[], Iterator[Result | None]]) -> Result | None:
        """What is called `key`, if it is known; otherwise it is begun now.

        Parameters
        ----------
        steps : callable
            Returns an iterator; it may be dropped at each None. Anything else is the result.
        """
        if key in self._known:
            self.stop()
            self._known.move_to_end(key)
            return self._known[key]
        if key != self._asked or not self._background.running:
            self._asked = key
            self._background.start(lambda: (step for step in steps()), self._after_s)
        return None

    def stop(self) -> None:
        """Drop what is under way."""
        self._asked = None
        self._background.stop()

    def wait(self) -> None:
        """Wait until the one that was asked for last is there."""
        self._background.wait()

    def _land(self, result: Result | None) -> None:
        if result is not None:
            self._known[self._asked] = result
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            self._found()

    def _ended(self, end: Ended) -> None:
        """Nothing: who gets no result keeps what there was before."""
