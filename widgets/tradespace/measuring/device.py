"""The one thing a timing loop must know of a device: how to wait until its work is done."""

from dataclasses import dataclass
from typing import Protocol

import torch


class Device(Protocol):
    """A device that computes.

    Parameters
    ----------
    asynchronous : bool
        Whether a call may return before its work is done.
    """

    @property
    def asynchronous(self) -> bool: ...

    def synchronize(self) -> None:
        """Return once all work given to the device is done."""


@dataclass(frozen=True)
class Cpu:
    """The processor: a call returns when its work is done."""

    asynchronous: bool = False

    def synchronize(self) -> None:
        """Nothing is ever outstanding."""


@dataclass(frozen=True)
class Accelerator:
    """Any device behind `torch.accelerator` (CUDA, MPS, XPU): calls queue work and return at once."""

    asynchronous: bool = True

    def synchronize(self) -> None:
        """Wait for the queue to drain."""
        torch.accelerator.synchronize()


def device(name: str) -> Device:
    """The device torch calls `name`."""
    return Cpu() if name == "cpu" else Accelerator()
