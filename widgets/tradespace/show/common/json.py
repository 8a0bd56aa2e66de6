"""Convert values for the browser. JSON has neither NaN nor infinity, so unknown values are sent as null."""

import math
from typing import Any

import pandas as pd

from tradespace.scale import Scale


def number(value: float | None) -> float | None:
    """Return a number as a float, or None if it is not known.

    Examples
    --------
    >>> number(1), number(float("nan")), number(None)
    (1.0, None, None)
    """
    return float(value) if value is not None and math.isfinite(value) else None


def scale(one: Scale) -> dict[str, Any]:
    """Return how scores are written: name, title, unit, label of an axis, and whether in per cent.

    Examples
    --------
    >>> scale(Scale("gain", "dB"))
    {'name': 'gain', 'title': 'Gain', 'unit': 'dB', 'axis': 'gain, dB', 'percent': False}
    """
    words = {"name": one.name, "title": one.title, "unit": one.percent_unit, "axis": one.axis}
    return {**words, "percent": one.is_accuracy}


def column(values: pd.Series) -> list[Any]:
    """Return a column as a list, with None for NaN.

    Examples
    --------
    >>> column(pd.Series([1.0, float("nan")]))
    [1.0, None]
    """
    return [None if one != one else one for one in values.tolist()]


def packed(values: list[Any]) -> Any:
    """Return a column for a file: if it has few values, those `of` which it is, and which of them is `at` each row.

    Examples
    --------
    >>> packed(["int8", "fp32", "int8", "int8"]), packed([1.5, 2.5])
    ({'of': ['int8', 'fp32'], 'at': [0, 1, 0, 0]}, [1.5, 2.5])
    """
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    if 2 * len(places) > len(values):
        return values
    return {"of": [*places], "at": [places[value] for value in values]}
