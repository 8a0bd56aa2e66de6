"""The usual scores: of class labels, masks, numbers and probabilities. Higher is better, so an error is negative."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tradespace.errors import whole_number
from tradespace.scale import ACCURACY
from tradespace.tasks.score import Score

__all__ = [
    "absolute_error",
    "intersection_over_union",
    "log_likelihood",
    "squared_error",
    "token_accuracy",
    "top_1",
    "top_k",
]

# What cross-entropy ignores in PyTorch, and tokenizers of Hugging Face write for padding.
IGNORED = -100
INSTEAD = "Pass a score= of ts.scores, or correct=, a callable of (outputs, labels) that gives one bool per item"


def top_k(k: int) -> Score:
    """Whether the label is among the `k` classes with the highest outputs, for each item.

    Outputs have the shape (items, classes), more than `k` of them, and labels (items,). An item with a NaN is wrong.

    Raises
    ------
    ValueError
        If `k` is not a whole number above 0.

    Examples
    --------
    >>> top_k(2)(torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), torch.tensor([1, 2]))
    array([ True, False])
    """
    k = whole_number("k", k, least=1)
    name = ACCURACY if k == 1 else f"top-{k} accuracy"
    return Score(partial(_among_highest, k), name, fits=partial(_one_label, f"top-{k}", k + 1))


def token_accuracy(ignore: int = IGNORED, axis: int = -1) -> Score:
    """Share of an item's tokens whose highest class is the label. An item counts once, however many tokens it has.

    Parameters
    ----------
    ignore : int
        Label of tokens that do not count, such as padding. Outputs may be shorter than labels that end in it, as where
        batches are trimmed.
    axis : int
        Axis of the outputs that holds the classes: -1 for (items, tokens, classes), 1 for (items, classes, tokens).

    Examples
    --------
    >>> outputs = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]])
    >>> token_accuracy()(outputs, torch.tensor([[1, 1, -100]]))
    array([0.5])
    """
    ignore, axis = whole_number("ignore", ignore, least=-(2**63)), whole_number("axis", axis, least=-8, most=8)
    return Score(partial(_right_tokens, ignore, axis), "token accuracy", fits=partial(_tokens, ignore, axis))


def intersection_over_union(threshold: float = 0.0, ignore: int = IGNORED) -> Score:
    """Intersection over union of each item (Jaccard, 1912): of its mask, or the mean over the classes of its map.

    Outputs of the targets' shape are masks; targets are then 0 or 1. Outputs of shape (items, classes, ...) are maps of
    classes, and targets (items, ...) labels; classes count that are in the output or in the target. Two empty masks
    count 1. Items are averaged, while figures for whole data sets often add up the pixels of all items first.

    Parameters
    ----------
    threshold : float
        A point is in the mask if its output is above this: 0 suits logits, 0.5 probabilities.
    ignore : int
        Label of points of a map that do not count.

    Examples
    --------
    >>> outputs = torch.tensor([[2.0, 3.0, -1.0, -1.0]])
    >>> intersection_over_union()(outputs, torch.tensor([[1, 0, 1, 0]])).round(3)
    array([0.333])
    """
    ignore = whole_number("ignore", ignore, least=-(2**63))
    of, fits = partial(_overlap, threshold, ignore), partial(_masks_or_maps, ignore)
    return Score(of, "intersection over union", fits=fits)


def _among_highest(k: int, outputs: Tensor, labels: Tensor) -> Tensor:
    right = (outputs.topk(k, dim=1).indices == labels[:, None]).any(1) if k > 1 else outputs.argmax(1) == labels
    return right & ~outputs.isnan().any(1)


def _right_tokens(ignore: int, axis: int, outputs: Tensor, labels: Tensor) -> Tensor:
    labels = _trimmed(axis, outputs, labels)
    counts = labels != ignore
    right = (outputs.argmax(axis) == labels) & counts
    return _per_item(right).sum(1).double() / _per_item(counts).sum(1)


def _overlap(threshold: float, ignore: int, outputs: Tensor, targets: Tensor) -> Tensor:
    if _alike(outputs, targets):
        inside, wanted = _per_item(outputs > threshold), _per_item(targets.bool())
        union = (inside | wanted).sum(1)
        return torch.where(union > 0, (inside & wanted).sum(1).double() / union.clamp(min=1), 1.0)
    counts = _per_item(targets != ignore)
    found, labels = _per_item(outputs.argmax(1)), _per_item(targets)
    total, classes = torch.zeros(len(targets)).double(), torch.zeros(len(targets))
    for label in range(outputs.shape[1]):  # one by one: all at once would need as many masks as there are classes
        inside, wanted = (found == label) & counts, (labels == label) & counts
        union = (inside | wanted).sum(1)
        total += (inside & wanted).sum(1).double() / union.clamp(min=1)
        classes += union > 0
    return total / classes


def _negative_absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    return -(_per_item(outputs).double() - _per_item(targets).double()).abs().mean(1)


def _negative_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return -(_per_item(outputs).double() - _per_item(targets).double()).square().mean(1)


def _log_likelihood(outputs: Tensor, labels: Tensor) -> Tensor:
    return _per_item(-cross_entropy(outputs.double(), labels.long(), reduction="none")).mean(1)


def _per_item(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1)


def _alike(outputs: Tensor, targets: Tensor) -> bool:
    """Whether each item of one has the shape of an item of the other, apart from axes of length 1."""
    one, other = ([n for n in values.shape[1:] if n != 1] for values in (outputs, targets))
    return one == other


def _one_label(name: str, classes: int, outputs: Any, labels: Any) -> None:
    """Refuse outputs that are not (items, `classes` or more), and labels that are not one class per item."""
    wanted = f"score: {name} accuracy wants outputs of shape (items, classes), with {classes} classes or more"
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        raise ValueError(f"{wanted}; got {_told(outputs)}. {INSTEAD}")
    if outputs.shape[1] < classes:
        one = " The highest of one is always the first." if outputs.shape[1] == 1 else ""
        raise ValueError(f"{wanted}; got {_told(outputs)}.{one} {INSTEAD}")
    if not isinstance(labels, Tensor) or labels.ndim != 1:
        raise ValueError(f"test: {name} accuracy wants labels of shape (items,); got {_told(labels)}. {INSTEAD}")
    _whole_classes(labels, outputs.shape[1])


def _labels(ignore: int | None, axis: int, outputs: Any, labels: Any) -> None:
    """Refuse outputs without an axis of classes, and labels that are not one class for each place in them."""
    wanted = "score: wanted outputs with an axis of at least two classes, and labels of their shape without it"
    got = f"got outputs {_told(outputs)} and labels {_told(labels)}"
    if not (isinstance(outputs, Tensor) and isinstance(labels, Tensor) and -outputs.ndim <= axis < outputs.ndim):
        raise ValueError(f"{wanted}; {got}")
    places = list(outputs.shape)
    classes = places.pop(axis)
    if classes < 2 or places[1:] != list(labels.shape[1:]) or not outputs.ndim > 1:
        raise ValueError(f"{wanted}; {got}")
    counted = labels if ignore is None else labels[labels != ignore]
    _whole_classes(counted, classes)
    if ignore is not None and not (_per_item(labels) != ignore).any(1).all():
        empty = int((_per_item(labels) == ignore).all(1).int().argmax())
        raise ValueError(
            f"test: wanted a label other than {ignore}, which is ignored, in each item; item {empty} has none"
        )


def _trimmed(axis: int, outputs: Tensor, labels: Tensor) -> Tensor:
    """Labels without the columns that the outputs lack."""
    columns = [n for i, n in enumerate(outputs.shape) if i != axis % outputs.ndim]
    return labels[:, : columns[1]] if len(columns) == labels.ndim == 2 else labels


def _tokens(ignore: int, axis: int, outputs: Any, labels: Any) -> None:
    """As `_labels`, of outputs that may lack columns in which no label counts."""
    if isinstance(outputs, Tensor) and isinstance(labels, Tensor) and -outputs.ndim <= axis < outputs.ndim > 1:
        trimmed = _trimmed(axis, outputs, labels)
        if trimmed.shape != labels.shape and len(outputs) < len(labels):
            # The output of one item says nothing about the lengths of the others.
            _whole_classes(labels[labels != ignore], outputs.shape[axis])
            trimmed = trimmed[:1]
        elif labels.ndim > 1 and (labels[:, trimmed.shape[1] :] != ignore).any():
            raise ValueError(
                f"score: wanted an output for each labelled token; got {_told(outputs)} for {_told(labels)}"
            )
        labels = trimmed
    _labels(ignore, axis, outputs, labels)


def _masks_or_maps(ignore: int, outputs: Any, targets: Any) -> None:
    if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor) and _alike(outputs, targets)):
        return _labels(ignore, 1, outputs, targets)
    if not ((targets == 0) | (targets == 1)).all():
        other = targets[(targets != 0) & (targets != 1)].flatten()[0].item()
        raise ValueError(f"test: wanted masks of 0 and 1, since the outputs have their shape; got {other:g}")
    return None


def _numbers(outputs: Any, targets: Any) -> None:
    """Refuse targets that are not one number for each number of the outputs."""
    both = isinstance(outputs, Tensor) and isinstance(targets, Tensor)
    if not both or not _alike(outputs, targets) or outputs.is_complex() or targets.is_complex():
        raise ValueError(
            "score: wanted targets of real numbers with the outputs' shape; "
            f"got outputs {_told(outputs)} and targets {_told(targets)}"
        )


def _whole_classes(labels: Tensor, classes: int) -> None:
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"test: wanted whole numbers as labels of classes; got {labels.dtype}. {INSTEAD}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        beyond = labels[(labels < 0) | (labels >= classes)][0].item()
        raise ValueError(
            f"test: wanted labels from 0 to {classes - 1}, since the outputs have {classes} classes; got {beyond}. "
            f"{INSTEAD}"
        )


def _told(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


top_1 = top_k(1)
absolute_error = Score(_negative_absolute, "negative absolute error", fits=_numbers)
squared_error = Score(_negative_squared, "negative squared error", fits=_numbers)
log_likelihood = Score(_log_likelihood, "log-likelihood", "nats", fits=partial(_labels, None, 1))
