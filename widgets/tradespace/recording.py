"""Recorded mode: on a machine that cannot measure, play back the measurements of another one."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VARIABLE = "TRADESPACE_RECORDED"
FOLDER = Path(__file__).parents[2] / "data" / "recordings"


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


@cache
def recording() -> Recording | None:
    """The recording to play back if the environment variable TRADESPACE_RECORDED is 1, else None.

    Raises
    ------
    ValueError
        If the variable is neither 0 nor 1.
    """
    value = os.environ.get(VARIABLE) or "0"
    if value not in ("0", "1"):
        raise ValueError(f"{VARIABLE}: wanted 1, to play back what was measured elsewhere, or 0; got {value!r}")
    if value == "0":
        return None
    return Recording(**json.loads((FOLDER / "machine.json").read_text(encoding="utf-8")))
