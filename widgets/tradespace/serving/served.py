"""What a served stream of requests was like: each response in three parts, percentiles, goodput, and Little's law."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.measuring.measurement import Failure
from tradespace.measuring.statistics import PERCENTILE_FLOORS, effective_number, mean_interval, quantile_interval
from tradespace.serving.arrivals import Arrivals
from tradespace.serving.batcher import Batcher
from tradespace.text import between, figures, rate

BLOCKS = 20
# Independent responses beyond a percentile without which it is not known.
BEYOND = 2
# Little's law is tested between a tenth of the time after the start and a tenth before the end.
EDGE = 0.1
LITTLE_ABOVE = 0.05
FEWEST_FOR_LITTLE = 100
LATE_ABOVE_MS = 1.0


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches that a server ran, in their order; requests are served in the order of their arrival.

    Parameters
    ----------
    sizes : ndarray of int, shape (batches,)
        How many requests each one had.
    ready_s, start_s, end_s : ndarray, shape (batches,)
        When each was full or its oldest request had waited long enough; when it was started; when it was done. In
        seconds, on the clock of the arrivals.
    """

    sizes: np.ndarray
    ready_s: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray


NONE = Batches(np.empty(0, int), np.empty(0), np.empty(0), np.empty(0))


@dataclass(frozen=True, eq=False)
class Served:
    """A stream of requests and what became of it, simulated or measured.

    A response lasts from the intended arrival of a request to the end of its batch. Its three parts add up: waiting for
    the batch to be ready, queueing for the server, and service. Neighbouring requests wait for the same batches, so
    intervals count blocks of requests, not requests.

    Parameters
    ----------
    arrivals : Poisson, Bursty, Constant or Trace
    batcher : Batcher
    how : str
        `simulated` or `measured`.
    deadline_ms : float
        A response that takes longer is late; infinity if there is no deadline.
    arrived_s : ndarray, shape (requests,)
        When each request was meant to arrive, in seconds, ascending.
    batches : Batches
        Those that ran. Requests beyond them were not served.
    failure : Failure, optional
        Why there are no numbers.
    contended, stopped : bool
        Whether other work took the server's cores, and whether the run was ended early; of a measured one.
    config : Config, optional
    task, machine, measured_at : str

    Examples
    --------
    >>> from tradespace.serving.arrivals import Constant
    >>> ran = Batches(np.array([1, 2]), np.array([0.001, 0.002]), np.array([0.001, 0.004]), np.array([0.004, 0.008]))
    >>> arrived_s = np.array([0.001, 0.002, 0.003])
    >>> served = Served(Constant(1000), Batcher(2), deadline_ms=5.5, arrived_s=arrived_s, batches=ran)
    >>> served.requests.round(3).values.tolist()
    [[0.001, 0.0, 0.0, 3.0, 3.0, 1.0], [0.002, 0.0, 2.0, 4.0, 6.0, 2.0], [0.003, 0.0, 1.0, 4.0, 5.0, 2.0]]
    >>> round(served.goodput_per_s), round(served.busy, 3), served.mean_batch
    (667, 0.875, 1.5)
    """

    arrivals: Arrivals
    batcher: Batcher
    how: str = "simulated"
    deadline_ms: float = math.inf
    arrived_s: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    batches: Batches = field(default=NONE, repr=False)
    failure: Failure | None = None
    contended: bool = False
    stopped: bool = False
    config: Config | None = None
    task: str = ""
    machine: str = ""
    measured_at: str = ""

    def __len__(self) -> int:
        """Number of requests that were served."""
        return int(self.batches.sizes.sum())

    @cached_property
    def _batch(self) -> np.ndarray:
        """The number of the batch of each request."""
        return np.repeat(np.arange(len(self.batches.sizes)), self.batches.sizes)

    @cached_property
    def _served_s(self) -> np.ndarray:
        """The arrival of each request that was served."""
        return self.arrived_s[: len(self)]

    @cached_property
    def batch_wait_ms(self) -> np.ndarray:
        """How long each request waited for its batch to be ready."""
        taken_ms: np.ndarray = np.maximum(self.batches.ready_s[self._batch] - self._served_s, 0) * 1e3
        return taken_ms

    @cached_property
    def queue_ms(self) -> np.ndarray:
        """How long each request waited for the server, once its batch was ready."""
        ready_s = np.maximum(self.batches.ready_s[self._batch], self._served_s)
        taken_ms: np.ndarray = (self.batches.start_s[self._batch] - ready_s) * 1e3
        return taken_ms

    @cached_property
    def service_ms(self) -> np.ndarray:
        """How long the batch of each request ran."""
        taken_ms: np.ndarray = (self.batches.end_s - self.batches.start_s)[self._batch] * 1e3
        return taken_ms

    @cached_property
    def response_ms(self) -> np.ndarray:
        """From the intended arrival of each request to the end of its batch."""
        taken_ms: np.ndarray = (self.batches.end_s[self._batch] - self._served_s) * 1e3
        return taken_ms

    @cached_property
    def uncorrected_ms(self) -> np.ndarray:
        """What a closed loop would have reported as the response of each request.

        It sends a request only once the one before is done, and starts its clock then: while the server is slow, it
        asks for nothing, and nobody is seen waiting. This is called coordinated omission. (Tene, "How not to measure
        latency", 2015; the load generator wrk2 reports both and calls this one uncorrected.)
        """
        free_s = np.concatenate([[0.0], self.batches.end_s[:-1]])[self._batch]
        taken_ms: np.ndarray = (self.batches.end_s[self._batch] - np.maximum(self._served_s, free_s)) * 1e3
        return taken_ms

    @property
    def requests(self) -> pd.DataFrame:
        """One row per request that was served, in the order of their arrival."""
        return pd.DataFrame(
            {
                "arrived_s": self._served_s,
                "batch_wait_ms": self.batch_wait_ms,
                "queue_ms": self.queue_ms,
                "service_ms": self.service_ms,
                "response_ms": self.response_ms,
                "batch_size": self.batches.sizes[self._batch],
            }
        )

    @cached_property
    def blocks(self) -> list[np.ndarray]:
        """The responses in milliseconds, in blocks of successive requests: intervals count these."""
        return [block for block in np.array_split(self.response_ms, BLOCKS) if len(block)]

    @cached_property
    def effective(self) -> float:
        """How many independent responses would determine their mean as well as these do.

        It is the variance of a response over that of the mean, which the means of blocks tell. (Batch means: Law and
        Kelton, "Simulation Modeling and Analysis".) The nearer to saturation, the fewer they are: those that queue
        behind each other tell the same story.
        """
        if len(self.blocks) < BLOCKS:
            return 0.0
        responses_ms = self.response_ms.round(6)  # clocks count nanoseconds: what is finer is rounding
        spread = np.var([block.mean() for block in np.array_split(responses_ms, BLOCKS)], ddof=1)
        return min(BLOCKS * float(responses_ms.var() / spread), len(self)) if spread else float(len(self))

    def response_at_ms(self, q: int) -> float:
        """The q-th percentile of the response, 50, 90 or 99; NaN if too few requests were served to know it.

        The number has to be that of the rest of the workbook, and two independent responses are to be beyond it.
        """
        if q not in self._at_ms:
            few = q in PERCENTILE_FLOORS and (len(self) < PERCENTILE_FLOORS[q] or self.effective < fewest_effective(q))
            self._at_ms[q] = math.nan if few or not len(self) else float(np.percentile(self.response_ms, q))
        return self._at_ms[q]

    def response_interval_ms(self, q: int) -> tuple[float, float]:
        """95 % interval of the q-th percentile of the response, over blocks of requests; NaN if that is not known."""
        if q not in self._between_ms:
            known = len(self.blocks) == BLOCKS and not math.isnan(self.response_at_ms(q))
            self._between_ms[q] = quantile_interval(self.blocks, q / 100) if known else (math.nan, math.nan)
        return self._between_ms[q]

    # What was asked for already: charts ask often, and an interval takes as long as a short simulation.

    @cached_property
    def _at_ms(self) -> dict[int, float]:
        return {}

    @cached_property
    def _between_ms(self) -> dict[int, tuple[float, float]]:
        return {}

    @property
    def response_mean_ms(self) -> float:
        """Mean response."""
        return float(self.response_ms.mean()) if len(self) else math.nan

    @property
    def response_mean_interval_ms(self) -> tuple[float, float]:
        """95 % interval of the mean response, over blocks of requests."""
        return self._mean_interval([float(block.mean()) for block in self.blocks])

    @property
    def seconds(self) -> float:
        """From the start to the last arrival."""
        return float(self.arrived_s[-1]) if len(self.arrived_s) else 0.0

    @property
    def in_time(self) -> float:
        """Share of all requests that were served within the deadline: one that was not served is late, too."""
        in_time = float((self.response_ms <= self.deadline_ms).sum())
        return in_time / len(self.arrived_s) if len(self.arrived_s) else math.nan

    @property
    def goodput_per_s(self) -> float:
        """Requests a second that were served within the deadline."""
        return self.in_time * len(self.arrived_s) / self.seconds if self.seconds else math.nan

    @property
    def goodput_interval_per_s(self) -> tuple[float, float]:
        """95 % interval of the goodput at this rate of arrivals, over blocks of requests."""
        low, high = self._mean_interval([float((block <= self.deadline_ms).mean()) for block in self.blocks])
        offered = len(self.arrived_s) / self.seconds if self.seconds else math.nan
        served = len(self) / len(self.arrived_s) if len(self.arrived_s) else math.nan
        return max(low, 0.0) * offered * served, min(high, 1.0) * offered * served

    @property
    def busy(self) -> float:
        """Share of the time in which the server ran a batch: its utilisation."""
        if not len(self):
            return math.nan
        return float((self.batches.end_s - self.batches.start_s).sum() / self.batches.end_s[-1])

    @property
    def mean_batch(self) -> float:
        """Requests in a batch, on average over batches."""
        return float(self.batches.sizes.mean()) if len(self) else math.nan

    @property
    def late_p99_ms(self) -> float:
        """99th percentile of the time between when a batch could have started and when it did.

        It is what the server's own loop costs; 0 in a simulation.
        """
        if not len(self):
            return math.nan
        free_s = np.concatenate([[0.0], self.batches.end_s[:-1]])
        late_s = self.batches.start_s - np.maximum(self.batches.ready_s, free_s)
        return float(np.percentile(np.maximum(late_s, 0), 99)) * 1e3

    @cached_property
    def little(self) -> float:
        """X R / N - 1, where X requests a second leave, after R seconds on average, and N are there on average.

        By Little's law (1961) it is 0 of any system that is stable. X and R are those of the requests that leave in the
        middle four fifths of the time; N counts who has arrived and who has left. It is NaN of fewer than a hundred
        requests.
        """
        if len(self) < FEWEST_FOR_LITTLE:
            return math.nan
        return little(self._served_s, self.batches.end_s[self._batch], self.response_ms / 1e3)

    @property
    def flags(self) -> str:
        """Why the numbers are to be trusted less: fixed words, separated by spaces.

        `few_requests`: the 99th percentile is not known. `late_start`: the server's own loop delayed one batch in a
        hundred by more than a millisecond. `not_steady`: Little's law does not hold to 5 %, so the queue grew or
        shrank. `contended`: other work kept the server's threads off their cores for more than 5 % of the time in which
        it ran batches. `stopped`: the run was ended early.
        """
        if self.failure or not len(self):
            return ""
        raised = {
            "few_requests": math.isnan(self.response_at_ms(99)),
            "late_start": self.late_p99_ms > LATE_ABOVE_MS,
            "not_steady": abs(self.little) > LITTLE_ABOVE,
            "contended": self.contended,
            "stopped": self.stopped,
        }
        return " ".join(word for word, is_raised in raised.items() if is_raised)

    @property
    def status(self) -> str:
        """`ok`, or the kind of failure."""
        return self.failure.status if self.failure else "ok"

    @property
    def reason(self) -> str:
        """Why there are no numbers; otherwise empty."""
        return self.failure.reason if self.failure else ""

    def _mean_interval(self, means: list[float]) -> tuple[float, float]:
        if len(means) < BLOCKS:
            return math.nan, math.nan
        return mean_interval(np.array(means), effective_number(np.array(means)))

    def __repr__(self) -> str:
        what = f"{self.arrivals}, {self.batcher}"
        if self.failure:
            return f"{what}: {self.status}: {self.reason}"
        if not len(self):
            return f"{what}: no request was served"
        return f"{what}: {self._responses()}\n{self._rest()}"

    def _responses(self) -> str:
        known = {q: self.response_at_ms(q) for q in (50, 90, 99)}
        words = [
            f"p{q} {figures(value)} ms{between(*self.response_interval_ms(q))}"
            for q, value in known.items()
            if not math.isnan(value)
        ]
        return f"response {', '.join(words)}"

    def _rest(self) -> str:
        good = "" if math.isinf(self.deadline_ms) else f"goodput {rate(self.goodput_per_s)}/s, "
        said = f"{good}busy {self.busy:.0%} of the time, {figures(self.mean_batch)} requests a batch"
        return f"{self.how.capitalize()}, {len(self):,} requests: {said}{f' ({self.flags})' if self.flags else ''}."


