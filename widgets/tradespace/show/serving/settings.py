"""The controls of the ServingExplorer, and the setting that they make."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tradespace.config import PRECISIONS, RUNTIMES, WEIGHTS, Config, most_threads
from tradespace.serving.arrivals import Arrivals, Bursty, Poisson
from tradespace.serving.batcher import Batcher
from tradespace.serving.service import ServiceTimes
from tradespace.show.controls.widget import Choice, Group
from tradespace.tasks.task import Task
from tradespace.text import figures, rate

# The knobs of a Config that have a slider.
CHOSEN = ("model", "precision", "runtime", "threads")
RATES_A_DECADE = 24
# Rates go from a hundredth of what single requests take of a server to a little more than what full batches do.
RATES_BELOW, RATES_ABOVE = 100.0, 3.0
DISPERSIONS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
WAITS_MS = (0.0, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
DEADLINES_MS = (*(step * 10.0**decade for decade in range(4) for step in (1, 1.5, 2, 3, 5, 7)), math.inf)
# It opens at this share of the capacity, with a deadline of so many batches.
START_LOAD, START_BATCH, START_DEADLINE = 0.6, 8, 4.0


@dataclass(frozen=True)
class Setting:
    """A server and what it is given to do.

    Parameters
    ----------
    config : Config
        Its batch size is 1.
    rate_per_s : float
    dispersion : float
        Of the arrivals; 1 if they are at random.
    batch : int
        The most requests in a batch.
    wait_ms : float
        How long the oldest request waits for others.
    deadline_ms : float
        Infinity if there is none.
    """

    config: Config
    rate_per_s: float = 100.0
    dispersion: float = 1.0
    batch: int = 1
    wait_ms: float = 0.0
    deadline_ms: float = math.inf

    @property
    def values(self) -> dict[str, Any]:
        """The values of all controls, by name."""
        flat = {name: value for name, value in vars(self).items() if name != "config"}
        return flat | {name: getattr(self.config, name) for name in CHOSEN}

    def with_values(self, values: Mapping[str, Any]) -> "Setting":
        """A copy with other values for the named controls.

        Examples
        --------
        >>> Setting(Config("resnet4", threads=1)).with_values({"threads": 2, "batch": 8}).batcher
        Batcher(max_batch=8, max_wait_ms=0.0)
        """
        config = replace(self.config, **{name: values[name] for name in CHOSEN if name in values})
        return replace(self, config=config, **{name: one for name, one in values.items() if name not in CHOSEN})

    @property
    def arrivals(self) -> Arrivals:
        """When requests arrive."""
        bursty = self.dispersion > 1
        return Bursty(self.rate_per_s, self.dispersion) if bursty else Poisson(self.rate_per_s)

    @property
    def batcher(self) -> Batcher:
        """How they are batched. Single requests wait for no others."""
        return Batcher(self.batch, self.wait_ms if self.batch > 1 else 0.0)

    @property
    def server(self) -> tuple[Config, float, Batcher]:
        """All but the rate and the deadline: what a hockey stick is of."""
        return self.config, self.dispersion, self.batcher


def rates_of(services: Iterable[ServiceTimes]) -> tuple[float, ...]:
    """Rates of arrivals that are worth a look, of two digits each, for the fastest and the slowest of these servers.

    Examples
    --------
    >>> import numpy as np
    >>> rates = rates_of([ServiceTimes({1: np.array([2.0])})])
    >>> rates[:3], rates[-1]
    ((5.1, 5.6, 6.2), 1500.0)
    """
    there = list(services)
    slowest = min((one.capacity_per_s(one.sizes[0]) for one in there), default=100.0)
    fastest = max((one.capacity_per_s(size) for one in there for size in one.sizes), default=1000.0)
    first, last = slowest / RATES_BELOW, fastest * RATES_ABOVE
    steps = range(math.ceil(RATES_A_DECADE * math.log10(first)), math.floor(RATES_A_DECADE * math.log10(last)) + 1)
    return tuple(float(f"{10 ** (step / RATES_A_DECADE):.2g}") for step in steps)


def start_of(service: ServiceTimes, rates: tuple[float, ...], sizes: tuple[int, ...]) -> dict[str, Any]:
    """The values that it opens with, for the server that it opens with."""
    batch = max(size for size in sizes if size <= min(START_BATCH, service.largest))
    capacity, took_ms = service.capacity_per_s(batch), service.mean_ms(batch)
    return {
        "batch": batch,
        "rate_per_s": min(rates, key=lambda one: abs(one - START_LOAD * capacity)),
        "deadline_ms": min(DEADLINES_MS, key=lambda one: abs(one - START_DEADLINE * took_ms)),
    }


def groups(task: Task, start: Config, rates: tuple[float, ...], sizes: tuple[int, ...]) -> list[Group]:
    """The groups of controls."""
    precisions = tuple(name for name in PRECISIONS if name not in WEIGHTS or name == start.precision)
    threads = tuple(sorted({*range(1, most_threads() + 1), start.threads}))
    return [
        Group("Requests", (
            Choice("rate_per_s", "arrival rate", "Requests that arrive in a second, on average",
                   rates, tuple(f"{rate(one)}/s" for one in rates)),
            Choice("dispersion", "burstiness", "Index of dispersion: 1 if they arrive at random (Poisson)",
                   DISPERSIONS, tuple("1 (random)" if one == 1 else figures(one) for one in DISPERSIONS)),
            Choice("deadline_ms", "deadline", "A response that takes longer is late",
                   DEADLINES_MS, tuple(_ms(one) for one in DEADLINES_MS)),
        )),
        Group("Batches", (
            Choice("batch", "max batch", "The most requests that are served together", sizes),
            Choice("wait_ms", "max wait", "How long the oldest request waits for others while the server is free",
                   WAITS_MS, tuple(_ms(one) for one in WAITS_MS)),
        )),
        Group("Model", (
            Choice("model", "model size", "Which network of the family runs; cheapest first", task.models),
            Choice("precision", "precision", "The number format of weights and arithmetic", precisions),
            Choice("runtime", "runtime", "What runs the network", tuple(RUNTIMES)),
            Choice("threads", "threads", "Threads of the processor that one call may use", threads),
        )),
    ]  # fmt: skip


def _ms(value: float) -> str:
    return "none" if math.isinf(value) else f"{figures(value)} ms"
