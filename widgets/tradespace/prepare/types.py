"""Data types: a model and its inputs in one floating-point type, whatever types they came in."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tradespace.errors import Unsupported

FLOATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def in_fp32(module: nn.Module) -> nn.Module:
    """Convert the weights of `module` to fp32, in place; complex ones to pairs of fp32."""
    return converted(module, torch.float32)


def converted(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Convert the floating-point weights of `module` to `dtype`, in place.

    Raises
    ------
    Unsupported
        If it has complex weights, which exist in no type but fp32 here.

    Examples
    --------
    >>> converted(nn.Linear(2, 2).double(), torch.bfloat16).weight.dtype
    torch.bfloat16
    """
    # Not `Module.to(dtype)`, which drops the imaginary parts of complex weights.
    if dtype != torch.float32 and any(tensor.is_complex() for tensor in _weights(module)):
        raise Unsupported(f"this model has complex weights, and torch has no complex numbers of type {_name(dtype)}")
    if any(_as(tensor, dtype).dtype != tensor.dtype for tensor in _weights(module)):
        module._apply(lambda tensor: _as(tensor, dtype))
    return module


def inputs_in_fp32(inputs: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Convert floating-point inputs to fp32; leave integers and masks as they are."""
    return tuple(_as(tensor, torch.float32) for tensor in inputs)


def _as(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex64)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _weights(module: nn.Module) -> Iterable[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _name(dtype: torch.dtype) -> str:
    return next(name for name, value in FLOATS.items() if value == dtype)
