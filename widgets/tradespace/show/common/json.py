"""What the browser is sent. JSON has neither NaN nor infinity: what is not known goes as null."""

import math
from typing import Any

import pandas as pd


def number(value: float | None) -> float | None:
    """A number, if it is known.

    Examples
    --------
    >>> number(1), number(float("nan")), number(None)
    (1.0, None, None)
    """
    return float(value) if value is not None and math.isfinite(value) else None


def column(values: pd.Series) -> list[Any]:
    """A column, NaN as None.

    Examples
    --------
    >>> column(pd.Series([1.0, float("nan")]))
    [1.0, None]
    """
    return [None if one != one else one for one in values.tolist()]
