"""The weights of a model's layers, as the lenses show them."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tradespace.prepare.pruning import LAYERS
from tradespace.prepare.weights import weights_of
from tradespace.tasks.task import Task

# Odd, so that zero is in the middle of a bin.
BINS = 61


# A histogram cannot show weights that are all smaller than this.
TINY = 1e-30


def named_weights(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> dict[str, nn.Parameter]:
    """Return the weights of the layers of the given `kinds`, by layer name."""
    weights = weights_of(layer for layer in module.modules() if isinstance(layer, kinds))
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {names[key].removesuffix(".weight"): weight for key, weight in weights.items()}


def others(task: Task, model: str) -> str:
    """Return the end of an error message that rejects `model`: which other models the task has."""
    names = [name for name in task.models if name != model]
    return f". The task's other models are {', '.join(names)}" if names else ""


def finite(name: str, weight: Tensor) -> Tensor:
    """Return `weight` in fp32. Raise a ValueError if some of it is not finite."""
    weight = weight.detach().float()
    if not torch.isfinite(weight).all():
        raise ValueError(f"model: wanted finite weights; those of {name} contain NaN or infinity")
    return weight


def first_layer(module: nn.Module) -> str | None:
    """Name the layer to show first: the largest that multiplies, as opposed to looking up rows in a table."""
    sizes = {name: weight.numel() for name, weight in named_weights(module, LAYERS).items()}
    return max(sizes, key=sizes.__getitem__, default=None)


def span_of(weight: Tensor) -> float:
    """Return the distance from zero to each end of a histogram of `weight`."""
    largest = float(weight.abs().max())
    return largest if largest > TINY else 1.0


def percentages(values: Tensor, bins: int, span: float, of: int | None = None) -> list[float]:
    """Return a histogram of `bins` equal bins from -span to span, in per cent of the number of `values`, or of `of`."""
    inside = values.flatten().clamp(-span, span).numpy()
    counts = np.histogram(inside, bins, (-span, span))[0]
    return [float(share) for share in 100 * counts / ((len(inside) if of is None else of) or 1)]


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each row as a dict, by column name."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def shape_of(view: dict[str, Any]) -> str:
    """Return the name of a layer and the shape of its weights as a matrix."""
    return f"{view['name']}, {view['rows']:,} by {view['columns']:,}"
