"""What to expect on a machine of a recorded kind: ratios over all models of a task, and one and two threads."""

from pathlib import Path
from typing import Any

import pandas as pd
import tradespace as ts

from teaching.lessons import renew

BEGIN, END = "<!-- ranges: made by `make guide` -->\n", "<!-- end of ranges -->\n"
TASKS = ("fashion", "glosses")
LATENCY = "latency_p50_ms"
# The point that others are compared with.
BASE: dict[str, Any] = {"pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "batch_size": 1}
# What is asked, and the two kinds of point whose latencies are divided.
ASKED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a call of 64 takes how many times as long as one of 1": ({"batch_size": 64}, {}),
    "`int8` against `fp32`, batch 1": ({"precision": "int8"}, {}),
    "`int8` against `fp32`, batch 64": ({"precision": "int8", "batch_size": 64}, {"batch_size": 64}),
    "`bf16` against `fp32`, batch 1": ({"precision": "bf16"}, {}),
    "`bf16` against `fp32`, batch 64": ({"precision": "bf16", "batch_size": 64}, {"batch_size": 64}),
    "ONNX Runtime against eager, batch 1": ({"runtime": "onnxruntime"}, {}),
    "OpenVINO against eager, batch 1": ({"runtime": "openvino"}, {}),
    "90 % zeros against none, batch 64": ({"pruning": "weights-90", "batch_size": 64}, {"batch_size": 64}),
    "half of the channels against all, batch 64": ({"pruning": "channels-50", "batch_size": 64}, {"batch_size": 64}),
}


ONE_ITEM = "one item, in ms (not a ratio)"


def ratios(surface: pd.DataFrame, one: dict[str, Any], other: dict[str, Any]) -> pd.Series:
    """Latency at `one` over that at `other`, for each model and number of threads; all else is eager fp32, batch 1."""
    points = (BASE | changes for changes in (one, other))
    above, below = (_latency(surface, point) for point in points)
    return (above / below).dropna()


def _latency(surface: pd.DataFrame, point: dict[str, Any]) -> pd.Series:
    rows = surface[(surface["status"] == "ok") & (surface[list(point)] == pd.Series(point)).all(axis=1)]
    return rows.set_index(["model", "threads"])[LATENCY]


def table() -> str:
    """Rows for the instructor's guide: from the least to the greatest ratio on each recorded machine."""
    surfaces = {name: ts.load_recorded(name) for name in TASKS}
    machines = (
        f"`{name}`: {', '.join(surface['machine'].iloc[0].split(', ')[:-1])}" for name, surface in surfaces.items()
    )
    lines = [f"| times as long | {' | '.join(machines)} |", "|---|---|---|"]
    rows = [_between(_latency(surface, BASE).dropna()) for surface in surfaces.values()]
    lines.append(f"| {ONE_ITEM} | {' | '.join(rows)} |")
    for words, (one, other) in ASKED.items():
        found = [ratios(surface, one, other) for surface in surfaces.values()]
        lines.append(f"| {words} | {' | '.join(_between(values) for values in found)} |")
    return "".join(f"{line}\n" for line in lines)


def _between(values: pd.Series) -> str:
    return f"{values.min():.2g} to {values.max():.2g}" if len(values) else "not measured"


def write() -> Path:
    """Renew the table in the instructor's guide."""
    return renew(BEGIN, END, table())
