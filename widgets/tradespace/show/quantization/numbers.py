"""What rounding to a few bits does to the weights of a layer: numbers for a chart, from the actual quantizer."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from torch import Tensor

from tradespace.config import WEIGHTS
from tradespace.errors import Unsupported
from tradespace.prepare.source import Source
from tradespace.prepare.weights import ROUNDED, quantized, round_weights
from tradespace.show.common.layers import (
    BINS,
    finite,
    first_layer,
    named_weights,
    others,
    percentages,
    records,
    span_of,
)
from tradespace.show.common.words import scale_of_row, scored
from tradespace.tasks.task import Task

ERROR_BINS = 41
CHANNELS = {
    "typical": "whose largest weight is the median of all channels",
    "narrowest": "whose largest weight is the smallest of all channels",
    "widest": "whose largest weight is the largest of all channels",
}


def rounded_weights(task: Task, model: str) -> tuple[dict[str, Tensor], str]:
    """Return the weights that `w8` ... `w2` round, by layer, and the name of the layer to show first.

    Raises
    ------
    ValueError
        If the model has no such weights, or some that are not finite.
    """
    module = Source(task, model, "none").module()
    try:
        round_weights(copy.deepcopy(module), "w8")
    except Unsupported as refusal:
        raise ValueError(f"model: {model!r} cannot be rounded: {refusal}{others(task, model)}") from refusal
    weights = {name: finite(name, weight) for name, weight in named_weights(module, ROUNDED).items()}
    return weights, first_layer(module) or max(weights, key=lambda name: weights[name].numel())


def rounded_layer(name: str, weight: Tensor) -> dict[str, Any]:
    """Return what rounding does to one layer, as plain lists and numbers; None for what is not known.

    `shares` are the percentages of the weights in `BINS` bins from `-span` to `span`, for the layer and for three of
    its channels. `rounding` has, for each precision, the steps of those channels, the percentages of rounding errors in
    `ERROR_BINS` bins from -1/2 to 1/2 step, `rms`, the root mean square error over the root mean square weight, and
    `zero`, the share of weights that become zero.

    Examples
    --------
    >>> import torch
    >>> seen = rounded_layer("head", torch.tensor([[0.1, 0.4, -1.0], [0.2, 0.1, 0.0]]))
    >>> seen["rounding"]["w2"]["steps"]["widest"], seen["rounding"]["w2-tensor"]["zero"]
    (1.0, 0.8333333333333334)
    """
    weight = weight.flatten(1)
    largest = weight.abs().amax(1)
    span = span_of(weight)
    places = _places(largest)
    rounding = {precision: _rounding(weight, places, *width) for precision, width in WEIGHTS.items()}
    return {
        "name": name,
        "rows": len(weight),
        "columns": weight.shape[1],
        "span": span,
        "shares": percentages(weight, BINS, span),
        "channels": {
            kind: {"place": place, "shares": percentages(weight[place], BINS, span)} for kind, place in places.items()
        },
        "rounding": rounding,
        "words": {precision: _layer_in_words(name, precision, one) for precision, one in rounding.items()},
        "channel_words": {
            kind: {precision: _channel_in_words(kind, place, precision, rounding) for precision in WEIGHTS}
            for kind, place in places.items()
        },
    }


def _places(largest: Tensor) -> dict[str, int]:
    """Return which channel is which of `CHANNELS`, ignoring channels with only zeros."""
    order = [int(place) for place in largest.argsort() if largest[place] > 0] or [0]
    return {"typical": order[(len(order) - 1) // 2], "narrowest": order[0], "widest": order[-1]}


def _rounding(weight: Tensor, places: dict[str, int], bits: int, own: bool) -> dict[str, Any]:
    rounded = quantized(weight, bits, per_channel=own)
    most = 2 ** (bits - 1) - 1
    # The largest weight is on the outermost level, which is `most` steps from zero.
    step = (rounded.abs().amax(1, keepdim=True) if own else rounded.abs().amax().expand(len(weight), 1)) / most
    moved = rounded - weight
    scale = float(weight.double().square().mean().sqrt())
    zero = rounded == 0
    return {
        "steps": {kind: float(step[place]) for kind, place in places.items()},
        "errors": percentages((moved / step)[(step > 0).expand_as(moved)], ERROR_BINS, 0.5),
        "rms": float(moved.double().square().mean().sqrt()) / scale if scale > 0 else None,
        "zero": float(zero.double().mean()),
        "zeros": {kind: float(zero[place].double().mean()) for kind, place in places.items()},
    }


def _layer_in_words(name: str, precision: str, one: dict[str, Any]) -> str:
    bits, own = WEIGHTS[precision]
    levels = f"{bits} bits, {2**bits - 1} levels, {'a step for each channel' if own else 'one step for the tensor'}"
    if one["rms"] is None:
        return f"{levels}: all weights of {name} are zero, and stay zero."
    moved = f"rounding moves the weights of {name} by {one['rms']:.1%} (root mean square)"
    return f"{levels}: {moved}, and {one['zero']:.1%} become zero."


def _channel_in_words(kind: str, place: int, precision: str, rounding: dict[str, Any]) -> str:
    one = rounding[precision]
    whose = "of its own" if WEIGHTS[precision][1] else "of the tensor"
    return (
        f"Channel {place}, {CHANNELS[kind]}: a step {whose}, {one['steps'][kind]:.3g}; "
        f"{one['zeros'][kind]:.1%} of its weights become zero."
    )


def known_accuracies(rows: pd.DataFrame) -> dict[str, Mapping[str, Any]]:
    """Return those of one model's rows that have its accuracy, unpruned and in eager PyTorch, by precision.

    Batch size and number of threads may be any, since they do not change the accuracy.
    """
    there = (rows["pruning"] == "none") & (rows["runtime"] == "eager") & rows["accuracy"].notna()
    there &= rows["precision"].isin(["fp32", *WEIGHTS])
    return {str(row["precision"]): row for row in records(rows[there])}


def accuracies(rows: Mapping[str, Mapping[str, Any]], measuring: str | None) -> dict[str, dict[str, Any]]:
    """Return the model's accuracy in fp32 and each precision of `WEIGHTS`, if a row has it, with a sentence about it.

    Examples
    --------
    >>> accuracies({}, "w4")["w4"]
    {'state': 'measuring', 'accuracy': None, 'low': None, 'high': None, 'words': 'w4: being measured.'}
    """
    return {name: _accuracy(name, rows.get(name), name == measuring) for name in ("fp32", *WEIGHTS)}


def _accuracy(name: str, row: Mapping[str, Any] | None, measuring: bool) -> dict[str, Any]:
    nothing = {"accuracy": None, "low": None, "high": None}
    if row is None:
        words = f"{name}: {'being measured' if measuring else 'not measured'}."
        return {"state": "measuring" if measuring else "missing", **nothing, "words": words}
    if math.isnan(row["accuracy"]):
        reason = row["reason"] or f"its {scale_of_row(row).name} is not known"
        return {"state": "failed", **nothing, "words": f"{name}: {row['status'].replace('_', ' ')}: {reason}."}
    found = {"accuracy": row["accuracy"], "low": row["accuracy_lo"], "high": row["accuracy_hi"]}
    known = {key: None if math.isnan(value) else float(value) for key, value in found.items()}
    items = f"{int(row['accuracy_n']):,} test items"
    right = scale_of_row(row).is_accuracy
    words = f"{scored(row, named=False)} of {items} right" if right else f"{scored(row)} over {items}"
    return {"state": "known", **known, "words": f"{name}: {words}."}
