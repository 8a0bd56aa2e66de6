"""What this machine can do at most: arithmetic by number type, memory bandwidth, and what it takes to start a layer."""

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tradespace.config import DEVICES, Config, check, physical_cores
from tradespace.errors import choose
from tradespace.measuring import worker
from tradespace.measuring.engine import Engine, machine_of, measure_rounds
from tradespace.measuring.machine import now
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.recording import recording
from tradespace.tasks.probes import CHAIN, MIB, TINY, operations, probes
from tradespace.tasks.task import Task
from tradespace.text import between, figures

PRECISIONS = ("fp32", "bf16", "int8")
TYPES = ("fp32", "bf16", "fp16", "int8")
# Of a product. Larger ones fill a fast machine better, and are not tried on a slow one.
BATCHES, LARGER_BELOW_MS = (256, 1024, 4096), 25.0
# Each of the two arrays that are streamed: larger together than the last cache of nearly any processor.
STREAM_MIB = 256
# Kinds of layer for which there is no probe -> the one that is most like them.
LIKE = {"product": "linear", "attention": "linear", "recurrent": "linear"}
BUDGET_S, MOST_BUDGETS, MAX_WIDTH = 0.15, 2, 0.02
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Rate:
    """A number that was measured of a machine, with its interval; NaN with a `reason` if it could not be.

    Parameters
    ----------
    value : float
    lo, hi : float
        By default, `value`: it is exact.
    flags : str
        `contended` if other work took cores away while it was measured, otherwise empty.
    reason : str
        Why there is no number.

    Examples
    --------
    >>> print(Rate(120.0, 100.0, 120.0), Rate(2.0), Rate(reason="no kernel"), sep="; ")
    120 (100 to 120); 2; none: no kernel
    """

    value: float = math.nan
    lo: float = math.nan
    hi: float = math.nan
    flags: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("lo", "hi"):
            if math.isnan(getattr(self, name)):
                object.__setattr__(self, name, self.value)

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return not math.isnan(self.value)

    def __str__(self) -> str:
        if not self.known:
            return f"none: {self.reason}"
        return figures(self.value) + (between(self.lo, self.hi) if self.lo < self.hi else "")


