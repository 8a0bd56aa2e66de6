"""The uncertainty of a frontier: how likely each point is on it, and which points to measure more."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.config import VARIANT, Config
from tradespace.errors import whole_number
from tradespace.surface.columns import configs_of, plain, scale_of
from tradespace.surface.frontier import undominated
from tradespace.surface.objectives import Objective, as_objectives, check_one_machine, check_possible, measured
from tradespace.surface.reading import check_columns

if TYPE_CHECKING:
    from tradespace.measuring.measurement import Measurement

DRAWS = 500
SURE = 0.95
Z = 1.959964
UNKNOWN_SPREAD = 0.1
# By these a row and the Measurement that it was made of know each other.
SAME = ("measured_at", "samples", "latency_p50_ms")


def frontier_confidence(
    surface: pd.DataFrame,
    *objectives: Objective | Iterable[Objective],
    measurements: "Iterable[Measurement]" = (),
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Return `surface` with the probability that each row is on the frontier, and a verdict.

    Each draw is a surface that might have been measured. It resamples the timing slices or, without raw measurements,
    draws latencies from their 95 % intervals. It also resamples the test items, the same ones for every model, since
    all models were tested on the same items. The probability is the fraction of draws in which a row is nondominated (a
    bootstrap: Efron, 1979). No draw can show how different another day would be.

    Parameters
    ----------
    *objectives : Objective, or a list of them
        On latency, throughput, accuracy or any other numeric column; columns without an interval are treated as exact.
    measurements : iterable of Measurement, optional
        Raw data of the rows, as returned by `Store(path).measurements()`. Those of another time, such as of older
        weights, are not used. Rows without raw data are drawn from their intervals, and their accuracies independently
        of the others.
    draws, seed : int

    Returns
    -------
    DataFrame
        With columns `on_frontier` (0 to 1; 0 for rows that were not measured) and `verdict`: `on` above 95 %, `off`
        below 5 %, else `can't tell`.

    Examples
    --------
    >>> surface = pd.DataFrame({"latency_p50_ms": [1.0, 1.01, 9.0], "latency_p50_lo_ms": [0.9, 0.9, 8.9],
    ...                         "latency_p50_hi_ms": [1.1, 1.1, 9.1], "status": "ok"})
    >>> from tradespace.surface.objectives import minimize
    >>> frontier_confidence(surface, minimize("latency_p50_ms"))["verdict"].tolist()
    ["can't tell", "can't tell", 'off']
    """
    goals = as_objectives(*objectives)
    check_one_machine(surface)
    draws = whole_number("draws", draws, least=1)
    measured(surface)
    check_possible(surface, [goal.column for goal in goals])
    rng = np.random.default_rng(seed)
    drawn = _Draws(plain(surface).reset_index(drop=True), goals, list(measurements), rng)
    counts = np.zeros(len(surface))
    for _ in range(draws):
        counts += undominated(drawn.once(), goals)
    probability = counts / draws
    verdict = np.select([probability > SURE, probability < 1 - SURE], ["on", "off"], "can't tell")
    return surface.assign(on_frontier=probability, verdict=verdict)


def worth_measuring(judged: pd.DataFrame) -> list[Config]:
    """Configs that `frontier_confidence` judged `can't tell`, least certain first, for another `sweep`.

    Examples
    --------
    >>> row = {"model": "m", "pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1}
    >>> judged = pd.DataFrame([{**row, "batch_size": b, "on_frontier": p, "verdict": v}
    ...                        for b, p, v in ((1, 1.0, "on"), (2, 0.9, "can't tell"), (4, 0.4, "can't tell"))])
    >>> [config.batch_size for config in worth_measuring(judged)]
    [4, 2]
    """
    check_columns(judged, ("verdict", "on_frontier"), "judged")
    unsure = judged[judged["verdict"] == "can't tell"]
    order = np.argsort((unsure["on_frontier"] - 0.5).abs().to_numpy(), kind="stable")
    return configs_of(unsure.iloc[order])


