"""The surface: a plain DataFrame with fixed columns and one row per Config."""

import csv
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tradespace.config import KNOBS, Config
from tradespace.errors import choose

if TYPE_CHECKING:
    from tradespace.measuring.measurement import Measurement

NUMBERS = (
    "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p90_ms", "latency_p99_ms",
    "throughput_per_s", "accuracy", "accuracy_lo", "accuracy_hi", "accuracy_n",
    "model_mb", "memory_mb", "energy_j_per_item", "prepare_s", "samples", "noise",
)  # fmt: skip
WORDS = ("flags", "status", "reason", "machine", "measured_at")
COLUMNS = ("task", *KNOBS, *NUMBERS, *WORDS)
WHOLE = ("threads", "batch_size", "accuracy_n", "samples")
MOST = 2**53  # a float64 represents whole numbers up to this exactly
STATUSES = ("ok", "unsupported", "out_of_memory", "timeout", "crashed", "failed")
TYPES = dict.fromkeys(COLUMNS, "str") | dict.fromkeys(NUMBERS, "float64") | dict.fromkeys(WHOLE, "int64")


def row(measurement: "Measurement") -> dict[str, object]:
    """The row of the surface for `measurement`."""
    knobs = asdict(measurement.config)
    return {column: knobs[column] if column in knobs else getattr(measurement, column) for column in COLUMNS}


def table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Make a surface of `rows`, with its columns in their fixed order and types."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(TYPES)


def checked(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Select the columns of a surface from a DataFrame that has them all.

    Raises
    ------
    ValueError
        If columns are missing; the message calls the DataFrame `source`.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ValueError(f"{source}: wanted the columns of a surface; it lacks {', '.join(missing)}")
    return frame[list(COLUMNS)]


def check_one(surface: pd.DataFrame, *columns: str) -> None:
    """Raise a ValueError if the rows differ in one of `columns`."""
    for column in columns:
        several = sorted(surface[column].unique())
        if len(several) > 1:
            raise ValueError(f"surface: wanted rows of one {column}; got {several}")


def configs_of(surface: pd.DataFrame) -> list[Config]:
    """The Config of each row."""
    return [Config(*knobs) for knobs in surface[list(KNOBS)].itertuples(index=False)]


def save_surface(surface: pd.DataFrame, path: str | Path) -> None:
    """Write a surface to a CSV file for `load_surface`: its columns in order, then any of your own.

    Raises
    ------
    ValueError
        If columns are missing.
    """
    checked(surface, "surface")
    surface[[*COLUMNS, *own_columns(surface)]].to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)


def load_surface(path: str | Path) -> pd.DataFrame:
    """Read a surface that `save_surface` wrote, and check its columns and types.

    A column of your own becomes numeric if all of its values are numbers, else text.

    Raises
    ------
    ValueError
        If columns are missing or contain invalid values.
    """
    # Read as text first: a model may be named "NA", and pandas must not guess a number where there is none.
    text = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame = checked(text, str(path))
    numeric = [name for name, kind in TYPES.items() if kind != "str"]
    try:
        numbers = frame[numeric].replace("", "nan").astype("float64")
    except ValueError as error:
        raise ValueError(f"{path}: a column of numbers holds something else: {error}") from error
    for name in WHOLE:
        if not (numbers[name].between(0, MOST) & (numbers[name] % 1 == 0)).all():
            raise ValueError(f"{path}: a column of numbers holds something else: {name} is not whole")
    frame = frame.assign(**numbers).astype(TYPES)
    for status in frame["status"].unique():
        choose(f"{path}: status", status, STATUSES)
    # Config checks each knob by itself: a row whose values have all occurred before needs no check.
    known = pd.concat([frame[name].duplicated() for name in KNOBS], axis="columns").all(axis="columns")
    configs_of(frame[~known])
    return frame.join(text[own_columns(text)].apply(_numbers_if_all_are))


def own_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that not every surface has, such as a cost."""
    return [name for name in frame.columns if name not in COLUMNS]


def _numbers_if_all_are(text: pd.Series) -> pd.Series:
    try:
        return text.replace("", "nan").astype("float64")
    except ValueError:
        return text
