"""Task: what runs, the labelled data that judges it, and its score."""

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
    """The tensors of a task. The first axis of each is the batch.

    Parameters
    ----------
    example : Tensor
        One item: batch size 1.
    calibration : Tensor or None
        Inputs from which static quantization learns the range of each activation; none of them is a test item.
    test : (Tensor, Tensor) or None
        Inputs and labels that accuracy is measured on.
    """

    example: Tensor
    calibration: Tensor | None = None
    test: tuple[Tensor, Tensor] | None = None

    @property
    def inputs(self) -> Tensor:
        """The items that timing loops feed: test inputs if there are any, else calibration, else the example."""
        if self.test is not None:
            return self.test[0]
        return self.example if self.calibration is None else self.calibration


def top_1(outputs: Tensor, labels: Tensor) -> Tensor:
    """Per item, whether the class with the highest score is the label."""
    return outputs.argmax(dim=1) == labels


def scoring_order(items: int) -> np.ndarray:
    """The order in which test items are scored: shuffled once, the same for every model.

    So the first of them are a fair sample of all, and of two models that were scored on different numbers of items the
    shorter part is shared.

    Examples
    --------
    >>> scoring_order(5).tolist()
    [2, 0, 1, 3, 4]
    """
    # What RandomState draws is fixed for ever, which numpy's newer generators do not promise.
    order: np.ndarray = np.random.RandomState(0).permutation(items)
    return order


def whole(batch: Tensor) -> Tensor:
    """The batch as it is: nothing of it is padding."""
    return batch


def none_shipped(model: str, pruning: str) -> None:
    """No pruned version comes with the task: `prepare` prunes the model itself."""


@dataclass(frozen=True)
class Task:
    """A family of models, what to feed them, and how to judge what comes out.

    Models and data are loaded by functions, so that a Task stays small when it is sent to the process that measures.

    Parameters
    ----------
    name : str
    models : tuple of str
        Names of the models, cheapest first.
    load_model : callable
        Name -> module in evaluation mode, a new one at each call.
    load_data : callable
        () -> `Data`.
    correct : callable
        (outputs, labels) -> one bool an item. Accuracy is their mean.
    load_pruned : callable
        (model, pruning) -> the pruned and fine-tuned module that comes with the task, or None if none does.
    trim : callable
        A batch of inputs -> the batch as it is fed, without the padding that none of its items needs.
    classes : tuple of str
        Names of the classes, in the order of the labels; empty if they have none.
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
        """A hash of what a result on `model` depends on: its layers, its weights and the task's data."""
        module = self.load_pruned(model, pruning) or self.load_model(model)
        data = self.load_data()
        tensors = [*module.state_dict().values(), data.example, data.calibration, *(data.test or ())]
        return _digest(repr(module), tensors)

    def data_fingerprint(self) -> str:
        """A hash of what all models are timed and scored on: the inputs, and the labels if there are any.

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
        """A Task of your own model: any module that maps one tensor to one tensor, batch first.

        Parameters
        ----------
        model : nn.Module or mapping of str to nn.Module
            One module becomes the model called "model". It is copied, so yours is not changed; tensors are not copied.
        example : Tensor
            One input, batch size 1.
        calibration : Tensor, optional
            A few hundred inputs; static int8 needs them.
        test : (Tensor, Tensor), optional
            Inputs and labels. Without them accuracy is NaN: not known.

        Raises
        ------
        ValueError
            If an argument has the wrong kind or shape, or if a model does not run on the example.

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
            raise ValueError(f"test: wanted labels as a tensor, one an input; got {test[1]!r}")
        if len(test[0]) != len(test[1]):
            raise ValueError(f"test: wanted one label an input; got {len(test[0])} and {len(test[1])}")


def _check_items(argument: str, items: Tensor, example: Tensor) -> None:
    if not isinstance(items, Tensor) or items.ndim == 0 or len(items) == 0 or items.shape[1:] != example.shape[1:]:
        shape = f"shape {tuple(items.shape)}" if isinstance(items, Tensor) else repr(type(items))
        raise ValueError(f"{argument}: wanted a tensor of shape (n, *{tuple(example.shape[1:])}); got {shape}")


def _check_modules(modules: Mapping[str, nn.Module], example: Tensor) -> Tensor:
    """The outputs of the last module on the example, if every module runs on it."""
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
    """Refuse labels that would compare with every output in turn, and so give a wrong accuracy, not an error."""
    try:
        scored = correct(outputs, labels[:1])
    except Exception as error:
        raise ValueError(f"test: a label cannot be compared with an output: {error}") from error
    if not isinstance(scored, Tensor) or scored.shape != (1,) or scored.dtype != torch.bool:
        raise ValueError(f"test: wanted `correct` to give one bool an item; for one item it gave {scored!r}")
