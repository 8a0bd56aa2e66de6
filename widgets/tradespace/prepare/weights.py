"""Round weights to a few bits where no kernel of that width exists: the accuracy is real, a latency would not be."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from tradespace.config import WEIGHTS
from tradespace.errors import Unsupported

ROUNDED = (_ConvNd, nn.Linear, nn.MultiheadAttention, nn.RNNBase, nn.Embedding, nn.EmbeddingBag)
SCALE_BYTES = 4


def quantized(weight: Tensor, bits: int, per_channel: bool) -> Tensor:
    """Round `weight` to the nearest of 2^bits - 1 evenly spaced levels, one of which is zero.

    Parameters
    ----------
    weight : Tensor of shape (channels, ...)
    per_channel : bool
        Whether each channel (a row of a matrix, a filter, the vector of a token) has its own step.

    Notes
    -----
    Symmetric rounding to nearest, with the largest weight on the outermost level (Krishnamoorthi, 2018,
    arXiv:1806.08342).

    Examples
    --------
    >>> quantized(torch.tensor([[0.1, 0.4, -1.0]]), bits=2, per_channel=True)
    tensor([[ 0.,  0., -1.]])
    """
    most = 2 ** (bits - 1) - 1
    axes = tuple(range(1, weight.ndim)) if per_channel else tuple(range(weight.ndim))
    step = weight.abs().amax(axes, keepdim=True) / most
    return torch.where(step > 0, (weight / step).round().clamp(-most, most) * step, weight)


def weights_of(layers: Iterable[nn.Module]) -> dict[int, nn.Parameter]:
    """The weights of `layers`, keyed by identity: a weight that two layers share counts once."""
    return {
        id(weight): weight
        for layer in layers
        for name, weight in layer.named_parameters(recurse=False)
        if "weight" in name and weight.ndim > 1
    }


def round_weights(module: nn.Module, precision: str) -> float:
    """Round the weights of `module` in place; return its size with those weights packed, in 10^6 bytes.

    Linear, convolution, attention, recurrent and embedding layers are rounded; biases and normalisation stay fp32.

    Raises
    ------
    Unsupported
        If the module has no such layer, or computes their weights from others.
    """
    bits, per_channel = WEIGHTS[precision]
    layers = [layer for layer in module.modules() if isinstance(layer, ROUNDED)]
    if any(parametrize.is_parametrized(layer) for layer in layers):
        raise Unsupported("some weights of this model are computed from others (a parametrization): they stay fp32")
    rounded = weights_of(layers)
    if not rounded:
        raise Unsupported(f"{precision} rounds the weights of layers that multiply, and this model has none")
    packed_bits = 0
    for weight in rounded.values():
        with torch.no_grad():
            weight.copy_(quantized(weight, bits, per_channel))
        packed_bits += bits * weight.numel() + 8 * SCALE_BYTES * (len(weight) if per_channel else 1)
    others = [value for value in (*module.parameters(), *module.buffers()) if id(value) not in rounded]
    return (packed_bits / 8 + sum(value.numel() * value.element_size() for value in others)) / 1e6
