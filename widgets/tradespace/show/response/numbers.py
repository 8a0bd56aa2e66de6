"""The distribution of responses, for both the live chart and the still figure: how many took how long, and for what."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tradespace.serving.served import Served
from tradespace.text import between, figures

# The three parts of a response in their order, with colours of Okabe and Ito's palette that no percentile here has.
PARTS = {"batch wait": "#56B4E9", "queue": "#009E73", "service": "#0072B2"}
QS = (50, 99)
BINS = 40
# A percentile is taken apart as the requests up to a quarter of a per cent above and below it are.
AROUND = 0.25
# The axis ends at a round number above the 99th percentile by this factor, above the end of its interval if that is at
# most so many times as far out, and above the deadline likewise.
ROOM, WIDEST, DEADLINE_WITHIN = 1.2, 2.0, 2.0
ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True)
class Marked:
    """A percentile of the response, its 95 % interval, and its three parts in milliseconds; NaN if it is not known."""

    q: int
    value_ms: float
    low_ms: float
    high_ms: float
    parts_ms: tuple[float, ...]

    @property
    def name(self) -> str:
        """Such as `p99`."""
        return f"p{self.q}"

    @property
    def text(self) -> str:
        """Name, value and interval in words."""
        if math.isnan(self.value_ms):
            return f"{self.name}: too few requests"
        return f"{self.name} {figures(self.value_ms)} ms{between(self.low_ms, self.high_ms)}"

    @property
    def apart(self) -> str:
        """What it consists of, in words; empty if that is not known."""
        named = (f"{name} {figures(part)}" for name, part in zip(PARTS, self.parts_ms, strict=True) if part > 0)
        return "" if math.isnan(self.value_ms) else f"{', '.join(named)} ms"


def marked(served: Served) -> list[Marked]:
    """The median and the 99th percentile.

    Examples
    --------
    >>> from tradespace.serving.arrivals import Poisson
    >>> from tradespace.serving.service import ServiceTimes
    >>> from tradespace.serving.simulate import simulate
    >>> served = simulate(ServiceTimes({1: np.array([2.0])}), Poisson(400))
    >>> for one in marked(served):
    ...     print(f"{one.text}: {one.apart}")
    p50 4.54 ms (4.34 to 4.73): queue 2.54, service 2 ms
    p99 22 ms (20.1 to 27.1): queue 20, service 1.99 ms
    """
    return [
        Marked(q, served.response_at_ms(q), *served.response_interval_ms(q), parts_ms=_parts_at(served, q)) for q in QS
    ]


def _parts_at(served: Served, q: int) -> tuple[float, ...]:
    value = served.response_at_ms(q)
    if math.isnan(value):
        return (math.nan,) * len(PARTS)
    low = np.percentile(served.response_ms, q - AROUND, method="lower")
    high = np.percentile(served.response_ms, q + AROUND, method="higher")
    near = (served.response_ms >= low) & (served.response_ms <= high)
    means = np.array([part[near].mean() for part in parts_of(served)])
    return tuple((means * value / means.sum()).tolist())


def parts_of(served: Served) -> tuple[np.ndarray, ...]:
    """The parts of each response in milliseconds, in the order of `PARTS`."""
    return served.batch_wait_ms, served.queue_ms, served.service_ms


@dataclass(frozen=True)
class Distribution:
    """Which share of the requests took how long.

    Parameters
    ----------
    edges_ms : ndarray of shape (bins + 1,)
    shares : ndarray of shape (3, bins)
        Share of all requests in each bin, split as the time of the requests in it is.
    beyond : float
        Share of the requests beyond the last edge.
    slowest_ms : float
    """

    edges_ms: np.ndarray
    shares: np.ndarray
    beyond: float
    slowest_ms: float

    @property
    def slower(self) -> str:
        """What lies beyond the last edge, in words; empty if nothing does."""
        if not self.beyond:
            return ""
        return f"{100 * self.beyond:.2g} % slower, up to {figures(self.slowest_ms)} ms"


def distribution(served: Served, reach_ms: float) -> Distribution:
    """Count the responses up to `reach_ms` in bins of equal width.

    Examples
    --------
    >>> from tradespace.serving.arrivals import Constant
    >>> from tradespace.serving.service import ServiceTimes
    >>> from tradespace.serving.simulate import simulate
    >>> counted = distribution(simulate(ServiceTimes({1: np.array([2.0])}), Constant(100)), reach_ms=4.0)
    >>> counted.shares.sum(axis=1).round(6).tolist(), counted.slower
    ([0.0, 0.0, 1.0], '')
    """
    response = served.response_ms
    # Several times as fast as a histogram with weights. What lies beyond goes to a bin that is not shown.
    bins = np.minimum((response * (BINS / reach_ms)).astype(int), BINS)
    shares = [np.bincount(bins, part / response, BINS + 1)[:BINS] / len(response) for part in parts_of(served)]
    beyond = float((bins == BINS).mean())
    return Distribution(np.linspace(0, reach_ms, BINS + 1), np.array(shares), beyond, float(response.max()))


def reach(some: Iterable[Served]) -> float:
    """Where an axis of milliseconds ends that shows all of these, and their deadline if it is not far out."""
    there = [served for served in some if len(served)]
    tails = [float(np.percentile(served.response_ms, 99)) for served in there]
    ends = [served.response_interval_ms(99)[1] for served in there]
    least = max([ROOM * one for one in tails], default=1.0)
    least = max([least, *(min(1.05 * end, WIDEST * least) for end in ends if not math.isnan(end))])
    deadlines = [served.deadline_ms for served in there if served.deadline_ms <= DEADLINE_WITHIN * least]
    return round_up(max([least, *(1.1 * one for one in deadlines)]))


def round_up(value: float) -> float:
    """The next round number.

    Examples
    --------
    >>> round_up(7.1), round_up(11.9), round_up(0.41)
    (8.0, 12.0, 0.5)
    """
    decade = 10.0 ** math.floor(math.log10(value))
    return float(f"{next(step for step in ROUND if step * decade >= value * (1 - 1e-9)) * decade:.6g}")


def in_time(served: Served) -> str:
    """How many requests kept the deadline, in words; empty if there is none."""
    if math.isinf(served.deadline_ms) or not len(served):
        return ""
    return f"{100 * served.in_time:.3g} % within {figures(served.deadline_ms)} ms"


def in_words(served: Served) -> str:
    """One line for a screen reader."""
    if served.failure or not len(served):
        return served.reason or "no request was served"
    said = [f"{one.text}{f': {one.apart}' if one.apart else ''}" for one in marked(served)]
    return "; ".join([f"{served.how}: {said[0]}", *said[1:], *filter(None, [in_time(served)])])
