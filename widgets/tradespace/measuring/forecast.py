"""Forecast how long measuring will take, from the calls timed so far."""

from collections.abc import Iterable, Mapping

import numpy as np

from tradespace.config import Config
from tradespace.measuring.loop import LONG_CALL_S, REWARM_S, WARM_UP_CAP_S

# For the round trip to the measuring process, and to read the counters of all threads.
WAY_S = 0.004
# Strength of the prior that a knob makes no difference, in number of calls.
RIDGE = 0.1
# Until larger batches are timed, the time of a call is assumed to grow with this power of the batch size: between 0,
# where it is all overhead, and 1, where it is all arithmetic.
GROWTH = 0.7


def forecast_calls(known_s: Mapping[Config, float], asked: Iterable[Config]) -> dict[Config, float]:
    """Seconds per call of each Config in `asked`: as measured, or as expected from the others.

    The log seconds of a call are modelled as a sum of effects of the model, of precision and runtime together, and of
    the batch size (ridge regression: Hoerl and Kennard, 1970). At least one call must be known.

    Examples
    --------
    >>> a, b = (Config("m", threads=1, batch_size=n) for n in (1, 4))
    >>> forecast_calls({a: 0.001}, [a, b])[b] > 0
    True
    """
    wanted = list(dict.fromkeys(asked))
    every = [*known_s, *wanted]
    features = np.hstack([_levels([(c.model, c.pruning) for c in every]), _batches(every)])
    features = np.hstack([features, _levels([(c.precision, c.runtime, c.device) for c in every])])
    growth = GROWTH * np.log([config.batch_size for config in every])
    seen, logs = features[: len(known_s)], np.log(list(known_s.values())) - growth[: len(known_s)]
    inverse = np.linalg.inv(seen.T @ seen + RIDGE * np.eye(features.shape[1]))
    middle = logs.mean()
    differences = features[len(known_s) :] @ (inverse @ (seen.T @ (logs - middle)))
    expected = np.exp(middle + growth[len(known_s) :] + differences)
    return {config: known_s.get(config, float(one)) for config, one in zip(wanted, expected, strict=True)}


def _levels(values: list[tuple[str, ...]]) -> np.ndarray:
    """One column per distinct value, with 1 in the rows that have it."""
    found = sorted(set(values))
    return np.array([[value == level for level in found] for value in values], dtype=float)


def _batches(configs: list[Config]) -> np.ndarray:
    """Batch size in doublings, and its effect for each runtime and precision."""
    doublings = np.log2([config.batch_size for config in configs])[:, None]
    centred = (doublings - doublings.mean()) / 4
    return np.hstack([centred, centred**2, centred * _levels([(c.precision, c.runtime) for c in configs])])


def warming_up_s(call_s: float) -> float:
    """Seconds of calls before the first slice: one to measure memory, and more until the latency is steady."""
    return max(min(11 * call_s, WARM_UP_CAP_S + call_s / 2), call_s)


def beside_s(call_s: float) -> float:
    """Seconds that a slice takes in addition to its samples: the round trip, and calls that are discarded."""
    return WAY_S + (max(call_s, REWARM_S) if call_s < LONG_CALL_S else 0.0)
