"""Measurements in files, with their raw samples, as NumPy archives and JSON, which contain no code."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from tradespace.config import Config
from tradespace.measuring.measurement import Facts, Failure, Measurement, Slice
from tradespace.prepare import Layer
from tradespace.scale import ACCURACY
from tradespace.tasks.task import scoring_order

SLICE_NUMBERS = tuple(field.name for field in fields(Slice) if field.name != "samples_ns")
LABELS = ("task", "score", "status", "reason", "energy_j_per_item", "machine", "measured_at")
INDEX = "index.json"
LAYERS = "layers.json"


def pack(measurement: Measurement) -> bytes:
    """Pack the arrays of a Measurement into bytes."""
    slices = measurement.slices
    arrays = {
        "samples_ns": measurement.samples_ns,
        "lengths": np.array([len(s.samples_ns) for s in slices], dtype=int),
        **{name: np.array([getattr(s, name) for s in slices]) for name in SLICE_NUMBERS},
        "facts": np.array(list(asdict(measurement.facts).values())),
        "ci": np.array(measurement.max_width),
        "data": np.array(measurement.data),
        "scored_by": np.array(measurement.scored_by),
    }
    if measurement.scores is not None:
        arrays["scored"] = measurement.scores
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # its stub takes the names for allow_pickle
    return packed.getvalue()


def label(measurement: Measurement) -> dict[str, Any]:
    """Everything in a Measurement except its arrays, as plain values."""
    return {name: getattr(measurement, name) for name in LABELS} | asdict(measurement.config)


def config_of(label: Mapping[str, Any]) -> Config:
    """The Config that a label contains."""
    return Config(**{field.name: label[field.name] for field in fields(Config)})


def unpack(label: Mapping[str, Any], raw: bytes) -> Measurement:
    """Restore a Measurement from the bytes of `pack`; `label` may contain more than is needed."""
    arrays = np.load(io.BytesIO(raw), allow_pickle=False)
    samples = np.split(arrays["samples_ns"], np.cumsum(arrays["lengths"])[:-1]) if len(arrays["lengths"]) else []
    numbers = {name: arrays[name].tolist() for name in SLICE_NUMBERS}
    slices = (Slice(one, **{name: values[i] for name, values in numbers.items()}) for i, one in enumerate(samples))
    failure = None if label["status"] == "ok" else Failure(str(label["status"]), str(label["reason"]))
    return Measurement(
        task=str(label["task"]),
        config=config_of(label),
        slices=tuple(slices),
        scores=_scores(arrays),
        facts=Facts(*arrays["facts"].tolist()),
        energy_j_per_item=float(label["energy_j_per_item"]),
        max_width=float(arrays["ci"]),
        failure=failure,
        data=str(arrays.get("data", "")),
        scored_by=str(arrays.get("scored_by", "")),
        score=str(label.get("score", ACCURACY)),
        machine=str(label["machine"]),
        measured_at=str(label["measured_at"]),
    )


def _scores(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    # Files with "correct" contain all items in the order of the test set, not in the shuffled order of scoring.
    scores: np.ndarray | None = arrays.get("scored")
    if "correct" in arrays:
        scores = arrays["correct"][scoring_order(len(arrays["correct"]))]
    return scores


def write_measurements(path: Path, measurements: Iterable[Measurement]) -> None:
    """Write Measurements to one file."""
    labels = []
    with zipfile.ZipFile(path, "w") as file:
        for number, measurement in enumerate(measurements):
            labels.append(label(measurement))
            file.writestr(f"{number}.npz", pack(measurement))
        file.writestr(INDEX, json.dumps(labels))


def read_labels(path: Path) -> list[dict[str, Any]]:
    """Read the labels of the Measurements that `write_measurements` wrote to `path`, in their order."""
    with zipfile.ZipFile(path) as file:
        labels: list[dict[str, Any]] = json.loads(file.read(INDEX))
    return labels


def read_measurement(file: zipfile.ZipFile, number: int, label: Mapping[str, Any]) -> Measurement:
    """Read the Measurement with this number and label from an open file."""
    return unpack(label, file.read(f"{number}.npz"))


def write_layers(path: Path, task: str, layers: Mapping[Config, list[Layer]]) -> None:
    """Add the layers of each variant (`Config.variant`) of a task to a file that `write_measurements` wrote."""
    about = [
        {"task": task, **asdict(config), "layers": [asdict(one) for one in found]} for config, found in layers.items()
    ]
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(LAYERS, json.dumps(about))


def read_layers(path: Path) -> dict[tuple[str, Config], list[Layer]]:
    """Read what `write_layers` added to `path`, by task and variant; empty if it added nothing."""
    with zipfile.ZipFile(path) as file:
        if LAYERS not in file.namelist():
            return {}
        about = json.loads(file.read(LAYERS))
    return {(one["task"], config_of(one)): [Layer(**layer) for layer in one["layers"]] for one in about}
