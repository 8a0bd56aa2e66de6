"""What a timing loop must know of a device: how to wait for it, its own clock and its frequency, its memory."""

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
        """Return once all work given to the device is done."""

    def mark(self) -> Any:
        """A mark in the queue of work, that the device stamps with its own clock when it gets there."""

    def between_ns(self, begin: Any, end: Any) -> int:
        """Device time between two marks it has passed; 0 if it has no clock of its own."""

    def clock_mhz(self) -> float:
        """Its clock frequency now, never that of another device; NaN where it cannot be read."""

    def peak_mb(self, work: Callable[[], object]) -> float:
        """Peak memory while `work` runs, over what there was before, in 10^6 bytes; NaN if it cannot be told."""


@dataclass(frozen=True)
class Cpu:
    """The processor: a call returns when its work is done, and the wall clock is its clock."""

    asynchronous: bool = False

    def synchronize(self) -> None:
        """Nothing is ever outstanding."""

    def mark(self) -> None:
        """The wall clock tells all there is to tell."""

    def between_ns(self, begin: None, end: None) -> int:
        """No clock of its own."""
        return 0

    def clock_mhz(self) -> float:
        """As the operating system tells it; in many virtual machines it does not."""
        return system.clock_mhz()

    def peak_mb(self, work: Callable[[], object]) -> float:
        """Peak of this process's resident memory over what it was before."""
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
        """An event in the current stream; None if this kind of device has no timed ones."""
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
        """Of the multiprocessors, as NVIDIA's NVML tells it; other kinds of device have nothing alike."""
        try:
            return float(torch.cuda.clock_rate()) or math.nan
        except Exception:  # no CUDA device, nvidia-ml-py not installed, or a driver that does not tell
            return math.nan

    def peak_mb(self, work: Callable[[], object]) -> float:
        """Peak of what torch's allocator handed out; NaN where it keeps no account."""
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
    """The device torch calls `name`."""
    return Cpu() if name == "cpu" else Accelerator()
