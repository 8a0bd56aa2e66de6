"""The store: finished points in one SQLite file, raw samples with them."""

import json
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tradespace.measuring.archive import pack, unpack
from tradespace.measuring.measurement import Measurement
from tradespace.surface.columns import row

WAIT_FOR_OTHERS_S = 30
SCHEMA = """
CREATE TABLE IF NOT EXISTS point (
    key TEXT PRIMARY KEY, budget_s REAL NOT NULL, identity TEXT NOT NULL, row TEXT NOT NULL, raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS score (key TEXT PRIMARY KEY, identity TEXT NOT NULL, correct BLOB NOT NULL);
"""


class Store:
    """A file that every finished point is written to at once, by any number of kernels.

    Parameters
    ----------
    path : str or Path
        Made if it is not there. A file that is no whole database is moved aside, with a warning that says where.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()) / "points.sqlite")
    >>> list(store.measurements())
    []
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._open()
        except sqlite3.OperationalError:
            raise  # locked, or in a folder that is not there: the file itself may be sound
        except sqlite3.DatabaseError as error:
            self._move_aside(error)
            self._open()

    def find(self, key: str, ci: float, budget_s: float) -> dict[str, object] | None:
        """The row saved under `key`, if it is as well known as asked: as narrow, or on as large a budget."""
        with self._connected() as connection:
            found = connection.execute("SELECT row, budget_s FROM point WHERE key = ?", (key,)).fetchone()
        if found is None:
            return None
        saved: dict[str, object] = json.loads(found[0])
        low, middle, high = (float(str(saved[f"latency_p50_{end}ms"])) for end in ("lo_", "", "hi_"))
        known = high - low <= ci * middle or found[1] >= budget_s
        return saved if saved["status"] == "ok" and known else None

    def save(self, key: str, identity: dict[str, object], measurement: Measurement, budget_s: float) -> None:
        """Write a finished point, in the place of an older one of the same key."""
        values = (key, budget_s, json.dumps(identity), json.dumps(row(measurement)), pack(measurement))
        with self._connected() as connection:
            connection.execute("INSERT OR REPLACE INTO point VALUES (?, ?, ?, ?, ?)", values)

    def find_score(self, key: str) -> np.ndarray | None:
        """Per test item, whether it is classified right, as saved under `key`."""
        with self._connected() as connection:
            found = connection.execute("SELECT correct FROM score WHERE key = ?", (key,)).fetchone()
        return None if found is None else np.frombuffer(found[0], bool)

    def save_score(self, key: str, identity: dict[str, object], correct: np.ndarray) -> None:
        """Write which test items a model classifies right."""
        values = (key, json.dumps(identity), correct.tobytes())
        with self._connected() as connection:
            connection.execute("INSERT OR REPLACE INTO score VALUES (?, ?, ?)", values)

    def measurements(self) -> Iterator[Measurement]:
        """Every saved point with its raw samples, oldest first."""
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
            connection.executescript(SCHEMA)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # A connection each time: none is ever shared between threads or left open.
        connection = sqlite3.connect(self.path, timeout=WAIT_FOR_OTHERS_S)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def _move_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        self.path.rename(aside)
        for journal in ("-wal", "-shm"):
            self.path.with_name(self.path.name + journal).unlink(missing_ok=True)
        warnings.warn(f"{self.path} is damaged ({error}). It was moved to {aside}; a new one is begun.", stacklevel=3)
