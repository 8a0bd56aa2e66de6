"""The four scenarios of MLPerf Inference, by their names, and its rule for how many queries are enough.

From the MLPerf Inference rules (MLCommons, `inference_rules.adoc`, "Scenarios" and the appendix "Early Stopping
Criterion") and its load generator (`loadgen/early_stopping.cc`, `results.cc`). A submission to MLPerf has to follow all
of its rules, one of which is that a run lasts ten minutes: a verdict here is about the number of queries only.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from tradespace.errors import positive, whole_number
from tradespace.measuring.measurement import Measurement
from tradespace.serving.arrivals import Poisson
from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.text import figures

VALID, MORE, LATE = "valid", "needs more queries", "over the limit"
CONFIDENCE = 0.99
LEAST_S = 600.0
LEAST_SAMPLES = 24_576

Timed: TypeAlias = ServiceTimes | Measurement


def early_stopping(over: int, percentile: float = 99, confidence: float = CONFIDENCE) -> int:
    """The least number of queries of which `over` may take longer than a limit that the percentile is to meet.

    With at least so many, the percentile meets the limit with this confidence: if it did not, so few queries over the
    limit would be seen at most once in a hundred times. It is the least n with I(p; n - over, over + 1) <= 1 -
    confidence, where I is the regularised incomplete beta function. Queries are taken for independent of each other,
    which those that queue behind each other are not.

    Parameters
    ----------
    over : int
        Queries that took longer.
    percentile, confidence : float
        Above 0 and below 100, and above 0 and below 1.

    Raises
    ------
    ValueError
        If a number is beyond these limits.

    Examples
    --------
    >>> [early_stopping(over) for over in (0, 1, 2, 10)], early_stopping(1, percentile=90)
    ([459, 662, 838, 2010], 64)
    """
    from scipy import stats

    over, p = whole_number("over", over, least=0), positive("percentile", percentile) / 100
    if p >= 1:
        raise ValueError(f"percentile: wanted a number below 100; got {percentile:g}")
    if positive("confidence", confidence) >= 1:
        raise ValueError(f"confidence: wanted a number below 1; got {confidence:g}")
    # How many are under a limit that exactly p meet, before one too many is over it: a negative binomial number.
    return int(stats.nbinom.ppf(confidence, over + 1, 1 - p)) + 1 + over


def most_over(queries: int, percentile: float = 99, confidence: float = CONFIDENCE) -> int:
    """The most queries over a limit for which `queries` are enough by `early_stopping`; -1 if they never are.

    Examples
    --------
    >>> most_over(458), most_over(459), most_over(2010), most_over(2009)
    (-1, 0, 10, 9)
    """
    from scipy import stats

    return int(stats.binom.ppf(1 - confidence, queries, 1 - percentile / 100)) - 1


@dataclass(frozen=True)
class Judged:
    """What a scenario says of a run.

    Parameters
    ----------
    verdict : str
        `valid`; `needs more queries`; `over the limit`, if more queries like these would not help; or the status of a
        run that has no numbers, such as `saturated`.
    metric, unit : str
        What the scenario reports.
    value : float
        The metric; NaN if the run is not valid.
    queries : int
        How many there were; in the Offline scenario, items.
    needed : int
        How many are needed, if no further one is over the limit.
    """

    verdict: str
    metric: str
    unit: str
    value: float
    queries: int
    needed: int

    def __repr__(self) -> str:
        if self.verdict == VALID:
            return f"{self.verdict}: {self.metric} {figures(self.value)} {self.unit}, {self.queries:,} queries"
        return f"{self.verdict}: {self.queries:,} queries{f' of {self.needed:,}' if self.verdict == MORE else ''}"


@dataclass(frozen=True)
class SingleStream:
    """One query of one item after another, each as soon as the last one is done: a closed loop, as a phone's camera.

    Its metric is the 90th percentile of the latency, estimated so that it is too high rather than too low.

    Examples
    --------
    >>> SingleStream().judge(np.linspace(1, 2, 100))
    valid: p90 of the latency 1.98 ms, 100 queries
    >>> SingleStream().judge(np.linspace(1, 2, 50))
    needs more queries: 50 queries of 64
    """

    percentile: ClassVar[int] = 90
    samples_per_query: ClassVar[int] = 1
    least_s: ClassVar[float] = LEAST_S

    @property
    def metric(self) -> str:
        """What it reports, in milliseconds."""
        return f"p{self.percentile} of the latency"

    def judge(self, latencies: Timed | np.ndarray) -> Judged:
        """Judge calls that were timed one after the other, as those of a Measurement are.

        Parameters
        ----------
        latencies : ServiceTimes, Measurement or ndarray
            Of batches of `samples_per_query` items; an array is in milliseconds.

        Raises
        ------
        ValueError
            If the batch size was not measured.
        """
        times_ms = np.sort(_times_ms(latencies, self.samples_per_query))
        # As in MLPerf's load generator, one query is to be over what is reported.
        needed, over = early_stopping(1, self.percentile), most_over(len(times_ms), self.percentile)
        value = float(times_ms[-over]) if over > 0 else math.nan
        return Judged(VALID if over > 0 else MORE, self.metric, "ms", value, len(times_ms), needed)


@dataclass(frozen=True)
class MultiStream(SingleStream):
    """One query of eight items after another, each as soon as the last one is done: a closed loop, as a car's cameras.

    Its metric is the 99th percentile of the latency of a query, estimated so that it is too high rather than too low.

    Examples
    --------
    >>> MultiStream().judge(ServiceTimes({1: np.full(700, 1.0), 8: np.full(700, 5.0)}))
    valid: p99 of the latency 5 ms, 700 queries
    """

    percentile: ClassVar[int] = 99
    samples_per_query: ClassVar[int] = 8


@dataclass(frozen=True)
class Server:
    """Queries of one item that arrive at random, of which 99 in 100 are to meet a deadline: an open loop, as a website.

    Its metric is the rate of arrivals. `max_rate` finds the highest one.

    Parameters
    ----------
    rate_per_s : float
        Queries a second.
    p99_ms : float
        The deadline, in milliseconds from when a query was meant to arrive.

    Raises
    ------
    ValueError
        If one of them is not a finite number above 0.

    Examples
    --------
    >>> from tradespace.serving.batcher import Batcher
    >>> from tradespace.serving.simulate import simulate
    >>> server, service = Server(rate_per_s=1000, p99_ms=10), ServiceTimes({1: [2.0], 8: [4.0]})
    >>> served = simulate(service, server.arrivals, Batcher(8), deadline_ms=server.p99_ms, requests=2_000)
    >>> server.judge(served)
    valid: rate of arrivals 1,000 requests/s, 2,000 queries
    """

    rate_per_s: float
    p99_ms: float

    percentile: ClassVar[int] = 99
    samples_per_query: ClassVar[int] = 1
    least_s: ClassVar[float] = LEAST_S
    metric: ClassVar[str] = "rate of arrivals"

    def __post_init__(self) -> None:
        for name in ("rate_per_s", "p99_ms"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    @property
    def arrivals(self) -> Poisson:
        """When queries arrive."""
        return Poisson(self.rate_per_s)

    def judge(self, responses: Served | np.ndarray) -> Judged:
        """Judge a run by the number of queries over the deadline; one that was not served is over it.

        Parameters
        ----------
        responses : Served or ndarray
            Of these arrivals, or the responses themselves in milliseconds; infinity is that of one not served.

        Raises
        ------
        ValueError
            If the arrivals are others.
        """
        if not isinstance(responses, Served):
            times_ms, queries = _checked_ms(responses), len(responses)
        elif responses.arrivals != self.arrivals:
            raise ValueError(f"responses: wanted those of {self.arrivals}; got those of {responses.arrivals}")
        else:
            times_ms, queries = responses.response_ms, len(responses.arrived_s)
        over = queries - int((times_ms <= self.p99_ms).sum())
        needed = early_stopping(over, self.percentile)
        too_many = over > queries * (1 - self.percentile / 100)
        verdict = VALID if queries >= needed else LATE if too_many else MORE
        if isinstance(responses, Served) and responses.failure:
            verdict = responses.status
        value = self.rate_per_s if verdict == VALID else math.nan
        return Judged(verdict, self.metric, "requests/s", value, queries, needed)


@dataclass(frozen=True)
class Offline:
    """All items are there at the start, as in a folder of photos: only the throughput counts.

    Its metric is that of the batch size that serves most items a second. At least 24,576 items are to be served.

    Examples
    --------
    >>> Offline().judge(ServiceTimes({1: np.full(1000, 2.0), 8: np.full(4000, 4.0)}))
    valid: throughput 2,000 items/s, 32,000 queries
    """

    least_s: ClassVar[float] = LEAST_S
    metric: ClassVar[str] = "throughput"

    def judge(self, timed: Timed) -> Judged:
        """Judge batches that were timed back to back.

        Parameters
        ----------
        timed : ServiceTimes or Measurement
        """
        service = _service(timed)
        best = max(service.sizes, key=service.capacity_per_s)
        items = best * len(service.samples_ms[best])
        verdict = VALID if items >= LEAST_SAMPLES else MORE
        value = service.capacity_per_s(best) if verdict == VALID else math.nan
        return Judged(verdict, self.metric, "items/s", value, items, LEAST_SAMPLES)


def _service(timed: Timed) -> ServiceTimes:
    return ServiceTimes.of([timed]) if isinstance(timed, Measurement) else timed


def _times_ms(latencies: Timed | np.ndarray, batch_size: int) -> np.ndarray:
    if not isinstance(latencies, Timed):
        return _checked_ms(latencies)
    service = _service(latencies)
    if batch_size not in service.samples_ms:
        raise ValueError(f"latencies: wanted times of batch size {batch_size}; got those of {service.sizes}")
    return service.samples_ms[batch_size]


def _checked_ms(latencies: np.ndarray) -> np.ndarray:
    times_ms = np.asarray(latencies, dtype=float)
    if times_ms.ndim != 1 or np.isnan(times_ms).any():
        raise ValueError(f"latencies: wanted a list of milliseconds; got {latencies!r}")
    return times_ms
