"""The attainment surface as numbers: its extent, and its terraces."""

from typing import Any

import numpy as np
import pandas as pd

from tradespace.scale import Scale
from tradespace.show.common.json import number
from tradespace.show.common.words import MEDIAN
from tradespace.surface.attainment import attainment
from tradespace.surface.columns import scale_of

# Padding around the points, as a share of the logarithmic range, and the least padding, for a single point.
ROOM, LEAST_ROOM = 0.06, 1.25


def extent(limits: pd.Index) -> tuple[float, float]:
    """The minimum and maximum of `limits`, with padding on a logarithmic axis."""
    room = max((limits[-1] / limits[0]) ** ROOM, LEAST_ROOM)
    return limits[0] / room, limits[-1] * room


THROUGHPUT, ACCURACY = "throughput_per_s", "accuracy"


CELLS = 24


# Padding below the lowest accuracy, as a share of the range; and half of the least range, for a single accuracy.
BELOW, LEAST_HALF = 0.15, 0.005


def half_range(low: float, high: float, score: Scale) -> float:
    """Half of the range of an axis of scores from `low` to `high`: a single one does not make a scale.

    Examples
    --------
    >>> half_range(0.9, 0.9, Scale()), half_range(-2000.0, -2000.0, Scale("gain"))
    (0.005, 10.0)
    """
    if score.is_accuracy:
        return max((high - low) / 2, LEAST_HALF)
    return (high - low) / 2 or LEAST_HALF * abs(high) or LEAST_HALF


def terraces(usable: pd.DataFrame, carriers: pd.DataFrame, latency: str = MEDIAN) -> dict[str, Any]:
    """`attainment` on at most `CELLS` by `CELLS` cells. The height of a cell is attainable everywhere in it.

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
        `latency` (ms) and `throughput` (items/s): edges, ascending. `accuracy`: [throughput][latency], None
        where nothing is attainable. `low`, `high`: its limits. `floor`: the accuracy at the bottom of the box.

    Examples
    --------
    >>> points = pd.DataFrame({"latency_p50_ms": [1.0, 10.0], "throughput_per_s": [1000.0, 3000.0],
    ...                        "accuracy": [0.8, 0.9], "status": "ok"})
    >>> terraces(points, points)["accuracy"]
    [[None, 0.8, 0.9], [None, None, 0.9], [None, None, None]]
    """
    allowed = _edges(carriers[latency], extent(pd.Index(np.sort(usable[latency]))), "max")
    asked = _edges(carriers[THROUGHPUT], extent(pd.Index(np.sort(usable[THROUGHPUT]))), "min")
    # A cell has the value of its most demanding corner: the lowest latency and the highest throughput.
    heights = attainment(usable, allowed, asked, latency_column=latency).to_numpy()[1:, :-1]
    worst, best = np.nanmin(heights), np.nanmax(heights)
    half = half_range(float(worst), float(best), scale_of(usable))
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
    """Return `ends` and the `values` between them; if there are too many, the worst in each of equal logarithmic steps.

    With the worst, every point of a step reaches the next cell, so no accuracy is lost.
    """
    low, high = np.log(ends)
    step = np.floor((np.log(values) - low) / (high - low) * (CELLS - 1))
    return np.unique([*ends, *(values if values.nunique() < CELLS else values.groupby(step).agg(worst))])
