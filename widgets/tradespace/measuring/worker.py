"""What runs in the measuring process: it keeps tasks and prepared models, and answers one short request at a time.

Each function returns a `Failure` rather than raising, so that whatever a model does becomes a row of the surface.
"""

import pickle
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import torch

from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.measuring.device import device
from tradespace.measuring.loop import time_slice, warm_up
from tradespace.measuring.measurement import Facts, Failure, Slice
from tradespace.prepare import Prepared, prepare, unsupported
from tradespace.tasks.task import Task

ROTATED_BATCHES = 4
SCORE_BATCH = 100
OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")

UNKNOWN_TASK = Failure("failed", "the measuring process was not given this task")

_tasks: dict[str, Task] = {}
_prepared: dict[tuple[str, Config], Prepared] = {}
_warm: set[tuple[str, Config]] = set()
_scored: dict[tuple[str, Config], list[np.ndarray]] = {}


def learn(key: str, pickled_task: bytes) -> None:
    """Keep a task for the requests to come."""
    _tasks[key] = pickle.loads(pickled_task)


def variant(config: Config) -> Config:
    """`config` without what a prepared model and its accuracy do not depend on: threads and batch size."""
    return Config(config.model, config.pruning, config.precision, config.runtime, config.device, 1, 1)


def _failing_softly(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def guarded(key: str, *args: Any) -> Any:
        if key not in _tasks:
            return UNKNOWN_TASK
        try:
            with torch.inference_mode():
                return function(key, *args)
        except Unsupported as error:
            return Failure("unsupported", str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            memory = isinstance(error, MemoryError) or any(word in reason.lower() for word in OUT_OF_MEMORY_WORDS)
            return Failure("out_of_memory" if memory else "failed", reason)

    return guarded


@_failing_softly
def make_ready(key: str, config: Config) -> Facts | Failure:
    """Prepare the model of `config`, unless it is ready already."""
    task = _tasks[key]
    reason = unsupported(task, config)
    if reason:
        return Failure("unsupported", reason)
    ready = _ready(key, config)
    return Facts(ready.model_mb, ready.prepare_s)


@_failing_softly
def run_slice(key: str, config: Config, seconds: float) -> Slice | Failure:
    """Time `config` for about `seconds`; the first time, once its latency is steady."""
    torch.set_num_threads(config.threads)
    ready = _ready(key, config)
    where = device(config.device)
    batches = _batches(_tasks[key].load_data().inputs, config)

    def call(i: int) -> object:
        return ready.call(batches[i % len(batches)])

    if (key, config) not in _warm:
        warm_up(call, where)
        _warm.add((key, config))
    return time_slice(call, where, config.batch_size, seconds)


@_failing_softly
def score_slice(key: str, config: Config, seconds: float) -> np.ndarray | Failure | None:
    """Which of the test items are classified right: None until all are scored, some more with each request."""
    task = _tasks[key]
    parts = _scored.setdefault((key, variant(config)), [])
    inputs, labels = task.test or (torch.empty(0), torch.empty(0))
    done = sum(len(part) for part in parts)
    torch.set_num_threads(config.threads)
    end = time.perf_counter() + seconds
    while done < len(labels):
        if time.perf_counter() > end:
            return None
        # A copy, since a model that works in place would change the test set itself.
        batch = inputs[done : done + SCORE_BATCH].clone().to(config.device)
        outputs = _ready(key, config).call(batch)
        parts.append(task.correct(outputs.cpu(), labels[done : done + SCORE_BATCH]).numpy())
        done += len(parts[-1])
    return np.concatenate([np.empty(0, bool), *parts])


def _ready(key: str, config: Config) -> Prepared:
    name = key, variant(config)
    if name not in _prepared:
        _prepared[name] = prepare(_tasks[key], config)
    return _prepared[name]


def _batches(inputs: torch.Tensor, config: Config) -> list[torch.Tensor]:
    """A few different batches on the device, so that no timing is that of one lucky input."""
    items = torch.arange(ROTATED_BATCHES * config.batch_size) % len(inputs)
    return [inputs[index].to(config.device) for index in items.split(config.batch_size)]
