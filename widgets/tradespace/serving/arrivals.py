"""When requests arrive: at random, in bursts, regularly, or as they once did.

The times are drawn before anything is served, and do not depend on how long serving takes: an open loop.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from tradespace.errors import positive, whole_number
from tradespace.text import counted, figures, rate

# Windows in which the arrivals of a trace are counted.
WINDOWS = 50
# Nearer to 1, there are far more bursts than requests.
LEAST_DISPERSION = 1.1


@dataclass(frozen=True)
class Poisson:
    """Requests of many people who know nothing of each other: the gaps between them are exponential.

    Parameters
    ----------
    rate_per_s : float
        Requests a second, on average.

    Raises
    ------
    ValueError
        If it is not a finite number above 0.

    Examples
    --------
    >>> arrivals = Poisson(200)
    >>> print(arrivals)
    200 requests/s at random (Poisson)
    >>> times_s = arrivals.times_s(10_000)
    >>> times_s.shape, bool((np.diff(times_s) > 0).all()), round(10_000 / times_s[-1])
    ((10000,), True, 201)
    """

    rate_per_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate_per_s", positive("rate_per_s", self.rate_per_s))

    @property
    def dispersion(self) -> float:
        """The index of dispersion: of the number of arrivals in a long time, the variance over the mean."""
        return 1.0

    def at(self, rate_per_s: float) -> "Poisson":
        """The same at another rate."""
        return Poisson(rate_per_s)

    def times_s(self, requests: int, seed: int = 0) -> np.ndarray:
        """The arrival times of the first `requests`, in seconds, ascending."""
        random = np.random.default_rng(seed)
        return random.exponential(1 / self.rate_per_s, whole_number("requests", requests, least=1)).cumsum()

    def __str__(self) -> str:
        return f"{rate(self.rate_per_s)} requests/s at random (Poisson)"


@dataclass(frozen=True)
class Bursty:
    """Requests that come in bursts: Poisson arrivals that are switched on and off at random.

    It is an interrupted Poisson process: times on and times off are exponential. In the long run, the index of
    dispersion is 1 + 2 (r / s) (1 - s) / (a + b), where r is the rate, s the share of time that is on, and a and b are
    the rates at which it is switched off and on. (Fischer and Meier-Hellstern, "The Markov-modulated Poisson process
    (MMPP) cookbook", Performance Evaluation 18, 1993.) Rate, dispersion and share determine a and b.

    Parameters
    ----------
    rate_per_s : float
        Requests a second, on average over times on and off.
    dispersion : float
        The index of dispersion: of the number of arrivals in a long time, the variance over the mean. At least 1.1;
        that of Poisson arrivals is 1.
    share_on : float
        Share of the time in which requests arrive, above 0 and below 1.

    Raises
    ------
    ValueError
        If a number is not finite or beyond its limits.

    Examples
    --------
    >>> arrivals = Bursty(200, dispersion=20)
    >>> print(arrivals)
    200 requests/s in bursts (index of dispersion 20)
    >>> round(arrivals.on_s, 4), round(arrivals.off_s, 4)
    (0.0211, 0.0633)
    """

    rate_per_s: float
    dispersion: float = 10.0
    share_on: float = 0.25

    def __post_init__(self) -> None:
        for name in ("rate_per_s", "dispersion", "share_on"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        if self.dispersion < LEAST_DISPERSION:
            raise ValueError(
                f"dispersion: wanted at least {LEAST_DISPERSION:g}, or Poisson arrivals, whose is 1; got "
                f"{self.dispersion:g}"
            )
        if self.share_on >= 1:
            raise ValueError(f"share_on: wanted a share of the time, below 1; got {self.share_on:g}")

    @property
    def on_s(self) -> float:
        """Mean length of a burst, in seconds."""
        return self.off_s * self.share_on / (1 - self.share_on)

    @property
    def off_s(self) -> float:
        """Mean time between two bursts, in seconds."""
        switches_per_s = 2 * self.rate_per_s / self.share_on * (1 - self.share_on) / (self.dispersion - 1)
        return 1 / (switches_per_s * self.share_on)

    def at(self, rate_per_s: float) -> "Bursty":
        """The same at another rate."""
        return Bursty(rate_per_s, self.dispersion, self.share_on)

    def times_s(self, requests: int, seed: int = 0) -> np.ndarray:
        """The arrival times of the first `requests`, in seconds, ascending."""
        first, gaps, bursts, pauses = np.random.default_rng(seed).spawn(4)
        # By a clock that runs only while arrivals are switched on, they are Poisson.
        gaps_s = gaps.exponential(self.share_on / self.rate_per_s, whole_number("requests", requests, least=1))
        clock_s = gaps_s.cumsum()
        ends_s = bursts.exponential(self.on_s, 1)
        while ends_s[-1] < clock_s[-1]:
            more = bursts.exponential(self.on_s, int((clock_s[-1] - ends_s[-1]) / self.on_s) + 1)
            ends_s = np.append(ends_s, ends_s[-1] + more.cumsum())
        pauses_s = pauses.exponential(self.off_s, len(ends_s))
        if first.random() < self.share_on:
            pauses_s[0] = 0.0  # it begins in a burst
        times_s: np.ndarray = clock_s + pauses_s.cumsum()[np.searchsorted(ends_s, clock_s)]
        return times_s

    def __str__(self) -> str:
        return f"{rate(self.rate_per_s)} requests/s in bursts (index of dispersion {figures(self.dispersion)})"


@dataclass(frozen=True)
class Constant:
    """Requests at regular intervals, as from a camera.

    Parameters
    ----------
    rate_per_s : float
        Requests a second.

    Raises
    ------
    ValueError
        If it is not a finite number above 0.

    Examples
    --------
    >>> Constant(4).times_s(3).tolist()
    [0.25, 0.5, 0.75]
    """

    rate_per_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate_per_s", positive("rate_per_s", self.rate_per_s))

    @property
    def dispersion(self) -> float:
        """The index of dispersion: of the number of arrivals in a long time, the variance over the mean."""
        return 0.0

    def at(self, rate_per_s: float) -> "Constant":
        """The same at another rate."""
        return Constant(rate_per_s)

    def times_s(self, requests: int, seed: int = 0) -> np.ndarray:
        """The arrival times of the first `requests`, in seconds, ascending; they are the same for every seed."""
        return np.arange(1, whole_number("requests", requests, least=1) + 1) / self.rate_per_s

    def __str__(self) -> str:
        return f"{rate(self.rate_per_s)} requests/s at regular intervals"


@dataclass(frozen=True)
class Trace:
    """Requests as they once arrived, for instance in a log.

    Parameters
    ----------
    seconds : sequence of float
        Their times in seconds, ascending, at least two. The first one may be any number: only differences count.

    Raises
    ------
    ValueError
        If there are fewer, one is not finite, one comes before its predecessor, or all are at the same time.

    Examples
    --------
    >>> trace = Trace([100.0, 100.5, 100.6, 102.0])
    >>> print(trace)
    a trace of 4 requests, 1.5 requests/s
    >>> trace.times_s(3).round(3).tolist()
    [0.0, 0.5, 0.6]
    >>> trace.at(3.0).times_s(3).round(3).tolist()
    [0.0, 0.25, 0.3]
    """

    seconds: Sequence[float] = field(repr=False)

    def __post_init__(self) -> None:
        try:
            given = np.asarray(self.seconds, dtype=float)
        except (TypeError, ValueError):
            raise ValueError(f"seconds: wanted a list of numbers; got {self.seconds!r}") from None
        if given.ndim != 1 or len(given) < 2:
            raise ValueError(f"seconds: wanted a list of at least two arrival times; got shape {given.shape}")
        wrong = np.flatnonzero(~np.isfinite(given))
        if len(wrong):
            raise ValueError(f"seconds: wanted finite numbers; got {given[wrong[0]]} at position {wrong[0]}")
        back = np.flatnonzero(np.diff(given) < 0)
        if len(back):
            at = int(back[0]) + 1
            raise ValueError(
                f"seconds: wanted times in ascending order; got {given[at]:g} after {given[at - 1]:g} at position {at}"
            )
        if given[0] == given[-1]:
            raise ValueError(f"seconds: wanted times that differ, so that there is a rate; got {given[0]:g} throughout")
        object.__setattr__(self, "seconds", tuple((given - given[0]).tolist()))

    @property
    def rate_per_s(self) -> float:
        """Requests a second, on average from the first to the last."""
        return (len(self.seconds) - 1) / self.seconds[-1]

    @property
    def dispersion(self) -> float:
        """The variance over the mean of the number of arrivals in a fiftieth of the trace.

        It is NaN if that number is below 1 on average.
        """
        counts, _ = np.histogram(self.seconds, WINDOWS)
        return float(counts.var(ddof=1) / counts.mean()) if counts.mean() >= 1 else math.nan

    def at(self, rate_per_s: float) -> "Trace":
        """The same at another rate: all gaps are stretched or shortened alike."""
        factor = self.rate_per_s / positive("rate_per_s", rate_per_s)
        return Trace([one * factor for one in self.seconds])

    def times_s(self, requests: int, seed: int = 0) -> np.ndarray:
        """The arrival times of the first `requests`, in seconds after the first; fewer if the trace has no more."""
        return np.array(self.seconds[: whole_number("requests", requests, least=1)])

    def __str__(self) -> str:
        return f"a trace of {counted(len(self.seconds), 'request')}, {rate(self.rate_per_s)} requests/s"


Arrivals: TypeAlias = Poisson | Bursty | Constant | Trace


def until_s(arrivals: Arrivals, seconds: float, seed: int = 0) -> np.ndarray:
    """The arrival times before `seconds`, in seconds, ascending.

    Examples
    --------
    >>> until_s(Constant(4), 1.0).tolist()
    [0.25, 0.5, 0.75]
    """
    requests = int(arrivals.rate_per_s * seconds) + 10
    while True:
        times_s = arrivals.times_s(requests, seed)
        if times_s[-1] >= seconds or len(times_s) < requests:
            return times_s[times_s < seconds]
        requests *= 2
