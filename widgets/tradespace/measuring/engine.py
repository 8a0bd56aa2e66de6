"""The measuring process as seen from the kernel, and the schedule of its work."""

import hashlib
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor, Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import loky
import numpy as np

from tradespace.config import Config, check
from tradespace.errors import choose, renamed
from tradespace.measuring import worker
from tradespace.measuring.machine import machine, now
from tradespace.measuring.measurement import Failure, Measurement, Scored, Slice
from tradespace.measuring.replay import Process, Replay
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.statistics import FEWEST_SLICES
from tradespace.measuring.work import STOP_FROM_SLICES, Work
from tradespace.prepare import untimed
from tradespace.recording import folder
from tradespace.spinning import OPENMP, VARIABLE, WAYS, how_threads_wait
from tradespace.tasks.identity import digest
from tradespace.tasks.parcel import pack
from tradespace.tasks.task import Task

# Raise this when a change to the loop makes older timings or accuracies incomparable: stored ones are measured again.
LOOP_VERSION = 3
SCORE_SLICE_S = 0.3
# A variant is scored after this many of its slices: by then its speed is known, and so is how long scoring will take.
SCORED_AT_SLICE = 2
# A request that takes longer is treated as hanging. Preparing may take longer than a slice's few tenths of a second.
LIMIT_S = 120.0
IDLE_S = 3600
ENVIRONMENT = {
    # Growing memory is not a leak here: prepared models are kept. Without this, loky restarts its process at 300 MB.
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15",
    # Without these, the C library returns the memory of large batches after every call, and the system clears it again:
    # a fifth to a half of the time of eager PyTorch there, in some processes but not in others (glibc, mallopt).
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
}

# Variant (`Config.variant`) -> what is known about its accuracy.
Scores = MutableMapping[Config, Scored]


class MeasuringProcess:
    """The one process that measures on this machine, for all callers: started at first use, and again if it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Executor | None = None

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Queue a call. A process that died while it was idle is replaced first."""
        with self._lock:
            try:
                return self._alive().submit(function, *args)
            except (BrokenProcessPool, loky.process_executor.ShutdownExecutorError):
                self._executor = None
                return self._alive().submit(function, *args)

    def start(self) -> None:
        """Begin to start the process before it is needed: it takes seconds to import torch."""
        self.submit(os.getpid)

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(kill_workers=True)  # type: ignore[call-arg]  # loky's own argument
            self._executor = None

    def _alive(self) -> Executor:
        if self._executor is None:
            self._executor = loky.ProcessPoolExecutor(
                max_workers=1,
                timeout=IDLE_S,
                env=ENVIRONMENT | OPENMP[how_threads_wait()],
                initializer=worker.end_with,
                initargs=(os.getpid(),),
            )
        return self._executor


_RECORDED = folder()
PROCESS: Process = Replay(_RECORDED / "measurements.zip", MeasuringProcess()) if _RECORDED else MeasuringProcess()


@contextmanager
def new_process() -> Iterator[Process]:
    """A measuring process in which nothing has run, killed after the block; in recorded mode, what plays back."""
    if not isinstance(PROCESS, MeasuringProcess):
        yield PROCESS
        return
    process = MeasuringProcess()
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def waiting(way: str) -> Iterator[None]:
    """In this block, measure in a new process whose threads wait for each other in this way.

    Parameters
    ----------
    way : str
        `brief`, the default: after some microseconds, a waiting thread gives up its core to any thread that wants it.
        Or `spin`: it keeps its core as long as the runtimes do by default, which is a little faster if nothing else
        runs, and much slower if something does. The environment variable TRADESPACE_WAITING sets it permanently.

    Raises
    ------
    ValueError
        If `way` is neither.

    Examples
    --------
    >>> import tradespace as ts
    >>> with ts.waiting("spin"):
    ...     how_threads_wait()
    'spin'
    """
    choose("way", way, WAYS)
    before = os.environ.get(VARIABLE)
    PROCESS.kill()
    os.environ[VARIABLE] = way
    try:
        yield
    finally:
        PROCESS.kill()
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


