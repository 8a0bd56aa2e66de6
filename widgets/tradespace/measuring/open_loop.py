"""The loop of a server: requests arrive when they were meant to, wait for a batch, and are served batch by batch."""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tradespace.config import Config
from tradespace.measuring.device import Device
from tradespace.measuring.loop import Clock
from tradespace.measuring.measurement import DISTURBED_ABOVE
from tradespace.measuring.system import usage
from tradespace.prepare import any_size

# A wait begins with sleeping and ends with spinning for so long, since a thread that sleeps wakes up a tenth of a
# millisecond late. One that spins for longer uses up its turn: if others want the core, it loses it in its next batch.
SPIN_NS = 500_000
# How often it looks whether it is to stop, also while it sleeps.
TURN_NS = 100_000_000
# A queue is judged once a request has waited for the server for so long, and so many full batches were timed.
QUEUED_NS = 1_000_000_000
FULL_BATCHES = 10
# After the first pauses, the caches still hold more than after many.
SETTLING_PAUSES = 2

Ended = Literal["done", "stopped", "saturated"]
Call = Callable[[int], object]


@dataclass(frozen=True, eq=False)
class Load:
    """What a server is given to do.

    Parameters
    ----------
    arrived_ns : ndarray of int, shape (requests,)
        When each request arrives after the start, ascending.
    rate_per_s : float
        Requests a second in the long run.
    max_batch : int
        The most requests in a batch.
    max_wait_ns : float
        How long the oldest request waits for others; infinity: until the batch is full.
    """

    arrived_ns: np.ndarray
    rate_per_s: float
    max_batch: int = 1
    max_wait_ns: float = 0


@dataclass(frozen=True, eq=False)
class Ran:
    """The batches that a server ran.

    Parameters
    ----------
    sizes : ndarray of int, shape (batches,)
        How many requests each one had.
    ready_ns, start_ns, end_ns : ndarray of int, shape (batches,)
        When each could start at the earliest, when it did, and when it was done, after the start.
    ended : str
        `done`: all requests were served. `stopped`: on request or by an interrupt. `saturated`: the queue grew.
    waited_ns : int
        How long its threads were ready but had no core.
    """

    sizes: np.ndarray
    ready_ns: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray
    ended: Ended
    waited_ns: int = 0

    @property
    def contended(self) -> bool:
        """Whether other work kept its threads off their cores for more than 5 % of the time in which it ran batches."""
        return self.waited_ns > DISTURBED_ABOVE * int((self.end_ns - self.start_ns).sum())


def ladder(max_batch: int) -> list[int]:
    """The powers of two below `max_batch`, and `max_batch`.

    Examples
    --------
    >>> ladder(12), ladder(1)
    ([1, 2, 4, 8, 12], [1])
    """
    return [1 << power for power in range((max_batch - 1).bit_length())] + [max_batch]


def session_sizes(config: Config, max_batch: int) -> Sequence[int]:
    """The batch sizes that a server runs: all, or those of the ladder if a session is compiled for one size."""
    return range(1, max_batch + 1) if any_size(config) else ladder(max_batch)


class _Server:
    """Runs batches and notes when. Times count from its start."""

    def __init__(self, call: Call, device: Device, clock: Clock, stopped: Callable[[], bool]) -> None:
        self._call, self._device, self._clock, self._stopped = call, device, clock, stopped
        self._ran: list[tuple[int, int, int, int]] = []
        self._look = 0
        device.synchronize()
        self._waited_ns, self._zero = usage().waited_ns, clock()

    def now(self) -> int:
        return self._clock() - self._zero

    def stopped(self, now: int) -> bool:
        """Whether to end; asked for once in a while, since asking takes some microseconds."""
        if now < self._look:
            return False
        self._look = now + TURN_NS
        return self._stopped()

    def run(self, size: int, ready: int, start: int) -> int:
        """Run a batch, and return how long it took."""
        self._call(size)
        self._device.synchronize()
        end = self.now()
        self._ran.append((size, ready, start, end))
        return end - start

    def ended(self, how: Ended) -> Ran:
        sizes, ready, start, end = np.array(self._ran, dtype=np.int64).reshape(-1, 4).T
        return Ran(sizes, ready, start, end, how, usage().waited_ns - self._waited_ns)


