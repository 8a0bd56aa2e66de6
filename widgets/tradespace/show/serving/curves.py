"""The hockey sticks of the servers that one has been at: simulated in the background, and kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable

from tradespace.measuring.background import Background, Ended
from tradespace.serving.arrivals import Arrivals
from tradespace.serving.batcher import Batcher
from tradespace.serving.service import ServiceTimes
from tradespace.show.load.numbers import Load, Point, load_of, simulated

# A move is answered first: it and this would take turns.
AFTER_S = 0.05
KEPT = 32


class Curves:
    """Simulates a hockey stick at a time, the one that was asked for last.

    Parameters
    ----------
    lock : threading.RLock
        The owner's lock, held while `found` is called from another thread.
    requests : int
        How many are simulated at each rate.
    found : callable
        Called when the one that was asked for last is there.
    """

    def __init__(self, lock: "threading.RLock", requests: int, found: Callable[[], None]) -> None:
        self._requests, self._found = requests, found
        self._background = Background[Load | None](lock, self._land, self._ended)
        self._known: OrderedDict[Hashable, Load] = OrderedDict()
        self._asked: Hashable = None

    def of(self, key: Hashable, service: ServiceTimes, arrivals: Arrivals, batcher: Batcher) -> Load | None:
        """The hockey stick by that name, if it is known; otherwise it is simulated now."""
        if key in self._known:
            self._known.move_to_end(key)
            self._asked = key
            self._background.stop()
            return self._known[key]
        if key != self._asked or not self._background.running:
            self._asked = key
            self._background.start(lambda: self._simulate(service, arrivals, batcher), AFTER_S)
        return None

    def stop(self) -> None:
        """Stop simulating."""
        self._asked = None
        self._background.stop()

    def wait(self) -> None:
        """Wait until the one that was asked for last is there."""
        self._background.wait()

    def _simulate(
        self, service: ServiceTimes, arrivals: Arrivals, batcher: Batcher
    ) -> Generator[Load | None, None, None]:
        points: list[Point] = []
        for point in simulated(service, arrivals, batcher, self._requests):
            points.append(point)
            yield None
        yield load_of(service, arrivals, batcher, points)

    def _land(self, load: Load | None) -> None:
        if load is not None:
            self._known[self._asked] = load
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            self._found()

    def _ended(self, end: Ended) -> None:
        """Nothing: an end without a result leaves the earlier curves, faint."""
