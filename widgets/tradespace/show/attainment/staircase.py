"""The tradeoff surface in three dimensions: accuracy as height over latency and throughput."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.show.attainment.figure import LATENCY, THROUGHPUT, colours
from tradespace.show.attainment.numbers import extent
from tradespace.show.common.style import canvas, legend_below, name_machine, round_numbers, score_axis, styled
from tradespace.surface.attainment import attainment
from tradespace.surface.columns import plain, scale_of
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 40
# From the front of the cliff: low latency and high throughput are near, high accuracy is at the back.
VIEW = {"elev": 32, "azim": 128}
FLOOR, SHADE = (0.85, 0.85, 0.85, 1.0), 0.72


def plot_attainment_3d(surface: pd.DataFrame) -> "Figure":
    """Plot the best accuracy within each latency and at each throughput, as a staircase seen from its foot.

    `plot_attainment` shows the same from above, and is the one to read numbers from.

    Parameters
    ----------
    surface : DataFrame
        Rows of one machine.

    Raises
    ------
    ValueError
        If no measured row has a latency, a throughput and an accuracy.

    Examples
    --------
    >>> surface = pd.DataFrame({"latency_p50_ms": [1.0, 10.0], "throughput_per_s": [1000.0, 3000.0],
    ...                         "accuracy": [0.8, 0.9], "status": "ok"})
    >>> axes = plot_attainment_3d(surface).axes[0]
    >>> axes.get_zlabel()
    'best accuracy, %'
    """
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    surface = plain(surface)
    all_of_it = attainment(surface)
    latency, throughput = (np.geomspace(*extent(limits), STEPS) for limits in (all_of_it.columns, all_of_it.index))
    grid = attainment(surface, latency, throughput)
    score = scale_of(surface)
    scale = colours(grid, score)
    floor = scale.norm.vmin - 0.15 * (scale.norm.vmax - scale.norm.vmin)
    height, faces = _steps(grid.to_numpy()[1:, :-1], floor)
    colour = np.where((faces > floor)[..., None], scale.to_rgba(faces), FLOOR)
    colour[1::2, :, :3] *= SHADE
    colour[:, 1::2, :3] *= SHADE
    with styled():
        figure, axes = canvas(11, 8.5, subplot_kw={"projection": "3d"})
        x, y = np.meshgrid(*(np.repeat(np.log10(edges), 2)[1:-1] for edges in (latency, throughput)))
        axes.plot_surface(x, y, height, facecolors=colour, rstride=1, cstride=1, lw=0, antialiased=False, shade=False)
        axes.set(xlabel=LATENCY, ylabel=THROUGHPUT, zlabel=f"best {score.axis}", zlim=(floor, scale.norm.vmax))
        for axis, edges in ((axes.xaxis, latency), (axes.yaxis, throughput)):
            ticks = round_numbers(edges[0], edges[-1], most=6)
            axis.set_ticks(np.log10(ticks), [figures(tick, 10) for tick in ticks])
            axis.labelpad = 20
        axes.zaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params("z", pad=10)
        axes.zaxis.labelpad = 22
        score_axis(axes.zaxis, score)
        axes.view_init(**VIEW)
        axes.set_box_aspect((1, 1, 0.6), zoom=1.0)
        legend_below(figure, [[Patch(facecolor=FLOOR, label="not attainable")]])
        name_machine(figure, surface)
    return figure


def _steps(cells: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the heights of the corners of treads and risers, and for each of these faces the height for its colour."""
    cells = np.where(np.isnan(cells), floor, cells)
    height = np.repeat(np.repeat(cells, 2, axis=0), 2, axis=1)
    faces = np.max([height[:-1, :-1], height[1:, :-1], height[:-1, 1:], height[1:, 1:]], axis=0)
    return height, faces
