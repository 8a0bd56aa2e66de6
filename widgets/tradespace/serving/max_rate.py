"""The highest rate of arrivals at which 99 in 100 responses meet a deadline: simulated, then confirmed by real runs."""

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tradespace.config import Config
from tradespace.errors import positive, whole_number
from tradespace.measuring.statistics import PERCENTILE_FLOORS
from tradespace.serving.arrivals import Arrivals, Poisson
from tradespace.serving.batcher import Batcher
from tradespace.serving.live import run_seconds, serve, service_times
from tradespace.serving.served import Served, fewest_effective
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import check_asked, checked, deadline_for, simulate
from tradespace.tasks.task import Task
from tradespace.text import between, figures, rate, sentence

AT_RANDOM = Poisson(1.0)
# Shares of the rate that full batches serve. Nearer to it, a simulation is over before the queue is as long as it gets.
LOADS = (0.97, 0.94, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
# A rate is found to half a per cent.
PRECISION = 0.005
# Shares of the simulated rate that are run for real, one after the other, until one meets the deadline.
STEPS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
# A real run has three times the requests that a simulation needs to know the percentile, within these limits: its
# times are not independent of each other.
MARGIN, LEAST_S, MOST_S = 3, 5.0, 60.0


@dataclass(frozen=True, eq=False)
class MaxRate:
    """The highest rate of arrivals that meets a deadline.

    Parameters
    ----------
    rate_per_s : float
        Requests a second; 0 if no rate meets it; NaN if none is known to, since requests are too few or all
        real runs missed it.
    lo, hi : float
        Where it may be: if a simulation says so, a 95 % interval; it is as wide as the percentile is uncertain, but
        takes the service times for granted. If a real run was needed at a lower rate, that rate, and that of the last
        run that missed the deadline; if none did for sure, the end of the simulated interval.
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

    def _repr_markdown_(self) -> str:
        return repr(self)  # as prose: a notebook breaks lines of plain text within words


def max_rate(
    task: Task,
    config: Config,
    *,
    p99_ms: float,
    batcher: Batcher | None = None,
    arrivals: Arrivals = AT_RANDOM,
    seconds: float | None = None,
    seed: int = 0,
    executor: Executor | None = None,
) -> MaxRate:
    """Find the highest rate of arrivals at which the 99th percentile of the response meets a deadline on this machine.

    Service times are measured, the rate is simulated (`max_rate_of`), and requests are served for real at that rate. If
    that run misses the deadline, or is too short to know, slower ones follow, at 95, 90, 80, 70 and 50 % of the rate,
    until one meets it. A run meets it if its 99th percentile does; that has an interval, too.

    Parameters
    ----------
    task : Task
    config : Config
        Its batch size is ignored.
    p99_ms : float
        The deadline, in milliseconds.
    batcher : Batcher, optional
        By default, one request at a time.
    arrivals : Poisson, Bursty, Constant or Trace
        What arrives, at any rate: by default, Poisson arrivals.
    seconds : float, optional
        How long each real run lasts; there are at most six. By default, three times as long as the simulation needs
        to know the percentile, but at least five seconds and at most a minute.
    seed : int
    executor : concurrent.futures.Executor, optional
        Where to measure and serve; by default, a separate process on this machine.

    Returns
    -------
    MaxRate
        With a `reason` if no rate meets the deadline, if a real run missed it, or if there was none.

    Raises
    ------
    ValueError
        Before any work, if the deadline is not above 0, or a request may wait for a batch longer; later, if the model
        cannot run here in such batches.

    Examples
    --------
    >>> import tradespace as ts
    >>> ts.max_rate(ts.load_task("fashion"), ts.Config("resnet8"), p99_ms=6, batcher=ts.Batcher(8)).reason
    'not confirmed by a real run: recorded mode: no server was recorded; ts.simulate serves from the times that were'
    """
    check_asked(arrivals, batcher := Batcher() if batcher is None else batcher)
    p99_ms = deadline_for(batcher, positive("p99_ms", p99_ms))
    if seconds is not None:
        seconds = run_seconds(seconds)
    seed = whole_number("seed", seed, least=0)
    service = service_times(task, config, max_batch=batcher.max_batch, executor=executor)
    found = max_rate_of(service, batcher, p99_ms=p99_ms, arrivals=arrivals, seed=seed)
    if not found.rate_per_s > 0:
        return found
    lasts_s = seconds or min(max(_needed_s(found.simulated), LEAST_S), MOST_S)

    def run(rate_per_s: float) -> Served:
        wanted = arrivals.at(rate_per_s)
        return serve(task, config, wanted, batcher, seconds=lasts_s, deadline_ms=p99_ms, seed=seed, executor=executor)

    return _confirmed(found, run)


def max_rate_of(
    service: ServiceTimes,
    batcher: Batcher | None = None,
    *,
    p99_ms: float,
    arrivals: Arrivals = AT_RANDOM,
    requests: int = 200_000,
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
        Of rate 0, with a `reason`, if no rate meets the deadline, NaN if too few requests tell. The interval
        ends where those of p99 meet it.

    Raises
    ------
    ValueError
        If the deadline is not above 0, or batches may become larger than those that were measured, or a request may
        wait for a batch longer than the deadline.

    Examples
    --------
    >>> service = ServiceTimes({1: np.array([2.0]), 8: np.array([4.0])})
    >>> max_rate_of(service, Batcher(8), p99_ms=10, requests=50_000)
    1,567 requests/s (1,497 to 1,618) meet a p99 of 10 ms with batches of at most 8, in a simulation.
    >>> max_rate_of(service, p99_ms=1)
    No rate meets a p99 of 1 ms with one request at a time. A single request takes 2 ms by itself.
    """
    check_asked(arrivals, batcher := Batcher() if batcher is None else batcher)
    p99_ms = checked(service, batcher, positive("p99_ms", p99_ms))
    capacity = service.capacity_per_s(batcher.max_batch)
    # If no batch size meets it by itself, no mixture of them does.
    hopeless = min(np.percentile(times_ms, 99) for times_ms in service.samples_ms.values()) > p99_ms
    rates = [share * capacity for share in (LOADS[-1:] if hopeless else LOADS)]

    def run(rate_per_s: float) -> Served:
        return simulate(service, arrivals.at(rate_per_s), batcher, requests=requests, deadline_ms=p99_ms, seed=seed)

    @cache  # of four numbers, since a run has hundreds of thousands
    def judged(rate_per_s: float) -> tuple[float, float, float, bool]:
        """The percentile, between the ends of its interval, and whether it misses the deadline for sure."""
        served = run(rate_per_s)
        low, high = served.response_interval_ms(99)
        return low, served.response_at_ms(99), high, _misses(served)

    surely, _ = _highest(lambda rate_per_s: judged(rate_per_s)[2] <= p99_ms, rates)
    best, above = _highest(lambda rate_per_s: judged(rate_per_s)[1] <= p99_ms, rates)
    perhaps, beyond = _highest(lambda rate_per_s: judged(rate_per_s)[0] <= p99_ms, rates)
    simulated = run(best or rates[-1])
    if not best:
        none = 0.0 if hopeless or _misses(simulated) else math.nan
        return MaxRate(none, none, none, p99_ms, batcher, simulated, reason=_why_none(service, simulated))
    known, known_beyond = (bool(one) and judged(one)[3] for one in (above, beyond))
    few = f"{len(simulated):,} requests are too few to know p99"
    reason = "" if known else f"nearer to the {rate(capacity)} requests/s that can be served, {few}"
    highest = max(perhaps, best) if known and known_beyond else capacity
    return MaxRate(best, min(surely, best), highest, p99_ms, batcher, simulated, reason=reason)


def _highest(meets: Callable[[float], bool], rates: list[float]) -> tuple[float, float]:
    """The highest rate that meets, up to the one before the first of `rates`, descending, that does, and the next one.

    They are 0 if no rate meets, or there is no next one.
    """
    at = next((i for i, rate_per_s in enumerate(rates) if meets(rate_per_s)), None)
    if not at:
        return (0.0, rates[-1]) if at is None else (rates[0], 0.0)
    low, high = rates[at], rates[at - 1]
    while high > low * (1 + PRECISION):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low, high


def _misses(served: Served) -> bool:
    """Whether the 99th percentile is known to be over the deadline, or the 90th one is, which takes fewer requests."""
    return any(served.response_at_ms(q) > served.deadline_ms for q in (99, 90))


def _needed_s(served: Served) -> float:
    """Seconds in which the 99th percentile is known of requests like these, with a margin."""
    share = fewest_effective(99) / max(served.effective, 1.0)
    return MARGIN * max(share * len(served), PERCENTILE_FLOORS[99]) / served.arrivals.rate_per_s


@dataclass(frozen=True)
class _Tried:
    """A real run that did not meet the deadline, in words; without `missed`, it was too short to know."""

    rate_per_s: float
    words: str
    missed: bool


def _confirmed(found: MaxRate, run: Callable[[float], Served]) -> MaxRate:
    """What remains of a simulated rate once requests are served for real, from that rate downwards.

    A run that is too short to know the percentile is followed by slower ones, too: they need fewer requests.
    """
    tried: list[_Tried] = []
    too_short = ""
    for share in STEPS:
        rate_per_s = share * found.rate_per_s
        served = run(rate_per_s)
        if why := _cut_short(served):
            return _unconfirmed(_stepped_down(found, tried, math.nan), why)
        if served.response_at_ms(99) <= found.p99_ms:
            return _stepped_down(replace(found, confirmed=served), tried, rate_per_s)
        missed = bool(served.failure) or _misses(served)
        tried.append(_Tried(rate_per_s, _missed(served) if missed else "too few requests to know p99", missed))
        if not missed:
            few = f"{len(served):,} requests are too few to know p99; {math.ceil(_needed_s(served)):,} s may do"
            too_short = too_short or few
    if any(one.missed for one in tried):
        return _stepped_down(found, tried, math.nan)
    return _unconfirmed(found, too_short)


def _cut_short(served: Served) -> str:
    """Why a real run has no end to go by; empty if it has one."""
    if served.stopped:
        return "it was stopped"
    return served.reason if served.failure and served.status != "saturated" else ""


def _missed(served: Served) -> str:
    contended = " while other work took the server's cores" if served.contended else ""
    if served.failure:
        return f"saturation{contended}"
    q = 90 if math.isnan(served.response_at_ms(99)) else 99
    return f"p{q} {figures(served.response_at_ms(q))} ms{between(*served.response_interval_ms(q))}{contended}"


def _stepped_down(found: MaxRate, tried: list[_Tried], met: float) -> MaxRate:
    """`found` if no real run says otherwise; otherwise at the rate that one `met` after `tried`, or at none."""
    missed = [one.rate_per_s for one in tried if one.missed]
    if not missed and (not tried or math.isnan(met)):
        return found
    runs = "; ".join(f"{one.words} at {rate(one.rate_per_s)}/s" for one in tried)
    simulated = f"{rate(found.rate_per_s)} requests/s{between(found.lo, found.hi, rate)}"
    but = "missed the deadline" if len(missed) == len(tried) else "did not confirm it"
    reason = f"the simulation says {simulated}, but real runs {but}: {runs}"
    low = 0.0 if math.isnan(met) else met
    return replace(found, rate_per_s=met, lo=low, hi=missed[-1] if missed else found.hi, reason=reason)


def _unconfirmed(found: MaxRate, why: str) -> MaxRate:
    reasons = [found.reason] * bool(found.reason) + [f"not confirmed by a real run: {why}"]
    return replace(found, reason="; ".join(reasons))


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
