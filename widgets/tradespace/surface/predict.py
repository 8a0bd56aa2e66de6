"""Predict an unmeasured batch size from the measured ones next to it, by a line through their latencies."""

import math
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from tradespace.config import KNOBS, Config
from tradespace.surface.columns import check_one, plain
from tradespace.surface.reading import check_columns

# A cost that is nowhere a larger fraction of the latency than this counts as zero.
ROUNDING = 1e-9

Number = TypeVar("Number", float, np.ndarray)


@dataclass(frozen=True)
class Prediction:
    """A predicted latency, throughput and accuracy."""

    latency_p50_ms: float
    throughput_per_s: float
    accuracy: float


@dataclass(frozen=True)
class BatchFit:
    """The time of a batch of B items as a line, t(B) = a + b * B, and the quantities that follow from it.

    Parameters
    ----------
    fixed_ms, each_ms : float
        a, the fixed cost per call, and b, the cost per item, in milliseconds; neither is negative.
    batch_sizes : tuple of int
        The batch sizes to which the line was fitted.
    errors : tuple of float
        The relative error of the line at each batch size: 0.1 where it is 10 % above the measured value.

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
        """The batch size a / b, where throughput is half its peak and latency is twice the fixed cost.

        Kleinrock's power, throughput over latency, is largest there. The knee is infinite if b is 0, and 0 if a is 0.
        """
        if not self.each_ms:
            return math.inf if self.fixed_ms else math.nan
        return self.fixed_ms / self.each_ms

    @property
    def peak_throughput_per_s(self) -> float:
        """Items per second, 1 / b, that ever larger batches approach; infinite if b is 0."""
        return 1e3 / self.each_ms if self.each_ms else math.inf

    @property
    def largest_error(self) -> float:
        """The largest absolute value in `errors`; NaN if there are none."""
        return max(map(abs, self.errors), default=math.nan)

    def predict(self, batch_size: int, accuracy: float) -> "Prediction":
        """The point at a batch size, whose accuracy is known from others."""
        return Prediction(self.latency_ms(batch_size), self.throughput_per_s(batch_size), accuracy)

    def latency_ms(self, batch_size: Number) -> Number:
        """Milliseconds per batch, for one batch size or an array of them."""
        return self.fixed_ms + self.each_ms * batch_size

    def throughput_per_s(self, batch_size: Number) -> Number:
        """Items per second, for one batch size above 0 or an array of them."""
        rate: Number = 1e3 * batch_size / self.latency_ms(batch_size)
        return rate


def is_ok(surface: pd.DataFrame) -> np.ndarray:
    """What `measured` in objectives.py returns, for a surface that was checked: an Explorer asks at each move."""
    ok: np.ndarray = surface["status"].to_numpy() == "ok"
    return ok


def rows_of(surface: pd.DataFrame, config: Config, apart_from: tuple[str, ...] = ()) -> np.ndarray:
    """Whether each row of `surface` has the knobs of `config`, ignoring those named in `apart_from`."""
    alike = np.ones(len(surface), dtype=bool)
    for knob, value in asdict(config).items():
        if knob not in apart_from:
            # Ten times as fast as comparing the columns, which an Explorer does at each move.
            alike &= surface[knob].to_numpy() == value
    return alike


def fit_batches(surface: pd.DataFrame, config: Config) -> BatchFit | None:
    """Fit the line t(B) = a + b * B to the rows that differ from `config` in batch size only.

    The time of a batch is nearly the sum of a fixed cost per call and a cost per item. Both are fitted to the measured
    medians by nonnegative least squares on the relative errors. `errors` shows how good the fit is: some runtimes
    deviate from a line.

    Parameters
    ----------
    surface : DataFrame
        As returned by `sweep`, for one task and one machine.
    config : Config
        Its batch size is ignored.

    Returns
    -------
    BatchFit or None
        None if fewer than two batch sizes were timed.

    Raises
    ------
    ValueError
        If the rows are from several tasks or machines.

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
    needed = ["task", "machine", "status", *KNOBS, "latency_p50_ms"]
    check_columns(surface, needed)
    surface = plain(surface[needed])
    check_one(surface, "task", "machine")
    return fitted(surface, config)


