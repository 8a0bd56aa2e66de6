"""The machine on which a number was measured."""

import math
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psutil
import torch

from tradespace.config import most_threads, physical_cores, quota
from tradespace.recording import recording
from tradespace.spinning import how_threads_wait
from tradespace.text import counted

CPUINFO = Path("/proc/cpuinfo")

# Instructions that decide how fast a precision is, and torch's names for them. A later one replaces those it implies.
INSTRUCTIONS = {
    "AVX2": ("avx2",), "AVX-512": ("avx512_f",), "VNNI": ("avx512_vnni", "avx_vnni"),
    "NEON": ("neon",), "SVE": ("sve",), "SVE2": ("sve2",), "DOTPROD": ("dot",), "I8MM": ("i8mm",),
    "BF16": ("avx512_bf16", "bf16"), "FP16": ("avx512_fp16", "fp16_arith"), "AMX": ("amx_tile",), "SME": ("sme",),
}  # fmt: skip
WAITING = {"brief": "threads wait briefly", "spin": "threads spin"}
IMPLIED = {"AVX2": "AVX-512", "SVE": "SVE2"}

# With these variables, libraries do not use the processor's best instructions: that counts as another machine.
CAPS = (
    "ATEN_CPU_CAPABILITY", "FBGEMM_ENABLE_INSTRUCTIONS", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS",
    "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "DNNL_DEFAULT_FPMATH_MODE", "ONEDNN_DEFAULT_FPMATH_MODE",
)  # fmt: skip


def machine() -> str:
    """This machine in one line: processor and its vector instructions, cores, memory, accelerator, system and torch.

    As in `AMD EPYC (AVX-512, VNNI, BF16), 2 cores (2 threads), 24 GiB, Linux, torch 2.13.0+cpu, threads wait briefly`.
    The last part is what `ts.waiting` sets. Different lines are different machines. Unknown parts are left out. The
    versions of other packages are not included, since each Config needs different ones: see `prepare.versions`.

    In recorded mode, it is the machine that was recorded. Every chart shows it, and so says that it was recorded.
    """
    if played := recording():
        return f"recorded {played.measured_at[:10]} on {played.machine}"
    return ", ".join([_here(), WAITING[how_threads_wait()], *_settings()])


@cache
def _here() -> str:
    parts = [_processor(), _cores(), _memory(), _accelerator(), platform.system(), f"torch {torch.__version__}"]
    return ", ".join(filter(None, parts))


def now() -> str:
    """The time in UTC, in ISO 8601; in recorded mode, the time of the recording."""
    played = recording()
    return played.measured_at if played else datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    known = torch.cpu.get_capabilities()
    instructions = ", ".join(_instructions(known))
    return f"{_processor_name(known)} ({instructions})" if instructions else _processor_name(known)


def _processor_name(known: Mapping[str, object]) -> str:
    try:
        cpuinfo = CPUINFO.read_text()
    except OSError:
        cpuinfo = ""
    for line in cpuinfo.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    named = str(known.get("cpu_name", ""))
    return (named if named != "Unknown" else "") or platform.processor() or platform.machine()


def _instructions(known: Mapping[str, object]) -> list[str]:
    there = [name for name, keys in INSTRUCTIONS.items() if any(known.get(key) for key in keys)]
    return [name for name in there if IMPLIED.get(name) not in there]


def _cores() -> str:
    cores, threads, of = physical_cores(), most_threads(), ""
    # Only Linux has quotas. With one, the process may run on all these threads, but only for a share of the time.
    if quota() < math.inf and quota() < len(os.sched_getaffinity(0)):
        threads, of = len(os.sched_getaffinity(0)), f"{quota():.3g} of "
    return f"{counted(cores, 'core')} ({of}{counted(threads, 'thread')})"


def _memory() -> str:
    try:
        return f"{round(psutil.virtual_memory().total / 2**30)} GiB"
    except OSError:
        return ""


def _accelerator() -> str:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    name = getattr(torch.get_device_module(accelerator), "get_device_name", None) if accelerator else None
    return str(name()) if name else ""


def _settings() -> list[str]:
    """Environment variables that are set for this process and change its speed."""
    return [f"{name}={os.environ[name]}" for name in CAPS if os.environ.get(name)]
