"""The registry of runtimes, and the preparation of a model for one of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import torch

from tradespace.config import PRECISIONS, WEIGHTS, Config
from tradespace.config import RUNTIMES as NAMES
from tradespace.prepare import cuda, eager
from tradespace.prepare.runtime import Runtime
from tradespace.prepare.session import Call, Converted, Session
from tradespace.prepare.source import Source
from tradespace.tasks.task import Task

RUNTIMES: dict[str, Runtime] = {name: import_module(f"tradespace.prepare.{name}").RUNTIME for name in NAMES}


@dataclass(frozen=True)
class Prepared:
    """A model converted for one runtime, from which sessions are opened.

    Parameters
    ----------
    converted : Converted
    prepare_s : float
        Seconds that loading, pruning, exporting, calibrating and converting took; they are done once.
    """

    converted: Converted
    prepare_s: float

    @property
    def model_mb(self) -> float:
        """Size of the weights on disk, in 10^6 bytes."""
        return self.converted.model_mb

    @property
    def in_float(self) -> Callable[[], Call] | None:
        """Makes the same rounded model in floating point; None if the model computes nothing in integers."""
        return self.converted.in_float

    def session(self, threads: int, batch_size: int | None) -> Session:
        """Open a session for batches of one size, or of any size; most runtimes fix the number of threads here."""
        return self.converted.open(threads, batch_size)


def unsupported(task: Task, config: Config) -> str | None:
    """Why this machine cannot run `config`, as a sentence; None if it can."""
    runtime = RUNTIMES[config.runtime]
    missing = [name for name in runtime.packages if find_spec(name) is None]
    if missing:
        return f"runtime {config.runtime} needs {', '.join(missing)}: pip install {' '.join(missing)}"
    if not _available(config.device):
        return f"torch finds no {config.device} device on this machine"
    return runtime.unsupported(config, task.calibration is not None)


def any_size(config: Config) -> bool:
    """Whether one session of the runtime takes batches of any size."""
    return RUNTIMES[config.runtime].any_size


def untimed(config: Config) -> str | None:
    """Why `config` can be scored but not timed, as a sentence; None if it can be timed too."""
    return eager.untimed(config) if config.runtime == "eager" else None


def prepare(source: Source, config: Config) -> Prepared:
    """Convert the model of `source` as `config` says. Threads and batch size do not matter yet.

    Examples
    --------
    >>> from tradespace.tasks import load_task
    >>> task = load_task("fashion")
    >>> config = Config("resnet8", precision="int8", runtime="openvino")
    >>> small = prepare(Source(task, config.model, config.pruning), config)
    >>> small.session(threads=1, batch_size=1).call(task.example).shape
    torch.Size([1, 10])

    Raises
    ------
    Unsupported
        If the model has nothing to which this precision applies, or the runtime's exporter refuses it.
    """
    runtime = RUNTIMES[config.runtime]
    runtime.begin(config)
    start, made_s = time.perf_counter(), source.made_s
    converted = runtime.convert(source, config)
    own_s = time.perf_counter() - start - (source.made_s - made_s)
    return Prepared(converted, source.needed_s + own_s)


def _available(device: str) -> bool:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return device == "cpu" or (accelerator is not None and accelerator.type == device)


def precisions() -> tuple[str, ...]:
    """Precisions at which eager PyTorch can be timed on the devices of this machine."""
    beyond = () if torch.cuda.is_available() else cuda.PRECISIONS_OF_CUDA_ALONE
    return tuple(name for name in PRECISIONS if name not in (*WEIGHTS, *beyond))


def versions(config: Config) -> dict[str, str]:
    """Package -> version, for the packages besides PyTorch that convert and run the model of `config`."""
    packages = [*RUNTIMES[config.runtime].packages]
    if config.pruning.startswith("channels"):
        packages.append("torch-pruning")
    if config.device == "cuda" and config.precision in cuda.KERNELS:
        packages.append("torchao")
    return {name: version(name) for name in packages if find_spec(name.replace("-", "_")) is not None}
