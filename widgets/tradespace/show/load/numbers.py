"""Responses over the rate of arrivals, for both the live chart and the still figure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tradespace.serving.arrivals import Arrivals, Poisson
from tradespace.serving.batcher import Batcher
from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate
from tradespace.serving.theory import mg1_response_ms, response_bound_ms
from tradespace.text import figures

# Rates at which it is simulated, as shares of the capacity: closer together where responses rise fast.
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
# The bound of the mean knows no largest batch: it is drawn where at most this share of the batches is full.
FEW_FULL = 0.05
# Near saturation, and in bursts, so many times as many requests are simulated.
MORE = 8


@dataclass(frozen=True)
class Point:
    """What a stream of requests was like at one rate of arrivals; NaN where it is not known.

    Parameters
    ----------
    rate_per_s : float
        Of a measured run, the rate at which its requests really arrived.
    p50_ms, p99_ms, mean_ms : float
    p50_interval_ms, p99_interval_ms : tuple of float
        95 % intervals.
    busy : float
        Share of the time in which the server ran a batch.
    full : float
        Share of the batches that were full.
    responses_ms : ndarray
        All responses, ascending.
    requests : int
        How many arrived.
    """

    rate_per_s: float
    p50_ms: float
    p50_interval_ms: tuple[float, float]
    p99_ms: float
    p99_interval_ms: tuple[float, float]
    mean_ms: float
    busy: float
    full: float
    responses_ms: np.ndarray = field(repr=False)
    requests: int

    @classmethod
    def of(cls, served: Served) -> "Point":
        """That of a stream that was served."""
        sizes = served.batches.sizes
        return cls(
            len(served.arrived_s) / served.seconds if served.how == "measured" else served.arrivals.rate_per_s,
            served.response_at_ms(50),
            served.response_interval_ms(50),
            served.response_at_ms(99),
            served.response_interval_ms(99),
            served.response_mean_ms,
            served.busy,
            float((sizes == served.batcher.max_batch).mean()),
            np.sort(served.response_ms),
            len(served.arrived_s),
        )

    def in_time(self, deadline_ms: float) -> float:
        """Share of all requests that were served within a deadline."""
        return float(np.searchsorted(self.responses_ms, deadline_ms, side="right")) / self.requests


@dataclass(frozen=True, eq=False)
class Load:
    """The hockey stick of one server: its points in ascending order of their rates, and what theory says of each.

    Parameters
    ----------
    capacity_per_s : float
        What full batches serve; no queue is finite from there on.
    points : tuple of Point
    means_ms : tuple of float
        By theory, the mean response at each point, or a bound of it; NaN where it does not apply.
    theory : str
        Whose it is; empty if none applies.
    """

    capacity_per_s: float
    points: tuple[Point, ...]
    means_ms: tuple[float, ...]
    theory: str = ""

    @property
    def rates_per_s(self) -> list[float]:
        """The rates of its points."""
        return [point.rate_per_s for point in self.points]

    @property
    def residual(self) -> str:
        """How far theory is from the simulation, in words; empty if none applies."""
        off = [
            mean_ms / point.mean_ms - 1
            for mean_ms, point in zip(self.means_ms, self.points, strict=True)
            if not math.isnan(mean_ms)
        ]
        if not off:
            return ""
        return f"{self.theory}: {_percent(min(off))} to {_percent(max(off))} off the simulated mean"


def _percent(share: float) -> str:
    return f"{100 * share + 0.0:+.1f} %"


def simulated(
    service: ServiceTimes, arrivals: Arrivals, batcher: Batcher, requests: int, seed: int = 0
) -> Iterator[Point]:
    """One point after another, at rising rates of such arrivals.

    Where `requests` are too few to know the 99th percentile, `MORE` times as many are simulated.
    """
    capacity = service.capacity_per_s(batcher.max_batch)
    for share in SHARES:
        at = arrivals.at(float(f"{share * capacity:.6g}"))
        point = Point.of(simulate(service, at, batcher, requests=requests, seed=seed))
        if math.isnan(point.p99_ms):
            point = Point.of(simulate(service, at, batcher, requests=MORE * requests, seed=seed))
        yield point


def load_of(service: ServiceTimes, arrivals: Arrivals, batcher: Batcher, points: Sequence[Point]) -> Load:
    """The hockey stick through these points.

    Examples
    --------
    >>> service = ServiceTimes({1: np.array([2.0])})
    >>> load = load_of(service, Poisson(1.0), Batcher(), list(simulated(service, Poisson(1.0), Batcher(), 20_000)))
    >>> load.capacity_per_s, load.theory
    (500.0, 'mean by Pollaczek and Khinchine')
    >>> abs(load.means_ms[6] / load.points[6].mean_ms - 1) < 0.05
    True
    """
    means = tuple(theory_ms(service, arrivals, batcher, point) for point in points)
    name = "mean by Pollaczek and Khinchine" if batcher.max_batch == 1 else "bound of the mean (Inoue)"
    known = not all(map(math.isnan, means))
    return Load(service.capacity_per_s(batcher.max_batch), tuple(points), means, name if known else "")


def theory_ms(service: ServiceTimes, arrivals: Arrivals, batcher: Batcher, point: Point) -> float:
    """The mean response at a point by theory, or an upper bound of it; NaN where none applies.

    It takes arrivals at random. For requests one by one, any service times will do. For batches it takes times along a
    line, no waiting for more requests, and batches that are rarely full.
    """
    if not isinstance(arrivals, Poisson):
        return math.nan
    if batcher.max_batch == 1:
        return mg1_response_ms(point.rate_per_s, service.samples_ms[service.around(1)[0]])
    fit = service.fit
    if fit is None or service.padded or batcher.max_wait_ms or point.full > FEW_FULL:
        return math.nan
    return response_bound_ms(fit, point.rate_per_s) if point.rate_per_s < fit.peak_throughput_per_s else math.nan


def deadline_in_words(deadline_ms: float) -> str:
    """Such as `deadline 20 ms`."""
    return f"deadline {figures(deadline_ms)} ms"
