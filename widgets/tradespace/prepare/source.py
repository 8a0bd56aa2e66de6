"""A model before its conversion for a runtime. What several runtimes need is made once and shared."""

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from tradespace.errors import Unsupported
from tradespace.prepare import export
from tradespace.prepare.pruning import prune
from tradespace.prepare.types import in_fp32, inputs_in_fp32
from tradespace.tasks.called import traits_of
from tradespace.tasks.inputs import items_in, tensors
from tradespace.tasks.parcel import pack, unpack
from tradespace.tasks.task import Task, whole
from tradespace.tasks.trial import TRIED_ITEMS

CALIBRATION_ITEMS, CALIBRATION_BATCH = 500, 100
LOOKED_AT_ITEMS = 100


class Source:
    """One model of a task, pruned as a Config says, in fp32.

    Attributes
    ----------
    example : tuple of Tensor
        The tensors of one input, batch size 1, as a call gets them.
    some : tuple of Tensor
        Those of a few inputs in a batch.
    calibration : tuple of tuple of Tensor
        Batches of inputs on which to observe the ranges of activations; empty if the task has none.
    traits : Traits
        What is known of the model's ways.
    batch_axis : int
        That of the tensors.
    varying : tuple of tuple of int
        For each tensor, the axes whose length differs between batches, apart from the batch axis.
    made_s : float
        Seconds spent so far on loading and on all exports.
    needed_s : float
        Seconds that it took to make what was last requested, even if it was made for an earlier Config.
    """

    def __init__(self, task: Task, model: str, pruning: str) -> None:
        start = time.perf_counter()
        module = load(task, model, pruning)
        self._packed, self.traits, self.batch_axis = pack(module), traits_of(module), task.batch_axis
        self.calibration = tuple(map(inputs_in_fp32, _calibration(task, bool(self.traits.one_at_a_time))))
        self.example = inputs_in_fp32(task.fed(task.example))
        items = 1 if self.traits.one_at_a_time else min(TRIED_ITEMS, items_in(task.load_data().inputs, task.batch_axis))
        self.some = inputs_in_fp32(task.batch(torch.arange(items, device="cpu")))
        self.varying = _varying(task)
        self._exports: dict[str, bytes | Unsupported] = {}
        self._seconds = {"module": time.perf_counter() - start}
        self.needed_s = self.made_s

    @property
    def made_s(self) -> float:
        return sum(self._seconds.values())

    @property
    def size_mb(self) -> float:
        """Memory that it takes, in 10^6 bytes."""
        exports = sum(len(one) for one in self._exports.values() if isinstance(one, bytes))
        return (len(self._packed) + exports) / 1e6

    def module(self) -> nn.Module:
        """Copy the model in fp32; the runtime may keep and change the copy."""
        return in_fp32(self.reference())

    def reference(self) -> nn.Module:
        """Copy the model in its own data type."""
        self.needed_s = self._seconds["module"]
        module: nn.Module = unpack(self._packed)
        return module

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
            # Two items, since the exporter treats an axis of length 1 as a constant.
            batch = self.batched(1 if self.traits.one_at_a_time else 2)
            return export.to_onnx(self.module(), batch, self.dynamic())
        if precision in ("int8", "int8-7bit"):
            return export.to_static_int8(self._made("fp32"), self.calibration, precision == "int8-7bit")
        return export.to_dynamic_int8(self._made("fp32"))

    def dynamic(self) -> tuple[tuple[int, ...], ...]:
        """For each tensor, the axes that may have any length."""
        batch = () if self.traits.one_at_a_time else (self.batch_axis,)
        return tuple((*batch, *axes) for axes in self.varying)

    def batched(self, items: int) -> tuple[Tensor, ...]:
        """The example as a batch of that many equal items."""
        return tuple(torch.cat([tensor] * items, self.batch_axis) for tensor in self.example)

    def _made(self, precision: str) -> bytes:
        made = self._exports[precision]
        if isinstance(made, Unsupported):
            raise made
        return made


def _calibration(task: Task, one_at_a_time: bool) -> Iterator[tuple[Tensor, ...]]:
    if task.calibration is not None:
        items = min(CALIBRATION_ITEMS, items_in(task.calibration, task.batch_axis))
        for numbers in torch.arange(items, device="cpu").split(1 if one_at_a_time else CALIBRATION_BATCH):
            yield task.batch(numbers, task.calibration)


def _varying(task: Task) -> tuple[tuple[int, ...], ...]:
    """For each tensor, the axes that trimming shortens more for some items than for others."""
    if task.trim is whole:
        return tuple(() for _ in task.fed(task.example))
    inputs = task.load_data().inputs
    alone = [
        task.batch(torch.tensor([i], device="cpu"))
        for i in range(min(LOOKED_AT_ITEMS, items_in(inputs, task.batch_axis)))
    ]
    shapes = [[tensor.shape for tensor in given] for given in (tensors(inputs), *alone)]
    return tuple(tuple(_differing(found, task.batch_axis)) for found in zip(*shapes, strict=True))


def _differing(shapes: Sequence[torch.Size], batch_axis: int) -> Iterator[int]:
    for axis, lengths in enumerate(zip(*shapes, strict=True)):
        if axis != batch_axis and len(set(lengths)) > 1:
            yield axis


def load(task: Task, model: str, pruning: str) -> nn.Module:
    """Load `model`, pruned: the version that the task ships, or else one made here."""
    if pruning == "none":
        return task.load_model(model)
    shipped = task.load_pruned(model, pruning)
    return shipped or prune(task.load_model(model), pruning, task.calibration, task.example, task.batch_axis)
