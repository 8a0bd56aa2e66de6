"""A layer's weights with the smallest cut off, its matrix, and the model's accuracy and latency at each share."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.config import pruned_share
from tradespace.errors import choose
from tradespace.scale import Scale
from tradespace.show.common.layers import shape_of
from tradespace.show.common.style import HERE, INK, LIMIT, blank, canvas, note_machine, score_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tradespace.tasks.task import Task

# What is pruned -> name, colour, marker, as in the live lens.
KINDS = {"weights": ("weights to zero", "#0072B2", "o"), "channels": ("channels out", "#E69F00", "s")}


def plot_pruning(
    task: "Task",
    model: str | None = None,
    pruning: str = "weights-50",
    *,
    layer: str | None = None,
    surface: pd.DataFrame | None = None,
    runtime: str = "eager",
    batch_size: int = 64,
) -> "Figure":
    """Plot the still view of `PruningLens`: a layer's weights and matrix, and accuracy and latency at each share.

    Parameters
    ----------
    task : Task
    model : str, optional
        By default, the first model of the task.
    pruning : str
        A value of the knob `pruning`, including `none`.
    layer : str, optional
        By default, the largest.
    surface : DataFrame, optional
        Where accuracies and latencies are taken from; nothing is measured.
    runtime : str
    batch_size : int
        Which rows of `surface` to compare.

    Raises
    ------
    ValueError
        If a name is not valid, or `surface` is not of this task and of one machine.

    Examples
    --------
    >>> import tradespace as ts
    >>> figure = plot_pruning(ts.load_task("fashion"), "resnet8", "weights-90")
    >>> figure.axes[0].get_xlabel()
    'weight'
    """
    from tradespace.config import PRUNINGS, Config
    from tradespace.show.common.filling import recorded_on, rows_of_model
    from tradespace.show.common.layers import first_layer
    from tradespace.show.pruning.channels import channels_left, with_shipped
    from tradespace.show.pruning.numbers import Cut
    from tradespace.show.pruning.relative import known_pairs, pruned_point, unpruned_point, where_of

    model = task.models[0] if model is None else model
    rows = rows_of_model(task, model, surface)
    choose("pruning", pruning, PRUNINGS)
    config = Config(model, runtime=runtime, batch_size=batch_size)
    cut = Cut.of(task, model)
    layer = choose("layer", first_layer(cut.module) if layer is None else layer, cut.weights())
    kind, share = pruned_share(pruning)
    if kind == "channels":
        cut = replace(cut, found=with_shipped(task, model, channels_left(cut.module, cut.example)))
    pairs = known_pairs(rows, config)
    points = {name: pruned_point(name, pairs.get(name), measuring=False) for name in PRUNINGS[1:]}
    whole = unpruned_point([base for _, base in pairs.values()])
    where = "; ".join(filter(None, [where_of(config, pairs), recorded_on(rows)]))
    kind = kind if share else "weights"
    figure = draw_pruning(cut.layer(layer), points, whole, kind, share, where, task.score.scale)
    note_machine(figure, rows)
    return figure


def draw_pruning(
    view: dict[str, Any],
    points: dict[str, Any],
    whole: dict[str, Any],
    kind: str,
    share: int,
    where: str,
    score: Scale,
) -> "Figure":
    """Draw a layer as a `Cut` describes it, and the points that are known."""
    from tradespace.show.pruning.numbers import SHARES

    place = SHARES[kind].index(share)
    with styled():
        figure, ((weights, picture), (accuracy, latency)) = canvas(14, 9.5, nrows=2, ncols=2)
        _weights(weights, view, kind, place)
        _picture(picture, view, kind, place)
        _chart(accuracy, points, kind, share, ("accuracy", "low", "high"))
        _chart(latency, points, kind, share, ("ratio", "ratio_low", "ratio_high"))
        _line(accuracy, whole["accuracy"], whole["low"], whole["high"])
        _line(latency, 1.0, None, None)
        accuracy.set(title=f"{score.title} of the whole model", ylabel=score.axis)
        score_axis(accuracy.yaxis, score)
        latency.set(title="Latency of the whole model", ylabel="times unpruned")
        latency.set_ylim(0, max(1.15, latency.get_ylim()[1]))
        figure.suptitle(f"{share}% of the {kind}; {where}", size=11, color="0.35")
    return figure


def _weights(axes: "Axes", view: dict[str, Any], kind: str, place: int) -> None:
    whole, left = view["kept"][kind][0], view["kept"][kind][place]
    edges = np.linspace(-view["span"], view["span"], len(whole) + 1)
    axes.stairs(whole, edges, fill=True, color="0.8", label="pruned")
    if left is not None:
        axes.stairs(left, edges, fill=True, color=KINDS[kind][1], alpha=0.85, label="left")
    cut_off = min(view["cut_offs"][place], view["span"]) if kind == "weights" else 0
    if cut_off:
        axes.axvspan(-cut_off, cut_off, color=LIMIT, alpha=0.15, lw=0, label=f"up to {cut_off:.3g}: cut off")
    axes.set(title="Weights of the layer", xlabel="weight", ylabel="share of the weights, %")
    axes.set_xlim(-view["span"], view["span"])
    axes.grid(False)
    axes.legend(loc="upper left", fontsize="small")


def _picture(axes: "Axes", view: dict[str, Any], kind: str, place: int) -> None:
    from matplotlib.colors import ListedColormap

    from tradespace.show.pruning.numbers import SHARES

    cells, lines = np.array(view["cells"]), view["lines"].get(str(SHARES[kind][place]))
    axes.set(title=shape_of(view), xlabel="weights of a channel", ylabel="channels")
    if kind == "channels" and lines is None:
        return blank(axes, "which channels are left is not known")
    stays = cells > place if kind == "weights" else np.outer(lines["rows"], lines["columns"])
    colours = ListedColormap(["white", KINDS[kind][1]])
    axes.imshow(stays, cmap=colours, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.grid(False)
    return None


def _chart(axes: "Axes", points: dict[str, Any], kind: str, share: int, columns: tuple[str, str, str]) -> None:
    middle = columns[0]
    known = {name: point for name, point in points.items() if point[middle] is not None}
    for one, (label, colour, marker) in KINDS.items():
        some = {pruned_share(name)[1]: point for name, point in known.items() if name.startswith(one)}
        if some:
            value, low, high = (np.array([point[column] for point in some.values()], float) for column in columns)
            bars = np.array([value - low, high - value])
            axes.errorbar(list(some), value, yerr=bars, fmt=marker, color=colour, ms=9, capsize=4, label=label)
    if f"{kind}-{share}" in known:
        here = known[f"{kind}-{share}"][middle]
        axes.plot(share, here, "o", ms=18, mfc="none", mec=HERE, mew=2.2, label="this share")
    axes.set(xlabel="share pruned, %", xlim=(0, 100))
    if not known:
        blank(axes, "not known")


def _line(axes: "Axes", height: float | None, low: float | None, high: float | None) -> None:
    """Draw the unpruned model, if there are known points to compare with it."""
    if not axes.containers:
        return
    if height is not None:
        axes.axhline(height, color=INK, ls="--", lw=2, label="unpruned")
    if low is not None and high is not None:
        axes.axhspan(low, high, color=INK, alpha=0.12, lw=0)
    axes.legend(loc="lower left", fontsize="small")
