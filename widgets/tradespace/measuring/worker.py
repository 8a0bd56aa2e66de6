"""The measuring process: it keeps tasks and prepared models, and answers one short request at a time.

Each function returns a `Failure` rather than raising: whatever a model does becomes a row of the surface.
"""

import ctypes
import gc
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from itertools import count, cycle
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from tradespace.config import Config
from tradespace.errors import Unsupported, out_of_memory
from tradespace.measuring.device import device
from tradespace.measuring.energy import energy_j_per_item, find_counter
from tradespace.measuring.loop import LONG_CALL_S, WARM_UP_CAP_S, time_slice, warm_up
from tradespace.measuring.measurement import Facts, Failure, Slice
from tradespace.measuring.open_loop import Load, Ran, after_pauses_ns, open_loop, session_sizes
from tradespace.prepare import Layer, Prepared, Session, Source, prepare, unsupported
from tradespace.prepare.operations import Operation, mean_of, operations_of
from tradespace.prepare.quiet import Log, quiet
from tradespace.prepare.refusal import said
from tradespace.prepare.session import Call
from tradespace.prepare.types import inputs_in_fp32
from tradespace.tasks.inputs import items_in
from tradespace.tasks.parcel import unpack
from tradespace.tasks.task import Task, scoring_order, whole
from tradespace.tasks.trial import error

WATCH_S = 2.0
CHECKED_ITEMS = 32
# A large model is run on fewer items.
REFERENCE_S = 2.0
ROTATED_BATCHES = 4
# If items differ in length, and so in cost, a few of them represent the others badly.
ROTATED_LENGTHS, ROTATED_VARYING_BATCHES = 256, 16
# Smaller batches are kept, since trimming hundreds of texts takes as long as a slice. Larger ones take much memory, and
# are quick to make again.
KEPT_BATCHES_BYTES = 2**20
SCORE_BATCH = 100

# At which batch sizes the work of each layer is counted, and for how long.
COUNTED_BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256]
COUNTING_S = 2.0

# Tasks that are kept: those asked for last. A notebook may show several at once.
TASKS_KEPT = 3
# Models that are prepared and not in use are kept up to this share of the machine's memory.
KEPT_SHARE = 1 / 16

UNKNOWN_TASK = Failure("failed", "the measuring process does not have this task")

# The last one asked for is the last in each of these three.
_tasks: dict[str, Task] = {}
_sources: dict[tuple[str, str, str], Source] = {}
_prepared: dict[tuple[str, Config], Prepared] = {}
_running: dict[tuple[str, Config], "Running"] = {}
_scoring: dict[tuple[str, Config], Session] = {}
# Variant -> number of a batch's first item in the order of scoring -> results of that batch.
_scored: dict[tuple[str, Config], dict[int, np.ndarray]] = {}
_truth_errors: dict[tuple[str, Config], float] = {}
# Outputs of each model as the task has it, pruned, for one item after another: what others are compared with.
_expected: dict[tuple[str, str, str], list[torch.Tensor]] = {}
# Whether a request is being answered, and so can be interrupted.
_at_work = False


@dataclass
class Running:
    """A session that is being timed.

    Attributes
    ----------
    session : Session
    prepare_s : float
        Seconds that preparing the model and opening the session took.
    turns : iterator of int
        Numbers the calls across all slices, so that each slice feeds different inputs.
    warm : bool
        Whether it has been warmed up.
    call_s : float
        Median of its first slice.
    batches : list of tuple of Tensor
        Its inputs, if they are small enough to keep from slice to slice.
    """

    session: Session
    prepare_s: float
    turns: Iterator[int] = field(default_factory=count)
    warm: bool = False
    call_s: float = 0.0
    batches: list[tuple[torch.Tensor, ...]] = field(default_factory=list)


def end_with(kernel: int) -> None:
    """End this process soon after the one that started it, even if that one was killed."""

    def watch() -> None:
        while psutil.pid_exists(kernel):
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name="tradespace-watch", daemon=True).start()
    # A process that is started while the kernel is idle would inherit that interrupts are ignored.
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(*_: object) -> None:
    """End the request that is being answered. Between requests an interrupt finds nothing to end.

    There it would end this process, or cut off an answer on its way, of which the kernel would await the rest for ever.
    """
    global _at_work
    if _at_work:
        _at_work = False
        raise KeyboardInterrupt


