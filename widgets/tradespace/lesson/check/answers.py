"""What the checks share: reading a number, and saying rows and columns in words."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

# A number typed after reading it from the page.
READ = 0.01


def number(given: Any, wanted: str = "a number") -> float:
    """The one number of an answer, however it is wrapped."""
    if isinstance(given, bool | str):
        raise TypeError(f"wanted {wanted}")
    values = np.asarray(given)
    if values.size != 1:
        raise ValueError(f"wanted {wanted}; got {values.size} of them")
    return float(values.reshape(()))


def near(a: float, b: float, within: float = READ) -> bool:
    """Whether `a` is `b`, but for that share of it."""
    return abs(a - b) <= within * abs(b)


def named(row: pd.DataFrame) -> str:
    """What runs in the one row of a frame, in words."""
    names = [name for name in ("model", "precision", "runtime") if name in row]
    return f"{', '.join(str(row[name].iloc[0]) for name in names)}, batch {row['batch_size'].iloc[0]}"


def listed(words: Iterable[str]) -> str:
    """Words with "and" between them; of none, "nothing"."""
    return " and ".join(words) or "nothing"
