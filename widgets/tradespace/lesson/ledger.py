"""The ledger: a learner's guesses, measurements and answers, in one small SQLite file beside the notebook."""

import json
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tradespace.errors import choose

NAME = ".tradespace-ledger.sqlite"
# The ledger's path, if it is not in the current folder: for read-only course folders, and for tests.
VARIABLE = "TRADESPACE_LEDGER"
KINDS = ("guess", "measured", "answer")
WAIT_FOR_OTHERS_S = 10
SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (kind, key)
)
"""
# Errors that do not mean that the file is damaged: locked, read-only, no space left.
BLAMELESS = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM,
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Parameters
    ----------
    kind : str
        `guess`, `measured`, or `answer` (to an exercise).
    key : str
        The question; the same for all kinds.
    value : dict
        Anything that JSON can represent.
    at : str
        When it was written: ISO 8601, UTC.
    """

    kind: str
    key: str
    value: dict[str, Any]
    at: str


class Ledger:
    """A file of guesses, measurements and answers. Any number of kernels may use it at once.

    Parameters
    ----------
    path : str or Path, optional
        By default the environment variable `TRADESPACE_LEDGER`, or else `.tradespace-ledger.sqlite` in the current
        folder. The file is created with the first entry; delete it to start over. A damaged file is moved aside, with
        a warning that says where.

    Examples
    --------
    >>> import tempfile
    >>> ledger = Ledger(Path(tempfile.mkdtemp()) / "ledger.sqlite")
    >>> ledger.keep_first("guess", "02-int8", {"value": 4.0}).value
    {'value': 4.0}
    >>> ledger.keep_first("guess", "02-int8", {"value": 2.0}).value
    {'value': 4.0}
    """

    def __init__(self, path: str | Path | None = None) -> None:
        # Absolute: the current folder may change while a notebook runs.
        self.path = Path(path or os.environ.get(VARIABLE) or NAME).absolute()
        try:
            self._check()
        except (sqlite3.Error, ValueError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in BLAMELESS:
                raise
            self._move_aside(error)

    def keep_first(self, kind: str, key: str, value: dict[str, Any]) -> Entry:
        """Add an entry unless one of that kind and key exists. Return the one that is kept."""
        return self._write("IGNORE", kind, key, value)

    def keep_last(self, kind: str, key: str, value: dict[str, Any]) -> Entry:
        """Add an entry, replacing any of that kind and key."""
        return self._write("REPLACE", kind, key, value)

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry of that kind and key, or None."""
        if not self.path.exists():
            return None
        with self._connected() as connection:
            return _find(connection, choose("kind", kind, KINDS), key)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        if not self.path.exists():
            return []
        with self._connected() as connection:
            found = connection.execute("SELECT * FROM entry ORDER BY at, rowid").fetchall()
        return [Entry(kind, key, json.loads(value), at) for kind, key, value, at in found]

    def _check(self) -> None:
        """Read the whole file once: it is small, and damage is better found before the lesson than during it."""
        if not self.path.exists():
            return
        with self._connected() as connection:
            (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        self.entries()

    def _write(self, conflict: str, kind: str, key: str, value: dict[str, Any]) -> Entry:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = (choose("kind", kind, KINDS), key, json.dumps(value, allow_nan=False), now)
        with self._connected() as connection:
            connection.execute(f"INSERT OR {conflict} INTO entry VALUES (?, ?, ?, ?)", values)
            kept = _find(connection, kind, key)
        assert kept is not None
        return kept

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # A connection per call: none is shared between threads or left open. SQLite's default journal, since its
        # write-ahead log fails on network file systems.
        with closing(sqlite3.connect(self.path, timeout=WAIT_FOR_OTHERS_S)) as connection, connection:
            connection.execute(SCHEMA)
            yield connection

    def _move_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        self.path.rename(aside)
        warnings.warn(
            f"{self.path} is damaged ({error}). It was moved to {aside}, and a new one is started.", stacklevel=3
        )


def _find(connection: sqlite3.Connection, kind: str, key: str) -> Entry | None:
    found = connection.execute("SELECT * FROM entry WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    return None if found is None else Entry(kind, key, json.loads(found[2]), found[3])