def learn(key: str, packed_task: bytes) -> None:
    """Keep a task for later requests, and forget the one that nobody has asked for the longest."""
    _tasks[key] = unpack(packed_task)
    for old in list(_tasks)[:-TASKS_KEPT]:
        forget(old)


def forget(key: str) -> None:
    """Forget a task and all that was made of it."""
    _tasks.pop(key, None)
    kept: Any
    for kept in (_sources, _prepared, _running, _scoring, _scored, _truth_errors, _expected):
        for name in [name for name in kept if name[0] == key]:
            del kept[name]
    _give_back()


def _give_back() -> None:
    """Return freed memory to the system: the C library is set up to keep it for the next call (`ENVIRONMENT`)."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def _forget_unused(needed: tuple[str, Config]) -> None:
    """Forget the models that were asked for the longest ago, if all of them take too much memory."""
    used = {(key, config.variant) for key, config in _running} | set(_scoring) | {needed}
    sources = {(key, config.model, config.pruning) for key, config in used}
    most_mb = KEPT_SHARE * psutil.virtual_memory().total / 1e6
    prepared_mb = sum(one.model_mb for one in _prepared.values())
    sources_mb = sum(one.size_mb for one in _sources.values())
    for name in [name for name in _prepared if name not in used]:
        if prepared_mb + sources_mb > most_mb:
            prepared_mb -= _prepared.pop(name).model_mb
    for source in [name for name in _sources if name not in sources]:
        if prepared_mb + sources_mb > most_mb:
            sources_mb -= _sources.pop(source).size_mb


def _failing_softly(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def guarded(key: str, *args: Any) -> Any:
        global _at_work
        if key not in _tasks:
            return UNKNOWN_TASK
        _tasks[key] = _tasks.pop(key)
        try:
            _at_work = True
            with torch.inference_mode():
                return function(key, *args)
        except Unsupported as error:
            return Failure("unsupported", str(error))
        except Exception as error:
            status = "out_of_memory" if out_of_memory(error) else "failed"
            return Failure(status, f"{type(error).__name__}: {error}")
        finally:
            _at_work = False

    return guarded


def _with_log(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the last lines that were printed to what `function` raises, and print nothing."""

    @wraps(function)
    def listening(*args: Any) -> Any:
        log = Log()
        try:
            with quiet() as log:
                return function(*args)
        except Unsupported:
            raise
        except Exception as error:
            if not log.tail():
                raise
            raise RuntimeError(f"{said(error)} | {log.tail()}") from error

    return listening


@_failing_softly
@_with_log
def make_ready(key: str, config: Config) -> Facts | Failure:
    """Prepare the model of `config`, unless it is ready already, and check its outputs."""
    task = _tasks[key]
    reason = unsupported(task, config)
    if reason:
        return Failure("unsupported", reason)
    finish(key, config)  # a cancelled one would count as warm
    one_at_a_time = _source(key, config).traits.one_at_a_time
    if one_at_a_time and config.batch_size > 1:
        return Failure("unsupported", one_at_a_time)
    session = _session(key, config).session
    # In batches of the requested size, since a runtime may be right for others only.
    batches = [_batch(task, config, start) for start in range(0, CHECKED_ITEMS, config.batch_size)]
    outputs = _outputs(session.call, batches, config.batch_size)
    name = key, config.variant
    if name not in _truth_errors:
        _truth_errors[name] = _truth_error(_ready(key, config), batches, outputs, config.batch_size)
    error = output_error(outputs, _expected_outputs(key, config))
    return Facts(_ready(key, config).model_mb, _session(key, config).prepare_s, error, _truth_errors[name])


