"""What runs in the measuring process: it keeps tasks and prepared models, and answers one short request at a time.

Each function returns a `Failure` rather than raising, so that whatever a model does becomes a row of the surface.
"""

import os
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import psutil
import torch

from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.measuring.device import device
from tradespace.measuring.energy import energy_j_per_item, find_counter
from tradespace.measuring.loop import time_slice, warm_up
from tradespace.measuring.measurement import Facts, Failure, Slice
from tradespace.prepare import Prepared, prepare, unsupported
from tradespace.tasks.task import Task

WATCH_S = 2.0
CHECKED_ITEMS = 32
ROTATED_BATCHES = 4
SCORE_BATCH = 100
OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")

UNKNOWN_TASK = Failure("failed", "the measuring process was not given this task")

_tasks: dict[str, Task] = {}
_prepared: dict[tuple[str, Config], Prepared] = {}
_warm: set[tuple[str, Config]] = set()
_scored: dict[tuple[str, Config], list[np.ndarray]] = {}


def end_with(kernel: int) -> None:
    """End this process soon after the one that started it, even if that was killed and could not say goodbye."""

    def watch() -> None:
        while psutil.pid_exists(kernel):
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name="tradespace-watch", daemon=True).start()


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
    """Prepare the model of `config`, unless it is ready already, and check what it puts out."""
    task = _tasks[key]
    reason = unsupported(task, config)
    if reason:
        return Failure("unsupported", reason)
    ready = _ready(key, config)
    reference = _ready(key, replace(config, pruning="none", precision="fp32", runtime="eager"))
    inputs = task.load_data().inputs[:CHECKED_ITEMS].to(config.device)
    # In batches of the size asked for, since a model may take no other.
    batches = inputs.split(min(config.batch_size, CHECKED_ITEMS))
    outputs = torch.cat([_checked_call(ready, batch) for batch in batches])
    expected = torch.cat([_checked_call(reference, batch) for batch in batches])
    return Facts(ready.model_mb, ready.prepare_s, output_error(outputs, expected))


def _checked_call(ready: Prepared, batch: torch.Tensor) -> torch.Tensor:
    outputs = ready.call(batch.clone())
    if outputs.shape[:1] != (len(batch),):
        raise ValueError(f"outputs: wanted one output an item, {len(batch)} in all; got shape {tuple(outputs.shape)}")
    return outputs


def output_error(outputs: torch.Tensor, expected: torch.Tensor) -> float:
    """Root mean square of the difference, over that of what was expected.

    Raises
    ------
    ValueError
        If the outputs have another shape, or are not finite.
    """
    if outputs.shape != expected.shape:
        raise ValueError(f"outputs: wanted shape {tuple(expected.shape)}, as in fp32; got {tuple(outputs.shape)}")
    if not torch.isfinite(outputs).all():
        raise ValueError("outputs: wanted finite numbers; got NaN or infinity")
    outputs, expected = outputs.double(), expected.double()
    scale = expected.square().mean().sqrt()
    return float((outputs - expected).square().mean().sqrt() / scale) if scale > 0 else float(outputs.abs().max())


@_failing_softly
def run_slice(key: str, config: Config, seconds: float) -> Slice | Failure:
    """Time `config` for about `seconds`; the first time, once its latency is steady."""
    where = device(config.device)
    if (key, config) in _warm:
        return time_slice(_caller(key, config), where, config.batch_size, seconds)
    start = time.perf_counter_ns()
    memory_mb = where.peak_mb(lambda: _caller(key, config)(0))
    call = _caller(key, config)
    warm_up(call, where)
    _warm.add((key, config))
    warm_up_ns = time.perf_counter_ns() - start
    timed = time_slice(call, where, config.batch_size, seconds)
    return replace(timed, warm_up_ns=warm_up_ns, memory_mb=memory_mb)


@_failing_softly
def energy(key: str, config: Config) -> float | Failure:
    """Joules an item of `config`; NaN where no counter can be read."""
    counter = find_counter(config.device)
    return energy_j_per_item(_caller(key, config), device(config.device), config.batch_size, counter)


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


def _caller(key: str, config: Config) -> Callable[[int], object]:
    """A function of the call's number that runs one batch, inputs rotating, on as many threads as `config` says."""
    torch.set_num_threads(config.threads)
    ready = _ready(key, config)
    batches = _batches(_tasks[key].load_data().inputs, config)
    return lambda i: ready.call(batches[i % len(batches)])


def _batches(inputs: torch.Tensor, config: Config) -> list[torch.Tensor]:
    """A few different batches on the device, so that no timing is that of one lucky input."""
    items = torch.arange(ROTATED_BATCHES * config.batch_size) % len(inputs)
    return [inputs[index].to(config.device) for index in items.split(config.batch_size)]
