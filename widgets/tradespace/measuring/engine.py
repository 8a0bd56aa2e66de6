"""The measuring process as seen from the kernel, and the schedule of its work."""

import hashlib
import os
import random
import re
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Executor, Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

import cloudpickle
import loky
import numpy as np

from tradespace.config import Config, check
from tradespace.errors import positive
from tradespace.measuring import worker
from tradespace.measuring.machine import machine, now
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.measuring.replay import Process, Replay
from tradespace.measuring.statistics import FEWEST_SLICES
from tradespace.prepare import untimed
from tradespace.recording import FOLDER, recording
from tradespace.tasks.task import Task

# Raised when a change to the loop makes older timings incomparable: stored ones are then measured again.
LOOP_VERSION = 2
SLICES_A_BUDGET = 24
# Stopping at the first narrow interval flatters it: not before it is taken over so many slices.
STOP_FROM_SLICES = 12
# Below six slices the median has no 95 % interval: a Config that is slow, or disturbed by other work on the machine,
# may take up to four budgets to get six good ones.
MOST_BUDGETS = 4
SLICE_LIMITS_S = (0.02, 0.3)
SCORE_SLICE_S = 0.3
# As many Configs take turns: spread over minutes, and the memory of hundreds of sessions is not held at once.
TAKE_TURNS = 128
# A request that has not come back by then hangs: preparing is allowed more than a slice's few tenths of a second.
LIMIT_S = 120.0
IDLE_S = 3600
ENVIRONMENT = {
    # Memory that grows is no leak here: prepared models are kept. Without this loky restarts its process at 300 MB.
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15",
    # The C library would give the memory of large batches back after every call, and the kernel would clear it anew:
    # a fifth to a half of the time of eager PyTorch there, and in some processes but not in others (glibc, mallopt).
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
}

# Of each variant (`worker.variant`), per test item, whether it is classified right.
Scores = MutableMapping[Config, np.ndarray]


class MeasuringProcess:
    """The one process that measures on this machine, whoever asks: started at first use, and anew once it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Executor | None = None

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Queue a call. A process found dead while it was idle is replaced first."""
        with self._lock:
            try:
                return self._alive().submit(function, *args)
            except (BrokenProcessPool, loky.process_executor.ShutdownExecutorError):
                self._executor = None
                return self._alive().submit(function, *args)

    def start(self) -> None:
        """Begin to start the process, for whoever may want it soon: importing torch takes it seconds."""
        self.submit(os.getpid)

    def kill(self) -> None:
        """End the process at once, with whatever it is doing."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(kill_workers=True)  # type: ignore[call-arg]  # loky's own argument
            self._executor = None

    def _alive(self) -> Executor:
        if self._executor is None:
            self._executor = loky.ProcessPoolExecutor(
                max_workers=1,
                timeout=IDLE_S,
                env=ENVIRONMENT,
                initializer=worker.end_with,
                initargs=(os.getpid(),),
            )
        return self._executor


PROCESS: Process = Replay(FOLDER / "measurements.zip", MeasuringProcess()) if recording() else MeasuringProcess()


class Engine:
    """Sends one short request at a time about one task to the measuring process.

    Timing in the kernel's own process would be disturbed by every chart it draws. Any `concurrent.futures.Executor`
    with one worker will do in the place of this machine's process.
    """

    def __init__(self, task: Task, executor: Executor | None = None, limit_s: float = LIMIT_S) -> None:
        self._payload = cloudpickle.dumps(task)
        self._key = hashlib.sha256(self._payload).hexdigest()
        self._executor = executor or PROCESS
        self._limit_s = limit_s

    def request(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(task key, *args)` in the measuring process; a `Failure` if that dies or hangs."""
        try:
            answer = self._run(function, self._key, *args)
            if isinstance(answer, Failure) and answer == worker.UNKNOWN_TASK:
                self._run(worker.learn, self._key, self._payload)
                answer = self._run(function, self._key, *args)
            return answer
        except BrokenProcessPool as error:
            codes = re.findall(r"\w+\(-\d+\)|EXIT\(\d+\)", str(error))
            died = f"the measuring process died{' of ' + codes[0] if codes else ''}"
            killed = ", perhaps for want of memory" if "SIGKILL" in died else ""
            return Failure("crashed", f"{died}{killed}; a new one takes the next measurement")
        except TimeoutError:
            if self._executor is PROCESS:
                PROCESS.kill()
            return Failure("timeout", f"no answer within {self._limit_s:g} s; the measuring process was ended")

    def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._executor.submit(function, *args).result(self._limit_s)


