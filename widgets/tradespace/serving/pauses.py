"""Measure how long batches take after the server had to wait for requests: others use the caches meanwhile."""

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

import numpy as np

from tradespace.config import Config
from tradespace.measuring import worker
from tradespace.measuring.engine import Engine
from tradespace.measuring.measurement import Failure
from tradespace.prepare.registry import RUNTIMES
from tradespace.serving.service import MS_PER_NS, ServiceTimes

# On a shared processor, a call takes the longer the longer the pause before it, up to about ten milliseconds.
PAUSES_MS = (0.1, 0.3, 1.0, 3.0, 10.0)
PAUSES_A_TURN, FEWEST_TURNS = 4, 2
# Filling the caches takes a few milliseconds, which matter little to a longer call.
LONG_MS = 30.0
# Sessions that take longer to open are not opened again.
LONGEST_S = 1.0
# What the next call still pays is told by pauses from here on, after which a call pays enough.
TELLING_MS = 3.0
MOST_CARRIED = 0.9
# Raised if it could not be measured.
NO_PAUSES = "no_pauses"


def after_pauses(
    engine: Engine, service: ServiceTimes, config: Config, budget_s: float, seed: int = 0
) -> Iterator[tuple[float, ServiceTimes]]:
    """Add times after pauses to `service`; yield how much is done, from 0 to 1, and what is known by then.

    Batch sizes take turns, so that a slow moment of the machine meets them all, until `budget_s` for each is spent. A
    call so long that filling the caches does not matter is not measured again; if all are, nothing is added. If the
    model cannot run again, or would have to be compiled again for long, what was measured before is kept, flagged
    `no_pauses`. So it is from the start, if the caller stops iterating.
    """
    short = [size for size in service.sizes if service.mean_ms(size) < LONG_MS]
    if not short:
        yield 1.0, service
        return
    configs = {size: replace(config, batch_size=size) for size in short}
    taken: defaultdict[tuple[float, int], list[np.ndarray]] = defaultdict(list)
    shuffle, began = random.Random(seed).shuffle, time.monotonic()
    known = replace(service, flags=" ".join(filter(None, (service.flags, NO_PAUSES))))
    yield 0.0, known
    if RUNTIMES[config.runtime].preparing_s[1] > LONGEST_S:
        return
    try:
        if any(isinstance(engine.request(worker.make_ready, one), Failure) for one in configs.values()):
            return
        for turn in count(1):
            shuffle(short)
            for size in short:
                answer = engine.request(worker.run_after_pauses, configs[size], PAUSES_MS, PAUSES_A_TURN)
                if isinstance(answer, Failure):
                    return
                for pause_ms, samples_ns in answer.items():
                    taken[pause_ms, size].append(samples_ns * MS_PER_NS)
                done = (time.monotonic() - began) / (budget_s * len(short))
                yield min(done, 1.0), known
            known = _with(service, taken)
            if turn >= FEWEST_TURNS and done >= 1:
                yield 1.0, known
                return
    finally:
        for one in configs.values():
            engine.request(worker.finish, one)


def _with(service: ServiceTimes, taken: Mapping[tuple[float, int], list[np.ndarray]]) -> ServiceTimes:
    """Add the calls after pauses, and what the next ones paid; `taken` has pairs of both."""
    pairs = {about: np.concatenate(some) for about, some in taken.items()}
    paused_ms = {
        pause_ms: {size: pairs[pause_ms, size][:, 0] for size in service.sizes if (pause_ms, size) in pairs}
        for pause_ms in PAUSES_MS
    }
    more_ms = [
        np.median(both, axis=0) - np.median(service.samples_ms[size])
        for (pause_ms, size), both in pairs.items()
        if pause_ms >= TELLING_MS
    ]
    first_ms, next_ms = np.sum(more_ms, axis=0) if more_ms else (0.0, 0.0)
    carried = min(max(float(next_ms / first_ms), 0.0), MOST_CARRIED) if first_ms > 0 else 0.0
    return replace(service, paused_ms=paused_ms, carried=carried)
