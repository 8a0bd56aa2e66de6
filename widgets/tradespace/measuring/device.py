"""What a timing loop needs to know about a device: how to wait for it, its clock, its frequency and its memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from tradespace.measuring import system


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
        """Wait until all work given to the device is done."""

    def mark(self) -> Any:
        """Queue a mark, which the device stamps with its own clock when it gets there."""

    def between_ns(self, begin: Any, end: Any) -> int:
        """Device time between two marks that it has passed; 0 if it has no clock of its own."""

    def clock_mhz(self) -> float:
        """Its current clock frequency, never that of another device; NaN if it cannot be read."""

    def peak_mb(self, work: Callable[[], object]) -> float:
        """Peak memory while `work` runs, minus the memory used before, in 10^6 bytes; NaN if unknown."""


@dataclass(frozen=True)
class Cpu:
    """The processor: a call returns when its work is done, and the wall clock is its clock."""

    asynchronous: bool = False

    def synchronize(self) -> None:
        """Do nothing: no work is ever outstanding."""

    def mark(self) -> None:
        """Do nothing: the wall clock is enough."""

    def between_ns(self, begin: None, end: None) -> int:
        """Return 0: it has no clock of its own."""
        return 0

    def clock_mhz(self) -> float:
        """As reported by the operating system; in many virtual machines it reports none."""
        return system.clock_mhz()

    def peak_mb(self, work: Callable[[], object]) -> float:
        """Peak resident memory of this process, minus that before."""
        before = system.resident_mb()
        can_tell = system.reset_peak()
        work()
        grown = system.peak_mb() - before if can_tell else math.nan
        return grown if math.isnan(grown) else max(0.0, grown)


@dataclass(frozen=True)
class Accelerator:
    """Any device behind `torch.accelerator` (CUDA, MPS, XPU): calls queue work and return at once."""

    asynchronous: bool = True

    def synchronize(self) -> None:
        """Wait for the queue to drain."""
        torch.accelerator.synchronize()

    def mark(self) -> torch.Event | None:
        """Record an event in the current stream; None if this kind of device has no timed events."""
        try:
            event = torch.Event(device=torch.accelerator.current_accelerator(), enable_timing=True)
            event.record()
        except (RuntimeError, NotImplementedError):
            return None
        return event

    def between_ns(self, begin: torch.Event | None, end: torch.Event | None) -> int:
        """Time between two events, which the device counts in milliseconds."""
        return round(begin.elapsed_time(end) * 1e6) if begin is not None and end is not None else 0

    def clock_mhz(self) -> float:
        """As reported by NVIDIA's NVML for the multiprocessors; other kinds of device have nothing similar."""
        try:
            return float(torch.cuda.clock_rate()) or math.nan
        except Exception:  # no CUDA device, nvidia-ml-py not installed, or a driver that does not report it
            return math.nan

    def peak_mb(self, work: Callable[[], object]) -> float:
        """Peak memory allocated by torch's allocator, minus that before; NaN if it keeps no statistics."""
        memory = torch.accelerator
        try:
            memory.reset_peak_memory_stats()
            before = memory.memory_allocated()
            work()
            self.synchronize()
            return (memory.max_memory_allocated() - before) / 1e6
        except (RuntimeError, NotImplementedError, AttributeError):
            work()
            return math.nan


def device(name: str) -> Device:
    """The device that torch calls `name`."""
    return Cpu() if name == "cpu" else Accelerator()