@dataclass(frozen=True)
class Peaks:
    """The roofs of a machine, as measured by probes, and what it takes to start a layer.

    A roof is the best that a probe sustained for a slice of a few hundredths of a second, so it is a lower bound of
    what the hardware can do. Its interval runs from the lower end of the 95 % interval of the median slice to the best
    slice: from what the machine does on an ordinary occasion to what it did at best.

    Parameters
    ----------
    device : str
    threads : int
    arithmetic : mapping of str to Rate
        Number type -> GFLOP/s of a product of large matrices (for int8, 10^9 operations per second).
    memory : Rate
        GB/s that are read and written while an array larger than the last cache is copied.
    overhead : mapping of (str, str) to Rate
        (Number type, kind of layer) -> microseconds that a layer with next to nothing to do takes: the median.
    machine, measured_at : str

    Examples
    --------
    >>> print(Peaks("cpu", 1, {"fp32": Rate(100.0), "int8": Rate(reason="no kernel")}, Rate(10.0)))
    On 1 thread: fp32 100 GFLOP/s, memory 10 GB/s. No roof for int8: no kernel.
    Each is the best that was reached: the hardware can do at least this.
    """

    device: str
    threads: int
    arithmetic: Mapping[str, Rate]
    memory: Rate
    overhead: Mapping[tuple[str, str], Rate] = field(default_factory=dict)
    machine: str = ""
    measured_at: str = ""

    @property
    def flags(self) -> str:
        """`contended` if any number is, otherwise empty."""
        rates = (*self.arithmetic.values(), self.memory, *self.overhead.values())
        return "contended" if any(rate.flags for rate in rates) else ""

    @property
    def reason(self) -> str:
        """Why there are no roofs at all; empty if there is one for arithmetic and one for memory."""
        if any(rate.known for rate in self.arithmetic.values()) and self.memory.known:
            return ""
        return self.memory.reason or next(iter(rate.reason for rate in self.arithmetic.values()), "not measured")

    @property
    def table(self) -> pd.DataFrame:
        """All numbers: columns `what precision kind value lo hi unit flags reason`."""
        rows = [("arithmetic", name, "", rate, unit(name)) for name, rate in self.arithmetic.items()]
        rows.append(("memory", "", "", self.memory, "GB/s"))
        rows += [("overhead", name, kind, rate, "us a layer") for (name, kind), rate in self.overhead.items()]
        return pd.DataFrame(
            [
                {"what": what, "precision": name, "kind": kind, "value": rate.value, "lo": rate.lo, "hi": rate.hi,
                 "unit": of, "flags": rate.flags, "reason": rate.reason}
                for what, name, kind, rate, of in rows
            ]
        )  # fmt: skip

    def ridge(self, precision: str) -> float:
        """The intensity, in FLOP/byte, at which the roofs of `precision` and of memory meet; NaN if either is missing.

        Examples
        --------
        >>> Peaks("cpu", 1, {"fp32": Rate(100.0)}, Rate(10.0)).ridge("fp32")
        10.0
        """
        roof = self.arithmetic.get(precision, Rate())
        return roof.value / self.memory.value

    def overhead_us(self, precision: str, kind: str) -> Rate:
        """What it takes to start a layer; where nobody timed its like, what the nearest kind that was timed takes."""
        kind = LIKE.get(kind, kind)
        nearest = [(precision, kind), ("fp32", kind), ("fp32", "elementwise")]
        if kind == "linear":
            nearest.insert(1, (precision, "convolution"))
        for name in nearest:
            if (rate := self.overhead.get(name, Rate())).known:
                return rate
        return Rate(0.0)

    def __repr__(self) -> str:
        if self.reason:
            return f"No roofs: {self.reason}"
        where = f"{self.threads} thread{'' if self.threads == 1 else 's'}" if self.device == "cpu" else self.device
        known = [f"{name} {rate} {unit(name)}" for name, rate in self.arithmetic.items() if rate.known]
        missing = [f" No roof for {name}: {rate.reason}." for name, rate in self.arithmetic.items() if not rate.known]
        starts = [
            f"{kind} {rate}" for (name, kind), rate in self.overhead.items() if rate.known and name == "fp32"
        ]  # fmt: skip
        lines = [f"On {where}: {', '.join(known)}, memory {self.memory} GB/s.{''.join(missing)}"]
        lines += [f"Starting a layer in fp32 takes, in us: {', '.join(starts)}."] if starts else []
        lines.append("Each is the best that was reached: the hardware can do at least this.")
        if self.flags:
            lines.append("Use with caution: other work took cores away meanwhile, so the roofs may be too low.")
        return "\n".join(lines)


def unit(precision: str) -> str:
    """Unit of arithmetic in a number type: operations on integers are not floating-point operations.

    Examples
    --------
    >>> unit("bf16"), unit("int8")
    ('GFLOP/s', 'GOP/s')
    """
    return "GOP/s" if precision.startswith("int") else "GFLOP/s"


