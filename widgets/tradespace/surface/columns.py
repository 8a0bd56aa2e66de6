"""The surface: a plain DataFrame with fixed columns and one row per Config."""

import csv
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tradespace.config import KNOBS, Config
from tradespace.errors import choose
from tradespace.scale import ACCURACY, Scale
from tradespace.surface.reading import STATUSES, check_columns, check_values, floats, words

if TYPE_CHECKING:
    from tradespace.measuring.measurement import Measurement

NUMBERS = (
    "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p90_ms", "latency_p99_ms",
    "throughput_per_s", "accuracy", "accuracy_lo", "accuracy_hi", "accuracy_n",
    "model_mb", "memory_mb", "energy_j_per_item", "prepare_s", "samples", "noise",
)  # fmt: skip
WORDS = ("score", "flags", "status", "reason", "machine", "measured_at")
COLUMNS = ("task", *KNOBS, *NUMBERS, *WORDS)
WHOLE = ("threads", "batch_size", "accuracy_n", "samples")
MOST = 2**53  # a float64 represents whole numbers up to this exactly
# What other tools write for a number that is not known.
UNKNOWN = ("", "NA", "N/A", "#N/A", "<NA>", "None", "null", "NULL")
SEPARATORS = ",;\t"
TYPES = dict.fromkeys(COLUMNS, "str") | dict.fromkeys(NUMBERS, "float64") | dict.fromkeys(WHOLE, "int64")


def row(measurement: "Measurement") -> dict[str, object]:
    """The row of the surface for `measurement`."""
    knobs = asdict(measurement.config)
    return {column: knobs[column] if column in knobs else getattr(measurement, column) for column in COLUMNS}


def table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Make a surface of `rows`, with its columns in their fixed order and types."""
    return _scored(pd.DataFrame(list(rows), columns=list(COLUMNS))).astype(TYPES)


def plain(frame: pd.DataFrame, source: str = "surface") -> pd.DataFrame:
    """`frame` with those of its columns that every surface has in plain types, whatever tool it came through.

    Raises
    ------
    ValueError
        If a column of numbers holds something else, or a measured row has a value that cannot be; the message calls the
        DataFrame `source`.

    Examples
    --------
    >>> plain(pd.DataFrame({"batch_size": [8.0], "flags": [None]})).to_dict("records")
    [{'batch_size': 8, 'flags': ''}]
    """
    known = [name for name in COLUMNS if name in frame]
    check_columns(frame, known, source)
    read: dict[str, Any] = {}
    for name in known:
        if frame[name].dtype == TYPES[name] and not (TYPES[name] == "str" and frame[name].hasnans):
            continue
        if TYPES[name] == "str":
            read[name] = words(frame, name, source)
        else:
            values = floats(frame, name, source)
            read[name] = values.astype("int64") if name in WHOLE and _whole(values).all() else values
    frame = frame.assign(**read)
    check_values(frame, known, source)
    return frame


def checked(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Select the columns of a surface from a DataFrame that has them all, as `plain` reads them.

    Without the column `score`, which older releases did not write, its scores are accuracies.

    Raises
    ------
    ValueError
        If columns are missing or hold something else; the message calls the DataFrame `source`.
    """
    frame = _scored(frame, source)
    check_columns(frame, COLUMNS, source)
    frame = plain(frame[list(COLUMNS)], source)
    for name in WHOLE:
        values = frame[name].to_numpy(dtype=float)
        for i in np.flatnonzero(~_whole(values))[:1]:
            raise ValueError(
                f"{source}: wanted whole numbers from 0 in {name}; got {values[i]:g} in row {frame.index[i]}"
            )
    return frame.astype(TYPES)


def check_one(surface: pd.DataFrame, *columns: str) -> None:
    """Raise a ValueError if the rows differ in one of `columns`."""
    for column in columns:
        several = sorted(surface[column].unique())
        if len(several) > 1:
            raise ValueError(f"surface: wanted rows of one {column}; got {several}")


def scale_of(surface: pd.DataFrame) -> Scale:
    """How the column `accuracy` of a surface is written: as its column `score` says.

    Raises
    ------
    ValueError
        If its rows have different scores, which no axis can show together.

    Examples
    --------
    >>> scale_of(pd.DataFrame({"accuracy": [-0.5], "score": ["negative squared error, m²"]})).axis
    'negative squared error, m²'
    >>> scale_of(pd.DataFrame({"accuracy": [0.9]})).axis
    'accuracy, %'
    """
    named = surface["score"].unique().tolist() if "score" in surface else []
    found = list(dict.fromkeys(one if isinstance(one, str) and one else ACCURACY for one in named))
    if len(found) > 1:
        raise ValueError(
            f"surface: wanted rows of one score; got {'; '.join(found)}. Choose some: "
            f"surface[surface['score'] == {found[0]!r}]"
        )
    return Scale.of(found[0]) if found else Scale()


