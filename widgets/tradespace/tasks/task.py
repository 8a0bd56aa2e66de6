"""Task: a family of models, labelled data to test them on, and their score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tradespace.errors import whole_number
from tradespace.tasks.called import Called, Output
from tradespace.tasks.identity import digest
from tradespace.tasks.inputs import Inputs, contiguous, items_in, mapped, named, take
from tradespace.tasks.parcel import pack, unpack
from tradespace.tasks.score import Score, check_score, chosen_score
from tradespace.tasks.scores import top_1
from tradespace.tasks.trial import tried


@dataclass(frozen=True)
class Data:
    """The items of a task. Inputs are a tensor, or tensors in tuples, lists and dicts, as the models take them.

    Parameters
    ----------
    example : Inputs
        One item: batch size 1.
    calibration : Inputs or None
        Inputs from which static quantization learns the range of each activation; none is a test item.
    test : (Inputs, Tensor) or None
        Inputs, and the labels on which accuracy is measured; the first axis of the labels is the batch axis.
    """

    example: Inputs
    calibration: Inputs | None = None
    test: tuple[Inputs, Tensor] | None = None

    @property
    def inputs(self) -> Inputs:
        """Inputs for the timing loops: those of the test set, else those for calibration, else the example."""
        if self.test is not None:
            return self.test[0]
        return self.example if self.calibration is None else self.calibration


def scoring_order(items: int) -> np.ndarray:
    """Order in which test items are scored: shuffled once, the same for every model.

    The first items are thus a fair sample of all. If two models are scored on different numbers of items, the smaller
    set is part of the larger.

    Examples
    --------
    >>> scoring_order(5).tolist()
    [2, 0, 1, 3, 4]
    """
    # The stream of RandomState is frozen; numpy's newer generators do not promise that.
    order: np.ndarray = np.random.RandomState(0).permutation(items)
    return order


def whole(batch: Inputs) -> Inputs:
    """Return the batch unchanged: it has no padding."""
    return batch


def none_shipped(model: str, pruning: str) -> None:
    """Return None: the task ships no pruned version, so `prepare` prunes the model itself."""


@dataclass(frozen=True)
class Task:
    """A family of models, the inputs to feed them, and the score of their outputs.

    Functions load the models and the data, so a Task is small when it is sent to the measuring process.

    Parameters
    ----------
    name : str
    models : tuple of str
        Model names, cheapest first.
    load_model : callable
        Name -> module in evaluation mode, a new one for each call. It takes the tensors of a batch, in order, and
        returns one tensor, the batch first.
    load_data : callable
        () -> `Data`.
    score : Score
        What judges the outputs by the labels; by default top-1 accuracy.
    load_pruned : callable
        (model, pruning) -> the pruned and fine-tuned module that ships with the task, or None.
    trim : callable
        Batch of inputs -> the batch to feed, without the padding that none of its items needs.
    classes : tuple of str
        Class names in the order of the labels; empty if the classes have no names.
    batch_axis : int
        The batch axis of the inputs.
    """

    name: str
    models: tuple[str, ...]
    load_model: Callable[[str], nn.Module]
    load_data: Callable[[], Data]
    score: Score = top_1
    load_pruned: Callable[[str, str], nn.Module | None] = none_shipped
    trim: Callable[[Inputs], Inputs] = whole
    classes: tuple[str, ...] = ()
    batch_axis: int = 0

    def __repr__(self) -> str:
        return f"Task({self.name!r}, models={', '.join(self.models)})"

    def fingerprint(self, model: str, pruning: str = "none") -> str:
        """Hash of what a result on `model` depends on: its code, its weights, and the task's score, trim and data.

        Examples
        --------
        >>> import torch
        >>> three = Task.from_model({"a": nn.ReLU(), "b": nn.ReLU(), "c": nn.GELU()}, example=torch.zeros(1, 4))
        >>> three.fingerprint("a") == three.fingerprint("b"), three.fingerprint("a") == three.fingerprint("c")
        (True, False)
        """
        module = self.load_pruned(model, pruning) or self.load_model(model)
        return digest(module, self.score, self.trim, self.load_data())

    def data_fingerprint(self) -> str:
        """Hash of the data on which all models are timed and scored: the inputs, and the labels if there are any.

        Examples
        --------
        >>> import torch
        >>> items = torch.zeros(3, 4), torch.tensor([0, 1, 0])
        >>> one, two = (Task.from_model(nn.Linear(4, n), example=torch.zeros(1, 4), test=items) for n in (2, 3))
        >>> one.data_fingerprint() == two.data_fingerprint()
        True
        """
        data = self.load_data()
        return digest(data.inputs, data.test and data.test[1])

    @property
    def example(self) -> Inputs:
        """One input, batch size 1."""
        return self.load_data().example

    @property
    def calibration(self) -> Inputs | None:
        """Inputs for static quantization, or None."""
        return self.load_data().calibration

    @property
    def test(self) -> tuple[Inputs, Tensor] | None:
        """Inputs and labels of the test set, or None."""
        return self.load_data().test

    def batch(self, items: Tensor, inputs: Inputs | None = None) -> tuple[Tensor, ...]:
        """The tensors that a call gets for the items of these numbers, by default of those to time and to score.

        Examples
        --------
        >>> import torch
        >>> mine = Task.from_model(nn.Linear(4, 2), example=torch.zeros(1, 4))
        >>> [tensor.shape for tensor in mine.batch(torch.tensor([0, 0, 0]))]
        [torch.Size([3, 4])]
        """
        given = self.load_data().inputs if inputs is None else inputs
        # Taking copies the items: a model that works in place would otherwise change the data itself.
        return self.fed(take(given, items, self.batch_axis))

    def fed(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """The tensors of a batch as a call gets them: without superfluous padding."""
        return contiguous(self.trim(inputs))

    @classmethod
    def from_model(
        cls,
        model: nn.Module | Mapping[str, nn.Module],
        *,
        example: Inputs,
        calibration: Inputs | None = None,
        test: tuple[Inputs, Tensor] | None = None,
        name: str = "mine",
        score: Score | Callable[[Tensor, Tensor], object] | None = None,
        correct: Callable[[Tensor, Tensor], Tensor] | None = None,
        output: Output = None,
        batch_axis: int = 0,
        trim: Callable[[Inputs], Inputs] = whole,
    ) -> "Task":
        """Make a Task of your own model.

        Before any work, a copy of each module runs on a few items, one by one and together, as it is and in its own
        data type. What it returns then is what every runtime and precision is compared with.

        Parameters
        ----------
        model : nn.Module or mapping of str to nn.Module
            A single module is named "model". It is copied, with its code, and put into evaluation mode; yours does not
            change. Tensors of data are not copied.
        example : Tensor, tuple or dict
            One input, batch size 1: a tensor, a tuple of positional arguments, or a dict of keyword arguments. These
            may contain further tuples, lists and dicts. What is not a tensor is passed on as it is.
        calibration : like `example`, optional
            A few hundred inputs; static int8 needs them.
        test : (like `example`, Tensor), optional
            Inputs and labels. Without them accuracy is unknown, hence NaN.
        score : Score or callable, optional
            What judges outputs by labels, such as `ts.scores.squared_error`; or (outputs, labels) -> one number per
            item, higher is better, which is then called by the function's name. By default, top-1 accuracy.
        correct : callable, optional
            (outputs, labels) -> one bool per item, for an accuracy of your own; instead of `score`.
        output : str, int or callable, optional
            Which output to score: a key or a field, an index, or a function of all that the model returns. Not needed
            if it returns a single tensor of floating-point numbers.
        batch_axis : int
            The batch axis of all input tensors. That of the output is the same or the first.
        trim : callable, optional
            Batch of inputs -> the same, without the padding that none of its items needs; called for every batch.

        Raises
        ------
        ValueError
            If an argument has the wrong type or shape, or if a model cannot be measured: it does not run on the
            example, is not deterministic, its output for an item depends on the rest of the batch, or the score cannot
            judge it by the labels.

        Examples
        --------
        >>> import torch
        >>> mine = Task.from_model(torch.nn.Linear(4, 2), example=torch.zeros(1, 4))
        >>> mine
        Task('mine', models=model)
        >>> pair = {"input1": torch.zeros(1, 2), "input2": torch.zeros(1, 3)}
        >>> Task.from_model({"bilinear": torch.nn.Bilinear(2, 3, 4)}, example=pair)
        Task('mine', models=bilinear)
        """
        judge = chosen_score(score, correct, top_1)
        modules = dict(model) if isinstance(model, Mapping) else {"model": model}
        _check_inputs(example, calibration, test, batch_axis)
        _check_modules(modules)
        data = _on_cpu(Data(example, calibration, test))
        packed = {}
        for key, module in modules.items():
            copied = pack(module, f"model {key!r}")
            caller, outputs = tried(key, _plain(copied), data.example, data.inputs, output, batch_axis, trim)
            if data.test is not None:
                check_score(judge, outputs[0], data.test[1], bools=correct is not None)
            packed[key] = pack(_untouched(caller, _plain(copied)))
        return cls(
            name, tuple(modules), partial(_loaded, packed), partial(_given, data), judge, trim=trim,
            batch_axis=batch_axis,
        )  # fmt: skip


def _plain(packed: bytes) -> nn.Module:
    module: nn.Module = unpack(packed)
    return module.cpu().eval()


def _untouched(caller: nn.Module, module: nn.Module) -> nn.Module:
    """`caller` with a module that has not run yet: it may keep something of its first inputs, in their data type."""
    if not isinstance(caller, Called):
        return module
    caller.module = module
    return caller


def _loaded(packed: dict[str, bytes], name: str) -> nn.Module:
    module: nn.Module = unpack(packed[name])
    return module


def _given(data: Data) -> Data:
    return data


def _on_cpu(data: Data) -> Data:
    return Data(*mapped(lambda tensor: tensor.detach().cpu(), (data.example, data.calibration, data.test)))


def _check_inputs(
    example: Inputs, calibration: Inputs | None, test: tuple[Inputs, Tensor] | None, batch_axis: int
) -> None:
    whole_number("batch_axis", batch_axis, least=0)
    parts = dict(named(example))
    which = f"axis {batch_axis}" if batch_axis else "first axis"
    wanted = f"example: wanted a tensor whose {which}, the batch, is 1, or tuples or dicts of such tensors"
    if not parts:
        raise ValueError(f"{wanted}; got {type(example).__name__}")
    for place, tensor in parts.items():
        if tensor.ndim <= batch_axis or tensor.shape[batch_axis] != 1:
            alike = "" if tensor.ndim else ". A number that is the same for every item may be a plain one"
            raise ValueError(f"{wanted}; got shape {tuple(tensor.shape)}{f' for {place}' if place else ''}{alike}")
    if calibration is not None:
        _check_items("calibration", calibration, parts, batch_axis)
    if test is not None:
        if not (isinstance(test, tuple | list) and len(test) == 2):
            raise ValueError(f"test: wanted a pair (inputs, labels); got {type(test).__name__}")
        _check_items("test inputs", test[0], parts, batch_axis)
        if not isinstance(test[1], Tensor) or test[1].ndim == 0:
            raise ValueError(f"test: wanted labels as a tensor, one per input; got {test[1]!r}")
        items = items_in(test[0], batch_axis)
        if items != len(test[1]):
            raise ValueError(f"test: wanted one label per input; got {items} inputs and {len(test[1])} labels")


def _check_items(argument: str, inputs: Inputs, example: dict[str, Tensor], axis: int) -> None:
    parts = dict(named(inputs))
    if parts.keys() != example.keys():
        wanted = ", ".join(filter(None, example)) or "a tensor"
        raise ValueError(f"{argument}: wanted {wanted}, as in the example; got {', '.join(parts) or type(inputs)}")
    items = {tensor.shape[axis] if tensor.ndim > axis else 0 for tensor in parts.values()}
    for place, tensor in parts.items():
        own, about = example[place], f"{argument} {place}".strip()
        wanted = ", ".join("n" if i == axis else str(length) for i, length in enumerate(own.shape))
        if tensor.ndim != own.ndim or not tensor.shape[axis] or _item_shape(tensor, axis) != _item_shape(own, axis):
            raise ValueError(f"{about}: wanted shape ({wanted}), as in the example; got {tuple(tensor.shape)}")
        if tensor.dtype != own.dtype:
            raise ValueError(
                f"{about}: wanted dtype {own.dtype}, as in the example; got {tensor.dtype}. Convert one of them: "
                f"{about.split()[0]}.to({own.dtype})"
            )
    if len(items) > 1:
        raise ValueError(f"{argument}: wanted as many items in each tensor; got {', '.join(map(str, sorted(items)))}")


def _item_shape(tensor: Tensor, axis: int) -> tuple[int, ...]:
    return (*tensor.shape[:axis], *tensor.shape[axis + 1 :])


def _check_modules(modules: Mapping[str, nn.Module]) -> None:
    if not modules:
        raise ValueError("model: wanted at least one module; got an empty mapping")
    for key, module in modules.items():
        if not isinstance(key, str) or not key:
            raise ValueError(f"model: wanted a name for each module; got {key!r}")
        if not isinstance(module, nn.Module):
            raise ValueError(f"model: wanted a torch.nn.Module; got {module!r}")
        lazy = [name for name, value in (*module.named_parameters(), *module.named_buffers()) if is_lazy(value)]
        if lazy:
            raise ValueError(
                f"model: {key!r} has lazy layers that have not seen an input yet ({', '.join(lazy[:3])}): "
                "call it once on the example, so that its weights exist"
            )
