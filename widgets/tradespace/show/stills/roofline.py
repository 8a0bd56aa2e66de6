"""The roofline: the layers of a model under the roofs of the machine (Williams, Waterman and Patterson, 2009)."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.errors import whole_number
from tradespace.measuring.peaks import unit
from tradespace.show.common.marks import mark
from tradespace.show.common.style import (
    FAINT,
    INK,
    blank,
    canvas_in,
    figure_of,
    legend_below,
    log_axis,
    name_machine,
    styled,
)
from tradespace.surface.roofline import Roofline
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Kind of layer -> marker. Others are elementwise.
MARKERS = {
    "convolution": "o", "linear": "s", "product": "D", "attention": "P", "recurrent": "X", "normalisation": "^",
}  # fmt: skip


def plot_roofline(roof: Roofline, *, batch_size: int = 256, ax: "Axes | None" = None) -> "Figure":
    """Plot what each layer could reach at most, at batch 1 (open) and at a large batch (filled), under the roofs.

    A layer under the slope is bound by memory, one under the flat part by arithmetic. They meet at the ridge. A layer
    of larger batches moves to the right, as far as its weights are much of its bytes. Layers that only look numbers up
    have no arithmetic and are not drawn. Where there is no roofline, the chart says why.

    Parameters
    ----------
    roof : Roofline
    batch_size : int
        The large batch.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure, which also names the machine.

    Raises
    ------
    ValueError
        If `roof` is none, or `batch_size` is no whole number above 1.

    Examples
    --------
    >>> from tradespace.config import Config
    >>> from tradespace.measuring.peaks import Peaks, Rate
    >>> from tradespace.prepare.operations import Operation
    >>> counts = {b: [Operation("head", "linear", "fp32", 10**6 * b, 2 * 10**6 * b, 0, 10**5 * b)] for b in (1, 2)}
    >>> roof = Roofline(Config("mine", threads=1), Peaks("cpu", 1, {"fp32": Rate(100.0)}, Rate(10.0)), counts)
    >>> [text.get_text() for text in plot_roofline(roof).axes[0].texts]
    ['fp32: 100 GFLOP/s\\nridge at 10 FLOP/byte', 'slope: memory, 10 GB/s']
    """
    batch_size = whole_number("batch_size", batch_size, least=2)
    if not isinstance(roof, Roofline):
        raise ValueError(f"roof: wanted what ts.roofline(task, config) returns; got {type(roof).__name__}")
    small, large = (_drawn(roof, size) for size in (1, batch_size))
    if small.empty:
        return _empty(roof, ax)
    intensities = pd.concat([small, large])["intensity"]
    types = [name for name in roof.machine.arithmetic if name in set(small["precision"])]
    types = [name for name in types if roof.machine.arithmetic[name].known]
    ridges = [roof.machine.ridge(name) for name in types]
    span = min([intensities.min(), *ridges]) / 2, max([intensities.max(), *ridges]) * 8
    with styled():
        where, axes = canvas_in(ax, 11, 7)
        _roofs(axes, roof, types, span)
        for rows, filled in ((small, False), (large, True)):
            for kind, group in rows.groupby("kind", sort=False):
                colours = [mark(name).colour for name in group["precision"]]
                axes.scatter(
                    group["intensity"], group["reach"], s=70, marker=MARKERS.get(str(kind), "v"), zorder=4 + filled,
                    facecolors=colours if filled else "white", edgecolors=colours, linewidths=1.6, alpha=0.85,
                )  # fmt: skip
        axes.set(xlabel="arithmetic intensity, FLOP/byte", ylabel="arithmetic at most, GFLOP/s", xlim=span)
        axes.set_ylim(top=8 * max(roof.machine.arithmetic[name].value for name in types) if types else None)
        log_axis(axes.xaxis)
        log_axis(axes.yaxis)
        legend_below(where, [_kinds(small), _batches(batch_size)])
        name_machine(where, pd.DataFrame({"machine": [roof.machine.machine or None]}))
    return figure_of(axes)


def _empty(roof: Roofline, ax: "Axes | None") -> "Figure":
    with styled():
        _, axes = canvas_in(ax, 11, 3)
        axes.set_xticks([])
        blank(axes, f"No roofline: {roof.reason or 'no layer of this model has arithmetic'}")
    return figure_of(axes)


def _drawn(roof: Roofline, batch_size: int) -> pd.DataFrame:
    """The layers with arithmetic, with `reach`: their operations over the time at their roof, in GFLOP/s."""
    layers = roof.at(batch_size)
    layers = layers[(layers["operations"] > 0) & (layers["work_ms"] > 0)]
    return layers.assign(reach=layers["operations"] / layers["work_ms"] / 1e6)


def _roofs(axes: "Axes", roof: Roofline, types: list[str], span: tuple[float, float]) -> None:
    memory = roof.machine.memory
    for name in types:
        peak, ridge = roof.machine.arithmetic[name], roof.machine.ridge(name)
        colour = mark(name).colour
        axes.plot([ridge, span[1]], [peak.value] * 2, color=colour, lw=2.5, zorder=2)
        axes.axhspan(peak.lo, peak.hi, xmin=0, color=colour, alpha=0.12, lw=0, zorder=1)
        axes.plot([ridge] * 2, [0, peak.value], color=colour, lw=1, ls=":", zorder=1)
        per_byte = unit(name).removeprefix("G").replace("/s", "/byte")
        words = f"{name}: {figures(peak.value)} {unit(name)}\nridge at {figures(ridge)} {per_byte}"
        axes.annotate(
            words, (span[1], peak.value), (-6, 5), textcoords="offset points", ha="right", va="bottom", color=INK,
            size="small",
        )  # fmt: skip
    end = max([roof.machine.ridge(name) for name in types], default=span[1])
    axes.set_yscale("log")
    axes.plot([span[0], end], [span[0] * memory.value, end * memory.value], color=FAINT, lw=2.5, zorder=2)
    axes.fill_between(
        [span[0], end], np.array([span[0], end]) * memory.lo, np.array([span[0], end]) * memory.hi, color=FAINT,
        alpha=0.15, lw=0, zorder=1,
    )  # fmt: skip
    axes.annotate(
        f"slope: memory, {figures(memory.value)} GB/s", (0.02, 0.95), xycoords="axes fraction", color=INK,
        va="top", size="small",
    )  # fmt: skip


def _kinds(layers: pd.DataFrame) -> list[object]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], ls="none", marker=MARKERS.get(kind, "v"), color="0.4", ms=9, label=kind)
        for kind in dict.fromkeys(layers["kind"])
    ]


def _batches(batch_size: int) -> list[object]:
    from matplotlib.lines import Line2D

    looks = (("batch 1", "white"), (f"batch {batch_size}", "0.4"))
    return [Line2D([], [], ls="none", marker="o", mec="0.4", mfc=fill, ms=9, label=name) for name, fill in looks]
