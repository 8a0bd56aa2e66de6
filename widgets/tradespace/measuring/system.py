"""What the operating system knows about this process: CPU time, waiting time, memory and the processor's clock."""

import ctypes
import math
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc/self")


@dataclass(frozen=True)
class Usage:
    """Counters of this process since its start.

    Parameters
    ----------
    cpu_ns : int
        CPU time of all threads.
    waited_ns : int
        Time that threads were ready to run but had no core, because others had it or a quota was used up; 0 on systems
        that do not count it (only Linux does).
    involuntary_switches : int
        How often a thread lost its core to another process.
    """

    cpu_ns: int
    waited_ns: int
    involuntary_switches: int


def usage() -> Usage:
    """Read the counters."""
    return Usage(time.process_time_ns(), _waited_ns(), _involuntary_switches())


def _waited_ns() -> int:
    # For each thread: time on a core, time waiting for one, number of turns (Linux, Documentation/scheduler).
    waited = 0
    for schedstat in PROC.glob("task/*/schedstat"):
        try:
            waited += int(schedstat.read_text().split()[1])
        except (OSError, IndexError, ValueError):
            continue  # a thread that has just ended, or a kernel that does not count
    return waited


def _involuntary_switches() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return int(psutil.Process().num_ctx_switches().involuntary)
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def clock_mhz() -> float:
    """Current clock frequency of the processor; NaN if it cannot be read, as in many virtual machines."""
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        return math.nan
    return float(frequency.current) if frequency and frequency.current else math.nan


def resident_mb() -> float:
    """Current memory of this process, in 10^6 bytes, after the allocator has returned what it does not use.

    NaN if it cannot be read.
    """
    _give_back()
    try:
        return psutil.Process().memory_info().rss / 1e6
    except (psutil.Error, OSError):
        return math.nan


def reset_peak() -> bool:
    """Reset the peak that `peak_mb` returns; return False if the system cannot (only Linux can)."""
    try:
        (PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_mb() -> float:
    """Peak memory of this process since `reset_peak`, in 10^6 bytes; NaN if it cannot be read."""
    try:
        status = (PROC / "status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    except (OSError, IndexError, ValueError):
        return math.nan


@cache
def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def _give_back() -> None:
    library = _c_library()
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
