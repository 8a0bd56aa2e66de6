"""Prune weights after training: set the smallest to zero, or take whole channels out."""

import warnings

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from tradespace.config import PRUNINGS, pruned_share
from tradespace.errors import Unsupported, choose
from tradespace.prepare.quiet import quiet
from tradespace.prepare.weights import weights_of
from tradespace.tasks.inputs import Inputs, items_in, take, tensors
from tradespace.tasks.parcel import pack, unpack

# Layers that are pruned. Embeddings and normalisation layers are not.
LAYERS = (_ConvNd, nn.Linear, nn.MultiheadAttention, nn.RNNBase)
ESTIMATION_ITEMS, ESTIMATION_BATCH = 1000, 100


def prune(module: nn.Module, pruning: str, inputs: Inputs | None, example: Inputs, batch_axis: int = 0) -> nn.Module:
    """Return a pruned copy of `module` in evaluation mode. Nothing is trained.

    Parameters
    ----------
    pruning : str
        `weights-P` sets the smallest P % of all weights to zero (Han et al., 2015) and keeps their shapes. `channels-P`
        takes out the P % of each layer's channels with the smallest L2 norm, together with everything that depends on
        them (Fang et al., 2023), and keeps the inputs and outputs of the model.
    inputs : Inputs or None
        A few hundred inputs, without labels, to re-estimate the running statistics of BatchNorm.
    example : Inputs
        One input, batch size 1.
    batch_axis : int
        That of the inputs.

    Raises
    ------
    Unsupported
        If the module has nothing to prune, or if torch-pruning is missing or cannot take its channels out.

    Examples
    --------
    >>> layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> sparse = prune(layers, "weights-50", None, torch.zeros(1, 4))
    >>> sum(int((parameter == 0).sum()) for parameter in sparse.parameters())
    24
    """
    kind, percent = pruned_share(choose("pruning", pruning, PRUNINGS))
    with torch.inference_mode(False):  # a copy made in inference mode cannot be traced
        pruned: nn.Module = unpack(pack(module)).eval()
        if kind == "none":
            return pruned
        if not any(isinstance(layer, LAYERS) for layer in pruned.modules()):
            raise Unsupported(f"{pruning} prunes convolutions and linear layers, and this model has none")
        if kind == "weights":
            zero_smallest(pruned, percent / 100)
        else:
            remove_channels(pruned, percent / 100, example, batch_axis)
        if inputs is not None:
            estimate_batch_norm(pruned, inputs, batch_axis)
    return pruned


def zero_smallest(module: nn.Module, share: float) -> None:
    """Set the smallest `share` of the weights to zero, in place, with one threshold for all layers."""
    layers = [layer for layer in module.modules() if isinstance(layer, LAYERS)]
    if any(parametrize.is_parametrized(layer) for layer in layers):
        raise Unsupported(
            "some weights of this model are computed from others (a parametrization): they cannot be zeroed"
        )
    weights = weights_of(layers)
    with torch.no_grad():
        sizes = torch.cat([weight.abs().flatten() for weight in weights.values()])
        kept = torch.ones_like(sizes)
        kept[sizes.topk(round(share * len(sizes)), largest=False).indices] = 0
        masks = kept.split([weight.numel() for weight in weights.values()])
        for weight, mask in zip(weights.values(), masks, strict=True):
            weight.mul_(mask.view_as(weight))


def remove_channels(module: nn.Module, share: float, example: Inputs, batch_axis: int = 0) -> None:
    """Take the `share` of channels with the smallest L2 norm out of each group of interdependent layers."""
    try:
        with quiet():
            import torch_pruning as tp
    except ImportError as error:
        reason = "taking channels out of a model without a shipped pruned version needs torch-pruning"
        raise Unsupported(f"{reason}: pip install torch-pruning") from error
    one = tensors(example)
    pair = tuple(torch.cat([tensor, tensor], batch_axis) for tensor in one)
    before = _weights(module), _output_shape(module, pair)
    # torch-pruning prints, warns, and follows the autograd graph: parameters must require gradients.
    with quiet(), warnings.catch_warnings(action="ignore"), torch.enable_grad():
        module.requires_grad_(True)
        try:
            graph = tp.DependencyGraph().build_dependency(module, tuple(tensor.clone() for tensor in one))
            # A layer whose channels reach the end of the graph decides the shape of the output.
            outputs = [
                group[0].dep.target.module
                for group in graph.get_all_groups()
                if any(graph.is_out_channel_pruning_fn(dep.handler) and not dep.target.outputs for dep, _ in group)
            ]
            tp.pruner.BasePruner(
                module,
                tuple(tensor.clone() for tensor in one),
                importance=tp.importance.GroupMagnitudeImportance(p=2),
                pruning_ratio=share,
                ignored_layers=outputs,
                # Their defaults are dicts that all pruners of a process share.
                in_channel_groups={},
                out_channel_groups={},
                num_heads={},
            ).step()
            after = _weights(module), _output_shape(module, pair)
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise Unsupported(f"torch-pruning cannot take channels out of this model: {reason}") from error
    if after[1] != before[1]:
        raise Unsupported("torch-pruning cannot take channels out of this model without changing its output shape")
    if after[0] == before[0]:
        raise Unsupported("this model has no channels but those of its inputs and outputs, and these must stay")


def estimate_batch_norm(module: nn.Module, inputs: Inputs, batch_axis: int = 0) -> None:
    """Replace the running statistics of BatchNorm layers with their averages over `inputs`, in place."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    items = min(ESTIMATION_ITEMS, items_in(inputs, batch_axis))
    if not norms or items < 2:  # one item has no variance
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # in torch: the average over all batches, equally weighted
        norm.train()
    with torch.no_grad():
        # Batches of equal size, since a last batch of one item would have no variance either.
        for numbers in torch.arange(items, device="cpu").tensor_split(-(-items // ESTIMATION_BATCH)):
            module(*tensors(take(inputs, numbers, batch_axis)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _output_shape(module: nn.Module, inputs: tuple[Tensor, ...]) -> torch.Size:
    with torch.no_grad():
        outputs: Tensor = module(*(tensor.clone() for tensor in inputs))
    return outputs.shape
