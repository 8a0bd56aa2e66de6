"""Helpers of the checks: they read numbers, and write rows and lists in words."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

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