def fewest_effective(q: int) -> float:
    """How many independent responses are needed for two to be beyond the q-th percentile.

    With fewer, the interval of the percentile misses the truth more often than it says.

    Examples
    --------
    >>> round(fewest_effective(99)), round(fewest_effective(90))
    (200, 20)
    """
    return BEYOND / (1 - q / 100)


def little(arrived_s: np.ndarray, left_s: np.ndarray, responses_s: np.ndarray) -> float:
    """X R / N - 1 of requests that arrived, left and took a response as given, in the middle of the time.

    Examples
    --------
    >>> arrived_s = np.arange(1000) / 100
    >>> abs(little(arrived_s, arrived_s + 0.05, np.full(1000, 0.05))) < 0.01
    True
    >>> round(little(arrived_s, arrived_s + 0.05, np.full(1000, 0.03)), 2)  # a clock that starts too late
    -0.4
    """
    begin, end = arrived_s[0], left_s[-1]
    begin, end = begin + EDGE * (end - begin), end - EDGE * (end - begin)
    leaving = (left_s >= begin) & (left_s < end)
    there_s = np.clip(left_s, begin, end) - np.clip(arrived_s, begin, end)
    return float(responses_s[leaving].sum() / there_s.sum()) - 1 if there_s.sum() else math.nan
