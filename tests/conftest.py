"""What tests of several rooms share: the shipped task, a tiny one, and complete rows of a surface."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future

# A thread of torch's that waits for another sleeps. By default it spins: where other work holds that other's core,
# all that computes takes ten times as long. It is read when torch is imported, and passed on to kernels and workers.
os.environ["OMP_WAIT_POLICY"] = "passive"

import pandas as pd
import pytest
import torch
from hypothesis import settings
from torch import nn
from tradespace.surface.columns import NUMBERS, WHOLE, table
from tradespace.tasks import Task, load_task

# It is for notebooks, and changes what it is run in.
collect_ignore = ["hurry.py"]

# A busy machine is no failure; and every run looks at other examples.
settings.register_profile("patient", deadline=None, max_examples=50)
settings.load_profile("patient")

ROW = {
    **dict.fromkeys(NUMBERS, 0.5),
    **dict.fromkeys(WHOLE, 1),
    **{"task": "fashion", "model": "resnet8", "pruning": "none", "precision": "fp32", "runtime": "eager"},
    **{"device": "cpu", "flags": "", "status": "ok", "reason": "", "machine": "this one", "measured_at": "2026-01-01"},
}


@pytest.fixture(scope="session")
def surface_of() -> Callable[..., pd.DataFrame]:
    """(dict of changes to an ordinary row, ...) -> a complete surface of as many rows."""
    return lambda *changes: table([ROW | change for change in changes])


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
    """Stands in for the measuring process: runs each request at once, here, and keeps a list of them.

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
        self.requests.append((function.__name__, *args))
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


@pytest.fixture
def inline():
    threads = torch.get_num_threads()
    yield InlineExecutor()
    torch.set_num_threads(threads)