class _Draws:
    """Surfaces of the same rows, with values that might have been measured."""

    def __init__(
        self,
        surface: pd.DataFrame,
        objectives: tuple[Objective, ...],
        measurements: "list[Measurement]",
        rng: np.random.Generator,
    ) -> None:
        self._rng = rng
        self._raw = _raw_data(surface, [m for m in measurements if m.status == "ok"])
        # NaN where nothing was measured.
        self._values = {objective.column: objective.values(surface) for objective in objectives}
        self._columns = [objective.column for objective in objectives]
        self._measured = measured(surface)
        self._spread = _log_spread(surface)
        self._accuracy = _AccuracyDraws(surface, self._raw, rng) if "accuracy" in self._values else None
        taken = {i: m.slice_medians_ms for i, m in enumerate(self._raw) if m is not None and len(m.kept) > 1}
        self._medians_ms = [(i, medians, np.median(medians)) for i, medians in taken.items()]

    def once(self) -> np.ndarray:
        """Draw one surface: the values of the objectives, of shape (rows, objectives)."""
        slower = np.exp(self._spread * self._rng.standard_normal(len(self._spread)))
        for i, medians, middle in self._medians_ms:
            slower[i] = np.median(self._rng.choice(medians, len(medians))) / middle
        drawn = {}
        for column, value in self._values.items():
            if column.startswith("latency_p") or column == "energy_delay" or column.endswith("_per_million"):
                value = value * slower
            elif column in ("throughput_per_s", "power"):
                value = value / slower ** (2 if column == "power" else 1)
            elif column == "accuracy" and self._accuracy is not None:
                value = np.where(self._measured, self._accuracy.once(), np.nan)
            drawn[column] = value
        return np.column_stack([drawn[column] for column in self._columns])


def _raw_data(surface: pd.DataFrame, measurements: "list[Measurement]") -> "list[Measurement | None]":
    """The Measurement that each row was made of, as far as it is given.

    A store keeps Measurements of one Config before and after its weights, score or data changed. A row has the time and
    the numbers of the one that it was made of.
    """
    if not measurements or not {"task", "machine", *SAME} <= set(surface.columns):
        return [None] * len(surface)
    known = {(m.task, m.machine, m.config, *(getattr(m, name) for name in SAME)): m for m in measurements}
    columns = (surface[name].tolist() for name in SAME)
    rows = zip(surface["task"], surface["machine"], configs_of(surface), *columns, strict=True)
    return [known.get(row) for row in rows]


class _AccuracyDraws:
    """Accuracies on resampled test items. Rows that were scored together share a draw."""

    def __init__(self, surface: pd.DataFrame, raw: "list[Measurement | None]", rng: np.random.Generator) -> None:
        self._rng = rng
        self._values = surface["accuracy"].to_numpy(float)
        self._items = surface["accuracy_n"].to_numpy(float) if "accuracy_n" in surface else np.zeros(len(surface))
        alike = [name for name in VARIANT if name in surface]
        self._variant = surface.groupby(alike, sort=False).ngroup().to_numpy() if alike else np.arange(len(surface))
        self._scale = scale_of(surface)
        self._scored = {
            int(v): m.scores
            for v, m in zip(self._variant, raw, strict=True)
            if m and m.scores is not None and m.score == str(self._scale)
        }
        self._error = self._standard_error(surface)

    def once(self) -> np.ndarray:
        """Draw the accuracy of each row."""
        noise = self._rng.standard_normal(int(self._variant.max(initial=-1)) + 1)[self._variant]
        drawn: np.ndarray = self._values + noise * self._error
        if self._scale.is_accuracy:
            drawn = np.clip(drawn, 0, 1)
        if self._scored:
            # All models are scored in the same order: shorter results cover the first items of longer ones.
            items = max(len(scores) for scores in self._scored.values())
            weights = self._rng.multinomial(items, np.full(items, 1 / items))
            shares = {v: np.average(one, weights=weights[: len(one)]) for v, one in self._scored.items()}
            drawn = np.array([shares.get(int(v), a) for v, a in zip(self._variant, drawn, strict=True)])
        return drawn

    def _standard_error(self, surface: pd.DataFrame) -> np.ndarray:
        """Of each accuracy, that of a proportion; of another score, from its interval, or the largest without one."""
        if self._scale.is_accuracy:
            n = np.where(self._items > 0, self._items, np.inf)
            p = np.nan_to_num(self._values)
            return np.asarray(np.sqrt(p * (1 - p) / n))
        ends = ["accuracy_lo", "accuracy_hi"]
        if not set(ends) <= set(surface.columns):
            return np.zeros(len(surface))
        low, high = (surface[end].to_numpy(float) for end in ends)
        error = (high - low) / (2 * Z)
        return np.asarray(np.where(np.isfinite(error), error, error[np.isfinite(error)].max(initial=0.0)))


def _log_spread(surface: pd.DataFrame) -> np.ndarray:
    """Standard error of each log median latency, from its interval; rows without one get the largest."""
    ends = [f"latency_p50_{end}_ms" for end in ("lo", "hi")]
    if not set(ends) <= set(surface.columns):
        return np.zeros(len(surface))
    low, high = (surface[end].to_numpy(float) for end in ends)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.log(high / low) / (2 * Z)
    widest = spread[np.isfinite(spread)].max(initial=0.0) or UNKNOWN_SPREAD
    known: np.ndarray = np.where(np.isfinite(spread), spread, widest)
    return known
