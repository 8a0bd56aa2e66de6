"""A model before its conversion for a runtime. What several runtimes need is made once and shared."""

import copy
import time

from torch import nn

from tradespace.errors import Unsupported
from tradespace.prepare import export
from tradespace.prepare.pruning import prune
from tradespace.tasks.task import Task

CALIBRATION_ITEMS, CALIBRATION_BATCH = 500, 100
LOOKED_AT_ITEMS = 100


class Source:
    """One model of a task, pruned as a Config says, in fp32.

    Attributes
    ----------
    example : Tensor
        One input, batch size 1, trimmed as for a call.
    calibration : tuple of Tensor
        Batches of inputs on which to observe the ranges of activations; empty if the task has none.
    varying : tuple of int
        Axes whose length differs between batches, apart from the batch axis itself.
    made_s : float
        Seconds spent so far on loading and on all exports.
    needed_s : float
        Seconds that it took to make what was last requested, even if it was made for an earlier Config.
    """

    def __init__(self, task: Task, model: str, pruning: str) -> None:
        start = time.perf_counter()
        self._module = load(task, model, pruning)
        items = () if task.calibration is None else task.calibration[:CALIBRATION_ITEMS].split(CALIBRATION_BATCH)
        self.calibration = tuple(map(task.trim, items))
        self.example = task.trim(task.example)
        self.varying = _varying(task)
        self._exports: dict[str, bytes | Unsupported] = {}
        self._seconds = {"module": time.perf_counter() - start}
        self.needed_s = self.made_s

    @property
    def made_s(self) -> float:
        return sum(self._seconds.values())

    def module(self) -> nn.Module:
        """Copy the model; the runtime may keep and change the copy."""
        self.needed_s = self._seconds["module"]
        return copy.deepcopy(self._module)

    def onnx(self, precision: str) -> bytes:
        """Export the model to ONNX for any batch size.

        `precision` is `fp32`, `int8`, `int8-dynamic`, or `int8-7bit`: int8 with weights of seven bits.
        """
        steps = ["fp32"] if precision == "fp32" else ["fp32", precision]
        for step in steps:
            if step not in self._exports:
                start = time.perf_counter()
                # A refusal is kept too: it takes as long as an export.
                try:
                    self._exports[step] = self._export(step)
                except Unsupported as refusal:
                    self._exports[step] = refusal
                self._seconds[step] = time.perf_counter() - start
            self._made(step)
        self.needed_s = sum(self._seconds[step] for step in ["module", *steps])
        return self._made(precision)

    def _export(self, precision: str) -> bytes:
        if precision == "fp32":
            return export.to_onnx(self._module, self.example, self.varying)
        if precision in ("int8", "int8-7bit"):
            return export.to_static_int8(self._made("fp32"), self.calibration, precision == "int8-7bit")
        return export.to_dynamic_int8(self._made("fp32"))

    def _made(self, precision: str) -> bytes:
        made = self._exports[precision]
        if isinstance(made, Unsupported):
            raise made
        return made


def _varying(task: Task) -> tuple[int, ...]:
    """Axes that trimming shortens more for some items than for others."""
    inputs = task.load_data().inputs[:LOOKED_AT_ITEMS]
    shapes = [inputs.shape[1:], *(task.trim(item).shape[1:] for item in inputs.split(1))]
    lengths = enumerate(zip(*shapes, strict=True), start=1)
    return tuple(axis for axis, found in lengths if len(set(found)) > 1)


def load(task: Task, model: str, pruning: str) -> nn.Module:
    """Load `model` in fp32, pruned: the version that the task ships, or else one made here."""
    if pruning == "none":
        return task.load_model(model)
    shipped = task.load_pruned(model, pruning)
    return shipped or prune(task.load_model(model), pruning, task.calibration, task.example)
