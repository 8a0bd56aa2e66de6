"""The numbers of a served stream as tiles, and the sentences about it."""

import math

from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.show.common.words import in_brief
from tradespace.show.response.numbers import PARTS, marked
from tradespace.show.tiles.widget import Tile
from tradespace.text import between, figures, rate, sentence

UNKNOWN = "?"
# What the flags of a stream say, in a few words.
FLAGS = {
    "few_requests": "too few requests to know the 99th percentile",
    "late_start": "the server's own loop delayed one batch in a hundred by over a millisecond",
    "not_steady": "Little's law does not hold to 5 %: the queue grew or shrank",
    "contended": "other work took the cores away now and then",
    "stopped": "it was ended early",
}
ABOUT = {
    "p50": "half of the responses take at most this long",
    "p99": "99 in 100 responses take at most this long",
    "goodput": "requests a second that are served within the deadline",
    "in time": "share of the requests that are served within the deadline",
    "busy": "share of the time in which the server runs a batch",
    "mean batch": "requests in a batch, on average",
}


def tiles_of(served: Served | None, service: ServiceTimes | None) -> list[Tile]:
    """p50, p99, goodput, share in time, share busy and mean batch, as far as they are known."""
    if served is None or service is None or not len(served):
        unknown = [Tile(name, UNKNOWN, about=about) for name, about in ABOUT.items()]
        return unknown if service is None or served is None else [*unknown[:4], _busy(served, service), unknown[5]]
    low, high = served.goodput_interval_per_s
    good = "" if math.isnan(low) or rate(low) == rate(high) else f"{rate(low)} to {rate(high)}"
    return [
        *(
            _tile(f"p{q}", figures(served.response_at_ms(q)), "ms", _between(*served.response_interval_ms(q)), served)
            for q in (50, 99)
        ),
        _tile("goodput", rate(served.goodput_per_s), "/s", good, served),
        _tile("in time", f"{100 * served.in_time:.3g}", "%", "", served),
        _busy(served, service),
        _tile("mean batch", figures(served.mean_batch), "", f"of at most {served.batcher.max_batch}", served),
    ]


def _tile(name: str, value: str, unit: str, interval: str, served: Served) -> Tile:
    known = value != "nan"
    return Tile(name, value if known else UNKNOWN, unit, interval, served.how if known else "", ABOUT[name])


def _busy(served: Served, service: ServiceTimes) -> Tile:
    capacity = f"capacity {rate(service.capacity_per_s(served.batcher.max_batch))}/s"
    share = served.busy if len(served) else 1.0
    return Tile("busy", f"{100 * share:.3g} %", "", capacity, served.how, ABOUT["busy"])


def _between(low: float, high: float) -> str:
    return between(low, high).strip(" ()")


def here(service: ServiceTimes) -> str:
    """What the numbers are from."""
    config = f"{in_brief(service.config, batch_size=False)}: " if service.config else ""
    sizes = service.sizes
    what = f"{len(sizes)} measured batch sizes, {sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else "batch 1, as measured"
    return f"{config}simulated from {what}, {'after pauses, too' if service.paused_ms else 'without pauses'}"


def flags_of(served: Served) -> dict[str, str]:
    """Why its numbers are to be trusted less: the name of each flag, and what it means."""
    return {name: FLAGS.get(name, name.replace("_", " ")) for name in served.flags.split()}


def moved(before: Served | None, after: Served, what: str) -> str:
    """What a move did; empty if there is nothing to say.

    Parameters
    ----------
    what : str
        The new values of what was moved.

    Examples
    --------
    >>> import numpy as np
    >>> from tradespace.serving.arrivals import Poisson
    >>> from tradespace.serving.simulate import simulate
    >>> service = ServiceTimes({1: np.array([2.0])})
    >>> one, other = (simulate(service, Poisson(rate), deadline_ms=10) for rate in (100, 400))
    >>> moved(one, other, "arrival rate 400/s")
    'arrival rate 400/s here: p50 from 2 to 4.54 ms, p99 from 4.91 to 22 ms, goodput from 100 to 340/s.'
    """
    if before is None or not what or not len(before) or not len(after):
        return ""
    said = [
        f"p{q} {_from(before.response_at_ms(q), after.response_at_ms(q))} ms"
        for q in (50, 99)
        if not math.isnan(before.response_at_ms(q) + after.response_at_ms(q))
    ]
    if not math.isinf(after.deadline_ms):
        said.append(f"goodput {_from(before.goodput_per_s, after.goodput_per_s, whole=True)}/s")
    return f"{what} here: {', '.join(said)}."


def _from(before: float, after: float, whole: bool = False) -> str:
    old, new = (rate(one) if whole else figures(one) for one in (before, after))
    return f"still {new}" if old == new else f"from {old} to {new}"


def tail(served: Served) -> str:
    """What the responses around the 99th percentile consist of, in words."""
    if not len(served):
        return sentence(served.reason)
    _, p99 = marked(served)
    if math.isnan(p99.value_ms):
        return ""
    parts = dict(zip(PARTS, p99.parts_ms, strict=True))
    named = ", ".join(f"{figures(part)} ms are {name}" for name, part in parts.items() if part >= 0.005 * p99.value_ms)
    return f"Of the {figures(p99.value_ms)} ms at p99, {named}."


def compared(real: Served, served: Served) -> str:
    """What was measured beside what was simulated."""
    if not len(real):
        return sentence(f"For real: {real.status}: {real.reason}") if real.failure else ""
    if not len(served):
        return ""
    said = [_beside(real, served, q) for q in (50, 99) if not math.isnan(real.response_at_ms(q))]
    doubts = f" ({real.flags.replace(' ', ', ').replace('_', ' ')})" if real.flags else ""
    return f"For real, {real.seconds:.0f} s: {'; '.join(said)}{doubts}."


def _beside(real: Served, served: Served, q: int) -> str:
    """A percentile that was measured, and how far the simulated one is from it."""
    off = served.response_at_ms(q) / real.response_at_ms(q) - 1
    (low, high), (least, most) = (one.response_interval_ms(q) for one in (real, served))
    noise = ", within the noise" if least <= high and low <= most else ""
    beside = f"{abs(off):.0%} {'higher' if off > 0 else 'lower'}{noise}" if abs(off) >= 0.005 else "the same"
    return f"p{q} {figures(real.response_at_ms(q))} ms{between(low, high)}, simulated {beside}"
