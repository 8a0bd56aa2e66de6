"""Differences in an objective that are too small to matter, or to be known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tradespace.errors import choose
from tradespace.surface.objectives import LOGARITHMIC, Objective

# A difference of exactly the margin is within it, also where floating point computes a little more.
ROUNDING = 1e-9


def check_margin(margin: Mapping[str, float] | None, objectives: tuple[Objective, ...]) -> dict[str, float]:
    """Return the margins as a dict.

    Raises
    ------
    ValueError
        If `margin` is no mapping, or names a column that is no objective, or a value is negative or not finite.

    Examples
    --------
    >>> from tradespace.surface.objectives import maximize
    >>> check_margin({"acuracy": 0.005}, (maximize("accuracy"),))
    Traceback (most recent call last):
    ...
    ValueError: margin: wanted one of accuracy; got 'acuracy'. Did you mean 'accuracy'?
    """
    if margin is None:
        return {}
    if not isinstance(margin, Mapping):
        raise ValueError(f"margin: wanted one for each column, such as {{'accuracy': 0.005}}; got {margin!r}")
    for column, value in margin.items():
        choose("margin", column, dict.fromkeys(objective.column for objective in objectives))
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < float("inf"):
            raise ValueError(f"margin of {column}: wanted a finite number, at least 0; got {value!r}")
    return {column: float(value) for column, value in margin.items()}


def gains(objective: Objective, surface: pd.DataFrame) -> np.ndarray:
    """The objective of each row, signed so that larger is better; NaN in rows that were not measured."""
    values = objective.values(surface)
    return values if objective.maximize else -values


def scaled_gains(
    surface: pd.DataFrame, objectives: tuple[Objective, ...], margin: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The gains, rows x objectives, and the margin of each objective, on the scale on which a margin is a difference.

    That is the logarithm for times and rates with a margin, which is a share of them; otherwise the unit of the column.

    Raises
    ------
    ValueError
        If a time or a rate with a margin is negative.

    Examples
    --------
    >>> from tradespace.surface.objectives import maximize, minimize
    >>> surface = pd.DataFrame({"ms": [3.0, 4.0], "accuracy": [0.8, 0.9], "status": "ok"})
    >>> scaled_gains(surface, (minimize("ms"), maximize("accuracy")), {"accuracy": 0.005})
    (array([[-3. ,  0.8],
           [-4. ,  0.9]]), array([0.   , 0.005]))
    """
    columns, margins = [], []
    for objective in objectives:
        values, width = gains(objective, surface), margin.get(objective.column, 0.0)
        if width and objective.column.endswith(LOGARITHMIC):
            amounts = objective.values(surface)
            if (amounts < 0).any():
                raise ValueError(f"margin of {objective.column}: it is a share, so wanted no values below 0; got some")
            with np.errstate(divide="ignore"):
                values, width = np.log(amounts) if objective.maximize else -np.log(amounts), float(np.log1p(width))
        columns.append(values)
        margins.append(width)
    return np.column_stack(columns), np.array(margins)
