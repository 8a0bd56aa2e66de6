"""Serve requests in a simulation: an event loop over batches, fed with measured times."""

import math
from bisect import bisect_right
from dataclasses import replace

import numpy as np

from tradespace.errors import positive, whole_number
from tradespace.measuring.measurement import Failure
from tradespace.serving.arrivals import Arrivals
from tradespace.serving.batcher import Batcher
from tradespace.serving.served import Batches, Served
from tradespace.serving.service import ServiceTimes
from tradespace.text import figures, rate


def simulate(
    service: ServiceTimes,
    arrivals: Arrivals,
    batcher: Batcher | None = None,
    *,
    requests: int = 50_000,
    deadline_ms: float = math.inf,
    seed: int = 0,
) -> Served:
    """Serve `requests` in a simulation, in some hundredths of a second.

    Each batch takes a time that is drawn from the measured ones: those of its size, after a pause as long as the one
    before it if such were measured. Else it is independent of the others, so a phase in which the machine is slow is
    not imitated.

    Parameters
    ----------
    service : ServiceTimes
        From `service_times`.
    arrivals : Poisson, Bursty, Constant or Trace
    batcher : Batcher, optional
        By default, one request at a time.
    requests : int
        How many; a `Trace` may have fewer.
    deadline_ms : float
        A response that takes longer is late.
    seed : int
        The same seed gives the same result.

    Returns
    -------
    Served
        Past saturation, it has no numbers, but a `reason`: the queue would grow for as long as requests arrive.

    Raises
    ------
    ValueError
        If batches may become larger than those that were measured, or a request may wait for a batch longer than the
        deadline.

    Examples
    --------
    >>> service = ServiceTimes({1: np.array([2.0]), 8: np.array([4.0])})
    >>> from tradespace.serving.arrivals import Poisson
    >>> served = simulate(service, Poisson(1000), Batcher(8), deadline_ms=10)
    >>> served.status, round(served.response_at_ms(50), 1), round(served.mean_batch, 1)
    ('ok', 3.9, 2.5)
    >>> simulate(service, Poisson(3000), Batcher(8)).reason
    '3,000 requests/s arrive, and full batches of 8 serve 2,000/s: the queue would grow forever'
    """
    check_asked(arrivals, batcher := Batcher() if batcher is None else batcher)
    if not isinstance(service, ServiceTimes):
        raise ValueError(f"service: wanted what ts.service_times returns; got {type(service).__name__}")
    requests, seed = whole_number("requests", requests, least=1), whole_number("seed", seed, least=0)
    deadline_ms = checked(service, batcher, deadline_ms)
    served = Served(
        arrivals,
        batcher,
        deadline_ms=deadline_ms,
        config=service.config,
        task=service.task,
        machine=service.machine,
    )
    if reason := saturated(service, arrivals, batcher):
        return replace(served, failure=Failure("saturated", reason))
    arrived_s = arrivals.times_s(requests, seed)
    shares = np.random.default_rng([seed, 1]).random(len(arrived_s))
    return replace(served, arrived_s=arrived_s, batches=_run(arrived_s, batcher, service, shares))


def check_asked(arrivals: object, batcher: object) -> None:
    """Raise a ValueError unless these are arrivals and a batcher."""
    if not isinstance(arrivals, Arrivals):
        raise ValueError(f"arrivals: wanted ts.arrivals.Poisson, Bursty, Constant or Trace; got {arrivals!r}")
    if not isinstance(batcher, Batcher):
        raise ValueError(f"batcher: wanted a ts.Batcher; got {batcher!r}")


def checked(service: ServiceTimes, batcher: Batcher, deadline_ms: float) -> float:
    """The deadline in milliseconds, if all goes together."""
    if batcher.max_batch > service.largest:
        raise ValueError(
            f"batcher: wanted batches of at most {service.largest}, the largest that was measured; got max_batch="
            f"{batcher.max_batch}"
        )
    return deadline_for(batcher, deadline_ms)


def deadline_for(batcher: Batcher, deadline_ms: float) -> float:
    """The deadline in milliseconds, if waiting for a batch does not miss it already."""
    deadline_ms = deadline_ms if deadline_ms == math.inf else positive("deadline_ms", deadline_ms)
    if batcher.max_batch > 1 and deadline_ms <= batcher.max_wait_ms and deadline_ms < math.inf:
        raise ValueError(
            f"batcher: wanted max_wait_ms below the deadline of {figures(deadline_ms)} ms, or requests are late before "
            f"they are served; got {figures(batcher.max_wait_ms)}"
        )
    return deadline_ms


def saturated(service: ServiceTimes, arrivals: Arrivals, batcher: Batcher) -> str:
    """Why a queue would grow without end; empty if it does not."""
    most = service.capacity_per_s(batcher.max_batch)
    if arrivals.rate_per_s < most:
        return ""
    serve = "one at a time serve" if batcher.max_batch == 1 else f"full batches of {batcher.max_batch} serve"
    return f"{rate(arrivals.rate_per_s)} requests/s arrive, and {serve} {rate(most)}/s: the queue would grow forever"


def _run(arrived_s: np.ndarray, batcher: Batcher, service: ServiceTimes, shares: np.ndarray) -> Batches:
    """Serve all requests with one server; each batch takes as long as the share that was drawn for it says."""
    # Numbers of Python's own are several times as fast here as those of numpy.
    arrived, most, wait_s, number = arrived_s.tolist(), batcher.max_batch, batcher.max_wait_ms / 1e3, len(arrived_s)
    draw_ms, drawn = [service.drawn_ms(size) for size in range(1, most + 1)], shares.tolist()
    sizes: list[int] = []
    ready: list[float] = []
    start: list[float] = []
    end: list[float] = []
    free_s, more_ms, at = 0.0, 0.0, 0
    while at < number:
        full_s = arrived[at + most - 1] if at + most <= number else math.inf
        ready_s = min(arrived[at] + wait_s, full_s)
        if ready_s == math.inf:
            ready_s = arrived[-1]  # nobody comes any more
        start_s = ready_s if ready_s > free_s else free_s
        size = bisect_right(arrived, start_s, at, min(at + most, number)) - at
        took_ms, more_ms = draw_ms[size - 1](drawn[len(sizes)], (start_s - free_s) * 1e3, more_ms)
        free_s = start_s + took_ms / 1e3
        sizes.append(size)
        ready.append(ready_s)
        start.append(start_s)
        end.append(free_s)
        at += size
    return Batches(np.array(sizes), np.array(ready), np.array(start), np.array(end))
