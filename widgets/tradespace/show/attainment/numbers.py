"""The attainment surface as numbers: its extent, and its terraces."""

from typing import Any

import numpy as np
import pandas as pd

from tradespace.show.common.json import number
from tradespace.show.common.words import MEDIAN
from tradespace.surface.attainment import attainment

# Room around the points, as a share of the logarithmic range, and the least of it, for a single point.
ROOM, LEAST_ROOM = 0.06, 1.25


def extent(limits: pd.Index) -> tuple[float, float]:
    """The least and the most of `limits`, with room around them on a logarithmic axis."""
    room = max((limits[-1] / limits[0]) ** ROOM, LEAST_ROOM)
    return limits[0] / room, limits[-1] * room


THROUGHPUT, ACCURACY = "throughput_per_s", "accuracy"


CELLS = 24


# Room below the least accuracy, as a share of the range; half of the least range, so that one accuracy makes a scale.
BELOW, LEAST_HALF = 0.15, 0.005


def terraces(usable: pd.DataFrame, carriers: pd.DataFrame, latency: str = MEDIAN) -> dict[str, Any]:
    """`attainment` on at most `CELLS` by `CELLS` cells. All of a cell is attainable at its height.

    Parameters
    ----------
    usable : DataFrame
        At least one row, each with a latency, a throughput and an accuracy.
    carriers : DataFrame
        The nondominated ones.
    latency : str
        The latency column.

    Returns
    -------
    dict
        `latency` (ms) and `throughput` (items/s): edges, ascending. `accuracy`: a fraction, [throughput][latency], None
        where nothing will do. `low`, `high`: its least and its most. `floor`: the accuracy at the foot of the box.

    Examples
    --------
    >>> points = pd.DataFrame({"latency_p50_ms": [1.0, 10.0], "throughput_per_s": [1000.0, 3000.0],
    ...                        "accuracy": [0.8, 0.9], "status": "ok"})
    >>> terraces(points, points)["accuracy"]
    [[None, 0.8, 0.9], [None, None, 0.9], [None, None, None]]
    """
    allowed = _edges(carriers[latency], extent(pd.Index(np.sort(usable[latency]))), "max")
    asked = _edges(carriers[THROUGHPUT], extent(pd.Index(np.sort(usable[THROUGHPUT]))), "min")
    # A cell has what its most demanding corner has: the least latency at the highest throughput.
    heights = attainment(usable, allowed, asked, latency_column=latency).to_numpy()[1:, :-1]
    worst, best = np.nanmin(heights), np.nanmax(heights)
    half = max((best - worst) / 2, LEAST_HALF)
    low, high = float((worst + best) / 2 - half), float((worst + best) / 2 + half)
    return {
        "latency": allowed.tolist(),
        "throughput": asked.tolist(),
        "accuracy": [[number(height) for height in line] for line in heights.tolist()],
        "low": low,
        "high": high,
        "floor": low - BELOW * (high - low),
    }


def _edges(values: pd.Series, ends: tuple[float, float], worst: str) -> np.ndarray:
    """`ends`, and `values` between them; where they are too many, the worst in each of some even logarithmic steps.

    The worst, so that all of the step reach the cell beside it: no point's accuracy is lost.
    """
    low, high = np.log(ends)
    step = np.floor((np.log(values) - low) / (high - low) * (CELLS - 1))
    return np.unique([*ends, *(values if values.nunique() < CELLS else values.groupby(step).agg(worst))])
