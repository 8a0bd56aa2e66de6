"""A layer's weights on the levels of a bit width, the rounding errors, and the model's accuracy at each width."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.config import WEIGHTS
from tradespace.errors import choose
from tradespace.scale import Scale
from tradespace.show.common.layers import shape_of
from tradespace.show.common.style import HERE, INK, LIMIT, blank, canvas, note_machine, score_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tradespace.tasks.task import Task

# Whether each channel has a step of its own -> name, colour, marker, as in the live lens.
STEPS = {True: ("a step for each channel", "#0072B2", "o"), False: ("one step for the tensor", "#E69F00", "s")}


def plot_quantization(
    task: "Task",
    model: str | None = None,
    precision: str = "w4",
    *,
    layer: str | None = None,
    channel: str = "typical",
    surface: pd.DataFrame | None = None,
) -> "Figure":
    """Plot the still view of `QuantizationLens`: a layer's weights and levels, the error, accuracy at each width.

    Parameters
    ----------
    task : Task
    model : str, optional
        By default, the first model of the task.
    precision : str
        `w8` ... `w2`, or `w8-tensor` ... `w2-tensor`.
    layer : str, optional
        By default, the largest.
    channel : str
        Which channel's weights and levels are drawn: the `typical`, the `narrowest` or the `widest` one.
    surface : DataFrame, optional
        Where the accuracies are taken from; nothing is measured.

    Raises
    ------
    ValueError
        If a name is not valid, or `surface` is not of this task and of one machine.

    Examples
    --------
    >>> import tradespace as ts
    >>> figure = plot_quantization(ts.load_task("fashion"), "resnet8", "w3", layer="head")
    >>> figure.axes[0].get_xlabel()
    'weight'
    """
    from tradespace.show.common.filling import recorded_on, rows_of_model
    from tradespace.show.quantization import numbers

    model = task.models[0] if model is None else model
    rows = rows_of_model(task, model, surface)
    choose("precision", precision, WEIGHTS)
    choose("channel", channel, numbers.CHANNELS)
    weights, first = numbers.rounded_weights(task, model)
    name = choose("layer", first if layer is None else layer, weights)
    view = numbers.rounded_layer(name, weights[name])
    accuracy = numbers.accuracies(numbers.known_accuracies(rows), None)
    figure = draw_quantization(view, accuracy, precision, channel, task.score.scale, recorded_on(rows))
    note_machine(figure, rows)
    return figure


def draw_quantization(
    view: dict[str, Any],
    accuracy: dict[str, Any],
    precision: str,
    channel: str,
    score: Scale,
    machine: str = "",
) -> "Figure":
    """Draw the results of `rounded_layer` and `accuracies`."""
    with styled():
        figure, (weights, errors, whole) = canvas(14, 5, ncols=3, width_ratios=[5, 4, 5])
        _weights(weights, view, precision, channel)
        _errors(errors, view, precision)
        _accuracy(whole, accuracy, precision, score)
        figure.suptitle(f"{precision}{'; recorded on ' + machine if machine else ''}", size=11, color="0.35", wrap=True)
    return figure


def _weights(axes: "Axes", view: dict[str, Any], precision: str, channel: str) -> None:
    from tradespace.config import WEIGHTS

    one, bits = view["channels"][channel], WEIGHTS[precision][0]
    edges = np.linspace(-view["span"], view["span"], len(view["shares"]) + 1)
    axes.stairs(view["shares"], edges, fill=True, color="0.75", label=shape_of(view))
    axes.stairs(one["shares"], edges, color="#0072B2", lw=1.8, label=f"channel {one['place']}, the {channel} one")
    most, step = 2 ** (bits - 1) - 1, view["rounding"][precision]["steps"][channel]
    levels = step * np.arange(-most, most + 1) if step > 0 else np.zeros(1)
    look: dict[str, Any] = {"lw": 1.8, "alpha": 0.9} if bits < 6 else {"lw": 0.6, "alpha": 0.4, "zorder": 0}
    # Leave room above the bars for the legend.
    axes.set_ylim(0, 1.5 * max([*view["shares"], *one["shares"]]))
    axes.vlines(levels, 0, max(axes.get_ylim()) / 1.45, color=LIMIT, label=f"its {2**bits - 1} levels", **look)
    axes.set(title="Weights and their levels", xlabel="weight", ylabel="share of the weights, %")
    axes.set_xlim(-view["span"], view["span"])
    axes.grid(False)
    axes.legend(loc="upper left", fontsize="small", frameon=False)


def _errors(axes: "Axes", view: dict[str, Any], precision: str) -> None:
    one = view["rounding"][precision]
    axes.stairs(one["errors"], np.linspace(-0.5, 0.5, len(one["errors"]) + 1), fill=True, color="0.6")
    moved = "" if one["rms"] is None else f"{one['rms']:.1%} of the weights\n(root mean square)\n"
    axes.set(title="Rounding error", xlabel="rounded minus exact, steps", ylabel="share of the weights, %")
    axes.set_xlim(-0.5, 0.5)
    axes.grid(False)
    # Leave room above the bars for the words.
    axes.set_ylim(0, 1.5 * (max(one["errors"]) or 1))
    words = f"{moved}{one['zero']:.1%} become zero"
    axes.text(0.5, 0.97, words, transform=axes.transAxes, ha="center", va="top", size="small")


def _accuracy(axes: "Axes", accuracy: dict[str, Any], precision: str, score: Scale) -> None:
    from tradespace.config import BITS, WEIGHTS

    axes.set(title=f"{score.title} of the whole model", xlabel="bits of a weight", ylabel=score.axis)
    for own, (label, colour, marker) in STEPS.items():
        names = [name for name, width in WEIGHTS.items() if width[1] == own and accuracy[name]["accuracy"] is not None]
        if names:
            places = [BITS.index(WEIGHTS[name][0]) + (-0.1 if own else 0.1) for name in names]
            values = np.array([accuracy[name]["accuracy"] for name in names])
            bars = _bars(accuracy, names, values)
            axes.errorbar(places, values, yerr=bars, fmt=marker, color=colour, ms=9, capsize=4, label=label)
    whole = accuracy["fp32"]
    if whole["accuracy"] is not None:
        axes.axhline(whole["accuracy"], color=INK, ls="--", lw=2, label="fp32")
        if whole["low"] is not None:
            axes.axhspan(whole["low"], whole["high"], color=INK, alpha=0.12, lw=0)
    bits, own = WEIGHTS[precision]
    if accuracy[precision]["accuracy"] is not None:
        here = BITS.index(bits) + (-0.1 if own else 0.1)
        axes.plot(here, accuracy[precision]["accuracy"], "o", ms=18, mfc="none", mec=HERE, mew=2.2, label="this width")
    axes.set_xticks(range(len(BITS)), [str(bits) for bits in BITS])
    axes.set_xlim(-0.5, len(BITS) - 0.5)
    score_axis(axes.yaxis, score)
    if not axes.get_legend_handles_labels()[0]:
        return blank(axes, f"no {score.name} is known")
    axes.legend(loc="lower left", fontsize="small")
    return None


def _bars(accuracy: dict[str, Any], names: list[str], values: np.ndarray) -> np.ndarray:
    low, high = (np.array([accuracy[name][end] for name in names], float) for end in ("low", "high"))
    return np.array([values - low, high - values])
