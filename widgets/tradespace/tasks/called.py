"""A module of any signature as one that maps tensors to a single tensor, with the batch first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from tradespace.tasks.inputs import Inputs, filled, mapped, tensors

# Which of the outputs is scored: a key, a field or an index; a function of all outputs; or None for the only tensor.
Output = str | int | Callable[[Any], Tensor] | None


@dataclass(frozen=True)
class Traits:
    """What a caller of a module has to know.

    Parameters
    ----------
    one_at_a_time : str
        Why the module works for a batch of one item only, as a sentence; empty if it takes any.
    writes : bool
        Whether it writes into its inputs, so that each call needs a copy.
    gradients : bool
        Whether it computes gradients in its `forward`.
    """

    one_at_a_time: str = ""
    writes: bool = False
    gradients: bool = False


class Wrapper(nn.Module):
    """A module of this package around one of the user's own."""

    @property
    def inner(self) -> nn.Module:
        """The module inside."""
        raise NotImplementedError


class Called(Wrapper):
    """Calls a module with tensors put into their places among its arguments, and returns one of its outputs.

    Parameters
    ----------
    module : nn.Module
    example : tensor, tuple, dict or list
        How the module is called: with a tensor or a list as its only argument, a tuple as its positional arguments, or
        a dict as its keyword arguments.
    output : str, int, callable or None
    axis : int
        The batch axis of that output.

    Examples
    --------
    >>> both = Called(nn.Bilinear(2, 3, 4), (torch.zeros(1, 2), torch.zeros(1, 3)))
    >>> both(torch.ones(5, 2), torch.ones(5, 3)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self, module: nn.Module, example: Inputs, output: Output = None, axis: int = 0, traits: Traits = Traits()
    ) -> None:
        super().__init__()
        self.module, self.output, self.axis, self.traits = module, output, axis, traits
        self._places = mapped(lambda _: torch.empty(0, device="cpu"), example)
        self._several = len(tensors(example)) > 1

    @property
    def inner(self) -> nn.Module:
        return self.module

    # One argument by itself, and the others only if there are some: torch.fx cannot trace a module that reads `*args`.
    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        given = (first, *others) if self._several else (first,)
        if self.traits.gradients:
            with torch.inference_mode(False), torch.enable_grad():
                return self._answer(tuple(tensor.clone() for tensor in given)).detach()
        if self.traits.writes:
            given = tuple(tensor.clone() for tensor in given)
        return self._answer(given)

    def _answer(self, given: tuple[Tensor, ...]) -> Tensor:
        found = chosen(called(self.module, filled(self._places, iter(given))), self.output)
        return found.movedim(self.axis, 0) if self.axis else found


def called(module: nn.Module, arguments: Inputs) -> Any:
    """Call `module` with a tuple as its positional arguments, a dict as its keyword arguments, or an only argument."""
    if isinstance(arguments, Mapping):
        return module(**arguments)
    return module(*arguments) if isinstance(arguments, tuple) else module(arguments)


def chosen(outputs: Any, output: Output) -> Tensor:
    """The tensor that `output` names among the outputs of a model.

    Raises
    ------
    ValueError
        If there is no such output, or if none is named and there are several.

    Examples
    --------
    >>> chosen({"logits": torch.ones(1), "state": torch.zeros(1)}, "logits")
    tensor([1.])
    """
    found: Any = None
    if callable(output):
        found = output(outputs)
    elif isinstance(outputs, Tensor):
        found = outputs
    elif isinstance(outputs, fx.Proxy):  # what a layer of torch's returns, a tensor or a tuple
        found = outputs[output] if isinstance(output, int) else outputs  # type: ignore[index]
    elif output is None:
        found = _only(outputs)
    elif isinstance(output, str) and not isinstance(outputs, Mapping):
        found = getattr(outputs, output, None)
    elif isinstance(output, int) and isinstance(outputs, tuple | list):
        found = outputs[output] if -len(outputs) <= output < len(outputs) else None
    else:
        found = outputs[output] if isinstance(outputs, Mapping) and output in outputs else None
    if not isinstance(found, Tensor | fx.Proxy):
        raise ValueError(f"output: wanted one of the model's tensors, {listed(outputs)}; got {output!r}")
    tensor: Tensor = found  # type: ignore[assignment]  # or what torch.fx traces in its place
    return tensor


def traits_of(module: nn.Module) -> Traits:
    """The traits of a module that a task loads."""
    traits: Traits = getattr(module, "traits", Traits())
    return traits


def _only(outputs: Any) -> Tensor:
    floats = [tensor for _, tensor in _named(outputs) if tensor.is_floating_point()]
    if len(floats) != 1:
        raise ValueError(f"output: wanted the name of the output to score, among {listed(outputs)}; got none")
    return floats[0]


def listed(outputs: Any) -> str:
    """The tensors among the outputs, with their shapes, in words."""
    found = [f"{name or 'a tensor'} {tuple(tensor.shape)}" for name, tensor in _named(outputs)]
    return ", ".join(found) or f"no tensor in a {type(outputs).__name__}"


def _named(outputs: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    if isinstance(outputs, Tensor):
        yield ".".join(path), outputs
        return
    for key in _keys(outputs):
        part = outputs[key] if isinstance(outputs, Mapping | tuple | list) else getattr(outputs, key)
        yield from _named(part, (*path, repr(key)))


def _keys(outputs: Any) -> list[Any]:
    if isinstance(outputs, Mapping):
        return list(outputs)
    if isinstance(outputs, tuple | list):
        return list(range(len(outputs)))
    if is_dataclass(outputs):
        return [field.name for field in fields(outputs)]
    return [name for name, value in getattr(outputs, "__dict__", {}).items() if isinstance(value, Tensor)]
