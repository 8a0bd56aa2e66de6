"""BatchNorm folded into convolutions, and images laid out channels last, where the model then computes the same."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn

from tradespace.prepare.fold import fold
from tradespace.prepare.source import Source
from tradespace.tasks.trial import error, outputs_of

# Folding and another layout change the order of sums, and nothing else.
ROUNDING = 1e-4


def fused(source: Source) -> tuple[nn.Module, torch.memory_format]:
    """Make the model of `source` in fp32, and say how to lay out its weights and its inputs of four axes.

    BatchNorm is folded into the convolution before it, and images are laid out channels last, as PyTorch's own guide
    to CPU performance advises: bf16 convolutions need it, and fp32 ones gain from it at every batch size. Each is done
    only if some real inputs then have the outputs that they have without.
    """
    plain = source.module(), torch.contiguous_format
    try:
        expected = outputs_of(source.module(), source.some)
    except Exception:  # it takes no such batch here, and there is nothing to compare with
        return plain
    layouts = [torch.contiguous_format]
    if any(tensor.ndim == 4 for tensor in source.some):
        layouts.insert(0, torch.channels_last)
    changes: list[Callable[[nn.Module], nn.Module]] = [fold, _unchanged]
    for layout, change in product(layouts, changes):
        try:
            inputs = [laid_out(tensor, layout) for tensor in source.some]
            outputs = outputs_of(_changed(source, change, layout), inputs)
        except Exception:  # whatever a model does that reads a layer or a layout
            continue
        if outputs.shape == expected.shape and error(outputs, expected) < ROUNDING:
            # One that has not run yet: it may keep something of its first inputs, in their data type.
            return _changed(source, change, layout), layout
    return plain


def laid_out(tensor: Tensor, layout: torch.memory_format) -> Tensor:
    """Lay out a tensor of four axes, and leave any other as it is."""
    return tensor.contiguous(memory_format=layout) if tensor.ndim == 4 else tensor


def _changed(source: Source, change: Callable[[nn.Module], nn.Module], layout: torch.memory_format) -> nn.Module:
    return change(source.module()).to(memory_format=layout)  # type: ignore[call-overload, no-any-return]  # not in its stub


def _unchanged(module: nn.Module) -> nn.Module:
    return module
