"""How a column of a surface is read, whatever tool it came through: what is a number, and which numbers can be."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from numbers import Real

import numpy as np
import pandas as pd

from tradespace.errors import choose

STATUSES = ("ok", "unsupported", "out_of_memory", "timeout", "crashed", "failed")
ABOVE_0 = (
    "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p90_ms", "latency_p99_ms", "throughput_per_s",
)  # fmt: skip
FROM_0 = ("accuracy_n", "model_mb", "memory_mb", "energy_j_per_item", "prepare_s", "samples", "noise")
ACCURACIES = ("accuracy_lo", "accuracy", "accuracy_hi")
# Columns of which none is larger than the next, but for rounding.
ASCENDING = (
    ("latency_p50_lo_ms", "latency_p50_ms", "latency_p50_hi_ms"),
    ("latency_p50_ms", "latency_p90_ms", "latency_p99_ms"),
    ACCURACIES,
)
ROUNDING = 1e-6


def check_columns(surface: pd.DataFrame, columns: Iterable[str], argument: str = "surface") -> None:
    """Raise a ValueError unless `surface` is a DataFrame that has each of `columns` once.

    Examples
    --------
    >>> check_columns(pd.DataFrame({"Accuracy": [0.9]}), ["accuracy"])
    Traceback (most recent call last):
    ...
    ValueError: surface: wanted the columns of a surface; it lacks accuracy. Did you mean 'Accuracy'?
    """
    if not isinstance(surface, pd.DataFrame):
        raise ValueError(f"{argument}: wanted a DataFrame; got {type(surface).__name__}")
    names = surface.columns.tolist()
    columns = list(columns)
    if twice := [name for name in columns if names.count(name) > 1]:
        raise ValueError(f"{argument}: wanted each column once; got several named {', '.join(twice)}")
    missing = [name for name in columns if name not in names]
    if missing:
        alike = [name for name in names if str(name).strip().lower() in missing]
        hint = f". Did you mean {alike[0]!r}?" if alike else ""
        raise ValueError(f"{argument}: wanted the columns of a surface; it lacks {', '.join(missing)}{hint}")


def floats(surface: pd.DataFrame, column: str, argument: str = "surface") -> np.ndarray:
    """A column as floats, with NaN where a value is missing.

    Nullable, categorical and object columns are read if all that they hold are numbers; text is not.

    Examples
    --------
    >>> floats(pd.DataFrame({"batch_size": pd.array([8, None], "Int64")}), "batch_size").tolist()
    [8.0, nan]
    >>> floats(pd.DataFrame({"accuracy": ["0,9"]}), "accuracy")
    Traceback (most recent call last):
    ...
    ValueError: surface: wanted numbers in accuracy; got '0,9', which is text, in row 0
    """
    check_columns(surface, [column], argument)
    values = surface[column]
    if values.dtype.kind in "iuf":
        return values.to_numpy(dtype=float, na_value=np.nan)
    for row, value in values.items():
        number = isinstance(value, Real | Decimal) and not isinstance(value, bool | np.timedelta64)
        if not number and not _is_missing(value):
            what = f"{value!r}, which is text," if isinstance(value, str) else repr(value)
            raise ValueError(f"{argument}: wanted numbers in {column}; got {what} in row {row}")
    return np.array([np.nan if _is_missing(value) else float(value) for value in values])


def words(surface: pd.DataFrame, column: str, argument: str = "surface") -> pd.Series:
    """A column as text, empty where a value is missing."""
    check_columns(surface, [column], argument)
    values = surface[column].astype(object)
    return values.where(values.notna(), "").astype("str")


def measured_rows(surface: pd.DataFrame, argument: str = "surface") -> np.ndarray:
    """Whether the status of each row is `ok`; a missing one is not.

    Examples
    --------
    >>> measured_rows(pd.DataFrame({"status": ["ok", None, "OK"]}))
    Traceback (most recent call last):
    ...
    ValueError: surface: status in row 2: wanted one of ok, unsupported, ... failed; got 'OK'. Did you mean 'ok'?
    """
    check_columns(surface, ["status"], argument)
    status = surface["status"]
    for value in status.dropna().unique():
        if value not in ("", *STATUSES):
            row = status.index[(status == value).to_numpy(dtype=bool, na_value=False)][0]
            choose(f"{argument}: status in row {row}", value, STATUSES)
    return status.isin(["ok"]).to_numpy(dtype=bool)


def check_values(
    surface: pd.DataFrame, columns: Iterable[str], argument: str = "surface", order_only: bool = False
) -> None:
    """Raise a ValueError where a measured row has a value in one of `columns` that cannot be, such as a time below 0.

    Parameters
    ----------
    order_only : bool
        Whether only the order of accuracies matters, which is the same in per cent.

    Examples
    --------
    >>> check_values(pd.DataFrame({"accuracy": [93.1]}), ["accuracy"])
    Traceback (most recent call last):
    ...
    ValueError: surface: wanted a fraction from 0 to 1 in accuracy; got 93.1 in row 0. Did you mean 0.931?
    """
    known = {name: floats(surface, name, argument) for name in columns if name in (*ABOVE_0, *FROM_0, *ACCURACIES)}
    rows = measured_rows(surface, argument) if "status" in surface else np.ones(len(surface), dtype=bool)
    fraction = words(surface, "score").isin(["", "accuracy"]).to_numpy() if "score" in surface else rows
    for name, values in known.items():
        possible, wanted = np.isfinite(values), "a finite number"
        if name in ABOVE_0:
            possible, wanted = possible & (values > 0), "a finite number above 0"
        elif name in FROM_0:
            possible, wanted = possible & (values >= 0), "a finite number from 0"
        elif not (order_only and _in_per_cent(values[rows & ~np.isnan(values)])):
            within = (values >= 0) & (values <= 1 + ROUNDING)
            possible, wanted = possible & (within | ~fraction), "a fraction from 0 to 1"
        for i in np.flatnonzero(rows & ~possible & ~np.isnan(values))[:1]:
            hint = f". Did you mean {values[i] / 100:.6g}?" if name in ACCURACIES and 1 < values[i] <= 100 else ""
            raise ValueError(
                f"{argument}: wanted {wanted} in {name}; got {values[i]:g} in row {surface.index[i]}{hint}"
            )
    for low, high in (pair for chain in ASCENDING for pair in pairwise([name for name in chain if name in known])):
        less, more = known[low], known[high]
        for i in np.flatnonzero(rows & (less > more) & ~np.isclose(less, more, rtol=ROUNDING))[:1]:
            raise ValueError(
                f"{argument}: wanted {low} at most {high}; got {less[i]:g} and {more[i]:g} in row {surface.index[i]}"
            )


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, Real | Decimal) and value != value)


def _in_per_cent(values: np.ndarray) -> bool:
    """Whether all of these accuracies may be in per cent: none is a fraction."""
    return bool(((values == 0) | ((values > 1) & (values <= 100))).all())
