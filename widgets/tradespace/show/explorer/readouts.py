"""The numbers of points as tiles: of one row, or of many at once, part by part."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tradespace.scale import Scale
from tradespace.show.common.words import MEDIAN, which_latency
from tradespace.show.explorer.mission import MILLION, Mission
from tradespace.show.tiles.widget import Tile
from tradespace.surface.columns import NUMBERS
from tradespace.surface.predict import Prediction
from tradespace.text import figures

UNKNOWN = "?"
# The tiles that depend on which latency is shown: itself, and the safe speed.
OF_LATENCY = (0, 6)
# A tile of many rows: for each part of a `Tile` a value per row.
Column = dict[str, list[str]]


def predicted_rows(predictions: Sequence[Prediction], mission: Mission, latency: str) -> pd.DataFrame:
    """The rows of predictions; columns that they do not predict are NaN."""
    unknown = dict.fromkeys(NUMBERS, math.nan)
    return mission.of(pd.DataFrame([unknown | vars(one) for one in predictions], columns=list(unknown)), latency)


def tiles_of(row: Mapping[str, Any] | None, items: float, latency: str, origin: str, score: Scale) -> list[Tile]:
    """Latency, throughput, score, memory, cost, energy and safe speed of one row with the columns of a `Mission`.

    Parameters
    ----------
    row : mapping, optional
        If omitted, every tile is unknown.
    items : float
        The number of items that cost and energy are for.
    latency : str
        The latency column to show: the median, or a percentile.
    origin : str
        `measured`, `predicted` or `recorded`.
    score : Scale
        How accuracies are written.
    """
    columns = {name: [one] for name, one in (row or {}).items()}
    tiles = [tile() for tile in tiles_of_rows(columns, 1, items, latency, origin, score)]
    return [Tile(**{part: values[0] for part, values in one.items()}) for one in tiles]


def tiles_of_rows(
    rows: Mapping[str, Any] | pd.DataFrame, number: int, items: float, latency: str, origin: str, score: Scale
) -> list[Callable[[], Column]]:
    """What `tiles_of` returns, for a `number` of rows: a function for each tile, since some may not be needed.

    Parameters
    ----------
    rows : mapping of str to sequence, or DataFrame
        The columns; one that is missing is unknown.

    Examples
    --------
    >>> latency, *_ = tiles_of_rows({"latency_p50_ms": [2.0, 4.0]}, 2, 1e6, "latency_p50_ms", "measured", Scale())
    >>> latency()["value"]
    ['2', '4']
    """
    missing = np.full(number, math.nan)

    def values(name: str, scale: float = 1.0) -> np.ndarray:
        return np.asarray(rows[name], dtype=float) * scale if name in rows else missing

    def tile(
        label: str,
        about: str | list[str],
        unit: str,
        value: np.ndarray,
        low: np.ndarray = missing,
        high: np.ndarray = missing,
        digits: int = 3,
    ) -> Column:
        known = [not math.isnan(one) for one in value.tolist()]
        ends = zip(known, low.tolist(), high.tolist(), strict=True)
        return {
            "label": [label] * number,
            "value": [figures(one, digits) if one == one else UNKNOWN for one in value.tolist()],
            "unit": [unit] * number,
            "interval": [_interval(one, other, digits) if is_known else "" for is_known, one, other in ends],
            "origin": [origin if is_known else "" for is_known in known],
            "about": about if isinstance(about, list) else [about] * number,
        }

    def column(label: str, about: str | list[str], unit: str, name: str, scale: float = 1.0, ends: str = "") -> Column:
        low, high = (values(ends.format(end), scale) for end in ("lo", "hi"))
        return tile(label, about, unit, values(name, scale), low, high)

    median, low, high = (values(f"latency_p50_{part}ms") for part in ("", "lo_", "hi_"))
    rate, speed, share = values("throughput_per_s"), values("safe_speed_m_s"), items / MILLION
    # Only the median has an interval.
    ends = "latency_p50_{}_ms" if latency == MEDIAN else ""
    how_right = "share of the test items that are right" if score.is_accuracy else "mean over the test items"
    energies = [f"energy of {items:,.0f} items, {one or 'not known'}" for one in rows.get("wh_is", [""] * number)]
    return [
        partial(column, "latency", f"time for one batch, {which_latency(latency)}", "ms", latency, ends=ends),
        # Throughput is inversely proportional to latency.
        partial(
            tile, "throughput", "items answered in a second", "/s", rate, rate * median / high, rate * median / low
        ),
        partial(column, score.name, how_right, score.percent_unit, "accuracy", score.percent, "accuracy_{}"),
        partial(column, "memory", "memory of the measuring process at its highest", "MB", "memory_mb"),
        partial(column, "cost", f"cost of {items:,.0f} items", "", "cost_per_million", share, "cost_per_million_{}"),
        partial(column, "energy", energies, "Wh", "wh_per_million", share, "wh_per_million_{}"),
        # More digits, since speeds differ little.
        partial(tile, "safe speed", "how fast a drone may fly that sees so late", "m/s", speed, digits=4),
    ]


def _interval(low: float, high: float, digits: int) -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"{figures(low, digits)} to {figures(high, digits)}"
