"""Which channels of each layer are removed at each share, and what is left of the model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tradespace.errors import Unsupported
from tradespace.prepare.pruning import LAYERS, prune
from tradespace.show.common.layers import named_weights
from tradespace.tasks.inputs import Inputs, tensors
from tradespace.tasks.parcel import unpack
from tradespace.tasks.task import Task

PRUNINGS = ("channels-25", "channels-50", "channels-75")

# Which rows and which columns of a matrix are left.
Lines = tuple[list[bool], list[bool]]
# Pruning -> `parameters` and `macs` that are left and, as `kept`, which channels and inputs by layer; or a `reason`.
Found = Mapping[str, Mapping[str, Any]]


def channels_left(module: nn.Module, example: Inputs) -> dict[str, dict[str, Any]]:
    """Return what each of `PRUNINGS` leaves of `module`, without training, or the reason why it cannot be pruned so.

    Call this in another process: whatever hides the output of torch-pruning would also hide that of other threads.
    """
    whole = {name: weight.detach() for name, weight in named_weights(module, LAYERS).items()}
    found: dict[str, dict[str, Any]] = {}
    for pruning in PRUNINGS:
        try:
            smaller = prune(module, pruning, None, example)
        except Unsupported as refusal:
            found[pruning] = {"reason": f"No channel can be taken out: {refusal}."}
            continue
        weights = {name: weight.detach() for name, weight in named_weights(smaller, LAYERS).items()}
        kept = {name: kept_of(whole[name], weight) for name, weight in weights.items() if name in whole}
        found[pruning] = {**size_of(smaller, example), "shapes": shapes_of(smaller), "kept": kept}
    return found


def channels_left_of(packed: bytes, example: Inputs) -> dict[str, dict[str, Any]]:
    """`channels_left` of a module that `pack` packed, with its code, for another process."""
    return channels_left(unpack(packed), example)


def with_shipped(task: Task, model: str, found: Found) -> Found:
    """Return `found` with the sizes of the versions that the task ships. Channels are known if the shapes are equal."""
    return {
        pruning: _with(task.load_pruned(model, pruning), one, task.fed(task.example)) for pruning, one in found.items()
    }


def _with(shipped: nn.Module | None, one: Mapping[str, Any], example: Inputs) -> Mapping[str, Any]:
    if shipped is None:
        return one
    kept = one["kept"] if one.get("shapes") == shapes_of(shipped) else {}
    return {**size_of(shipped, example), "kept": kept, "shipped": True}


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights that can be pruned, by layer."""
    return {name: tuple(weight.shape) for name, weight in named_weights(module, LAYERS).items()}


def size_of(module: nn.Module, example: Inputs) -> dict[str, Any]:
    """Count the nonzero parameters, and the multiply-accumulates per item, of the model and by layer name.

    Examples
    --------
    >>> size_of(nn.Linear(4, 2), torch.zeros(1, 4))["macs"]
    8
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter cannot see into fused attention kernels
    try:
        with FlopCounterMode(display=False) as counter, torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
            module(*(tensor.clone() for tensor in tensors(example)))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    counts = {path: sum(flops.values()) // 2 for path, flops in counter.get_flop_counts().items()}
    paths = {name: f"{type(module).__name__}{'.' * bool(name)}{name}" for name, _ in module.named_modules()}
    return {
        "parameters": sum(int(parameter.count_nonzero()) for parameter in module.parameters()),
        "macs": counter.get_total_flops() // 2,
        "layers": {name: counts.get(path, 0) for name, path in paths.items()},
    }


def kept_of(whole: Tensor, smaller: Tensor) -> Lines | None:
    """Return which rows and columns of `whole` are in `smaller`, in the same order; None if it is no part of `whole`.

    Examples
    --------
    >>> kept_of(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[4.0]]))
    ([False, True], [False, True])
    """
    a, b = (weight.reshape(*weight.shape[:2], -1).numpy() for weight in (whole, smaller))
    if a.shape[2] != b.shape[2]:
        return None
    rows = _subsequence(a, b)
    columns = _subsequence(a[rows].swapaxes(0, 1), b.swapaxes(0, 1))
    if not np.array_equal(a[rows][:, columns], b):
        return None
    return rows.tolist(), columns.tolist()


def _subsequence(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return which members of `whole` contain all the numbers of the members of `part`, in order."""
    kept, place = np.zeros(len(whole), bool), 0
    for member in part:
        while place < len(whole) and not np.isin(member, whole[place]).all():
            place += 1
        if place == len(whole):
            break
        kept[place] = True
        place += 1
    return kept
