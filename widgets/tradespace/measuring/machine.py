"""What a number was measured on."""

import platform
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psutil
import torch

from tradespace.config import most_threads, physical_cores
from tradespace.recording import recording


@cache
def machine() -> str:
    """This machine in a line: processor, cores, memory, accelerator if any, system and torch's version.

    In recorded mode, the machine that was recorded: no chart is without it, so each says that it was recorded.
    """
    if played := recording():
        return f"recorded {played.measured_at[:10]} on {played.machine}"
    memory_gib = round(psutil.virtual_memory().total / 2**30)
    parts = [_processor(), f"{physical_cores()} cores ({most_threads()} threads)", f"{memory_gib} GiB"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    parts += [platform.system(), f"torch {torch.__version__}"]
    return ", ".join(parts)


def now() -> str:
    """The time in UTC, as ISO 8601 writes it; in recorded mode, when the recording was made."""
    played = recording()
    return played.measured_at if played else datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