def peaks(
    threads: int | None = None,
    *,
    precision: str | Iterable[str] = PRECISIONS,
    device: str = "cpu",
    executor: Executor | None = None,
) -> Peaks:
    """Measure what this machine can do: arithmetic in each number type, memory bandwidth, the start of a layer.

    Arithmetic is that of products of large matrices; bandwidth is that of copying an array larger than the last cache
    (McCalpin, "Memory bandwidth and machine balance in current high performance computers", 1995). Both are measured
    by eager PyTorch in the measuring process, in slices that take turns, as everything is. It takes some seconds.

    Parameters
    ----------
    threads : int, optional
        CPU threads; by default, the number of physical cores.
    precision : str or iterable of str
        Number types: `fp32 bf16 fp16 int8`. One that this machine has no kernels for has no roof, and says why.
    device : str
    executor : concurrent.futures.Executor, optional
        Where to measure; by default, a separate process on this machine.

    Returns
    -------
    Peaks
        When printed, it says what was reached, and whether to trust it.

    Raises
    ------
    ValueError
        If there is no such number type or device, or if the machine has fewer threads.

    Examples
    --------
    >>> import tradespace as ts
    >>> machine = ts.peaks(threads=1, precision="fp32")
    >>> machine.arithmetic["fp32"].value > 0, machine.memory.value > 0
    (True, True)
    """
    names = [precision] if isinstance(precision, str) else list(precision)
    if not names:
        raise ValueError(f"precision: wanted at least one of {', '.join(TYPES)}; got none")
    for name in names:
        choose("precision", name, TYPES)
    choose("device", device, DEVICES)
    task, product = probes(), "product" if device == "cpu" else "wide-product"
    base = Config(product, device=device, threads=physical_cores() if threads is None else threads)
    stream = replace(base, model="stream", batch_size=STREAM_MIB)
    products = {name: [replace(base, precision=name, batch_size=BATCHES[0])] for name in names}
    # A number type has kernels of its own where layers multiply; what starts the others hardly depends on it. In int8,
    # convolutions and linear layers take alike, and preparing either takes seconds.
    kinds = [(name, kind) for name in names for kind in (TINY[:1] if name == "int8" else TINY[:2])]
    kinds += [("fp32", kind) for kind in TINY[2:]]
    tiny = {(name, kind): replace(base, model=kind, precision=name) for name, kind in kinds}
    first = [stream, *(configs[0] for configs in products.values()), *tiny.values()]
    known = _measured(task, check(task, first), executor)
    for batch_size in BATCHES[1:]:
        fast = [name for name in names if known[products[name][-1]].latency_p50_ms < LARGER_BELOW_MS]
        for name in fast:
            products[name].append(replace(base, precision=name, batch_size=batch_size))
        known |= _measured(task, [products[name][-1] for name in fast], executor)
    Engine(task, executor).request(worker.forget)
    return Peaks(
        device,
        base.threads,
        {name: _best([known[one] for one in products[name]], operations(product)) for name in names},
        _memory(known[stream], executor),
        {name: _overhead(known[config]) for name, config in tiny.items()},
        machine_of(executor),
        now(),
    )


def _measured(task: Task, configs: list[Config], executor: Executor | None) -> dict[Config, Measurement]:
    rounds = measure_rounds(task, configs, Schedule(MAX_WIDTH, BUDGET_S, most_budgets=MOST_BUDGETS), executor=executor)
    return {one.config: one for one, finished in rounds if finished}


def _best(measurements: list[Measurement], per_item: float) -> Rate:
    """The best of several: that with the fastest slice. `per_item` is what one item takes, in operations or bytes."""
    timed = [one for one in measurements if one.samples]
    if not timed:
        return Rate(reason=measurements[0].reason)
    rates = [_rate(one, per_item) for one in timed]
    return max(rates, key=lambda rate: rate.value)


def _rate(measurement: Measurement, per_item: float) -> Rate:
    """10^9 a second."""
    rates = [per_item * one.items / one.busy_ns for one in measurement.kept]
    # The slower half of the slices decides how low the median may be.
    slow_ms = measurement.latency_p50_hi_ms
    ordinary = per_item * measurement.config.batch_size / (slow_ms * 1e6)
    low = ordinary if not math.isnan(ordinary) else min(rates)
    return Rate(max(rates), min(low, max(rates)), max(rates), _contended(measurement))


def _overhead(measurement: Measurement) -> Rate:
    if not measurement.samples:
        return Rate(reason=measurement.reason)
    m, us = measurement, 1e3 / CHAIN
    return Rate(
        us * m.latency_p50_ms, us * m.latency_p50_lo_ms, us * m.latency_p50_hi_ms, _contended(measurement)
    )  # fmt: skip


def _memory(measurement: Measurement, executor: Executor | None) -> Rate:
    # A copy reads one byte and writes one.
    rate = _best([measurement], 2 * MIB)
    here = executor is None and recording() is None and measurement.config.device == "cpu"
    if here and last_cache_mib() >= 2 * STREAM_MIB:
        return Rate(reason=f"the last cache holds both arrays of {STREAM_MIB} MiB, so copying them times the cache")
    return rate


def _contended(measurement: Measurement) -> str:
    return "contended" if "contended" in measurement.flags.split() else ""


def last_cache_mib() -> float:
    """Size of the processor's last cache in MiB; NaN if the system does not tell (only Linux does)."""
    sizes = []
    for size in CACHES.glob("index*/size"):
        try:
            sizes.append(float(size.read_text().strip().removesuffix("K")) / 1024)
        except (OSError, ValueError):
            continue
    return float(np.max(sizes)) if sizes else math.nan
