"""The roofline: what bounds each layer of a model on this machine, and the batch curve that follows from it.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52(4), 2009.
"""

import math
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.config import KNOBS, Config, check
from tradespace.errors import choose, whole_number
from tradespace.measuring import worker
from tradespace.measuring.engine import Engine
from tradespace.measuring.measurement import Failure
from tradespace.measuring.peaks import TYPES, Peaks, Rate, peaks
from tradespace.prepare import untimed
from tradespace.surface.columns import check_one, plain
from tradespace.surface.predict import ROUNDING, BatchFit, is_ok, line, rows_of
from tradespace.surface.reading import check_columns
from tradespace.text import between, counted, figures

if TYPE_CHECKING:
    from tradespace.prepare.operations import Operation
    from tradespace.tasks.task import Task

# Runtimes that call one layer after another, as the model lists them.
RUNTIMES = ("eager", "fused")
BATCHES = tuple(2**power for power in range(9))
# The two batch sizes of which the words speak.
SMALL, LARGE = 1, 256
DOMINANT = ("compute", "memory", "overhead")


@dataclass(frozen=True, eq=False)
class Roofline:
    """The layers of a model under the roofs of a machine.

    A call on B items takes t(B) = sum over layers of max(operations / peak, bytes / bandwidth), and the time to start
    each layer on top; on an accelerator, which works meanwhile, whichever of the two is longer. What is predicted has
    a range: from the best that the machine did while its roofs were measured to what it did on an ordinary occasion.
    Layers hardly ever reach their roof, so expect the measured time to be longer; `residual` says by how much. It is
    shorter where data stays in the caches from one layer to the next.

    Parameters
    ----------
    config : Config
        Its batch size is that of `layers`.
    machine : Peaks
    counts : dict of int to list of Operation
        Batch size -> what each layer does in a call. Between these sizes, and beyond, the numbers follow a line.
    task : str
    reason : str
        Why there is no roofline; otherwise empty.

    Examples
    --------
    >>> from tradespace.prepare.operations import Operation
    >>> counts = {b: [Operation("head", "linear", "fp32", 10**6 * b, 2 * 10**6 * b, 0, 10**5 * b)] for b in (1, 2)}
    >>> machine = Peaks("cpu", 1, {"fp32": Rate(100.0)}, Rate(10.0), {("fp32", "linear"): Rate(60.0)})
    >>> roof = Roofline(Config("mine", threads=1), machine, counts)
    >>> print(roof.fit)
    t(B) = 0.06 ms + 0.02 ms x B
    >>> round(roof.knee, 6), roof.dominant(1), roof.dominant(256)
    (3.0, 'overhead', 'compute')
    """

    config: Config
    machine: Peaks
    counts: "dict[int, list[Operation]]" = field(default_factory=dict)
    task: str = ""
    reason: str = ""

    @property
    def layers(self) -> pd.DataFrame:
        """What each layer does in one call at the batch size of `config`, as `at` returns it."""
        return self.at(self.config.batch_size)

    def at(self, batch_size: int) -> pd.DataFrame:
        """What each layer does in one call on `batch_size` items.

        Returns
        -------
        DataFrame
            One row per layer, in the order in which they run. Columns `name kind precision`; `macs`,
            multiply-accumulates per call; `operations`, in FLOP per call; `bytes`, per call; `intensity`, operations
            over bytes in FLOP/byte; `bound`, which roof is over it, `compute` or `memory`; `work_ms`, at its roof;
            `overhead_ms`, to start it; `counted`, whether its operations are known.

        Raises
        ------
        ValueError
            If `batch_size` is no whole number above 0.
        """
        batch_size = whole_number("batch_size", batch_size, least=1)
        rows = [self._row(at, batch_size) for at in range(len(self._first))]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)

    def _row(self, number: int, batch_size: int) -> dict[str, object]:
        layer, (operations, read) = self._first[number], self._work(number, batch_size)
        compute_ms, memory_ms = self._roofs_ms(layer.precision, operations, read)
        return {
            "name": layer.name,
            "kind": layer.kind,
            "precision": layer.precision,
            "macs": round(operations / 2) if layer.macs else 0,
            "operations": round(operations),
            "bytes": round(read),
            "intensity": operations / read if read else math.nan,
            "bound": "compute" if compute_ms > memory_ms else "memory",
            "work_ms": max(compute_ms, memory_ms),
            "overhead_ms": self.machine.overhead_us(layer.precision, layer.kind).value / 1e3,
            "counted": layer.counted,
        }

    @property
    def _first(self) -> "list[Operation]":
        return next(iter(self.counts.values()), [])

    def _work(self, number: int, batch_size: float) -> tuple[float, float]:
        """Operations and bytes of a layer in a call, on the line through the nearest batch sizes that were counted."""
        sizes = [size for size in self.counts if len(self.counts[size]) == len(self._first)]
        ones = [self.counts[size][number] for size in sizes]
        values = [(one.operations, one.weight_bytes + one.data_bytes) for one in ones]
        if len(sizes) == 1:
            weights = ones[0].weight_bytes
            operations, read = values[0]
            return operations * batch_size / sizes[0], weights + (read - weights) * batch_size / sizes[0]
        right = min(max(int(np.searchsorted(sizes, batch_size)), 1), len(sizes) - 1)
        share = (batch_size - sizes[right - 1]) / (sizes[right] - sizes[right - 1])
        before, after = values[right - 1], values[right]
        return before[0] + share * (after[0] - before[0]), before[1] + share * (after[1] - before[1])

    def _roofs_ms(self, precision: str, operations: float, read: float, end: str = "value") -> tuple[float, float]:
        """Milliseconds that operations and bytes take under their roofs; nothing under a roof that is missing."""
        roof = getattr(self.machine.arithmetic.get(precision, Rate()), end)
        return (0.0 if math.isnan(roof) else operations / roof / 1e6), read / getattr(self.machine.memory, end) / 1e6

    def parts_ms(self, batch_size: int) -> dict[str, float]:
        """Milliseconds of a call by what bounds it: `compute`, `memory` and `overhead`."""
        layers = self.at(batch_size)
        parts = {bound: float(layers.loc[layers["bound"] == bound, "work_ms"].sum()) for bound in DOMINANT[:2]}
        return parts | {"overhead": float(layers["overhead_ms"].sum())}

    def dominant(self, batch_size: int) -> str:
        """What takes the most time of a call: `compute`, `memory` or `overhead`; empty if there is no roofline."""
        parts = self.parts_ms(batch_size)
        return max(parts, key=lambda name: parts[name]) if self._first else ""

    def latency_ms(self, batch_size: int) -> Rate:
        """Predicted time of a call on `batch_size` items in ms, with the range that the roofs' intervals give."""
        whole_number("batch_size", batch_size, least=1)
        if not self._first:
            return Rate(reason=self.reason)
        # A high roof makes for a short time.
        value, low, high = (self._total_ms(batch_size, *ends) for ends in (("value",) * 2, ("hi", "lo"), ("lo", "hi")))
        return Rate(value, low, high, self.machine.flags)

    def _total_ms(self, batch_size: int, roofs: str, starts: str) -> float:
        work = starting = 0.0
        for number, layer in enumerate(self._first):
            work += max(self._roofs_ms(layer.precision, *self._work(number, batch_size), roofs))
            starting += getattr(self.machine.overhead_us(layer.precision, layer.kind), starts) / 1e3
        # An accelerator works on one layer while the next ones are being started.
        return work + starting if self.machine.device == "cpu" else max(work, starting)

    @cached_property
    def fit(self) -> BatchFit | None:
        """The line t(B) = a + b B through the predicted times, fitted as `fit_batches` fits measured ones."""
        return self._fits[0]

    @property
    def knee(self) -> float:
        """The batch size a / b of `fit`; NaN if there is no roofline."""
        return self.fit.knee if self.fit else math.nan

    @property
    def knee_range(self) -> tuple[float, float]:
        """The range of the knee that the roofs' intervals give."""
        fast, slow = self._fits[1:]
        if not fast or not slow:
            return math.nan, math.nan
        ends = [a.fixed_ms / b.each_ms if b.each_ms else math.inf for a, b in ((fast, slow), (slow, fast))]
        low, high = min(*ends, self.knee), max(*ends, self.knee)
        return (low, high) if high > low * (1 + ROUNDING) else (self.knee, self.knee)

    @cached_property
    def _fits(self) -> tuple[BatchFit | None, BatchFit | None, BatchFit | None]:
        if not self._first:
            return None, None, None
        times = [self.latency_ms(size) for size in BATCHES]
        sizes = np.array(BATCHES)
        value, low, high = (line(sizes, np.array([getattr(t, end) for t in times])) for end in ("value", "lo", "hi"))
        return value, low, high

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Layers of which part of the work is not in the prediction, each with the reason in words."""
        missing = {}
        for one in self._first:
            if not one.counted:
                missing[one.name] = f"{one.name}: nobody has written down how many operations it takes"
            elif one.macs and not self.machine.arithmetic.get(one.precision, Rate()).known:
                missing[one.name] = f"{one.name}: there is no roof for {one.precision}, so only its bytes count"
        return tuple(missing.values())

    def residual(self, surface: pd.DataFrame) -> pd.DataFrame:
        """Compare the prediction with what was measured since.

        Parameters
        ----------
        surface : DataFrame
            As returned by `sweep`, on the same machine; rows at other knobs than those of `config` do not matter, and
            any batch size does.

        Returns
        -------
        DataFrame
            One row per measured batch size. Columns `batch_size`; `predicted_ms predicted_lo_ms predicted_hi_ms`;
            `measured_ms`; `ratio`, measured over predicted: 1 is right, 2 is twice as slow as predicted. Empty if there
            is no roofline, or nothing was measured at these knobs.

        Raises
        ------
        ValueError
            If the rows are of several tasks or machines, or of others than the roofline's.
        """
        needed = ["task", "machine", "status", "latency_p50_ms", *KNOBS]
        check_columns(surface, needed)
        surface = plain(surface[needed])
        check_one(surface, "task", "machine")
        for column, own in (("task", self.task), ("machine", self.machine.machine)):
            other = next((name for name in surface[column].unique() if own and name != own), None)
            if other is not None:
                raise ValueError(f"surface: wanted rows of the {column} of this roofline, {own}; got {other}")
        timed = is_ok(surface) & rows_of(surface, self.config, ("batch_size",))
        rows = surface[timed & surface["latency_p50_ms"].notna().to_numpy()].sort_values("batch_size", kind="stable")
        found = []
        for size, measured_ms in rows[["batch_size", "latency_p50_ms"]].itertuples(index=False) if self._first else ():
            predicted = self.latency_ms(int(size))
            times = predicted.value, predicted.lo, predicted.hi, measured_ms, measured_ms / predicted.value
            found.append((int(size), *times))
        return pd.DataFrame(found, columns=list(RESIDUAL))

    def __repr__(self) -> str:
        about = f"{self.config.model}, {self.config.precision}, {self.config.runtime}"
        if self.reason:
            return f"{about}: no roofline: {self.reason}"
        layers, (low, high) = self.at(SMALL), self.knee_range
        lines = [
            f"{about}: {counted(len(layers), 'layer')}, {figures(layers['macs'].sum() / 1e6)} million "
            f"multiply-accumulates and {figures(layers['bytes'].sum() / 1e6)} MB per item.",
            *(self._told(size) for size in (SMALL, LARGE)),
            f"Predicted knee at batch {_whole(self.knee)}{between(low, high, _whole) if low < high else ''}.",
            "Layers hardly ever reach their roof: measure, and compare with .residual(surface).",
        ]
        if self.uncounted:
            lines.append(f"Not all is counted: {'; '.join(self.uncounted)}.")
        if self.machine.flags:
            lines.append("Use with caution: other work took cores away while the roofs were measured.")
        return "\n".join(lines)

    def _told(self, size: int) -> str:
        parts, predicted = self.parts_ms(size), self.latency_ms(size)
        share = parts[self.dominant(size)] / sum(parts.values())
        return f"Batch {size}: {predicted} ms; {share:.0%} of it is {WORDS[self.dominant(size)]}."


WORDS = {"compute": "arithmetic", "memory": "moving bytes", "overhead": "starting layers"}
COLUMNS = {
    "name": "str", "kind": "str", "precision": "str", "macs": "int64", "operations": "int64", "bytes": "int64",
    "intensity": "float64", "bound": "str", "work_ms": "float64", "overhead_ms": "float64", "counted": "bool",
}  # fmt: skip
RESIDUAL = ("batch_size", "predicted_ms", "predicted_lo_ms", "predicted_hi_ms", "measured_ms", "ratio")


def _whole(knee: float) -> str:
    return f"{knee:,.0f}" if knee >= 10 else figures(knee, 2)


def roofline(
    task: "Task", config: Config, *, machine: Peaks | None = None, executor: Executor | None = None
) -> Roofline:
    """Set each layer of a model under the roofs of this machine, and predict its batch curve before it is timed.

    The roofs are those of `peaks`. What each layer does is counted while the converted model runs on real inputs, once,
    in the measuring process: every operation that PyTorch launches is a layer here.

    Parameters
    ----------
    task : Task
    config : Config
        In eager PyTorch, `eager` or `fused`: other runtimes merge layers, and do not say what each of them does.
    machine : Peaks, optional
        As `peaks` returned it for the threads and the device of `config`; by default, they are measured now.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default, a separate process on this machine.

    Returns
    -------
    Roofline
        When printed, it says what bounds the model. A Config that cannot run here has a `reason` and no layers.

    Raises
    ------
    ValueError
        If the Config is not valid for this task and machine, has another runtime, or other threads than `machine`.

    Examples
    --------
    >>> import tradespace as ts
    >>> roof = ts.roofline(ts.load_task("fashion"), ts.Config("resnet8", threads=1))
    >>> roof.layers["macs"].sum(), 1 < roof.knee < 1000
    (np.int64(2364864), True)
    """
    [config] = check(task, [config])
    if config.runtime not in RUNTIMES:
        raise ValueError(
            f"config: wanted a runtime that calls one layer after another, {' or '.join(RUNTIMES)}; got "
            f"{config.runtime!r}, which merges layers. The nearest valid choice is 'fused'"
        )
    if machine is not None:
        choose("machine", machine.device, [config.device])
        if machine.threads != config.threads:
            raise ValueError(
                f"machine: wanted the peaks of {config.threads} threads, as config has; got those of {machine.threads}"
            )
    engine = Engine(task, executor)
    counts, reason = _counts(engine, config)
    needed = dict.fromkeys(["fp32", *(one.precision for one in next(iter(counts.values()), []))])
    roofs = machine or peaks(
        config.threads, precision=[one for one in needed if one in TYPES], device=config.device, executor=executor
    )
    reason = reason or roofs.reason
    return Roofline(config, roofs, {} if reason else counts, task.name, reason)


def _counts(engine: Engine, config: Config) -> "tuple[dict[int, list[Operation]], str]":
    """What each layer does, by batch size; or nothing, and why."""
    if reason := untimed(config):
        return {}, reason
    answer = engine.request(worker.operations, replace(config, batch_size=1))
    engine.request(worker.finish, replace(config, batch_size=1))
    return ({}, answer.reason) if isinstance(answer, Failure) else (answer, "")
