"""The runtimes there are, and what they make of a model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import torch

from tradespace.config import PRECISIONS, Config
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
        Seconds that loading, pruning, exporting, calibrating and converting took, once.
    """

    converted: Converted
    prepare_s: float

    @property
    def model_mb(self) -> float:
        """Size on disk of the weights, in 10^6 bytes."""
        return self.converted.model_mb

    @property
    def in_float(self) -> Callable[[], Call] | None:
        """Makes the same rounded model, to be computed in floating point; None where nothing is in integers."""
        return self.converted.in_float

    def session(self, threads: int, batch_size: int | None) -> Session:
        """The model ready for batches of that size, or of any; how many threads it may use holds for most runtimes."""
        return self.converted.open(threads, batch_size)


def unsupported(task: Task, config: Config) -> str | None:
    """Why this machine cannot run `config`, in a sentence; None if it can."""
    runtime = RUNTIMES[config.runtime]
    missing = [name for name in runtime.packages if find_spec(name) is None]
    if missing:
        return f"runtime {config.runtime} needs {', '.join(missing)}: pip install {' '.join(missing)}"
    if not _available(config.device):
        return f"torch finds no {config.device} device on this machine"
    return runtime.unsupported(config, task.calibration is not None)


def untimed(config: Config) -> str | None:
    """Why the accuracy of `config` can be told but no time of it, in a sentence; None if both can."""
    return eager.untimed(config) if config.runtime == "eager" else None


def prepare(source: Source, config: Config) -> Prepared:
    """The model of `source` converted as `config` says. Threads and batch size play no part yet.

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
        If the model has nothing that this precision could be applied to, or the runtime's exporter refuses it.
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
    """The precisions that eager PyTorch can be timed at with the devices of this machine."""
    beyond = () if torch.cuda.is_available() else cuda.PRECISIONS_OF_CUDA_ALONE
    return tuple(name for name in PRECISIONS if name not in (*eager.WEIGHTS, *beyond))


def versions(config: Config) -> dict[str, str]:
    """Package -> version, of what runs and converts the model of `config` besides PyTorch."""
    packages = [*RUNTIMES[config.runtime].packages]
    if config.pruning.startswith("channels"):
        packages.append("torch-pruning")
    if config.device == "cuda" and config.precision in cuda.KERNELS:
        packages.append("torchao")
    return {name: version(name) for name in packages if find_spec(name.replace("-", "_")) is not None}
