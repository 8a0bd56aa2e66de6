"""Round weights to a few bits, where no kernel of that width exists: the accuracy is real, a latency is not."""

import re

import torch
from torch import Tensor, nn

ROUNDED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding, nn.EmbeddingBag)
SCALE_BYTES = 4
PATTERN = re.compile(r"w(\d)(-tensor)?")


def is_weights_only(precision: str) -> bool:
    """Whether `precision` is one of `w8` ... `w2` or `w8-tensor` ... `w2-tensor`."""
    return PATTERN.fullmatch(precision) is not None


def quantized(weight: Tensor, bits: int, per_channel: bool) -> Tensor:
    """`weight` rounded to the nearest of 2^bits - 1 evenly spaced levels, zero among them.

    Parameters
    ----------
    weight : Tensor of shape (channels, ...)
    per_channel : bool
        Whether each channel (a row of a matrix, a filter, the vector of a token) has a step of its own.

    Notes
    -----
    Symmetric rounding to nearest, the largest weight on the outermost level (Krishnamoorthi, 2018, arXiv:1806.08342).

    Examples
    --------
    >>> quantized(torch.tensor([[0.1, 0.4, -1.0]]), bits=2, per_channel=True)
    tensor([[ 0.,  0., -1.]])
    """
    most = 2 ** (bits - 1) - 1
    axes = tuple(range(1, weight.ndim)) if per_channel else tuple(range(weight.ndim))
    step = weight.abs().amax(axes, keepdim=True) / most
    return torch.where(step > 0, (weight / step).round().clamp(-most, most) * step, weight)


def round_weights(module: nn.Module, precision: str) -> float:
    """Round the weights of `module` in place; the size that they would take packed, in 10^6 bytes.

    Linear, convolution and embedding layers are rounded; biases and normalisation stay fp32.
    """
    bits, per_channel = _parse(precision)
    rounded: set[int] = set()
    packed_bits = 0
    for layer in module.modules():
        if isinstance(layer, ROUNDED) and id(layer.weight) not in rounded:
            with torch.no_grad():
                layer.weight.copy_(quantized(layer.weight, bits, per_channel))
            rounded.add(id(layer.weight))
            steps = len(layer.weight) if per_channel else 1
            packed_bits += bits * layer.weight.numel() + 8 * SCALE_BYTES * steps
    others = [value for value in (*module.parameters(), *module.buffers()) if id(value) not in rounded]
    return (packed_bits / 8 + sum(value.numel() * value.element_size() for value in others)) / 1e6


def _parse(precision: str) -> tuple[int, bool]:
    match = PATTERN.fullmatch(precision)
    assert match is not None, precision
    return int(match[1]), match[2] is None
