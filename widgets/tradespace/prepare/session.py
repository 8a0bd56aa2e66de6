"""What preparing gives: a model converted for one runtime, sessions of it that can be called, the layers that ran."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

Call = Callable[[Tensor], Tensor]

UNCALIBRATED = "static int8 learns its ranges from calibration inputs, and this task has none"


@dataclass(frozen=True)
class Layer:
    """A layer that multiplies and accumulates, as the runtime runs it.

    Parameters
    ----------
    kind, precision : str
        What the runtime calls it, and the type it multiplies in: `fp32 bf16 fp16 int8 ...`.
    macs : int
        Multiply-accumulates for one item.
    note : str
        Where a type is not used to its full range, what is left of it: `7-bit weights`.
    """

    kind: str
    precision: str
    macs: int
    note: str = ""


def noted(layers: list[Layer], note: str) -> list[Layer]:
    """`layers`, those in int8 with the note."""
    return [replace(layer, note=note) if layer.precision == "int8" else layer for layer in layers]


@dataclass(frozen=True)
class Session:
    """A model ready to run on a number of threads, in batches of a size.

    Parameters
    ----------
    call : callable
        A batch on the Config's device -> outputs, as fp32.
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
        () -> the same rounded model computed in floating point, by plain kernels that no processor's 8-bit arithmetic
        enters: what the integers stand for. There where the precision has integer kernels.
    """

    open: Callable[[int, int | None], Session]
    model_mb: float
    in_float: Callable[[], Call] | None = None
