"""Fold each BatchNorm into the convolution before it: in evaluation mode it is a fixed scale and shift per channel."""

from collections import Counter

from torch import fx, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold(module: nn.Module) -> nn.Module:
    """Fold each BatchNorm of `module` into the convolution before it, in place, and return `module`.

    Tracing finds which layer follows which. A module whose control flow depends on data cannot be traced and is
    returned unchanged. The module keeps its own `forward`: the Python code there is part of the timed call.

    Examples
    --------
    >>> fold(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval())[1]
    Identity()
    """
    if not any(isinstance(layer, NORMS) for layer in module.modules()):
        return module
    try:
        graph = fx.symbolic_trace(module).graph
    except Exception:
        return module
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        before = node.args[0] if node.args else None
        if node.op != "call_module" or not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        once = calls[node.target] == calls[before.target] == len(before.users) == 1
        read = any(
            other.op == "get_attr" and str(other.target).startswith(f"{before.target}.") for other in graph.nodes
        )
        convolution, norm = (module.get_submodule(str(name)) for name in (before.target, node.target))
        if not (isinstance(convolution, CONVOLUTIONS) and isinstance(norm, NORMS)):
            continue
        if once and not read and norm.running_mean is not None and _is_plain(convolution) and _is_plain(norm):
            module.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            module.set_submodule(str(node.target), nn.Identity())
    return module


def _is_plain(layer: nn.Module) -> bool:
    """Whether the layer has no hook or parametrization, which could see or change its values."""
    return not (layer._forward_hooks or layer._forward_pre_hooks or parametrize.is_parametrized(layer))