def after_pauses_ns(
    call: Call,
    device: Device,
    pause_ns: int,
    pauses: int,
    clock: Clock = time.perf_counter_ns,
    sleep: Callable[[float], object] = time.sleep,
) -> list[tuple[int, int]]:
    """Latencies of two successive calls after each of `pauses`, in which the server waited for requests.

    It waits as `open_loop` does. Meanwhile others use the caches, and the clock may slow down: the first call pays for
    that, and the next one for the rest.
    """
    samples = []
    device.synchronize()
    for number in range(SETTLING_PAUSES + pauses):
        ready = clock() + pause_ns
        if pause_ns > SPIN_NS:
            sleep((pause_ns - SPIN_NS) / 1e9)
        while (start := clock()) < ready:
            pass
        call(2 * number)
        device.synchronize()
        between = clock()
        call(2 * number + 1)
        device.synchronize()
        samples.append((between - start, clock() - between))
    return samples[SETTLING_PAUSES:]


def open_loop(
    call: Call,
    device: Device,
    load: Load,
    stopped: Callable[[], bool] = lambda: False,
    clock: Clock = time.perf_counter_ns,
    sleep: Callable[[float], object] = time.sleep,
) -> Ran:
    """Serve requests at the times at which they arrive, whatever becomes of those before: an open loop.

    A batch is ready once it is full, or its oldest request has waited for long enough. It starts when the server is
    free, with all requests that have arrived by then, oldest first, as far as they fit.

    It ends as `saturated` if full batches take longer than as many requests take to arrive (`_Full`). It ends early,
    once a request has waited for the server for a second.

    Parameters
    ----------
    call : callable
        Number of requests -> anything; serves a batch of that many.
    stopped : callable
        () -> whether to end now; asked ten times a second, between batches.
    clock, sleep : callable
        The time in nanoseconds; waits for some seconds.
    """
    arrived, full, at = load.arrived_ns.tolist(), _Full(load), 0
    server = _Server(call, device, clock, stopped)
    try:
        while at < len(arrived):
            ready, now = _ready(arrived, at, load), server.now()
            if server.stopped(now):
                return server.ended("stopped")
            if ready - now > SPIN_NS:
                sleep(min(ready - now - SPIN_NS, TURN_NS) / 1e9)
                continue
            while now < ready:
                now = server.now()
            size = bisect_right(arrived, now, at, min(at + load.max_batch, len(arrived))) - at
            full.note(size, server.run(size, ready, now))
            at += size
            if now - ready > QUEUED_NS and full.too_slow:
                break
    except KeyboardInterrupt:
        return server.ended("stopped")
    return server.ended("saturated" if full.too_slow else "done")


def _ready(arrived: list[int], at: int, load: Load) -> int:
    """When the batch that begins with request `at` is full, or its oldest request has waited for long enough."""
    last = at + load.max_batch - 1
    ready = min(arrived[at] + load.max_wait_ns, arrived[last] if last < len(arrived) else math.inf)
    # For the last ones, nobody comes who would fill the batch.
    return arrived[-1] if ready == math.inf else int(ready)


class _Full:
    """The full batches of a run, against the time in which as many requests arrive in the long run.

    They are too slow if they are so on average, and if most requests were served in such batches. The first is not so
    in a burst, which makes requests wait but no batch slower. The second is not so if a few batches took very long.
    """

    def __init__(self, load: Load) -> None:
        self._most, self._limit_ns = load.max_batch, load.max_batch / load.rate_per_s * 1e9
        self._served = self._number = self._slow = self._spent_ns = 0

    def note(self, size: int, took_ns: int) -> None:
        self._served += size
        if size == self._most:
            self._number += 1
            self._slow += took_ns > self._limit_ns
            self._spent_ns += took_ns

    @property
    def too_slow(self) -> bool:
        on_average = self._number >= FULL_BATCHES and self._spent_ns > self._number * self._limit_ns
        return on_average and 2 * self._slow * self._most > self._served
