"""What tests of several rooms share: the shipped task, a tiny one, and complete rows of a surface."""

import gc
import math
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future

# A thread of torch's that waits for another sleeps. By default it spins: where other work holds that other's core,
# all that computes takes ten times as long. It is read when torch is imported, and passed on to kernels and workers.
os.environ["OMP_WAIT_POLICY"] = "passive"

import loky
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings
from torch import nn
from tradespace.config import Config
from tradespace.measuring import engine, work
from tradespace.measuring.measurement import Facts, Slice
from tradespace.surface import sweep
from tradespace.surface.columns import NUMBERS, WHOLE, table
from tradespace.tasks import Task, load_task
from xdist.scheduler import LoadScopeScheduling

# They are for notebooks, and change what they are run in.
collect_ignore = ["hurry.py", "played.py"]

# A busy machine is no failure; and every run looks at other examples.
settings.register_profile("patient", deadline=None, max_examples=50)
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported and collected stays: looking through it for garbage takes a second, and happens often."""
    gc.disable()
    result = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return result


class SomeTogether(LoadScopeScheduling):
    """Tests spread one by one over pytest's workers, but those that share what is dear to start are on one."""

    # Pages and kernels; the processes that run lessons.
    TOGETHER = "tests/browser/", "tests/test_notebooks.py"

    def _split_scope(self, nodeid: str) -> str:
        return next(filter(nodeid.startswith, self.TOGETHER), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return SomeTogether(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """One a core, and one more: that of the browser mostly waits."""
    return loky.cpu_count(only_physical_cores=True) + 1


ROW = {
    **dict.fromkeys(NUMBERS, 0.5),
    **dict.fromkeys(WHOLE, 1),
    **{"task": "fashion", "model": "resnet8", "pruning": "none", "precision": "fp32", "runtime": "eager"},
    **{"device": "cpu", "score": "accuracy", "flags": "", "status": "ok", "reason": "", "machine": "this one"},
    "measured_at": "2026-01-01",
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    """In every run networks begin with the same weights."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def surface_of() -> Callable[..., pd.DataFrame]:
    """(dict of changes to an ordinary row, ...) -> a complete surface of as many rows."""
    return lambda *changes: table([ROW | _around(change) | change for change in changes])


def _around(change: dict[str, object]) -> dict[str, object]:
    """Intervals and percentiles that fit the latency and the accuracy of `change`."""
    latency, accuracy = (
        ("latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p90_ms", "latency_p99_ms"),
        ("accuracy_lo", "accuracy_hi"),
    )
    around = dict.fromkeys(latency, change.get("latency_p50_ms", 0.5))
    return around | dict.fromkeys(accuracy, change.get("accuracy", 0.5))


@pytest.fixture(scope="session")
def fashion() -> Task:
    return load_task("fashion")


@pytest.fixture
def tiny() -> Task:
    """Two models, "narrow" and "wide", of 8 x 8 images in three classes, with 20 calibration and 30 test items."""
    torch.manual_seed(0)
    models = {"narrow": convolution(2), "wide": convolution(4)}
    test = torch.randn(30, 1, 8, 8), torch.randint(3, (30,))
    return Task.from_model(
        models, example=torch.zeros(1, 1, 8, 8), calibration=torch.randn(20, 1, 8, 8), test=test, name="tiny"
    )


def convolution(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, channels, 3), nn.BatchNorm2d(channels), nn.ReLU(), nn.Flatten(), nn.Linear(36 * channels, 3)
    )


class InlineExecutor(Executor):
    """Stands in for the measuring process: runs each request at once, here, and keeps a list of those about a task.

    `interrupted` may be set to say when a request is met by the interrupt of a kernel.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[object, ...]] = []
        self.interrupted = lambda: False

    @property
    def slices(self) -> int:
        """How many slices were asked for."""
        return sum(name == "run_slice" for name, *_ in self.requests)

    def submit(self, function, /, *args, **kwargs):
        if function.__name__ == "run_slice" and self.interrupted():
            raise KeyboardInterrupt
        if args:
            self.requests.append((function.__name__, *args))
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


class ElsewhereExecutor(InlineExecutor):
    """Stands in for a process on another host: what it says of its machine is not what this process says."""

    def submit(self, function, /, *args, **kwargs):
        with pytest.MonkeyPatch.context() as there:
            there.setenv("ATEN_CPU_CAPABILITY", "default")
            return super().submit(function, *args, **kwargs)


@pytest.fixture
def process(monkeypatch):
    """-> (any parameters of `FakeProcess`) -> one, whose clock is that of the engine and of sweeps."""

    def made(**costs) -> FakeProcess:
        fake = FakeProcess(**costs)
        for module in (engine, work, sweep):
            monkeypatch.setattr(module, "time", fake)
        return fake

    return made


@pytest.fixture
def inline():
    threads = torch.get_num_threads()
    yield InlineExecutor()
    torch.set_num_threads(threads)


@pytest.fixture
def elsewhere(inline):
    return ElsewhereExecutor()


class FakeProcess(Executor):
    """Stands in for the measuring process, on a clock of its own: each request takes the seconds that it would.

    What its machine is, it tells at once.

    Parameters
    ----------
    call_s : callable
        Config -> seconds of one call.
    item_s : callable
        Config -> seconds of scoring one test item.
    prepare_s : callable
        Config -> seconds that it takes to prepare its variant, the first time.
    items : int
        Test items of the task.
    """

    WARM_UP_S, WAY_S, SCORED_AT_ONCE = 0.3, 0.004, 100

    def __init__(
        self, call_s=lambda config: 0.001, item_s=lambda config: 0.0, prepare_s=lambda config: 0.1, items=30
    ) -> None:
        self.call_s, self.item_s, self.prepare_s, self.items = call_s, item_s, prepare_s, items
        self.now_s = 0.0
        self.requests: list[tuple[str, Config | None]] = []
        self.interrupt_at = math.inf
        self._prepared: set[Config] = set()
        self._warm: set[Config] = set()

    # The parts of the module `time` that ask for the time.
    def monotonic(self) -> float:
        return self.now_s

    perf_counter = monotonic

    def count(self, name: str) -> int:
        return sum(asked == name for asked, _ in self.requests)

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        if not args:
            future.set_result("a fake")
            return future
        if len(self.requests) >= self.interrupt_at:
            raise KeyboardInterrupt
        self.now_s += self.WAY_S
        config = args[1] if len(args) > 1 and isinstance(args[1], Config) else None
        self.requests.append((function.__name__, config))
        future.set_result(getattr(self, f"_{function.__name__}", lambda *_: None)(*args[1:]))
        return future

    def _make_ready(self, config):
        if config.variant not in self._prepared:
            self._prepared.add(config.variant)
            self.now_s += self.prepare_s(config)
        return Facts(1.0, self.prepare_s(config), 0.0)

    def _run_slice(self, config, seconds):
        call_s = self.call_s(config)
        if config not in self._warm:
            self._warm.add(config)
            self.now_s += max(self.WARM_UP_S, 2 * call_s)
        number = max(math.ceil(seconds / call_s - 1e-9), 1)
        # Every other slice is skewed, so that the interval of the median is never narrow.
        shape = np.linspace(0.9, 1.1, number) ** (1 + 4 * (self.requests.count(("run_slice", config)) % 2))
        samples_ns = np.round(call_s * 1e9 * shape / shape.mean())
        spent_ns = round(number * call_s * 1e9)
        samples_ns[-1] += spent_ns - samples_ns.sum()
        self.now_s += spent_ns / 1e9
        return Slice(samples_ns.astype(int), number * config.batch_size, spent_ns, wall_ns=spent_ns)

    def _score_slice(self, config, seconds, known):
        batch = min(self.SCORED_AT_ONCE, self.items - known)
        batches = max(math.ceil(seconds / (self.item_s(config) * batch + 1e-9)), 1) if batch else 0
        scored = min(batch * batches, self.items - known)
        self.now_s += scored * self.item_s(config)
        return np.arange(known, known + scored) % 5 > 0

    def _energy(self, config):
        return math.nan