def fitted(surface: pd.DataFrame, config: Config) -> BatchFit | None:
    """What `fit_batches` returns, for a surface that was checked."""
    beside = is_ok(surface) & rows_of(surface, config, apart_from=("batch_size",))
    # Precisions without a kernel to time have no latency.
    timed = beside & surface["latency_p50_ms"].notna().to_numpy()
    latency, batch = (surface[name].to_numpy()[timed] for name in ("latency_p50_ms", "batch_size"))
    return line(batch, latency)


def line(batch: np.ndarray, latency: np.ndarray) -> BatchFit | None:
    """Fit the line of `fit_batches` to latencies in ms at batch sizes; None if there are fewer than two sizes.

    Examples
    --------
    >>> print(line(np.array([1, 8, 64]), np.array([1.5, 5.0, 33.0])))
    t(B) = 1 ms + 0.5 ms x B
    """
    if len(np.unique(batch)) < 2:
        return None
    parts = np.column_stack([1 / latency, batch / latency])
    costs = nonnegative(parts)
    costs[(parts * costs).max(axis=0) < ROUNDING] = 0
    fixed, each = costs.tolist()
    errors = parts @ costs - 1
    return BatchFit(fixed, each, tuple(batch.tolist()), tuple(errors.tolist()))


def nonnegative(parts: np.ndarray) -> np.ndarray:
    """The two costs, neither negative, whose `parts` add up to about 1 in each row: least squares in closed form.

    The squared error is convex. If its minimum has a negative cost, the minimum that is allowed is on the border, where
    one of the costs is 0. SciPy's `nnls` finds the same for any number of costs, at a third of a second to import.

    Parameters
    ----------
    parts : ndarray
        One column per cost, with positive numbers.

    Examples
    --------
    >>> nonnegative(np.array([[0.5, 0.5], [1.0, 2.0]])).tolist()
    [1.2, 0.0]
    """
    both: np.ndarray = np.linalg.lstsq(parts, np.ones(len(parts)), rcond=None)[0]
    if (both >= 0).all():
        return both
    single = np.diag(parts.sum(axis=0) / (parts**2).sum(axis=0))
    # A row of `single` for each cost by itself.
    errors = ((single @ parts.T - 1) ** 2).sum(axis=1)
    best: np.ndarray = single[errors.argmin()]
    return best


def predict(surface: pd.DataFrame, config: Config) -> Prediction | None:
    """Predict `config` from rows that differ from it in batch size only; None if there are fewer than two.

    The surface is one that was checked. The latency is that of `fit_batches`. Accuracy does not depend on batch size or
    threads; it is taken from any row that has one.

    Examples
    --------
    >>> from tradespace.surface.columns import COLUMNS
    >>> known = {**dict.fromkeys(COLUMNS, ""), "model": "m", "pruning": "none", "precision": "fp32",
    ...          "runtime": "eager", "device": "cpu", "threads": 1, "status": "ok", "accuracy": 0.9}
    >>> surface = pd.DataFrame([{**known, "batch_size": b, "latency_p50_ms": 1 + 0.5 * b} for b in (1, 8)])
    >>> round(predict(surface, Config("m", threads=1, batch_size=4)).latency_p50_ms, 6)
    3.0
    """
    fit = fitted(surface, config)
    if fit is None:
        return None
    alike = is_ok(surface) & rows_of(surface, config, ("batch_size", "threads"))
    scores = surface["accuracy"].to_numpy()[alike]
    accuracy = float(next(iter(scores[~np.isnan(scores)]), math.nan))
    return fit.predict(config.batch_size, accuracy)
