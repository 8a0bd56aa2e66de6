"""A model on its way to a runtime, with what several runtimes need of it made once."""

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
        One input, batch size 1, as it is fed.
    calibration : tuple of Tensor
        Batches of inputs to observe the ranges of activations on; empty if the task has none.
    varying : tuple of int
        Axes whose length differs between batches, besides the batch axis itself.
    made_s : float
        Seconds that loading and all exports so far took.
    needed_s : float
        Seconds that it took to make what was asked for last, though it may have been made for an earlier Config.
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
        """A copy, which the runtime may keep and change."""
        self.needed_s = self._seconds["module"]
        return copy.deepcopy(self._module)

    def onnx(self, precision: str) -> bytes:
        """The model as an ONNX file of any batch size, at `fp32`, `int8`, `int8-dynamic`, or `int8-7bit`: int8 with
        weights of seven bits."""
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
    """The axes that trimming shortens, for some items more than for others."""
    inputs = task.load_data().inputs[:LOOKED_AT_ITEMS]
    shapes = [inputs.shape[1:], *(task.trim(item).shape[1:] for item in inputs.split(1))]
    lengths = enumerate(zip(*shapes, strict=True), start=1)
    return tuple(axis for axis, found in lengths if len(set(found)) > 1)


def load(task: Task, model: str, pruning: str) -> nn.Module:
    """`model` in fp32, pruned: the version that the task ships, or one made here."""
    if pruning == "none":
        return task.load_model(model)
    shipped = task.load_pruned(model, pruning)
    return shipped or prune(task.load_model(model), pruning, task.calibration, task.example)
