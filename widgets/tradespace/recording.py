"""Recorded mode: on a machine that cannot measure, play back the measurements of another one."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VARIABLE = "TRADESPACE_RECORDED"
FOLDER = Path(__file__).parents[2] / "data" / "recordings"
# The one that 1 stands for.
USUAL = "xeon"


@dataclass(frozen=True)
class Recording:
    """The machine that made the recording.

    Parameters
    ----------
    machine : str
    measured_at : str
        ISO 8601, UTC.
    physical_cores, most_threads : int
    """

    machine: str
    measured_at: str
    physical_cores: int
    most_threads: int


def machines() -> list[str]:
    """The names of the machines that were recorded."""
    return sorted(path.parent.name for path in FOLDER.glob("*/machine.json"))


def folder() -> Path | None:
    """Where the recording to play back is, as the environment variable TRADESPACE_RECORDED says; None if none is.

    Raises
    ------
    ValueError
        If the variable is neither 0 or 1 nor the name of a machine that was recorded.
    """
    value = os.environ.get(VARIABLE) or "0"
    if value not in ("0", "1", *machines()):
        named = ", ".join(machines())
        raise ValueError(
            f"{VARIABLE}: wanted 1, to play back what was measured elsewhere, the name of a machine ({named}), or 0; "
            f"got {value!r}"
        )
    return None if value == "0" else FOLDER / (USUAL if value == "1" else value)


@cache
def recording() -> Recording | None:
    """The recording to play back, or None (`folder`)."""
    where = folder()
    return None if where is None else Recording(**json.loads((where / "machine.json").read_text(encoding="utf-8")))