class Engine:
    """Sends requests about one task to the measuring process, one short request at a time.

    Timing in the kernel's own process would be disturbed by every chart that it draws. Any
    `concurrent.futures.Executor` with one worker can take the place of this machine's process.
    """

    def __init__(self, task: Task, executor: Executor | Process | None = None, limit_s: float = LIMIT_S) -> None:
        self._payload = pack(task, "task")
        self._key = hashlib.sha256(self._payload).hexdigest()
        self._executor = executor or PROCESS
        self._limit_s = limit_s

    def request(
        self,
        function: Callable[..., Any],
        *args: Any,
        limit_s: float | None = None,
        stop: Callable[[], object] | None = None,
    ) -> Any:
        """Return `function(task key, *args)` from the measuring process, or a `Failure` if that dies or hangs.

        Of a request that may take longer than others, `limit_s` says how long. An interrupt of the kernel calls `stop`,
        if it is given: that is to end the request early, whose answer is then returned.
        """
        limit_s = self._limit_s if limit_s is None else limit_s
        try:
            answer = self._run(limit_s, stop, function, self._key, *args)
            if isinstance(answer, Failure) and answer == worker.UNKNOWN_TASK:
                self._run(self._limit_s, None, worker.learn, self._key, self._payload)
                answer = self._run(limit_s, stop, function, self._key, *args)
            return answer
        except BrokenProcessPool as error:
            codes = re.findall(r"\w+\(-\d+\)|EXIT\(\d+\)", str(error))
            died = f"the measuring process died{' of ' + codes[0] if codes else ''}"
            killed = ", perhaps for lack of memory" if "SIGKILL" in died else ""
            return Failure("crashed", f"{died}{killed}; a new one takes the next measurement")
        except TimeoutError:
            if self._executor is PROCESS:
                PROCESS.kill()
            return Failure("timeout", f"no answer within {limit_s:g} s; the measuring process was stopped")

    def _run(self, limit_s: float, stop: Callable[[], object] | None, function: Callable[..., Any], *args: Any) -> Any:
        answer = self._executor.submit(function, *args)
        try:
            return answer.result(limit_s)
        except KeyboardInterrupt:
            if stop is None:
                raise
            stop()
            return answer.result(limit_s)


def machine_of(executor: Executor | None) -> str:
    """The machine line of the measuring process, by default that of this machine; empty if it died or hangs."""
    if executor is None:
        return machine()
    try:
        return executor.submit(machine).result(LIMIT_S)
    except (BrokenProcessPool, TimeoutError):
        return ""


class _Point:
    """A Config being measured."""

    def __init__(
        self, engine: Engine, measurement: Measurement, scores: Scores, schedule: Schedule, test_items: int
    ) -> None:
        self._engine, self._scores = engine, scores
        self._schedule, self._test_items = schedule, test_items
        self.measurement = measurement
        self.variant = measurement.config.variant
        self.untimed = untimed(measurement.config)
        self.ready = self.warm = self.scored = self._exhausted = False

    @property
    def failed(self) -> bool:
        return self.measurement.failure is not None

    @property
    def timed(self) -> bool:
        """Whether no more slices are needed."""
        m, schedule = self.measurement, self._schedule
        enough_s = schedule.budget_s * (1 if m.undisturbed >= FEWEST_SLICES else schedule.most_budgets)
        known = len(m.kept) >= STOP_FROM_SLICES and m.width <= m.max_width
        return self.untimed is not None or known or m.spent_s >= enough_s or self._exhausted

    @property
    def finished(self) -> bool:
        return self.failed or (self.timed and self.scored)

    def make_ready(self) -> None:
        self.ready = True
        self._take(self._engine.request(worker.make_ready, self.measurement.config), "facts")

    def time_slice(self) -> None:
        answer = self._engine.request(worker.run_slice, self.measurement.config, self._schedule.slice_s)
        self.warm, self._exhausted = True, answer is None
        if answer is not None:
            self._take((*self.measurement.slices, answer) if isinstance(answer, Slice) else answer, "slices")

    def score_slice(self) -> None:
        score = self._scores.get(self.variant, Scored(whole=not self._test_items))
        if not score.done(self._schedule.score_s):
            began = time.perf_counter()
            config, known = self.measurement.config, len(score.scores)
            seconds = min(SCORE_SLICE_S, self._schedule.score_s - score.spent_s)
            answer = self._engine.request(worker.score_slice, config, seconds, known)
            if isinstance(answer, Failure):
                self._take(answer, "failure")
                return
            spent_s = score.spent_s + time.perf_counter() - began
            scores = np.concatenate([score.scores, answer])
            # In recorded mode, there may be fewer results than items.
            score = Scored(scores, spent_s, whole=len(scores) == self._test_items or not len(answer))
            self._scores[self.variant] = score
        if score.done(self._schedule.score_s):
            self.scored = True
            self._take(score.scores if len(score.scores) else None, "scores")

    def measure_energy(self) -> None:
        self._take(self._engine.request(worker.energy, self.measurement.config), "energy_j_per_item")

    def give_up(self, status: str, reason: str) -> None:
        self._take(Failure(status, reason), "failure")

    def let_go(self) -> None:
        self._engine.request(worker.finish, self.measurement.config)

    def _take(self, answer: Any, name: str) -> None:
        change = {"failure": answer} if isinstance(answer, Failure) else {name: answer}
        self.measurement = replace(self.measurement, measured_at=now(), **change)


