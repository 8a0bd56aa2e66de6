"""Task: a family of models, labelled data to test them on, and their score."""

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Data:
    """The tensors of a task. The first axis of each is the batch axis.

    Parameters
    ----------
    example : Tensor
        One item: batch size 1.
    calibration : Tensor or None
        Inputs from which static quantization learns the range of each activation; none is a test item.
    test : (Tensor, Tensor) or None
        Inputs and labels on which accuracy is measured.
    """

    example: Tensor
    calibration: Tensor | None = None
    test: tuple[Tensor, Tensor] | None = None

    @property
    def inputs(self) -> Tensor:
        """Inputs for the timing loops: those of the test set, else those for calibration, else the example."""
        if self.test is not None:
            return self.test[0]
        return self.example if self.calibration is None else self.calibration


def top_1(outputs: Tensor, labels: Tensor) -> Tensor:
    """Whether the class with the highest score is the label, for each item."""
    return outputs.argmax(dim=1) == labels


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


def whole(batch: Tensor) -> Tensor:
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
        Name -> module in evaluation mode, a new one for each call.
    load_data : callable
        () -> `Data`.
    correct : callable
        (outputs, labels) -> one bool per item. Accuracy is their mean.
    load_pruned : callable
        (model, pruning) -> the pruned and fine-tuned module that ships with the task, or None.
    trim : callable
        Batch of inputs -> the batch to feed, without the padding that none of its items needs.
    classes : tuple of str
        Class names in the order of the labels; empty if the classes have no names.
    """

    name: str
    models: tuple[str, ...]
    load_model: Callable[[str], nn.Module]
    load_data: Callable[[], Data]
    correct: Callable[[Tensor, Tensor], Tensor] = top_1
    load_pruned: Callable[[str, str], nn.Module | None] = none_shipped
    trim: Callable[[Tensor], Tensor] = whole
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Task({self.name!r}, models={', '.join(self.models)})"

    def fingerprint(self, model: str, pruning: str = "none") -> str:
        """Hash of what a result on `model` depends on: its layers, its weights and the task's data."""
        module = self.load_pruned(model, pruning) or self.load_model(model)
        data = self.load_data()
        tensors = [*module.state_dict().values(), data.example, data.calibration, *(data.test or ())]
        return _digest(repr(module), tensors)

    def data_fingerprint(self) -> str:
        """Hash of the data on which all models are timed and scored: the inputs, and the labels if there are any.

        Examples
        --------
        >>> items = torch.zeros(3, 4), torch.tensor([0, 1, 0])
        >>> one, two = (Task.from_model(nn.Linear(4, n), example=torch.zeros(1, 4), test=items) for n in (2, 3))
        >>> one.data_fingerprint() == two.data_fingerprint()
        True
        """
        data = self.load_data()
        return _digest("", [data.inputs, data.test and data.test[1]])

    @property
    def example(self) -> Tensor:
        """One input, batch size 1."""
        return self.load_data().example

    @property
    def calibration(self) -> Tensor | None:
        """Inputs for static quantization, or None."""
        return self.load_data().calibration

    @property
    def test(self) -> tuple[Tensor, Tensor] | None:
        """Inputs and labels of the test set, or None."""
        return self.load_data().test

    @classmethod
    def from_model(
        cls,
        model: nn.Module | Mapping[str, nn.Module],
        *,
        example: Tensor,
        calibration: Tensor | None = None,
        test: tuple[Tensor, Tensor] | None = None,
        name: str = "mine",
        correct: Callable[[Tensor, Tensor], Tensor] = top_1,
    ) -> "Task":
        """Make a Task of your own model: any module that maps one tensor to one tensor, batch first.

        Parameters
        ----------
        model : nn.Module or mapping of str to nn.Module
            A single module is named "model". It is copied, so yours does not change; tensors are not copied.
        example : Tensor
            One input, batch size 1.
        calibration : Tensor, optional
            A few hundred inputs; static int8 needs them.
        test : (Tensor, Tensor), optional
            Inputs and labels. Without them accuracy is unknown, hence NaN.

        Raises
        ------
        ValueError
            If an argument has the wrong type or shape, or if a model does not run on the example.

        Examples
        --------
        >>> import torch
        >>> mine = Task.from_model(torch.nn.Linear(4, 2), example=torch.zeros(1, 4))
        >>> mine
        Task('mine', models=model)
        """
        modules = dict(model) if isinstance(model, Mapping) else {"model": model}
        _check_tensors(example, calibration, test)
        outputs = _check_modules(modules, example)
        if test is not None:
            _check_score(correct, outputs, test[1])
        modules = {key: copy.deepcopy(module).eval() for key, module in modules.items()}
        data = Data(example, calibration, test)
        return cls(name, tuple(modules), partial(_copy_of, modules), partial(_given, data), correct)


