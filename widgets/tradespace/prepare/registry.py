"""The runtimes there are, and what they make of a model."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tradespace.config import PRECISIONS, Config
from tradespace.prepare import eager
from tradespace.tasks.task import Task

Call = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Runtime:
    """One way to run a model.

    Parameters
    ----------
    precisions : tuple of str
        Those it has code for, whatever this machine can run.
    unsupported : callable
        (Config, whether there are calibration inputs) -> why this machine cannot run it, or None.
    prepare : callable
        (module, Config, calibration inputs or None) -> a module that maps inputs to outputs at that Config.
    """

    precisions: tuple[str, ...]
    unsupported: Callable[[Config, bool], str | None]
    prepare: Callable[[nn.Module, Config, Tensor | None], nn.Module]


RUNTIMES = {"eager": Runtime(eager.PRECISIONS, eager.unsupported, eager.prepare)}


@dataclass(frozen=True)
class Prepared:
    """A model ready to run.

    Parameters
    ----------
    call : callable
        Inputs of any batch size on the Config's device -> outputs, as fp32.
    model_mb : float
        Size of the file that `torch.save` makes of the weights, in 10^6 bytes; some 10 kB of it are its own.
    prepare_s : float
        Seconds that loading, converting and calibrating took, once.
    """

    call: Call
    model_mb: float
    prepare_s: float


def unsupported(task: Task, config: Config) -> str | None:
    """Why this machine cannot run `config`, in a sentence; None if it can."""
    if config.pruning != "none":
        return f"there is no {config.pruning} version of {config.model} in this release"
    if config.runtime not in RUNTIMES:
        return f"runtime {config.runtime} is not in this release; there is {', '.join(RUNTIMES)}"
    if not _available(config.device):
        return f"torch finds no {config.device} device on this machine"
    return RUNTIMES[config.runtime].unsupported(config, task.calibration is not None)


def prepare(task: Task, config: Config) -> Prepared:
    """The model of `config`, compressed as it says and ready to run. Threads and batch size play no part.

    Examples
    --------
    >>> from tradespace.tasks import load_task
    >>> task = load_task("fashion")
    >>> small = prepare(task, Config("resnet8", precision="int8"))
    >>> small.call(task.example).shape
    torch.Size([1, 10])

    Raises
    ------
    Unsupported
        If the model has nothing that this precision could be applied to.
    """
    start = time.perf_counter()
    module = RUNTIMES[config.runtime].prepare(task.load_model(config.model), config, task.calibration)
    prepare_s = time.perf_counter() - start
    return Prepared(module, _saved_mb(module), prepare_s)


def _available(device: str) -> bool:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return device == "cpu" or (accelerator is not None and accelerator.type == device)


def _saved_mb(module: nn.Module) -> float:
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    return buffer.tell() / 1e6


def precisions() -> tuple[str, ...]:
    """The precisions that some runtime of this release knows, in the order of `config.PRECISIONS`."""
    known = {name for runtime in RUNTIMES.values() for name in runtime.precisions}
    return tuple(name for name in PRECISIONS if name in known)
