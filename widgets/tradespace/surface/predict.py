"""What an unmeasured batch size would give, from the measured ones beside it."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from tradespace.config import Config


@dataclass(frozen=True)
class Prediction:
    """A latency, a throughput and an accuracy that were not measured."""

    latency_p50_ms: float
    throughput_per_s: float
    accuracy: float


def rows_of(surface: pd.DataFrame, config: Config, apart_from: tuple[str, ...] = ()) -> np.ndarray:
    """Per row of `surface`, whether its knobs are those of `config`, knobs named in `apart_from` left out."""
    alike = np.ones(len(surface), dtype=bool)
    for knob, value in asdict(config).items():
        if knob not in apart_from:
            alike &= (surface[knob] == value).to_numpy()
    return alike


def predict(surface: pd.DataFrame, config: Config) -> Prediction | None:
    """`config` predicted from rows that differ from it in batch size alone; None if there are fewer than two.

    The time of a batch is nearly a + b * batch_size: a fixed cost of each call and a cost of each item. Both are
    fitted to the measured medians, neither below zero, each point weighted by its own latency, so that the relative
    error counts. Accuracy does not depend on batch size or threads, and is taken from any row that has it.

    Examples
    --------
    >>> from tradespace.surface.columns import COLUMNS
    >>> known = {**dict.fromkeys(COLUMNS, ""), "model": "m", "pruning": "none", "precision": "fp32",
    ...          "runtime": "eager", "device": "cpu", "threads": 1, "status": "ok", "accuracy": 0.9}
    >>> surface = pd.DataFrame([{**known, "batch_size": b, "latency_p50_ms": 1 + 0.5 * b} for b in (1, 8)])
    >>> round(predict(surface, Config("m", threads=1, batch_size=4)).latency_p50_ms, 6)
    3.0
    """
    for column in ("task", "machine"):
        if len(surface[column].unique()) > 1:
            raise ValueError(f"surface: wanted rows of one {column}; got {sorted(surface[column].unique())}")
    measured = surface[(surface["status"] == "ok").to_numpy()]
    beside = measured[rows_of(measured, config, apart_from=("batch_size",))]
    if beside["batch_size"].nunique() < 2:
        return None
    latency = beside["latency_p50_ms"].to_numpy(float)
    batch = beside["batch_size"].to_numpy(float)
    (fixed, each), _ = nnls(np.column_stack([1 / latency, batch / latency]), np.ones(len(latency)))
    predicted = float(fixed + each * config.batch_size)
    scored = measured.loc[rows_of(measured, config, ("batch_size", "threads")), "accuracy"].dropna()
    accuracy = float(scored.iloc[0]) if len(scored) else float("nan")
    return Prediction(predicted, config.batch_size / predicted * 1e3, accuracy)
