"""What an unmeasured batch size would give, from the measured ones beside it: a line through their latencies."""

import math
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from tradespace.config import Config

# A cost that is nowhere more of the latency than this is none.
ROUNDING = 1e-9

Number = TypeVar("Number", float, np.ndarray)


@dataclass(frozen=True)
class Prediction:
    """A latency, a throughput and an accuracy that were not measured."""

    latency_p50_ms: float
    throughput_per_s: float
    accuracy: float


@dataclass(frozen=True)
class BatchFit:
    """The time of a batch of B items as a line, t(B) = a + b * B, and what follows from it.

    Parameters
    ----------
    fixed_ms, each_ms : float
        a, the fixed cost of a call, and b, the cost of an item, in milliseconds; neither below zero.
    batch_sizes : tuple of int
        The batch sizes that it was fitted to.
    errors : tuple of float
        The relative error of the line at each of them: 0.1 where it says 10 % more than was measured.

    Examples
    --------
    >>> fit = BatchFit(fixed_ms=0.5, each_ms=0.25)
    >>> print(fit)
    t(B) = 0.5 ms + 0.25 ms x B
    >>> fit.knee, fit.peak_throughput_per_s
    (2.0, 4000.0)
    >>> fit.latency_ms(6), fit.throughput_per_s(6)
    (2.0, 3000.0)
    """

    fixed_ms: float
    each_ms: float
    batch_sizes: tuple[int, ...] = ()
    errors: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"t(B) = {self.fixed_ms:.3g} ms + {self.each_ms:.3g} ms x B"

    @property
    def knee(self) -> float:
        """The batch size a / b, where throughput is half its peak and latency twice the fixed cost.

        There throughput over latency, Kleinrock's power, is largest. Infinite if an item costs nothing, 0 if a call
        does not.
        """
        if not self.each_ms:
            return math.inf if self.fixed_ms else math.nan
        return self.fixed_ms / self.each_ms

    @property
    def peak_throughput_per_s(self) -> float:
        """Items a second, 1 / b, that ever larger batches come near to; infinite if an item costs nothing."""
        return 1e3 / self.each_ms if self.each_ms else math.inf

    @property
    def largest_error(self) -> float:
        """The largest of `errors`, without its sign; NaN if there are none."""
        return max(map(abs, self.errors), default=math.nan)

    def latency_ms(self, batch_size: Number) -> Number:
        """Milliseconds that a batch takes: of one size, or of each in an array."""
        return self.fixed_ms + self.each_ms * batch_size

    def throughput_per_s(self, batch_size: Number) -> Number:
        """Items a second at a batch size above 0, or at each in an array."""
        rate: Number = 1e3 * batch_size / self.latency_ms(batch_size)
        return rate


def rows_of(surface: pd.DataFrame, config: Config, apart_from: tuple[str, ...] = ()) -> np.ndarray:
    """Per row of `surface`, whether its knobs are those of `config`, knobs named in `apart_from` left out."""
    alike = np.ones(len(surface), dtype=bool)
    for knob, value in asdict(config).items():
        if knob not in apart_from:
            alike &= (surface[knob] == value).to_numpy()
    return alike


def fit_batches(surface: pd.DataFrame, config: Config) -> BatchFit | None:
    """The line t(B) = a + b * B through the rows that differ from `config` in batch size alone.

    The time of a batch is nearly a fixed cost of each call and a cost of each item. Both are fitted to the measured
    medians by least squares, neither below zero, each point weighted by its own latency, so that the relative error
    counts. `errors` tells how nearly: some runtimes bend.

    Parameters
    ----------
    surface : DataFrame
        As `sweep` returns it, of one task and one machine.
    config : Config
        Its batch size plays no part.

    Returns
    -------
    BatchFit or None
        None if fewer than two batch sizes were timed.

    Raises
    ------
    ValueError
        If rows are of several tasks or machines.

    Examples
    --------
    >>> from tradespace.surface.columns import COLUMNS
    >>> known = {**dict.fromkeys(COLUMNS, ""), "model": "m", "pruning": "none", "precision": "fp32",
    ...          "runtime": "eager", "device": "cpu", "threads": 1, "status": "ok"}
    >>> surface = pd.DataFrame([{**known, "batch_size": b, "latency_p50_ms": 1 + 0.5 * b} for b in (1, 8, 64)])
    >>> fit = fit_batches(surface, Config("m", threads=1))
    >>> print(fit)
    t(B) = 1 ms + 0.5 ms x B
    >>> round(fit.knee, 6), round(fit.largest_error, 6)
    (2.0, 0.0)
    """
    for column in ("task", "machine"):
        if len(surface[column].unique()) > 1:
            raise ValueError(f"surface: wanted rows of one {column}; got {sorted(surface[column].unique())}")
    beside = (surface["status"] == "ok").to_numpy() & rows_of(surface, config, apart_from=("batch_size",))
    # Precisions without a kernel to time have no latency.
    timed = surface[beside & surface["latency_p50_ms"].notna().to_numpy()]
    if timed["batch_size"].nunique() < 2:
        return None
    latency = timed["latency_p50_ms"].to_numpy(float)
    batch = timed["batch_size"].to_numpy(float)
    parts = np.column_stack([1 / latency, batch / latency])
    costs, _ = nnls(parts, np.ones(len(latency)))
    costs[(parts * costs).max(axis=0) < ROUNDING] = 0
    fixed, each = costs.tolist()
    errors = parts @ costs - 1
    return BatchFit(fixed, each, tuple(timed["batch_size"].tolist()), tuple(errors.tolist()))


def predict(surface: pd.DataFrame, config: Config) -> Prediction | None:
    """`config` predicted from rows that differ from it in batch size alone; None if there are fewer than two.

    The latency is that of `fit_batches`. Accuracy does not depend on batch size or threads, and is taken from any row
    that has it.

    Examples
    --------
    >>> from tradespace.surface.columns import COLUMNS
    >>> known = {**dict.fromkeys(COLUMNS, ""), "model": "m", "pruning": "none", "precision": "fp32",
    ...          "runtime": "eager", "device": "cpu", "threads": 1, "status": "ok", "accuracy": 0.9}
    >>> surface = pd.DataFrame([{**known, "batch_size": b, "latency_p50_ms": 1 + 0.5 * b} for b in (1, 8)])
    >>> round(predict(surface, Config("m", threads=1, batch_size=4)).latency_p50_ms, 6)
    3.0
    """
    fit = fit_batches(surface, config)
    if fit is None:
        return None
    alike = (surface["status"] == "ok").to_numpy() & rows_of(surface, config, ("batch_size", "threads"))
    scored = surface.loc[alike, "accuracy"].dropna()
    accuracy = float(scored.iloc[0]) if len(scored) else float("nan")
    size = config.batch_size
    return Prediction(fit.latency_ms(size), fit.throughput_per_s(size), accuracy)
