"""The attainment surface as numbers: its extent, its terraces, and the points that carry them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tradespace.scale import Scale
from tradespace.show.common.json import number, scale
from tradespace.show.common.words import MEDIAN, describe_row, which_latency
from tradespace.surface.attainment import attainment
from tradespace.surface.columns import scale_of
from tradespace.surface.frontier import nondominated
from tradespace.surface.objectives import maximize, measured, minimize, numbers

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


def usable_rows(surface: pd.DataFrame, latency: str = MEDIAN) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row has a place in the box, and these places: latency, throughput and accuracy."""
    places = np.column_stack([numbers(surface, name) for name in (latency, THROUGHPUT, ACCURACY)])
    # The first two axes are logarithmic.
    return measured(surface) & np.isfinite(places).all(axis=1) & (places[:, :2] > 0).all(axis=1), places


def point(row: Mapping[Any, Any], place: int, latency: str) -> dict[str, Any]:
    """The row with number `place`: its coordinates, the ends of its intervals, and its description."""
    low, high = ("latency_p50_lo_ms", "latency_p50_hi_ms") if latency == MEDIAN else (None, None)
    return {
        "row": int(place),
        "precision": row["precision"],
        "text": describe_row(row, "\n"),
        "place": [number(row[name]) for name in (latency, THROUGHPUT, ACCURACY)],
        "latency_ends": [number(row[name]) if name else None for name in (low, high)],
        "accuracy_ends": [number(row[name]) for name in ("accuracy_lo", "accuracy_hi")],
    }


def stairs(surface: pd.DataFrame, latency: str = MEDIAN) -> dict[str, Any]:
    """What the landscape draws of `surface`, whose rows are numbered from 0.

    Returns
    -------
    dict
        `grid`: the `terraces`, None if there are none; `points`, which carry them; `axis` and `score`: words.
    """
    usable = surface[usable_rows(surface, latency)[0]]
    carriers = nondominated(usable, (minimize(latency), maximize(THROUGHPUT), maximize(ACCURACY)))
    points = usable[carriers].sort_values(latency)
    percentile = "" if latency == MEDIAN else f"{which_latency(latency)} of "
    return {
        "grid": None if points.empty else terraces(usable, points, latency),
        "points": [
            point(row, place, latency) for place, row in zip(points.index, points.to_dict("records"), strict=True)
        ],
        "axis": f"{percentile}latency at most, ms",
        "score": scale(scale_of(surface)),
    }
