"""The results of preparing: a model converted for one runtime, its sessions, which can be called, and its layers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

# The tensors of a batch -> the outputs, batch first.
Call = Callable[..., Tensor]

UNCALIBRATED = "static int8 learns its ranges from calibration inputs, and this task has none"


@dataclass(frozen=True)
class Layer:
    """A layer that multiplies and accumulates, as run by the runtime.

    Parameters
    ----------
    kind, precision : str
        The runtime's name for it, and the type it multiplies in: `fp32 bf16 fp16 int8 ...`.
    macs : int
        Multiply-accumulates per item.
    note : str
        If a type is not used over its full range, the part that is used: `7-bit weights`.
    """

    kind: str
    precision: str
    macs: int
    note: str = ""


def noted(layers: list[Layer], note: str) -> list[Layer]:
    """Add the note to those of `layers` that are in int8."""
    return [replace(layer, note=note) if layer.precision == "int8" else layer for layer in layers]


@dataclass(frozen=True)
class Session:
    """A model ready to run, for a given number of threads and batch size.

    Parameters
    ----------
    call : callable
        The tensors of a batch, on the Config's device, with floating-point numbers in fp32 -> outputs in fp32.
    layers : callable
        () -> the layers of the compiled model that do its arithmetic, read from the runtime itself.
    """

    call: Call
    layers: Callable[[], list[Layer]]


@dataclass(frozen=True)
class Converted:
    """A model at one precision, for one runtime.

    Parameters
    ----------
    open : callable
        (threads, batch size, or None for batches of any size) -> `Session`.
    model_mb : float
        Size on disk of the weights as this runtime loads them, in 10^6 bytes.
    in_float : callable, optional
        () -> the same rounded model computed in floating point, by plain kernels that do not depend on a processor's
        8-bit arithmetic: what the integers stand for. None if the precision has no integer kernels.
    """

    open: Callable[[int, int | None], Session]
    model_mb: float
    in_float: Callable[[], Call] | None = None