def _expected_outputs(key: str, config: Config) -> list[torch.Tensor]:
    """The outputs of the model itself, in its own data type. Pruned alike: the check is not about pruning."""
    name = key, config.model, config.pruning
    if name not in _expected:
        module, end = _source(key, config).reference(), time.perf_counter() + REFERENCE_S
        found: list[torch.Tensor] = []
        while len(found) < CHECKED_ITEMS and (not found or time.perf_counter() < end):
            found.append(module(*_tasks[key].batch(_numbers(_tasks[key], len(found), 1))).clone())
        _expected[name] = found
    return _expected[name]


def _truth_error(
    ready: Prepared, batches: list[tuple[torch.Tensor, ...]], outputs: list[torch.Tensor], batch_size: int
) -> float:
    """Error of `outputs` against those of the same rounded model in floating point; NaN if that cannot be run."""
    if ready.in_float is None:
        return math.nan
    try:
        return output_error(outputs, _outputs(ready.in_float(), batches, batch_size))
    except Exception:  # a check that cannot run says nothing about the model
        return math.nan


def _outputs(call: Call, batches: list[tuple[torch.Tensor, ...]], batch_size: int) -> list[torch.Tensor]:
    """The output for each item, with a batch axis of length 1."""
    found: list[torch.Tensor] = []
    for batch in batches:
        outputs = call(*(tensor.clone() for tensor in batch))
        if outputs.shape[:1] != (batch_size,):
            wanted = f"wanted one output per item, {batch_size} in all"
            raise ValueError(f"outputs: {wanted}; got shape {tuple(outputs.shape)}")
        found += outputs.cpu().clone().split(1)  # a model may write to the same memory in its next call
    return found


