"""Inputs of a model: a tensor, or several in tuples, lists and dicts, as its `forward` takes them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

# A tensor, or tuples, lists and dicts with tensors in them. Other values, such as None or a number, are the same for
# every item.
Inputs = Any


def named(inputs: Inputs, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Each tensor with its place, in order.

    Examples
    --------
    >>> import torch
    >>> [name for name, _ in named({"ids": torch.zeros(1), "pair": (torch.ones(1), None)})]
    ['ids', 'pair.0']
    """
    if isinstance(inputs, Tensor):
        yield name, inputs
        return
    parts = inputs.items() if isinstance(inputs, Mapping) else enumerate(inputs) if _several(inputs) else ()
    for key, part in parts:
        yield from named(part, f"{name}.{key}" if name else str(key))


def tensors(inputs: Inputs) -> tuple[Tensor, ...]:
    """The tensors of `inputs`, in order."""
    return (inputs,) if isinstance(inputs, Tensor) else tuple(tensor for _, tensor in named(inputs))


def contiguous(inputs: Inputs) -> tuple[Tensor, ...]:
    """The tensors of `inputs`, in order, each in one piece of memory."""
    return tuple(tensor.contiguous() for tensor in tensors(inputs))


def mapped(function: Callable[[Tensor], Tensor], inputs: Inputs) -> Inputs:
    """The same structure, with the results of `function` on its tensors.

    Examples
    --------
    >>> import torch
    >>> mapped(torch.neg, (torch.tensor(1), {"k": torch.tensor(2)}, 3))
    (tensor(-1), {'k': tensor(-2)}, 3)
    """
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {key: mapped(function, part) for key, part in inputs.items()}
    if _several(inputs):
        parts = [mapped(function, part) for part in inputs]
        return type(inputs)(*parts) if hasattr(inputs, "_fields") else type(inputs)(parts)
    return inputs


def filled(inputs: Inputs, values: Iterator[Tensor]) -> Inputs:
    """The same structure, with other tensors, taken in order from `values`."""
    return mapped(lambda _: next(values), inputs)


def take(inputs: Inputs, items: Tensor, axis: int) -> Inputs:
    """Copy the given items of a batch."""
    if isinstance(inputs, Tensor) and axis == 0:
        return inputs[items]
    return mapped(lambda tensor: tensor.index_select(axis, items), inputs)


def items_in(inputs: Inputs, axis: int) -> int:
    """Number of items."""
    return tensors(inputs)[0].shape[axis]


def _several(inputs: object) -> bool:
    return isinstance(inputs, tuple | list)
