"""Find the frontier without measuring everything: model what was measured, measure what may be on the frontier."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.surface.columns import configs_of
from tradespace.surface.frontier import nondominated
from tradespace.surface.objectives import OBJECTIVES

DRAWS = 16
CALLS = 12
SEARCH = "search"
# Standard deviations of what is believed before anything is measured, in natural logarithms of a latency or of an
# error rate: main effects may be a factor of ten, what two knobs do together beyond their own effects about two.
MAIN, TOGETHER, ALONE = 2.0, 0.6, 0.08
BLOCKS = (("model", "pruning"), ("runtime", "precision"), ("device", "threads"))


class Search:
    """Ask which Configs to measure next, tell what came out.

    Latency is modelled as a product of what each knob does: linear regression of its logarithm, with batch size as a
    quadratic in its logarithm for each knob (t = a + b B bends between the two ends), and pairs of knobs together.
    The error rate is modelled likewise without batch size, threads and runtime, which it does not depend on. Whole
    surfaces are drawn from what is believed after the measurements (Thompson, 1933), and the Configs that are on the
    most frontiers drawn, for the time that measuring them takes, are asked for.

    Parameters
    ----------
    configs : sequence of Config
        The candidates, all of one task.
    budget_s : float
        Seconds that measuring one takes. A Config whose calls are long takes more: a dozen calls at the least.
    seed : int

    Examples
    --------
    >>> search = Search([Config("m", threads=1, batch_size=b) for b in (1, 2, 4, 8, 16)])
    >>> first = search.ask(2)
    >>> len(first)
    2
    """

    def __init__(self, configs: Sequence[Config], budget_s: float = 3.0, seed: int = 0) -> None:
        self.configs = list(configs)
        self._budget_ms = 1e3 * budget_s
        self._rng = np.random.default_rng(seed)
        self._number = {config: i for i, config in enumerate(self.configs)}
        self._knobs = pd.DataFrame([asdict(config) for config in self.configs])
        self._batch = self._knobs["batch_size"].to_numpy(float)
        self._time = _Regression(_time_features(self._knobs))
        self._error = _Regression(_error_features(self._knobs))
        self._variant = self._knobs.groupby(["model", "pruning", "precision", "runtime"]).ngroup().to_numpy()
        self._told = np.zeros(len(self.configs), dtype=bool)
        self._latency = np.full(len(self.configs), np.nan)
        self._throughput = np.full(len(self.configs), np.nan)
        self._accuracy = np.full(len(self.configs), np.nan)

    def __deepcopy__(self, memo: object) -> "Search":
        # pandas copies what a frame carries along with every frame made from it.
        return self

    def tell(self, surface: pd.DataFrame) -> None:
        """Learn from measured rows. One that could not be measured is not asked for again."""
        for i, row in zip(self._numbers(surface), surface.to_dict("records"), strict=True):
            self._told[i] = True
            if row["status"] == "ok":
                self._latency[i], self._throughput[i] = row["latency_p50_ms"], row["throughput_per_s"]
            if row["accuracy"] == row["accuracy"]:
                self._accuracy[self._variant == self._variant[i]] = row["accuracy"]

    def ask(self, number: int) -> list[Config]:
        """The `number` Configs most worth measuring next; fewer where fewer are left."""
        open_ = np.flatnonzero(~self._told)
        if np.isfinite(self._latency).sum() < self._enough:
            chosen = self._time.spread(self._told, min(number, len(open_)), self._rng)
            return [self.configs[i] for i in chosen]
        self._fit()
        votes = np.zeros(len(self.configs))
        for _ in range(DRAWS):
            votes += nondominated(self._drawn(), OBJECTIVES)
        # A little noise, so that those with no votes at all come in no particular order.
        votes = votes[open_] + 0.1 * self._rng.random(len(open_))
        votes = votes / np.maximum(CALLS * np.exp(self._time.mean[open_]), self._budget_ms)
        return [self.configs[i] for i in open_[np.argsort(-votes)[:number]]]

    def predicted(self) -> pd.DataFrame:
        """Every candidate with what is believed of it: measured values where there are any, else the model's."""
        self._fit()
        latency = np.where(np.isnan(self._latency), np.exp(self._time.mean), self._latency)
        throughput = np.where(np.isnan(self._throughput), 1e3 * self._batch / latency, self._throughput)
        guess = np.clip(1 - np.exp(self._error.mean), 0, 1) if len(self._error._known) else np.nan
        accuracy = np.where(np.isnan(self._accuracy), guess, self._accuracy)
        known = {"latency_p50_ms": latency, "throughput_per_s": throughput, "accuracy": accuracy}
        return self._knobs.assign(**known, measured=np.isfinite(self._latency), told=self._told)

    def error(self) -> float:
        """Median relative error of the latency of a measured Config, predicted from the others alone."""
        self._fit()
        return float(np.median(np.abs(np.expm1(self._time.left_out())))) if self._time.fitted else float("nan")

    @property
    def _enough(self) -> int:
        """Measurements that are spread over the knobs before any is chosen for its promise."""
        levels = sum(self._knobs[list(block)].drop_duplicates().shape[0] for block in BLOCKS)
        return min(levels, max(4, len(self.configs) // 25))

    def _fit(self) -> None:
        self._time.fit(np.log(self._latency))
        accuracy = np.where(np.isnan(self._latency), np.nan, self._accuracy)
        self._error.fit(np.log(np.clip(1 - accuracy, 1e-4, None)))

    def _drawn(self) -> pd.DataFrame:
        latency = np.where(np.isnan(self._latency), np.exp(self._time.draw(self._rng)), self._latency)
        throughput = np.where(np.isnan(self._throughput), 1e3 * self._batch / latency, self._throughput)
        drawn = 1 - np.exp(self._error.draw(self._rng))
        # One draw of a variant, whatever its threads and batch size.
        first = np.unique(self._variant, return_index=True)[1]
        accuracy = np.where(np.isnan(self._accuracy), drawn[first][self._variant], self._accuracy)
        status = np.where(self._told & np.isnan(self._latency), "failed", "ok")
        return pd.DataFrame(
            {"latency_p50_ms": latency, "throughput_per_s": throughput, "accuracy": accuracy, "status": status}
        )

    def _numbers(self, surface: pd.DataFrame) -> list[int]:
        return [self._number[config] for config in configs_of(surface)]


def predicted(surface: pd.DataFrame) -> pd.DataFrame:
    """Every Config of an adaptive `sweep`, measured or skipped, with what is believed of it.

    Returns
    -------
    DataFrame
        The knobs; `latency_p50_ms`, `throughput_per_s` and `accuracy`, measured where `measured` says so and predicted
        where not; `told`, whether it was tried at all.

    Raises
    ------
    ValueError
        If `surface` is not what an adaptive `sweep` returned.
    """
    search = surface.attrs.get(SEARCH)
    if not isinstance(search, Search):
        raise ValueError("surface: wanted what ts.sweep(..., search='adaptive') returned; got another frame")
    return search.predicted()


class _Regression:
    """Bayesian linear regression (Bishop, 2006, 3.3) on features with prior standard deviations of their own."""

    def __init__(self, features: tuple[np.ndarray, np.ndarray]) -> None:
        columns, spread = features
        self._x = columns * spread
        self._known = np.array([], dtype=int)
        self.fitted = False

    def fit(self, values: np.ndarray) -> None:
        """Fit to the values that are finite, one a Config."""
        self._known = np.flatnonzero(np.isfinite(values))
        self._y = values[self._known]
        self._middle = 0.0
        x = self._x[self._known]
        # As many unknowns as measurements: the kernel form, K = X Xᵀ + noise.
        kernel = x @ x.T + ALONE**2 * np.eye(len(x))
        self._inverse = np.linalg.inv(kernel)
        self._weights = x.T @ (self._inverse @ (self._y - self._middle))
        self.mean = self._middle + self._x @ self._weights
        self.fitted = len(self._known) > 1

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Values of all Configs, as they might be: a draw of the prior, corrected by what is known (Matheron)."""
        weights = rng.standard_normal(self._x.shape[1])
        alone = ALONE * rng.standard_normal(len(self._x))
        prior = self._x @ weights + alone
        missed = self._y - self._middle - prior[self._known]
        correction = self._x[self._known].T @ (self._inverse @ missed)
        drawn: np.ndarray = self._middle + prior + self._x @ correction
        return drawn

    def left_out(self) -> np.ndarray:
        """Each known value minus its prediction from the others (leave one out, in closed form)."""
        residuals: np.ndarray = (self._inverse @ (self._y - self._middle)) / np.diag(self._inverse)
        return residuals

    def spread(self, taken: np.ndarray, number: int, rng: np.random.Generator) -> list[int]:
        """Configs that tell the most about the others: each next one is the least certain after those before it."""
        chosen: list[int] = []
        x = self._x
        for i in np.flatnonzero(taken):
            x = _without(x, x[i])
        open_ = ~taken
        for _ in range(number):
            variance = np.where(open_, (x**2).sum(axis=1), -1.0) * (1 + 1e-6 * rng.random(len(x)))
            best = int(variance.argmax())
            chosen.append(best)
            open_ = open_ & (np.arange(len(x)) != best)
            x = _without(x, x[best])
        return chosen


def _without(x: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Features with what one measurement tells taken out of them."""
    length = row @ row + ALONE**2
    remaining: np.ndarray = x - np.outer(x @ row, row) * (1 - np.sqrt(ALONE**2 / length)) / (row @ row)
    return remaining


def _time_features(knobs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Columns and their prior spread: each block's levels, alone, with batch size, and with each other."""
    batch = np.log(knobs["batch_size"].to_numpy(float))
    batch = (batch - batch.mean()) / (batch.std() or 1.0)
    blocks = [_one_hot(knobs, block) for block in BLOCKS]
    parts = [(np.column_stack([batch, batch**2]), MAIN)]
    for i, block in enumerate(blocks):
        parts += [(block, MAIN), (block * batch[:, None], TOGETHER), (block * batch[:, None] ** 2, TOGETHER / 3)]
        parts += [(_products(block, other), TOGETHER / 2) for other in blocks[i + 1 :]]
    parts.append((_products(blocks[1], blocks[2]) * batch[:, None], TOGETHER / 2))
    runtime = _one_hot(knobs, ("runtime",))
    parts.append((_products(blocks[0], runtime) * batch[:, None], TOGETHER / 3))
    return _stacked(parts)


def _error_features(knobs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    models, precisions = _one_hot(knobs, ("model", "pruning")), _one_hot(knobs, ("precision",))
    own, pruned = _one_hot(knobs, ("model",)), _one_hot(knobs, ("pruning",))
    parts = [(models, TOGETHER / 2), (own, TOGETHER), (pruned, TOGETHER), (precisions, TOGETHER)]
    return _stacked([*parts, (_products(models, precisions), TOGETHER / 3)])


def _stacked(parts: list[tuple[np.ndarray, float]]) -> tuple[np.ndarray, np.ndarray]:
    columns = np.column_stack([part for part, _ in parts])
    spreads = np.concatenate([np.full(part.shape[1], spread) for part, spread in parts])
    return np.column_stack([np.ones(len(columns)), columns]), np.concatenate([[100.0], spreads])


def _one_hot(knobs: pd.DataFrame, block: tuple[str, ...]) -> np.ndarray:
    number = knobs.groupby(list(block), sort=False).ngroup().to_numpy()
    levels: np.ndarray = np.eye(number.max() + 1)[number]
    return levels


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    products: np.ndarray = (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
    return products