def check_score(surface: pd.DataFrame, score: str) -> None:
    """Raise a ValueError if rows have another score than the task in whose charts they shall be."""
    others = sorted(set(surface["score"]) - {score})
    if others:
        raise ValueError(f"surface: wanted rows with the task's score, {score!r}; got {', '.join(map(repr, others))}")


def configs_of(surface: pd.DataFrame) -> list[Config]:
    """The Config of each row."""
    check_columns(surface, KNOBS)
    return [Config(*knobs) for knobs in plain(surface[list(KNOBS)]).itertuples(index=False)]


def save_surface(surface: pd.DataFrame, path: str | Path) -> None:
    """Write a surface to a CSV file for `load_surface`: its columns in order, then any of your own.

    Raises
    ------
    ValueError
        If columns are missing or contain invalid values.
    """
    surface = _scored(surface)
    check_columns(surface, COLUMNS)
    own = own_columns(surface)
    check_columns(surface, own)
    written = checked(surface, "surface").join(surface[own]) if own else checked(surface, "surface")
    written.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)


def load_surface(path: str | Path) -> pd.DataFrame:
    """Read a surface that `save_surface` wrote, perhaps changed by other tools since, and check its columns and types.

    Columns may be in another order, separated by commas, semicolons or tabs, and named in capitals; columns without a
    name, such as an index, are left out. Numbers have a decimal point. A column of your own becomes numeric if all of
    its values are numbers, else text.

    Raises
    ------
    ValueError
        If columns are missing or contain invalid values; the message names the column and the row, counted from 0.
    """
    text = _cells(path)
    check_columns(text, text.columns, str(path))
    text = _scored(text)
    check_columns(text, COLUMNS, str(path))
    numeric: dict[str, Any] = {name: _numbers(text[name]) for name, kind in TYPES.items() if kind != "str"}
    for row, status in text["status"].drop_duplicates().items():
        choose(f"{path}: row {row}: status", status, STATUSES)
    frame = checked(text.assign(**numeric), str(path))
    # Config checks each knob by itself: a row whose values have all occurred before needs no check.
    known = pd.concat([frame[name].duplicated() for name in KNOBS], axis="columns").all(axis="columns")
    configs_of(frame[~known])
    return frame.join(text[own_columns(text)].apply(_numbers_if_all_are))


def _scored(frame: pd.DataFrame, source: str = "surface") -> pd.DataFrame:
    """`frame` with its column `score`; what older releases wrote, without it, are accuracies."""
    check_columns(frame, (), source)
    if "score" not in frame:
        return frame.assign(score=ACCURACY)
    if frame.columns.tolist().count("score") > 1 or (frame["score"].notna() & (frame["score"] != "")).all():
        return frame
    known = words(frame, "score", source)
    return frame.assign(score=known.where(known != "", ACCURACY))


def own_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that not every surface has, such as a cost."""
    return [name for name in frame.columns if name not in COLUMNS]


def _cells(path: str | Path) -> pd.DataFrame:
    """A file as text, under its header: a model may be named "NA", and pandas must not guess a number there."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            separator = max(SEPARATORS, key=lambda one: len({*_names(first.split(one))} & {*COLUMNS}))
            file.seek(0)
            header, *cells = [line for line in csv.reader(file, delimiter=separator, strict=True) if line]
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: wanted a surface as CSV, in UTF-8; got something else: {error}") from error
    for row, line in enumerate(cells):
        if len(line) != len(header):
            raise ValueError(f"{path}: wanted {len(header)} cells in each row; got {len(line)} in row {row}")
    text = pd.DataFrame(cells, columns=_names(header), dtype="str")
    named: pd.DataFrame = text.loc[:, [bool(name) and not name.startswith("Unnamed: ") for name in text.columns]]
    return named


def _names(header: list[str]) -> list[str]:
    """The names in a header, without blanks around them; those of a surface in small letters."""
    names = [name.strip(' "\r\n') for name in header]
    return [name.lower() if name.lower() in COLUMNS else name for name in names]


def _whole(values: np.ndarray) -> np.ndarray:
    whole: np.ndarray = (values >= 0) & (values <= MOST) & (values == np.floor(values))
    return whole


def _numbers(text: pd.Series) -> list[object]:
    """Numbers where the text is one, NaN where it says that none is known; other text stays."""
    return [_number(one) for one in text]


def _number(text: str) -> object:
    try:
        return math.nan if text.strip() in UNKNOWN else float(text)
    except ValueError:
        return text


def _numbers_if_all_are(text: pd.Series) -> pd.Series:
    try:
        return text.replace("", "nan").astype("float64")
    except ValueError:
        return text
