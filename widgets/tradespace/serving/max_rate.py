"""The highest rate of arrivals at which 99 in 100 responses meet a deadline: simulated, then confirmed by real runs."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tradespace.errors import positive
from tradespace.serving.arrivals import Arrivals, Poisson
from tradespace.serving.batcher import Batcher
from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import checked, simulate
from tradespace.text import between, figures, rate, sentence

AT_RANDOM = Poisson(1.0)
# Shares of the rate that full batches serve. Nearer to it, a simulation is over before the queue is as long as it gets.
LOADS = (0.98, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
# A rate is found to a fifth of a per cent.
PRECISION = 0.002
# Shares of the simulated rate that are run for real, one after the other, until one meets the deadline.
STEPS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


@dataclass(frozen=True, eq=False)
class MaxRate:
    """The highest rate of arrivals that meets a deadline.

    Parameters
    ----------
    rate_per_s : float
        Requests a second; 0 if no rate meets it, NaN if no real run at the rates that were tried does.
    lo, hi : float
        Where it may be: if a simulation says so, a 95 % interval; it is as wide as the percentile is uncertain, but
        takes the service times for granted. If a real run missed the deadline, the rates of the run that met it and of
        the last one that missed it.
    p99_ms : float
        The deadline of the 99th percentile of the response.
    batcher : Batcher
    simulated : Served
        The simulation at the highest rate that meets it; at the lowest rate that was tried, if none does.
    confirmed : Served, optional
        The real run at `rate_per_s`.
    reason : str
        Why there is no rate, or no real run that confirms it, or why it is lower than the simulated one; otherwise
        empty.
    """

    rate_per_s: float
    lo: float
    hi: float
    p99_ms: float
    batcher: Batcher
    simulated: Served
    confirmed: Served | None = None
    reason: str = ""

    def __repr__(self) -> str:
        goal = f"a p99 of {figures(self.p99_ms)} ms with {self.batcher}"
        why = f" {sentence(self.reason)}" if self.reason else ""
        if not self.rate_per_s > 0:
            return f"No rate {'meets' if self.rate_per_s == 0 else 'is known to meet'} {goal}.{why}"
        what = f"{rate(self.rate_per_s)} requests/s{between(self.lo, self.hi, rate)} meet {goal}"
        if self.confirmed is None:
            return f"{what}, in a simulation.{why}"
        return f"{what}; a real run had a p99 of {_p99(self.confirmed)}.{why}"


def max_rate_of(
    service: ServiceTimes,
    batcher: Batcher | None = None,
    *,
    p99_ms: float,
    arrivals: Arrivals = AT_RANDOM,
    requests: int = 50_000,
    seed: int = 0,
) -> MaxRate:
    """Simulate the highest rate of arrivals at which the 99th percentile of the response meets a deadline.

    Rates from near saturation downwards are simulated until one meets it, then rates between that and the one before,
    all with the same random numbers. With a wait for more requests, very low rates may miss a deadline that higher ones
    meet, since their batches never fill.

    Parameters
    ----------
    service : ServiceTimes
    batcher : Batcher, optional
        By default, one request at a time.
    p99_ms : float
        The deadline, in milliseconds.
    arrivals : Poisson, Bursty, Constant or Trace
        What arrives, at any rate: by default, Poisson arrivals.
    requests, seed : int
        Of each simulation, as in `simulate`.

    Returns
    -------
    MaxRate
        Of rate 0, with a `reason`, if no rate meets the deadline. The interval ends where those of p99 meet it.

    Raises
    ------
    ValueError
        If the deadline is not above 0, or batches may become larger than those that were measured, or a request may
        wait for a batch longer than the deadline.

    Examples
    --------
    >>> service = ServiceTimes({1: np.array([2.0]), 8: np.array([4.0])})
    >>> max_rate_of(service, Batcher(8), p99_ms=10)
    1,574 requests/s (1,440 to 1,624) meet a p99 of 10 ms with batches of at most 8, in a simulation.
    >>> max_rate_of(service, p99_ms=1)
    No rate meets a p99 of 1 ms with one request at a time. A single request takes 2 ms by itself.
    """
    batcher = batcher or Batcher()
    p99_ms = checked(service, batcher, positive("p99_ms", p99_ms))
    capacity = service.capacity_per_s(batcher.max_batch)
    rates = [share * capacity for share in LOADS]

    @cache
    def run(rate_per_s: float) -> Served:
        return simulate(service, arrivals.at(rate_per_s), batcher, requests=requests, deadline_ms=p99_ms, seed=seed)

    best = _highest(lambda rate_per_s: run(rate_per_s).response_at_ms(99) <= p99_ms, rates)
    if not best:
        lowest = run(rates[-1])
        return MaxRate(0.0, 0.0, 0.0, p99_ms, batcher, lowest, reason=_why_none(service, lowest))
    surely = _highest(lambda rate_per_s: run(rate_per_s).response_interval_ms(99)[1] <= p99_ms, rates)
    perhaps = _highest(lambda rate_per_s: run(rate_per_s).response_interval_ms(99)[0] <= p99_ms, rates)
    found = MaxRate(best, min(surely, best), max(perhaps, best), p99_ms, batcher, run(best))
    if best < rates[0]:
        return found
    reason = f"nothing nearer than {LOADS[0]:.0%} to the {rate(capacity)} requests/s that can be served is simulated"
    return replace(found, hi=capacity, reason=reason)


def _highest(meets: Callable[[float], bool], rates: list[float]) -> float:
    """The highest rate that meets, up to the one before the first of `rates`, descending, that does; 0 if none does."""
    at = next((i for i, rate_per_s in enumerate(rates) if meets(rate_per_s)), None)
    if not at:
        return 0.0 if at is None else rates[0]
    low, high = rates[at], rates[at - 1]
    while high > low * (1 + PRECISION):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low


def _why_none(service: ServiceTimes, lowest: Served) -> str:
    alone_ms = float(np.percentile(service.samples_ms[service.around(1)[1]], 99))
    if alone_ms > lowest.deadline_ms:
        return f"a single request takes {figures(alone_ms)} ms by itself"
    if math.isnan(lowest.response_at_ms(99)):
        return f"{len(lowest):,} requests are too few to know the 99th percentile"
    waits = f", with up to {figures(lowest.batcher.max_wait_ms)} ms of wait for others" * (
        lowest.batcher.max_wait_ms > 0
    )
    return f"even if only {rate(lowest.arrivals.rate_per_s)} requests/s arrive, it is {_p99(lowest)}{waits}"


def _p99(served: Served) -> str:
    return f"{figures(served.response_at_ms(99))} ms{between(*served.response_interval_ms(99))}"
