"""A first run of a module on real inputs: what a caller has to know of it, or why it cannot be measured."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tradespace.errors import out_of_memory
from tradespace.tasks.called import Called, Output, Traits
from tradespace.tasks.inputs import Inputs, contiguous, items_in, mapped, take

TRIED_ITEMS = 4
# Relative root mean square differences above this are no rounding.
DIFFERENT_ABOVE = 0.01


def tried(
    name: str,
    module: nn.Module,
    example: Inputs,
    inputs: Inputs,
    output: Output,
    axis: int,
    trim: Callable[[Inputs], Inputs],
) -> tuple[nn.Module, list[Tensor]]:
    """Run `module` on some items, one by one and together.

    Returns
    -------
    nn.Module
        Maps tensors to one tensor, batch first; `module` itself if it does so.
    list of Tensor
        Its outputs for the first items, each with a batch axis of length 1.

    Raises
    ------
    ValueError
        If the module fails, or if its output is not that of the item alone.
    """
    real = items_in(inputs, axis) > 1
    some = inputs if real else _varied(example, axis)
    some = take(some, torch.arange(min(TRIED_ITEMS, items_in(some, axis)), device="cpu"), axis)
    alone = [contiguous(trim(take(some, torch.tensor([i], device="cpu"), axis))) for i in range(items_in(some, axis))]
    caller = _running(name, Called(module, example, output).eval(), alone[0])
    together = contiguous(trim(some))
    singles = [outputs_of(caller, given) for given in alone]
    if not same(singles[0], outputs_of(caller, alone[0])):
        raise ValueError(
            f"model: {name!r} gives another output when it gets the same input again. Does it draw random numbers, "
            f"keep a state from call to call, or leave dropout on?{_training(module)}"
        )
    if real and any(bool(single.isnan().any()) for single in singles):
        raise ValueError(f"model: {name!r} returns NaN for one of the first {len(singles)} inputs")
    caller.axis, why, batch = _together(name, caller, singles[0], together, len(alone), axis)
    singles = [single.movedim(caller.axis, 0) for single in singles]
    if batch is not None:
        for single, one in zip(singles, batch.movedim(caller.axis, 0).split(1), strict=True):
            if not same(single, one[tuple(map(slice, single.shape))]):
                raise ValueError(
                    f"model: the output of {name!r} for an item depends on the other items of its batch, so it has no "
                    f"accuracy of its own. Does it normalise or average over the batch?{_training(module)}"
                )
    caller.traits = Traits(why, caller.traits.writes, caller.traits.gradients)
    plain = isinstance(example, Tensor) and not callable(output) and not caller.axis and caller.traits == Traits()
    if plain and isinstance(_returned(module, alone[0]), Tensor):
        return module, singles
    return caller, singles


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs differ by no more than rounding explains. Infinities have to be in the same places."""
    if one.shape != other.shape:
        return False
    if not (one.is_floating_point() or one.is_complex()):
        return torch.equal(one, other)
    return error(other, one) <= DIFFERENT_ABOVE


def error(outputs: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, over that of the expected outputs; infinite if NaN or infinities differ.

    Examples
    --------
    >>> error(torch.tensor([1.0, -torch.inf]), torch.tensor([1.0, -torch.inf]))
    0.0
    """
    outputs, expected = (
        values.to(torch.cdouble if values.is_complex() else torch.double) for values in (outputs, expected)
    )
    finite = expected.isfinite()
    if not torch.equal(outputs.isfinite(), finite) or not torch.equal(
        outputs[expected.isinf()], expected[expected.isinf()]
    ):
        return torch.inf
    scale = expected[finite].abs().square().mean().sqrt()
    apart = (outputs - expected)[finite].abs()
    if not len(apart):
        return 0.0
    return float(apart.square().mean().sqrt() / scale) if scale > 0 else float(apart.max())


def _varied(example: Inputs, axis: int) -> Inputs:
    """Make items that differ from the only one there is: each number of theirs occurs there too, or is smaller."""

    def vary(tensor: Tensor) -> Tensor:
        rolled = [tensor.roll(k, -1) if tensor.ndim > 1 else tensor for k in range(TRIED_ITEMS)]
        scaled = [one * (1 - k / 8) for k, one in enumerate(rolled)] if tensor.is_floating_point() else rolled
        return torch.cat(scaled, axis)

    return mapped(vary, example)


def outputs_of(caller: nn.Module, given: Sequence[Tensor]) -> Tensor:
    """The outputs for copies of the given tensors."""
    with torch.inference_mode():
        outputs: Tensor = caller(*(tensor.clone() for tensor in given))
    return outputs.clone()  # the next call may write to the same memory


def _returned(module: nn.Module, given: Sequence[Tensor]) -> object:
    with torch.inference_mode():
        return module(*(tensor.clone() for tensor in given))


def _running(name: str, caller: Called, given: Sequence[Tensor]) -> Called:
    """Return `caller` with the traits that it needs to run."""
    copies = [tensor.clone() for tensor in given]
    try:
        with torch.inference_mode():
            caller(*copies)
    except Exception as error:
        caller.traits = Traits(gradients=True)
        try:
            outputs_of(caller, given)
        except Exception:
            said = str(error) or repr(error)
            if isinstance(error, ValueError) and said.startswith("output: "):
                raise
            raise ValueError(f"model: {name!r} does not run on the example: {said}") from error
        return caller
    writes = not all(map(_equal, copies, given))
    caller.traits = Traits(writes=writes)
    return caller


def _equal(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _together(
    name: str, caller: Called, single: Tensor, together: Sequence[Tensor], items: int, axis: int
) -> tuple[int, str, Tensor | None]:
    """The batch axis of the output, why the module works for one item only, if it does, and the output of a batch."""
    axes = [one for one in dict.fromkeys((0, axis)) if one < single.ndim and single.shape[one] == 1]
    if not axes:
        raise ValueError(
            f"model: wanted one output per item from {name!r}, with the batch first; for one item it returned shape "
            f"{tuple(single.shape)}. Does it end in a squeeze()?"
        )
    try:
        batch = outputs_of(caller, together)
    except Exception as error:
        if out_of_memory(error):
            return axes[0], "", None
        first = (str(error) or repr(error)).strip().splitlines()[0]
        return axes[0], f"this model takes one item at a time: with a batch of {items} it fails: {first}", None
    fitting = [one for one in axes if one < batch.ndim and batch.shape[one] == items]
    if not fitting:
        why = (
            f"this model takes one item at a time: for a batch of {items} it returns shape {tuple(batch.shape)}, "
            "which is not one output per item"
        )
        return axes[0], why, None
    return fitting[0], "", batch


def _training(module: nn.Module) -> str:
    """Name what is still in training mode after `eval()`."""
    names = [f"{name or 'it'} ({type(part).__name__})" for name, part in module.named_modules() if part.training]
    return f" In training mode even after eval(): {', '.join(names[:3])}" if names else ""