def measure_rounds(
    task: Task,
    configs: Sequence[Config],
    schedule: Schedule,
    *,
    executor: Executor | None = None,
    scores: Scores | None = None,
    slices: Mapping[Config, tuple[Slice, ...]] | None = None,
    work: Work | None = None,
    where: str | None = None,
    seed: int = 0,
) -> Iterator[tuple[Measurement, bool]]:
    """Measure `configs`; after every slice, yield its Measurement and whether that is finished.

    The Configs take turns in rounds, the first by batch size, each later one in a new order. A machine that slows down
    for a while thus slows all Configs a little, not one Config a lot. At most `schedule.take_turns` take turns; when
    one is finished, the next one joins, in random order. The caller may stop iterating at any time.

    Parameters
    ----------
    scores : mutable mapping, optional
        What is known about the accuracy of variants (`Config.variant`); new results are added.
    slices : mapping, optional
        Earlier slices of Configs whose measurement continues.
    work : Work, optional
        Records how long everything takes.
    where : str, optional
        The machine line of the measuring process, if it is known; otherwise the process is asked.
    """
    engine, work = Engine(task, executor), work or Work()
    shuffle = random.Random(seed).shuffle
    scores, slices = {} if scores is None else scores, slices or {}
    where = machine_of(executor) if where is None else where
    test_items = len(task.test[1]) if task.test else 0
    data, scored_by = task.data_fingerprint(), digest(task.score)
    begun = (
        Measurement(
            task.name,
            config,
            slices.get(config, ()),
            max_width=schedule.max_width,
            data=data,
            scored_by=scored_by,
            score=task.score.label,
            machine=where,
        )
        for config in configs
    )
    waiting = [_Point(engine, one, scores, schedule, test_items) for one in begun]
    work.plan(waiting, scores, schedule, test_items)
    shuffle(waiting)
    points: list[_Point] = []
    too_large: dict[Config, int] = {}
    while points or waiting:
        joining = schedule.take_turns - len(points)
        points, waiting = points + waiting[:joining], waiting[joining:]
        shuffle(points)
        # New ones by batch size: cheap calls show how long expensive ones will take, and which would not fit in memory.
        points.sort(key=lambda point: 0 if point.warm else point.measurement.config.batch_size)
        for point in points:
            _skip_if_larger(point, too_large)
            yield from _turn(point, work)
            if point.measurement.status == "out_of_memory":
                batch_size = point.measurement.config.batch_size
                too_large[point.variant] = min(batch_size, too_large.get(point.variant, batch_size))
        points = [point for point in points if not point.finished]


def _turn(point: _Point, work: Work) -> Iterator[tuple[Measurement, bool]]:
    if not point.ready and not point.failed:
        with work.stage("preparing", point):
            point.make_ready()
    if not point.failed and not point.timed:
        with work.stage("timing", point):
            point.time_slice()
    to_score = point.timed or len(point.measurement.slices) >= SCORED_AT_SLICE
    while not point.failed and not point.scored and to_score:
        yield point.measurement, False
        with work.stage("scoring", point):
            point.score_slice()
    if not point.failed and point.scored and point.untimed is not None:
        point.give_up("unsupported", point.untimed)
    if point.finished:
        yield point.measurement, False
        with work.stage("finishing", point):
            _finish(point)
    yield point.measurement, point.finished


def _finish(point: _Point) -> None:
    if not point.failed:
        point.measure_energy()
    # A process that died has nothing to let go of, and a request would start another one first.
    if point.measurement.status != "crashed":
        point.let_go()


def _skip_if_larger(point: _Point, too_large: dict[Config, int]) -> None:
    """Do not try a batch larger than one that did not fit."""
    config = point.measurement.config
    limit = too_large.get(point.variant, config.batch_size)
    if config.batch_size > limit and not point.failed:
        point.give_up("out_of_memory", f"not tried: batch {limit} of the same model did not fit into memory")


@renamed(ci="max_width")
def measure(
    task: Task,
    config: Config,
    *,
    max_width: float = 0.02,
    budget_s: float = 3.0,
    score_s: float = 5.0,
    executor: Executor | None = None,
) -> Measurement:
    """Measure latency, throughput and accuracy of one Config now, on this machine.

    Parameters
    ----------
    max_width : float
        Measuring ends when the width of the 95 % interval of the median latency is at most this fraction of the
        median...
    budget_s : float
        ...or when this many seconds of samples were taken; the result is then flagged `unconverged`. A Config that is
        slow, or disturbed by other work, may take up to four times as long to get the six slices an interval needs.
    score_s : float
        Accuracy is measured on as many test items as can be scored in this many seconds, in one shuffled order that is
        the same for every model; `accuracy_n` is their number.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default, a separate process on this machine. If it runs on another host, `machine` is that
        host.

    Returns
    -------
    Measurement
        When printed, it says whether to trust it. A Config that cannot run here has a `status` and a `reason`.

    Raises
    ------
    ValueError
        Before any work, if the Config names a model that the task lacks, or more threads than the machine has.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> m = ts.measure(task, ts.Config("resnet8", batch_size=8), budget_s=0.2)
    >>> m.status, m.throughput_per_s > 0, m.accuracy_n
    ('ok', True, 10000)
    """
    schedule = Schedule(max_width, budget_s, score_s)
    *_, (latest, _finished) = measure_rounds(task, check(task, [config]), schedule, executor=executor)
    return latest
