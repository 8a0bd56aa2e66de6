"""What pruning leaves of a model and its layers: numbers for a chart, from the code that prunes."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tradespace.errors import Unsupported
from tradespace.prepare.pruning import LAYERS, zero_smallest
from tradespace.prepare.source import load
from tradespace.show.common.layers import BINS, finite, named_weights, others, percentages, span_of
from tradespace.show.pruning.channels import PRUNINGS, Found, Lines, size_of
from tradespace.tasks.task import Task

# The shares that are shown, in per cent: any for weights; for channels, those that exist as a pruning.
SHARES = {"weights": tuple(range(0, 100, 5)), "channels": (0, 25, 50, 75)}
# Only the upper left part of a larger matrix is shown.
MOST_ROWS, MOST_CELLS = 64, 10_000
LOOKING: Found = {pruning: {"reason": "Working out which channels to remove."} for pruning in PRUNINGS}


@dataclass(frozen=True)
class Cut:
    """A model and all ways to prune it.

    Parameters
    ----------
    module : nn.Module
        The unpruned model.
    example : tuple of Tensor
        The tensors of one input.
    stays : dict of str to Tensor
        By layer, the number of shares at which each weight is not zero. A weight that is zero at one share is zero at
        all larger ones.
    cut_offs : list of float
        At each share, the magnitude of the largest weight that is set to zero.
    zeros : list of dict
        At each share, the nonzero `parameters`, and `macs`, the multiply-accumulates per item that use one of them.
    found : mapping
        What is left when channels are removed.
    """

    module: nn.Module
    example: tuple[Tensor, ...]
    stays: dict[str, Tensor]
    cut_offs: list[float]
    zeros: list[dict[str, int]]
    found: Found

    @classmethod
    def of(cls, task: Task, model: str, found: Found = LOOKING) -> "Cut":
        """Return `model` of `task`, pruned at every share.

        Raises
        ------
        ValueError
            If it has no weights to prune, or some that are not finite.
        """
        module = load(task, model, "none")
        try:
            stays, cut_offs = _survivals(module)
        except Unsupported as refusal:
            raise ValueError(f"model: {model!r} cannot be pruned: {refusal}{others(task, model)}") from refusal
        example = task.fed(task.example)
        return cls(module, example, stays, cut_offs, _sizes(size_of(module, example), stays), found)

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the weights that can be pruned, by layer."""
        return named_weights(self.module, LAYERS)

    def sizes(self) -> dict[str, list[dict[str, Any]]]:
        """Return what is left of the model at each share, in numbers and words; None for what is not known."""
        whole = self.zeros[0]
        channels = [whole, *(self.found[pruning] for pruning in PRUNINGS)]
        some: dict[str, Sequence[Mapping[str, Any]]] = {"weights": self.zeros, "channels": channels}
        return {kind: [_said(kind, size, whole) for size in sizes] for kind, sizes in some.items()}

    def layer(self, name: str) -> dict[str, Any]:
        """Return what is left of one layer at each share, as plain lists and numbers; None for what is not known.

        `kept` are the remaining weights in `BINS` bins from `-span` to `span`, in per cent of all the layer's weights.
        `cells` has, for each weight in the upper left part of the matrix, the number of shares at which it is not zero.
        `lines` says, for each share of channels, which rows and columns are left.

        Examples
        --------
        >>> mine = Task.from_model(nn.Linear(20, 5), example=torch.zeros(1, 20))
        >>> [share for share in Cut.of(mine, "model").layer("weight")["zero"]["weights"] if share < 0.2]
        [0.0, 0.05, 0.1, 0.15]
        """
        weight, stays = self.weights()[name].detach().float().flatten(1), self.stays[name].flatten(1)
        span = span_of(weight)
        rows = min(len(weight), MOST_ROWS)
        columns = min(weight.shape[1], MOST_CELLS // rows)
        whole = [True] * len(weight), [True] * weight.shape[1]
        lines = [whole, *(_lines(self.found[pruning], name, weight.shape[1]) for pruning in PRUNINGS)]
        zeros = [stays > place for place in range(len(self.zeros))]
        masks: dict[str, list[Tensor | None]] = {"weights": [*zeros], "channels": [_mask(line) for line in lines]}
        return {
            "name": name,
            "rows": len(weight),
            "columns": weight.shape[1],
            "span": span,
            "cut_offs": self.cut_offs,
            "kept": {kind: [_kept(weight, mask, span) for mask in some] for kind, some in masks.items()},
            "zero": {kind: list(map(_gone, some)) for kind, some in masks.items()},
            "cells": stays[:rows, :columns].tolist(),
            "lines": {
                share: line and {"rows": line[0][:rows], "columns": line[1][:columns]}
                for share, line in zip(map(str, SHARES["channels"]), lines, strict=True)
            },
            "words": {
                "weights": [
                    _zeros_in_words(name, cut_off, mask) for cut_off, mask in zip(self.cut_offs, zeros, strict=True)
                ],
                "channels": [_lines_in_words(name, line) for line in lines],
            },
        }


def _survivals(module: nn.Module) -> tuple[dict[str, Tensor], list[float]]:
    whole, cut = named_weights(module, LAYERS), copy.deepcopy(module)
    if not whole:
        raise Unsupported("it has no convolution and no linear layer")
    sizes = {name: finite(name, weight).abs() for name, weight in whole.items()}
    weights = named_weights(cut, LAYERS)
    stays = {name: torch.zeros(weight.shape, dtype=torch.int8) for name, weight in weights.items()}
    cut_offs = []
    for share in SHARES["weights"]:
        zero_smallest(cut, share / 100)
        gone = {name: weight.detach() == 0 for name, weight in weights.items()}
        for name, zero in gone.items():
            stays[name] += ~zero
        cut_offs.append(max(float(sizes[name][zero].max()) if zero.any() else 0.0 for name, zero in gone.items()))
    return stays, cut_offs


def _sizes(size: dict[str, Any], stays: dict[str, Tensor]) -> list[dict[str, int]]:
    """Return the sizes at each share. A module's multiply-accumulates are divided evenly among its weights."""
    parts: dict[str, list[Tensor]] = {}
    for name, stay in stays.items():
        owner = name if name in size["layers"] else name.rpartition(".")[0]
        parts.setdefault(owner, []).append(stay.flatten())
    joined = {owner: torch.cat(some) for owner, some in parts.items()}
    sizes = []
    for place in range(len(SHARES["weights"])):
        gone = sum(int(((stay <= place) & (stay > 0)).sum()) for stay in joined.values())
        saved = sum(float((stay <= place).double().mean()) * size["layers"][owner] for owner, stay in joined.items())
        sizes.append({"parameters": size["parameters"] - gone, "macs": size["macs"] - round(saved)})
    return sizes


def _said(kind: str, size: Mapping[str, Any], whole: Mapping[str, int]) -> dict[str, Any]:
    """Return a size with a sentence about it. If there is a reason instead, return that without numbers."""
    if "reason" in size:
        return {"parameters": None, "macs": None, "words": size["reason"]}
    left, use = ("other than zero", "use one of them") if kind == "weights" else ("left", "are left")
    words = f"{size['parameters']:,} of {whole['parameters']:,} parameters are {left}"
    if whole["macs"]:
        words += f", and {_count(size['macs'])} of {_count(whole['macs'])} multiply-accumulates {use}"
    trained = " This version ships with the task and was fine-tuned after pruning." if "shipped" in size else ""
    return {"parameters": size["parameters"], "macs": size["macs"], "words": f"{words}.{trained}"}


def _count(number: int) -> str:
    return f"{number:,}" if number < 1e5 else f"{number / 1e6:.3g} million"


def _lines(found: Mapping[str, Any], name: str, across: int) -> Lines | None:
    """Return which rows and which columns of the matrix are left."""
    kept = found.get("kept", {}).get(name)
    if kept is None:
        return None
    rows, inputs = kept
    return rows, np.repeat(inputs, across // len(inputs)).tolist()


def _mask(line: Lines | None) -> Tensor | None:
    return None if line is None else torch.tensor(line[0])[:, None] & torch.tensor(line[1])


def _kept(weight: Tensor, mask: Tensor | None, span: float) -> list[float] | None:
    return None if mask is None else percentages(weight[mask], BINS, span, weight.numel())


def _gone(mask: Tensor | None) -> float | None:
    return None if mask is None else float((~mask).double().mean())


def _zeros_in_words(name: str, cut_off: float, mask: Tensor) -> str:
    if not cut_off:
        return f"Nothing is pruned; {_gone(mask):.1%} of {name} is zero."
    return f"Weights up to {cut_off:.3g} are set to zero in all layers: {_gone(mask):.1%} of {name}."


def _lines_in_words(name: str, line: Lines | None) -> str:
    if line is None:
        return f"Which channels of {name} are left is not known."
    rows, columns = line
    return f"Of {name}, {sum(rows)} of {len(rows)} rows and {sum(columns)} of {len(columns)} columns are left."