def output_error(outputs: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """Root mean square of the differences, over that of the expected outputs, for the items that both have.

    Raises
    ------
    ValueError
        If an output has another shape, or is NaN or infinite where the expected one is not.
    """
    pairs = list(zip(outputs, expected, strict=False))
    for one, wanted in pairs:
        # A batch may be padded where a single item is not.
        if one.ndim != wanted.ndim or any(a < b for a, b in zip(one.shape, wanted.shape, strict=True)):
            raise ValueError(f"outputs: wanted shape {tuple(wanted.shape)}, as in fp32; got {tuple(one.shape)}")
    flat = [torch.cat([part.flatten() for part in parts]) for parts in zip(*map(_alike, pairs), strict=True)]
    departure = error(*flat)
    if math.isinf(departure):
        raise ValueError("outputs: wanted finite numbers, or infinity where the model itself has it; got other ones")
    return departure


def _alike(pair: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    one, wanted = pair
    return one[tuple(map(slice, wanted.shape))], wanted


@_failing_softly
def run_slice(key: str, config: Config, seconds: float) -> Slice | Failure:
    """Time `config` for about `seconds`; warm it up first if it is new."""
    where, running = device(config.device), _session(key, config)
    if running.warm:
        return time_slice(_caller(key, config), where, config.batch_size, seconds, rewarm=running.call_s < LONG_CALL_S)
    start = time.perf_counter_ns()
    memory_mb = where.peak_mb(lambda: _caller(key, config)(0))
    call = _caller(key, config)
    # That call was the first of the warm-up, and may be enough.
    left_s = WARM_UP_CAP_S - (time.perf_counter_ns() - start) / 1e9
    if left_s > 0:
        warm_up(call, where, cap_s=left_s)
    running.warm = True
    warm_up_ns = time.perf_counter_ns() - start
    timed = time_slice(call, where, config.batch_size, seconds, rewarm=False)
    running.call_s = float(np.median(timed.samples_ns)) / 1e9
    return replace(timed, warm_up_ns=warm_up_ns, memory_mb=memory_mb)


@_failing_softly
def serve(key: str, config: Config, load: Load, stop: Path) -> Ran | Failure:
    """Serve requests as they arrive, each batch in the smallest session that takes it; end early once `stop` exists."""
    where = device(config.device)
    try:
        runs = _runs(key, config, load.max_batch)
        different = dict.fromkeys(runs)
        for run in different:
            warm_up(run, where, cap_s=WARM_UP_CAP_S / len(different))
        return open_loop(lambda size: runs[size - 1](size), where, load, stop.exists)
    finally:
        for size in range(1, load.max_batch + 1):
            finish(key, replace(config, batch_size=size))


@_failing_softly
def run_after_pauses(
    key: str, config: Config, pauses_ms: Sequence[float], number: int
) -> dict[float, np.ndarray] | Failure:
    """For each pause in milliseconds, the nanoseconds of the call after it and of the next, shape (`number`, 2)."""
    where, call, running = device(config.device), _caller(key, config), _session(key, config)
    if not running.warm:
        warm_up(call, where)
        running.warm = True
    return {ms: np.array(after_pauses_ns(call, where, round(ms * 1e6), number)) for ms in pauses_ms}


@_failing_softly
def time_calls(key: str, config: Config, calls: int, synchronised: bool) -> np.ndarray | Failure:
    """The nanoseconds that the next calls of `config` take, not warmed up; or until they return, done or not."""
    call, where = _caller(key, config), device(config.device)
    samples_ns = []
    where.synchronize()
    for number in range(calls):
        start = time.perf_counter_ns()
        call(number)
        if synchronised:
            where.synchronize()
        samples_ns.append(time.perf_counter_ns() - start)
    where.synchronize()
    return np.array(samples_ns)


@_failing_softly
def energy(key: str, config: Config) -> float | Failure:
    """Joules per item of `config`; NaN if no counter can be read."""
    counter = find_counter(config.device)
    return energy_j_per_item(_caller(key, config), device(config.device), config.batch_size, counter)


@_failing_softly
def score_slice(key: str, config: Config, seconds: float, known: int) -> np.ndarray | Failure:
    """Score test items after the first `known`, as bools or float64; empty if all are known.

    Items are scored in the order of `scoring_order`, for about `seconds` and at least one batch.
    """
    task, name = _tasks[key], (key, config.variant)
    labels = task.test[1] if task.test else torch.empty(0)
    one_at_a_time = _source(key, config).traits.one_at_a_time
    order, end = torch.from_numpy(scoring_order(len(labels))), time.perf_counter() + seconds
    torch.set_num_threads(config.threads)
    scored, found = _scored.setdefault(name, {}), [np.empty(0, bool)]
    while known < len(labels) and (len(found) == 1 or time.perf_counter() < end):
        if known not in scored:
            if name not in _scoring:
                _scoring[name] = _ready(key, config).session(config.threads, 1 if one_at_a_time else None)
            items = order[known : known + (1 if one_at_a_time else SCORE_BATCH)]
            outputs = _scoring[name].call(*_fed(task, items, config.device))
            scored[known] = task.score(outputs.cpu(), labels[items])
        found.append(scored[known])
        known += len(found[-1])
    if known == len(labels):
        _scoring.pop(name, None)
    return np.concatenate(found)


@_failing_softly
def layers(key: str, config: Config) -> list[Layer] | Failure:
    """The layers of the compiled model that do its arithmetic."""
    return _session(key, config).session.layers()


@_failing_softly
def operations(key: str, config: Config) -> dict[int, list[Operation]] | Failure:
    """Batch size -> what each layer of `config` does in a call on real inputs.

    Of items that are alike, two batch sizes tell about all. A batch of items that differ in length is padded to the
    longest, so these are counted at more sizes, and at several batches of each, for about `COUNTING_S`.
    """
    task = _tasks[key]
    if reason := unsupported(task, config):
        raise Unsupported(reason)
    module = _session(key, config).session.call
    if not isinstance(module, torch.nn.Module):
        raise Unsupported(f"{config.runtime} merges layers and does not say what each of them does")
    varying = task.trim is not whole
    sizes = [1] if _source(key, config).traits.one_at_a_time else COUNTED_BATCHES if varying else COUNTED_BATCHES[:2]
    counted: dict[int, list[Operation]] = {}
    end = time.perf_counter() + COUNTING_S
    for size in sizes:
        if len(counted) < 2 or time.perf_counter() < end:
            batches = _batches(task, replace(config, batch_size=size))
            counted[size] = mean_of([operations_of(module, *one) for one in batches[: None if varying else 1]])
    return counted


def finish(key: str, config: Config) -> None:
    """Let go of the session of `config`: a sweep over hundreds would otherwise keep all of them in memory."""
    _running.pop((key, config), None)
    _scoring.pop((key, config.variant), None)


def _source(key: str, config: Config) -> Source:
    name = key, config.model, config.pruning
    if name not in _sources:
        with torch.inference_mode(False), torch.no_grad():
            _sources[name] = Source(_tasks[key], config.model, config.pruning)
    _sources[name] = _sources.pop(name)
    return _sources[name]


def _ready(key: str, config: Config) -> Prepared:
    name = key, config.variant
    if name not in _prepared:
        source = _source(key, config)
        # A module made in inference mode could neither be traced nor compute gradients.
        with torch.inference_mode(False), torch.no_grad():
            _prepared[name] = prepare(source, config)
        _forget_unused(name)
    _prepared[name] = _prepared.pop(name)
    return _prepared[name]


def _session(key: str, config: Config) -> Running:
    if (key, config) not in _running:
        torch.set_num_threads(config.threads)
        ready = _ready(key, config)
        start = time.perf_counter()
        session = ready.session(config.threads, config.batch_size)
        _running[key, config] = Running(session, ready.prepare_s + time.perf_counter() - start)
    return _running[key, config]


def _caller(key: str, config: Config) -> Callable[[int], object]:
    """Make a function of the call's number that runs one batch, with rotating inputs, on the threads of `config`."""
    torch.set_num_threads(config.threads)
    running = _session(key, config)
    call, turns, batches = running.session.call, running.turns, running.batches or _batches(_tasks[key], config)
    if sum(tensor.nbytes for batch in batches for tensor in batch) <= KEPT_BATCHES_BYTES:
        running.batches = batches
    return lambda _: call(*batches[next(turns) % len(batches)])


def _runs(key: str, config: Config, max_batch: int) -> list[Callable[[int], object]]:
    """For 1, 2, ... and `max_batch` items, a function that runs such a batch, with inputs that are ready and rotate."""
    torch.set_num_threads(config.threads)
    largest = _batches(_tasks[key], replace(config, batch_size=max_batch))
    runs: list[Callable[[int], object]] = []
    for size in session_sizes(config, max_batch):
        one = replace(config, batch_size=size)
        run = _rotating(_session(key, one).session.call, _smaller(_tasks[key], one, largest))
        runs += [run] * (size - len(runs))
    return runs


def _smaller(task: Task, config: Config, largest: list[tuple[torch.Tensor, ...]]) -> list[tuple[torch.Tensor, ...]]:
    """Different batches of the size of `config`: the first items of the largest ones, unless items differ in length."""
    if task.trim is not whole:
        return _batches(task, config)
    return [
        tuple(tensor.narrow(task.batch_axis, 0, config.batch_size).contiguous() for tensor in batch)
        for batch in largest
    ]


def _rotating(call: Call, batches: list[tuple[torch.Tensor, ...]]) -> Callable[[int], object]:
    turns = cycle(batches)
    return lambda _: call(*next(turns))


def _batches(task: Task, config: Config) -> list[tuple[torch.Tensor, ...]]:
    """Different batches on the device, spread evenly over the inputs: no timing depends on one lucky input."""
    varying = task.trim is not whole
    number = max(ROTATED_VARYING_BATCHES, ROTATED_LENGTHS // config.batch_size) if varying else ROTATED_BATCHES
    items = items_in(task.load_data().inputs, task.batch_axis)
    return [_batch(task, config, i * items // number) for i in range(number)]


def _batch(task: Task, config: Config, start: int) -> tuple[torch.Tensor, ...]:
    """The batch of items from `start` on, as a call gets it."""
    return _fed(task, _numbers(task, start, config.batch_size), config.device)


def _numbers(task: Task, start: int, items: int) -> torch.Tensor:
    return (start + torch.arange(items, device="cpu")) % items_in(task.load_data().inputs, task.batch_axis)


def _fed(task: Task, items: torch.Tensor, device_name: str) -> tuple[torch.Tensor, ...]:
    """The tensors for these items on the device, with floating-point numbers in fp32."""
    return tuple(tensor.to(device_name) for tensor in inputs_in_fp32(task.batch(items)))
