"""What the checks share: rows and columns in words."""

from collections.abc import Iterable

import pandas as pd


def named(row: pd.DataFrame) -> str:
    """What runs in the one row of a frame, in words."""
    names = [name for name in ("model", "precision", "runtime") if name in row]
    return f"{', '.join(str(row[name].iloc[0]) for name in names)}, batch {row['batch_size'].iloc[0]}"


def listed(words: Iterable[str]) -> str:
    """Words with "and" between them; of none, "nothing"."""
    return " and ".join(words) or "nothing"
