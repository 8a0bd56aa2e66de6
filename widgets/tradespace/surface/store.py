"""The store: one SQLite file of points, saved slice by slice as they are measured."""

import json
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tradespace.measuring.archive import pack, unpack
from tradespace.measuring.measurement import Measurement, Scored, Slice
from tradespace.measuring.schedule import Schedule
from tradespace.surface.columns import row

WAIT_FOR_OTHERS_S = 30
# Raise this when older releases cannot read what this one writes.
FORMAT = 3
# How a database begins, and what one might be called.
BEGINS, NAME = b"SQLite format 3\0", "points.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS point (
    key TEXT PRIMARY KEY, budget_s REAL NOT NULL, identity TEXT NOT NULL, row TEXT NOT NULL, raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS slice (
    key TEXT NOT NULL, number INTEGER NOT NULL, numbers TEXT NOT NULL, samples_ns BLOB NOT NULL,
    PRIMARY KEY (key, number)
);
CREATE TABLE IF NOT EXISTS score (
    key TEXT PRIMARY KEY, identity TEXT NOT NULL, scores BLOB NOT NULL, type TEXT NOT NULL, spent_s REAL NOT NULL,
    whole INTEGER NOT NULL
);
"""


class Store:
    """A file in which any number of kernels can save every slice and every finished point immediately.

    Parameters
    ----------
    path : str or Path
        Created if it does not exist, with its folder. A damaged store is moved aside; a warning says where.

    Raises
    ------
    ValueError
        If it is a folder, a file of another kind, or one that cannot be written, or if a newer release wrote the file.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()) / "points.sqlite")
    >>> list(store.measurements())
    []
    """

    def __init__(self, path: str | Path) -> None:
        self.path = _file(path)
        try:
            self._open()
        except sqlite3.OperationalError as error:  # locked, or read-only: the file itself may be valid
            raise ValueError(f"store: wanted a file that can be written; got {str(path)!r}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._move_aside(error)
            self._open()

    def find(self, key: str, schedule: Schedule) -> dict[str, object] | None:
        """Return the row saved under `key` if its interval is as narrow, or its budget as large, as requested."""
        with self._connected() as connection:
            found = connection.execute("SELECT row, budget_s FROM point WHERE key = ?", (key,)).fetchone()
        if found is None:
            return None
        saved: dict[str, object] = json.loads(found[0])
        low, middle, high = (float(str(saved[f"latency_p50_{end}ms"])) for end in ("lo_", "", "hi_"))
        known = high - low <= schedule.max_width * middle or found[1] >= schedule.budget_s
        return saved if saved["status"] == "ok" and known else None

    def save(self, key: str, identity: dict[str, object], measurement: Measurement, budget_s: float) -> None:
        """Write a finished point, in place of its slices and of an older point with the same key."""
        values = (key, budget_s, json.dumps(identity), json.dumps(row(measurement)), pack(measurement))
        with self._connected() as connection:
            connection.execute("INSERT OR REPLACE INTO point VALUES (?, ?, ?, ?, ?)", values)
            connection.execute("DELETE FROM slice WHERE key = ?", (key,))

    def find_slices(self, key: str) -> tuple[Slice, ...]:
        """Return the slices saved under `key`: of a finished point, then of an interrupted measurement."""
        with self._connected() as connection:
            point = connection.execute("SELECT row, raw FROM point WHERE key = ?", (key,)).fetchone()
            later = connection.execute(
                "SELECT numbers, samples_ns FROM slice WHERE key = ? ORDER BY number", (key,)
            ).fetchall()
        finished = unpack(json.loads(point[0]), point[1]).slices if point else ()
        return (*finished, *(Slice(np.frombuffer(raw, np.int64), **json.loads(text)) for text, raw in later))

    def save_slice(self, key: str, number: int, taken: Slice) -> None:
        """Write a slice as soon as it is measured; `number` is its position among those of its point."""
        numbers = asdict(taken)
        samples_ns = np.asarray(numbers.pop("samples_ns"), np.int64).tobytes()
        with self._connected() as connection:
            values = (key, number, json.dumps(numbers), samples_ns)
            connection.execute("INSERT OR REPLACE INTO slice VALUES (?, ?, ?, ?)", values)

    def find_score(self, key: str) -> Scored | None:
        """Return the scores of test items that are saved under `key`."""
        with self._connected() as connection:
            found = connection.execute(
                "SELECT scores, type, spent_s, whole FROM score WHERE key = ?", (key,)
            ).fetchone()
        if found is None:
            return None
        scores, kind, spent_s, whole = found
        return Scored(np.frombuffer(scores, kind), spent_s, bool(whole))

    def save_score(self, key: str, identity: dict[str, object], score: Scored) -> None:
        """Write the scores of test items."""
        scores = score.scores
        values = (key, json.dumps(identity), scores.tobytes(), scores.dtype.str, score.spent_s, score.whole)
        with self._connected() as connection:
            connection.execute("INSERT OR REPLACE INTO score VALUES (?, ?, ?, ?, ?, ?)", values)

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Keep the file open while many slices are saved: when nobody does, SQLite cleans up, which takes 20 ms."""
        with self._connected() as connection:
            connection.execute("SELECT COUNT(*) FROM score")
            yield

    def measurements(self) -> Iterator[Measurement]:
        """Yield every saved point with its raw samples, oldest first."""
        with self._connected() as connection:
            saved = connection.execute("SELECT row, raw FROM point ORDER BY rowid").fetchall()
        for text, raw in saved:
            yield unpack(json.loads(text), raw)

    def _open(self) -> None:
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            (written,) = connection.execute("PRAGMA user_version").fetchone()
            if written > FORMAT:
                raise ValueError(
                    f"store: {self.path} was written by a newer release (format {written}; this one reads up to "
                    f"{FORMAT}): update tradespace, or name another file"
                )
            if written < FORMAT:
                # Older releases kept other scores; their keys are no longer looked up.
                connection.execute("DROP TABLE IF EXISTS score")
            connection.executescript(SCHEMA)
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # A new connection each time: none is ever shared between threads or left open.
        connection = sqlite3.connect(self.path, timeout=WAIT_FOR_OTHERS_S)
        try:
            # Even so, a killed process loses nothing; waiting for the disk would take longer than a slice.
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                yield connection
        finally:
            connection.close()

    def _move_aside(self, error: Exception) -> None:
        # Only now: to close a file that SQLite has open elsewhere in this process would free its locks.
        with self.path.open("rb") as file:
            begins = file.read(len(BEGINS))
        if begins not in (BEGINS, bytes(len(BEGINS))):
            raise ValueError(
                f"store: wanted a file that a sweep wrote, or a new one; got {str(self.path)!r}, of another kind"
            ) from error
        aside = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        self.path.rename(aside)
        for journal in ("-wal", "-shm"):
            self.path.with_name(self.path.name + journal).unlink(missing_ok=True)
        warnings.warn(
            f"{self.path} is damaged ({error}). It was moved to {aside}, and a new one is started.", stacklevel=3
        )


def _file(path: str | Path) -> Path:
    """The file that `path` names, in a folder that exists now."""
    if not isinstance(path, str | os.PathLike) or not str(path).strip() or str(path) == ":memory:":
        raise ValueError(f"store: wanted the path of a file, such as 'points.sqlite'; got {path!r}")
    try:
        file = Path(path).expanduser().absolute()
        if file.is_dir():
            raise ValueError(f"store: wanted a file; got the folder {str(path)!r}. Did you mean {str(file / NAME)!r}?")
        file.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"store: wanted a file that can be written; got {str(path)!r}: {error}") from error
    return file