def _digest(text: str, tensors: Iterable[object]) -> str:
    digest = hashlib.sha256(text.encode())
    for tensor in tensors:
        if isinstance(tensor, Tensor):
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _copy_of(modules: dict[str, nn.Module], name: str) -> nn.Module:
    return copy.deepcopy(modules[name])


def _given(data: Data) -> Data:
    return data


def _check_tensors(example: Tensor, calibration: Tensor | None, test: tuple[Tensor, Tensor] | None) -> None:
    if not isinstance(example, Tensor) or example.ndim == 0 or example.shape[0] != 1:
        shape = f"shape {tuple(example.shape)}" if isinstance(example, Tensor) else repr(type(example))
        raise ValueError(f"example: wanted a tensor whose first axis, the batch, is 1; got {shape}")
    if calibration is not None:
        _check_items("calibration", calibration, example)
    if test is not None:
        if not (isinstance(test, tuple | list) and len(test) == 2):
            raise ValueError(f"test: wanted a pair (inputs, labels); got {type(test).__name__}")
        _check_items("test inputs", test[0], example)
        if not isinstance(test[1], Tensor) or test[1].ndim == 0:
            raise ValueError(f"test: wanted labels as a tensor, one per input; got {test[1]!r}")
        if len(test[0]) != len(test[1]):
            raise ValueError(f"test: wanted one label per input; got {len(test[0])} inputs and {len(test[1])} labels")


def _check_items(argument: str, items: Tensor, example: Tensor) -> None:
    if not isinstance(items, Tensor) or items.ndim == 0 or len(items) == 0 or items.shape[1:] != example.shape[1:]:
        shape = f"shape {tuple(items.shape)}" if isinstance(items, Tensor) else repr(type(items))
        raise ValueError(f"{argument}: wanted a tensor of shape (n, *{tuple(example.shape[1:])}); got {shape}")


def _check_modules(modules: Mapping[str, nn.Module], example: Tensor) -> Tensor:
    """Return the outputs of the last module on the example, if every module runs on it."""
    if not modules:
        raise ValueError("model: wanted at least one module; got an empty mapping")
    for key, module in modules.items():
        if not isinstance(key, str) or not key:
            raise ValueError(f"model: wanted a name for each module; got {key!r}")
        if not isinstance(module, nn.Module):
            raise ValueError(f"model: wanted a torch.nn.Module; got {module!r}")
        try:
            with torch.inference_mode():
                output: Tensor = copy.deepcopy(module).eval()(example.clone())
        except Exception as error:
            raise ValueError(f"model: {key!r} does not run on the example: {error}") from error
        if not isinstance(output, Tensor) or output.shape[:1] != (1,):
            raise ValueError(f"model: {key!r} must return one tensor with the batch first; got {type(output)}")
    return output


def _check_score(correct: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, labels: Tensor) -> None:
    """Refuse labels that would broadcast against every output: they give a wrong accuracy, not an error."""
    try:
        scored = correct(outputs, labels[:1])
    except Exception as error:
        raise ValueError(f"test: a label cannot be compared with an output: {error}") from error
    if not isinstance(scored, Tensor) or scored.shape != (1,) or scored.dtype != torch.bool:
        raise ValueError(f"test: wanted `correct` to return one bool per item; for one item it returned {scored!r}")
