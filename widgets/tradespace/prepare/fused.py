"""Eager PyTorch with each BatchNorm folded into the convolution before it, and with images laid out channels last."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.prepare.eager import in_floating_point, laid_out
from tradespace.prepare.fold import fold
from tradespace.prepare.refusal import refusing
from tradespace.prepare.runtime import Runtime
from tradespace.prepare.session import Converted
from tradespace.prepare.source import Source
from tradespace.prepare.types import FLOATS
from tradespace.tasks.trial import error, outputs_of

PRECISIONS = tuple(FLOATS)
# Folding and another layout change the order of sums, and nothing else.
ROUNDING = 1e-4
FOLDED, CHANNELS_LAST = "BatchNorm folded into convolutions", "images laid out channels last"


def unsupported(config: Config, calibrated: bool) -> str | None:
    """Why fused PyTorch cannot run `config` here, or None."""
    if config.precision not in PRECISIONS:
        return f"fused PyTorch runs {', '.join(PRECISIONS)} in this release, not {config.precision}"
    return None


def convert(source: Source, config: Config) -> Converted:
    """Fuse the model of `source`, in the precision of `config`, on its device."""
    return in_floating_point(*fused(source), source, config)


def fused(source: Source) -> tuple[nn.Module, torch.memory_format]:
    """Make the fused model of `source` in fp32, and say how to lay out its inputs of four axes.

    PyTorch's own guide to CPU performance advises both for convolutional networks.

    Raises
    ------
    Unsupported
        If nothing would change, or if the outputs for some real inputs would.
    """
    images = any(tensor.ndim == 4 for tensor in source.some)
    layout = torch.channels_last if images else torch.contiguous_format
    if not images and _parts(fold(source.module())) == _parts(source.module()):
        raise Unsupported(
            "there is nothing to fuse in this model: no BatchNorm follows a convolution, and no input is an image"
        )
    with refusing("this model does not run on its first inputs", source.module()):
        expected = outputs_of(source.module(), source.some)
    # One by one first, so that a refusal can say which of them it is.
    _compare(source, expected, FOLDED, fold, torch.contiguous_format)
    _compare(source, expected, CHANNELS_LAST, _unchanged, layout)
    _compare(source, expected, f"{FOLDED} and {CHANNELS_LAST}", fold, layout)
    # One that has not run yet: it may keep something of its first inputs, in their data type.
    return _changed(source, fold, layout), layout


def _compare(
    source: Source,
    expected: Tensor,
    what: str,
    change: Callable[[nn.Module], nn.Module],
    layout: torch.memory_format,
) -> None:
    module = _changed(source, change, layout)
    with refusing(f"with {what}, this model fails", module):
        outputs = outputs_of(module, [laid_out(tensor, layout) for tensor in source.some])
    if outputs.shape != expected.shape:
        raise Unsupported(f"with {what}, this model returns shape {tuple(outputs.shape)}, not {tuple(expected.shape)}")
    if (apart := error(outputs, expected)) > ROUNDING:
        raise Unsupported(
            f"with {what}, the outputs of this model depart from its own by {apart:.2%} (root mean square): it uses "
            "what is changed there in a way of its own"
        )


def _changed(source: Source, change: Callable[[nn.Module], nn.Module], layout: torch.memory_format) -> nn.Module:
    return change(source.module()).to(memory_format=layout)  # type: ignore[call-overload, no-any-return]  # not in its stub


def _unchanged(module: nn.Module) -> nn.Module:
    return module


def _parts(module: nn.Module) -> list[type[nn.Module]]:
    return [type(part) for part in module.modules()]


RUNTIME = Runtime(PRECISIONS, unsupported, convert)
