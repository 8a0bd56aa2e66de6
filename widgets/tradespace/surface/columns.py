"""The surface: a plain DataFrame, one row a Config, its columns fixed."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from tradespace.measuring.measurement import Measurement

KNOBS = ("model", "pruning", "precision", "runtime", "device", "threads", "batch_size")
NUMBERS = (
    "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p90_ms", "latency_p99_ms",
    "throughput_per_s", "accuracy", "accuracy_lo", "accuracy_hi", "accuracy_n",
    "model_mb", "memory_mb", "energy_j_per_item", "prepare_s", "samples", "noise",
)  # fmt: skip
WORDS = ("flags", "status", "reason", "machine", "measured_at")
COLUMNS = ("task", *KNOBS, *NUMBERS, *WORDS)
WHOLE = ("threads", "batch_size", "accuracy_n", "samples")


def row(measurement: "Measurement") -> dict[str, object]:
    """The row of the surface that `measurement` makes."""
    knobs = asdict(measurement.config)
    return {column: knobs[column] if column in knobs else getattr(measurement, column) for column in COLUMNS}


def table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """A surface of `rows`, its columns in their fixed order and of their fixed types."""
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return frame.astype({name: "float64" for name in NUMBERS} | {name: "int64" for name in WHOLE})


def save_surface(surface: pd.DataFrame, path: str | Path) -> None:
    """Write a surface as CSV, for `load_surface`.

    Raises
    ------
    ValueError
        If columns are missing.
    """
    _check(surface, "surface").to_csv(path, index=False)


def load_surface(path: str | Path) -> pd.DataFrame:
    """Read a surface that `save_surface` wrote; its columns and types are checked.

    Raises
    ------
    ValueError
        If columns are missing or hold something else than they should.
    """
    text = {name: str for name in ("task", *KNOBS, *WORDS) if name not in WHOLE}
    # Only an empty field is missing: a model may well be called "None" or "NA".
    frame = _check(pd.read_csv(path, dtype=text, keep_default_na=False), str(path))
    numbers = frame[list(NUMBERS)].replace("", "nan")
    try:
        frame = frame.assign(**{name: numbers[name].astype("float64") for name in NUMBERS})
        return frame.astype({name: "int64" for name in WHOLE})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: a column of numbers holds something else: {error}") from error


def _check(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ValueError(f"{source}: wanted the columns of a surface; it lacks {', '.join(missing)}")
    return frame[list(COLUMNS)]
