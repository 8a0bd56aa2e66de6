"""The store: finished points in one SQLite file, raw samples with them."""

import io
import json
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tradespace.config import Config
from tradespace.measuring.measurement import Facts, Failure, Measurement, Slice
from tradespace.surface.columns import row

WAIT_FOR_OTHERS_S = 30
SCHEMA = """
CREATE TABLE IF NOT EXISTS point (
    key TEXT PRIMARY KEY, budget_s REAL NOT NULL, identity TEXT NOT NULL, row TEXT NOT NULL, raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS score (key TEXT PRIMARY KEY, identity TEXT NOT NULL, correct BLOB NOT NULL);
"""
SLICE_NUMBERS = tuple(field.name for field in fields(Slice) if field.name != "samples_ns")


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
        values = (key, budget_s, json.dumps(identity), json.dumps(row(measurement)), _pack(measurement))
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
            yield _unpack(json.loads(text), raw)

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


def _pack(measurement: Measurement) -> bytes:
    """The arrays of a Measurement as a NumPy archive, which holds no code."""
    slices = measurement.slices
    arrays = {
        "samples_ns": measurement.samples_ns,
        "lengths": np.array([len(s.samples_ns) for s in slices], dtype=int),
        **{name: np.array([getattr(s, name) for s in slices]) for name in SLICE_NUMBERS},
        "facts": np.array(list(asdict(measurement.facts).values())),
        "ci": np.array(measurement.ci),
    }
    if measurement.correct is not None:
        arrays["correct"] = measurement.correct
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # its stub takes the names for allow_pickle
    return packed.getvalue()


def _unpack(saved: dict[str, object], raw: bytes) -> Measurement:
    arrays = np.load(io.BytesIO(raw), allow_pickle=False)
    samples = np.split(arrays["samples_ns"], np.cumsum(arrays["lengths"])[:-1]) if len(arrays["lengths"]) else []
    numbers = {name: arrays[name].tolist() for name in SLICE_NUMBERS}
    slices = (Slice(one, **{name: values[i] for name, values in numbers.items()}) for i, one in enumerate(samples))
    failure = None if saved["status"] == "ok" else Failure(str(saved["status"]), str(saved["reason"]))
    return Measurement(
        task=str(saved["task"]),
        config=Config(**{field.name: saved[field.name] for field in fields(Config)}),  # type: ignore[arg-type]
        slices=tuple(slices),
        correct=arrays.get("correct", None),
        facts=Facts(*arrays["facts"].tolist()),
        energy_j_per_item=float(str(saved["energy_j_per_item"])),
        ci=float(arrays["ci"]),
        failure=failure,
        machine=str(saved["machine"]),
        measured_at=str(saved["measured_at"]),
    )