class _Point:
    """A Config being measured."""

    def __init__(self, engine: Engine, task: Task, config: Config, ci: float, budget_s: float, scores: Scores) -> None:
        self._engine = engine
        self._budget_s = budget_s
        self._scores = scores
        self.untimed = untimed(config)
        self.scored = self._exhausted = False
        self.measurement = Measurement(task.name, config, ci=ci, machine=machine())

    @property
    def finished(self) -> bool:
        m = self.measurement
        undisturbed = sum(not s.disturbed for s in m.slices)
        enough_s = self._budget_s if undisturbed >= FEWEST_SLICES else MOST_BUDGETS * self._budget_s
        known = len(m.kept) >= STOP_FROM_SLICES and m.width <= m.ci
        return m.failure is not None or known or m.spent_s >= enough_s or self._exhausted

    def make_ready(self) -> None:
        self._take(self._engine.request(worker.make_ready, self.measurement.config), "facts")

    def time_slice(self) -> None:
        shortest, longest = SLICE_LIMITS_S
        seconds = min(max(self._budget_s / SLICES_A_BUDGET, shortest), longest)
        answer = self._engine.request(worker.run_slice, self.measurement.config, seconds)
        self._exhausted = answer is None
        if answer is not None:
            self._take((*self.measurement.slices, answer) if isinstance(answer, Slice) else answer, "slices")

    def score_slice(self) -> None:
        variant = worker.variant(self.measurement.config)
        answer = self._scores.get(variant)
        if answer is None:
            answer = self._engine.request(worker.score_slice, self.measurement.config, SCORE_SLICE_S)
        if isinstance(answer, np.ndarray):
            self._scores[variant] = answer
        if answer is not None:
            self.scored = True
            self._take(answer if isinstance(answer, Failure) or len(answer) else None, "correct")

    def measure_energy(self) -> None:
        self._take(self._engine.request(worker.energy, self.measurement.config), "energy_j_per_item")

    def give_up(self, status: str, reason: str) -> None:
        self._take(Failure(status, reason), "failure")

    def finish(self) -> None:
        self._engine.request(worker.finish, self.measurement.config)

    def _take(self, answer: Any, name: str) -> None:
        change = {"failure": answer} if isinstance(answer, Failure) else {name: answer}
        self.measurement = replace(self.measurement, measured_at=now(), **change)


def measure_rounds(
    task: Task,
    configs: Sequence[Config],
    *,
    ci: float,
    budget_s: float,
    executor: Executor | None = None,
    scores: Scores | None = None,
    seed: int = 0,
) -> Iterator[tuple[Measurement, bool]]:
    """Measure `configs`, yielding after every slice the Measurement it went into and whether that is finished.

    The Configs take turns in rounds, each round in a new order: so a machine that slows down for a while slows all
    of them a little, not one of them a lot. Of more than `TAKE_TURNS`, the next one joins when one is finished, in
    random order. Whoever iterates may stop at any time.

    `scores` holds what is known of the accuracy of variants (`worker.variant`), and is added to.
    """
    engine = Engine(task, executor)
    shuffle = random.Random(seed).shuffle
    scores = {} if scores is None else scores
    waiting = [_Point(engine, task, config, ci, budget_s, scores) for config in configs]
    shuffle(waiting)
    points: list[_Point] = []
    too_large: dict[Config, int] = {}
    while points or waiting:
        joining = TAKE_TURNS - len(points)
        points, waiting = points + waiting[:joining], waiting[joining:]
        shuffle(points)
        for point in points:
            _skip_if_larger(point, too_large)
            yield from _turn(point)
            if point.measurement.status == "out_of_memory":
                config = point.measurement.config
                name = worker.variant(config)
                too_large[name] = min(config.batch_size, too_large.get(name, config.batch_size))
        points = [point for point in points if not point.finished]


def _turn(point: _Point) -> Iterator[tuple[Measurement, bool]]:
    if not point.measurement.slices and point.measurement.failure is None:
        point.make_ready()
    if point.measurement.failure is None and point.untimed is None:
        point.time_slice()
    while point.measurement.failure is None and not point.scored:
        yield point.measurement, False
        point.score_slice()
    if point.measurement.failure is None and point.untimed is not None:
        point.give_up("unsupported", point.untimed)
    if point.measurement.failure is None and point.finished:
        point.measure_energy()
    # Of a process that died there is nothing to let go of, and asking would start another one first.
    if point.finished and point.measurement.status != "crashed":
        point.finish()
    yield point.measurement, point.finished


def _skip_if_larger(point: _Point, too_large: dict[Config, int]) -> None:
    """Do not try a batch larger than one that did not fit."""
    config = point.measurement.config
    limit = too_large.get(worker.variant(config), config.batch_size)
    if config.batch_size > limit and point.measurement.failure is None:
        point.give_up("out_of_memory", f"not tried: batch {limit} of the same model did not fit into memory")


def measure(
    task: Task, config: Config, *, ci: float = 0.02, budget_s: float = 3.0, executor: Executor | None = None
) -> Measurement:
    """Latency, throughput and accuracy of one Config, measured now, on this machine.

    Parameters
    ----------
    ci : float
        Measuring ends when the 95 % interval of the median latency is at most this fraction of the median wide...
    budget_s : float
        ...or when this many seconds of samples were taken: then the result is flagged `unconverged`. A Config that
        is slow, or disturbed by other work, may take up to four times as long, to get the six slices an interval needs.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.

    Returns
    -------
    Measurement
        Printed, it says whether it is to be trusted. A Config that cannot run here has a `status` and a `reason`.

    Raises
    ------
    ValueError
        If the Config names a model the task lacks or more threads than the machine has; before any work.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> m = ts.measure(task, ts.Config("resnet8", batch_size=8), budget_s=0.2)
    >>> m.status, m.throughput_per_s > 0, m.accuracy_n
    ('ok', True, 10000)
    """
    configs = check(task, [config])
    ci, budget_s = positive("ci", ci), positive("budget_s", budget_s)
    *_, (latest, _finished) = measure_rounds(task, configs, ci=ci, budget_s=budget_s, executor=executor)
    return latest
