"""The numbers of the selection as tiles."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tradespace.scale import Scale
from tradespace.show.common.words import MEDIAN, which_latency
from tradespace.show.explorer.mission import MILLION, Mission
from tradespace.show.tiles.widget import Tile
from tradespace.surface.columns import NUMBERS
from tradespace.surface.predict import Prediction
from tradespace.text import figures

UNKNOWN = "?"


def predicted_rows(predictions: Sequence[Prediction], mission: Mission, latency: str) -> list[dict[str, Any]]:
    """The rows of predictions; columns that they do not predict are NaN."""
    unknown = dict.fromkeys(NUMBERS, math.nan)
    frame = pd.DataFrame([unknown | vars(one) for one in predictions], columns=list(unknown))
    return [{str(name): value for name, value in row.items()} for row in mission.of(frame, latency).to_dict("records")]


def tiles_of(row: Mapping[str, Any] | None, items: float, latency: str, origin: str, score: Scale) -> list[Tile]:
    """Latency, throughput, score, memory, cost and safe speed of one row with the columns of a `Mission`.

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
    row = row or {}

    def number(name: str) -> float:
        return float(row.get(name, math.nan))

    def tile(
        label: str, about: str, unit: str, value: float, low: float = math.nan, high: float = math.nan, digits: int = 3
    ) -> Tile:
        if math.isnan(value):
            return Tile(label, UNKNOWN, unit, about=about)
        interval = "" if math.isnan(low) or math.isnan(high) else f"{figures(low, digits)} to {figures(high, digits)}"
        return Tile(label, figures(value, digits), unit, interval, origin, about)

    def column(label: str, about: str, unit: str, name: str, scale: float = 1.0, ends: str = "") -> Tile:
        low, high = (number(ends.format(end)) * scale for end in ("lo", "hi"))
        return tile(label, about, unit, number(name) * scale, low, high)

    median, low, high = (number(f"latency_p50_{part}ms") for part in ("", "lo_", "hi_"))
    rate, share = number("throughput_per_s"), items / MILLION
    # Only the median has an interval.
    ends = "latency_p50_{}_ms" if latency == MEDIAN else ""
    how_right = "share of the test items that are right" if score.is_accuracy else "mean over the test items"
    energy = f"energy of {items:,.0f} items, {row.get('wh_is') or 'not known'}"
    return [
        column("latency", f"time for one batch, {which_latency(latency)}", "ms", latency, ends=ends),
        # Throughput is inversely proportional to latency.
        tile("throughput", "items answered in a second", "/s", rate, rate * median / high, rate * median / low),
        column(score.name, how_right, score.percent_unit, "accuracy", score.percent, "accuracy_{}"),
        column("memory", "memory of the measuring process at its highest", "MB", "memory_mb"),
        column("cost", f"cost of {items:,.0f} items", "", "cost_per_million", share, "cost_per_million_{}"),
        column("energy", energy, "Wh", "wh_per_million", share, "wh_per_million_{}"),
        # More digits, since speeds differ little.
        tile("safe speed", "how fast a drone may fly that sees so late", "m/s", number("safe_speed_m_s"), digits=4),
    ]
