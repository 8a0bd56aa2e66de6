"""Energy from real counters: NVIDIA's through NVML, Intel's and AMD's through RAPL. Without one it is unknown."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from tradespace.measuring.device import Device
from tradespace.measuring.loop import Clock

# The counters advance in steps of 1 ms (RAPL) to 100 ms (NVML): over a second a step is small.
WINDOW_S = 1.0
POWERCAP = Path("/sys/class/powercap")


class Counter(Protocol):
    """An energy counter that only grows, except when it wraps around."""

    def read(self) -> Any:
        """Read the counter."""

    def joules(self, before: Any, after: Any) -> float:
        """Energy between two readings."""


@dataclass(frozen=True)
class Rapl:
    """The processor packages of this machine (Intel's Running Average Power Limit, or AMD's equivalent).

    It counts everything that runs on the package, not only this process.
    """

    packages: tuple[Path, ...]

    def read(self) -> tuple[int, ...]:
        """Microjoules of each package."""
        return tuple(int((package / "energy_uj").read_text()) for package in self.packages)

    def joules(self, before: tuple[int, ...], after: tuple[int, ...]) -> float:
        """Energy of all packages; a counter that reaches its maximum starts again at zero."""
        ranges = (int((package / "max_energy_range_uj").read_text()) for package in self.packages)
        return sum((b - a) % (top + 1) for a, b, top in zip(before, after, ranges, strict=True)) / 1e6


@dataclass(frozen=True)
class Nvml:
    """The total-energy counter of one NVIDIA device (Volta and newer)."""

    library: Any
    handle: Any

    def read(self) -> int:
        """Millijoules since the driver was loaded."""
        return int(self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle))

    def joules(self, before: int, after: int) -> float:
        """Energy of the device."""
        return (after - before) / 1e3


def find_counter(device_name: str) -> Counter | None:
    """Find a counter of the device's energy that can be read here; None if there is none."""
    if device_name == "cuda":
        return _nvml()
    return _rapl() if device_name == "cpu" else None


def energy_j_per_item(
    call: Callable[[int], object],
    device: Device,
    batch_size: int,
    counter: Counter | None,
    clock: Clock = time.perf_counter_ns,
) -> float:
    """Energy per item, back to back, over a window of at least a second; NaN without a counter, never 0."""
    if counter is None:
        return math.nan
    device.synchronize()
    before, end, calls = counter.read(), clock() + int(WINDOW_S * 1e9), 0
    while clock() < end:
        call(calls)
        device.synchronize()
        calls += 1
    joules = counter.joules(before, counter.read())
    return joules / (calls * batch_size) if joules > 0 else math.nan


def _rapl() -> Rapl | None:
    packages = []
    for zone in sorted(POWERCAP.glob("*-rapl:*")):
        try:
            if (zone / "name").read_text().startswith("package"):
                int((zone / "energy_uj").read_text())
                packages.append(zone)
        except (OSError, ValueError):
            return None  # often readable only by the superuser
    return Rapl(tuple(packages)) if packages else None


def _nvml() -> Nvml | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        # By name: NVML numbers all devices of the machine, torch only those in CUDA_VISIBLE_DEVICES.
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties().uuid}")
        counter = Nvml(pynvml, handle)
        counter.read()
    except Exception:  # not installed, no driver, or a device too old to count
        return None
    return counter
