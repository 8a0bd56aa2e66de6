"""Helpers of the checks: they read numbers, and write rows and lists in words."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.surface.columns import configs_of

# Tolerance for a number that was read off the page and typed.
READ = 0.01


def number(given: Any, wanted: str = "a number") -> float:
    """Return the answer as a float, also if it is the only element of an array or a frame."""
    if isinstance(given, bool | str):
        raise TypeError(f"wanted {wanted}")
    values = np.asarray(given)
    if values.size != 1:
        raise ValueError(f"wanted {wanted}; got {values.size} of them")
    return float(values.reshape(()))


def near(a: float, b: float, within: float = READ) -> bool:
    """Whether `a` differs from `b` by at most the fraction `within` of `b`."""
    return abs(a - b) <= within * abs(b)


def rounds_to(said: float, value: float) -> bool:
    """Whether `said` is `value`, or is it rounded to as many digits as `said` has: at least two that count.

    Examples
    --------
    >>> rounds_to(0.27, 0.2684), rounds_to(0.268, 0.2684), rounds_to(0.269, 0.2684), rounds_to(0.3, 0.2684)
    (True, True, False, False)
    """
    if not (np.isfinite(said) and np.isfinite(value)):
        return False
    if np.isclose(said, value, rtol=1e-9, atol=0):
        return True
    written = Decimal(repr(float(said))).as_tuple()
    places = -int(written.exponent)
    return len(written.digits) >= 2 and round(float(value), places) == said


def row_of(given: Any, surface: pd.DataFrame) -> Any:
    """Return the label of the row of `surface` that was given: as its number, a Config, a Series or a frame of one row.

    A Series or a frame must agree with the surface in what both say, so that a row from elsewhere is not taken for it.

    Examples
    --------
    >>> surface = pd.DataFrame({"model": ["a", "b"], "latency_p50_ms": [1.0, 2.0]}, index=[10, 11])
    >>> [int(row_of(given, surface)) for given in (11, surface.loc[11], surface.tail(1)[["model"]])]
    [11, 11, 11]
    >>> row_of(pd.DataFrame({"model": ["b"], "latency_p50_ms": [0.1]}), surface)
    Traceback (most recent call last):
    ...
    ValueError: wanted a row of your surface, as it was measured; this one is not in it
    """
    if isinstance(given, pd.DataFrame | pd.Index | list | tuple | np.ndarray):
        if len(given) != 1:
            raise ValueError(f"wanted one row of your surface; got {len(given)}")
        given = given.iloc[0] if isinstance(given, pd.DataFrame) else given[0]
    if isinstance(given, Config):
        rows = surface.index[[config == given for config in configs_of(surface)]]
    elif isinstance(given, pd.Series):
        agree = [_agree(surface[name], given[name]) for name in given.index if name in surface]
        rows = surface.index[np.logical_and.reduce(agree)] if agree else surface.index[:0]
        rows = rows[rows == given.name] if given.name in rows else rows
    elif isinstance(given, bool | str | float) or given is None:
        raise TypeError(f"wanted a row of your surface, or its number; got {given!r}")
    else:
        rows = surface.index[surface.index == given]
    if not len(rows):
        raise ValueError("wanted a row of your surface, as it was measured; this one is not in it")
    return rows[0]


def _agree(column: pd.Series, value: Any) -> np.ndarray:
    """Whether each value of a column is `value`, which may have been rounded."""
    if pd.api.types.is_numeric_dtype(column) and isinstance(value, int | float | np.number):
        close: np.ndarray = np.isclose(column.to_numpy(float), float(value), rtol=READ, atol=0, equal_nan=True)
        return close
    same: np.ndarray = (column == value).to_numpy(bool) | (column.isna().to_numpy() & pd.isna(value))
    return same


def as_quick(row: pd.Series, best: pd.DataFrame) -> bool:
    """Whether the interval of `row` reaches down to the latency of the only row of `best`; it may be unknown."""
    return bool(np.fmin(row["latency_p50_lo_ms"], row["latency_p50_ms"]) <= best["latency_p50_ms"].iloc[0])


def named(row: pd.DataFrame) -> str:
    """Format what the only row of a frame runs: model, precision, runtime and batch size."""
    names = [name for name in ("model", "precision", "runtime") if name in row]
    return f"{', '.join(str(row[name].iloc[0]) for name in names)}, batch {row['batch_size'].iloc[0]}"


def listed(words: Iterable[str]) -> str:
    """Join words with "and"; return "nothing" if there are none."""
    return " and ".join(words) or "nothing"
