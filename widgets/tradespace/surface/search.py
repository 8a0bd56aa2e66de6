"""Find the frontier without measuring everything: model the measurements, then measure what may be on the frontier."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict

import moocore
import numpy as np
import pandas as pd

from tradespace.config import VARIANT, Config
from tradespace.scale import Scale
from tradespace.surface.columns import checked, configs_of, scale_of
from tradespace.surface.hypervolume import REFERENCE
from tradespace.surface.objectives import OBJECTIVES, check_one_machine, measured

DRAWS = 16
CALLS = 12
# Number of measurements spread over the knobs before any is chosen for its promise.
SPREAD = 12
# Weight of being on a drawn frontier, relative to the hypervolume that it would add; both range from 0 to 1.
MEMBERSHIP = 0.7
# A score that is no accuracy counts from this share of the known range below the worst known.
BELOW_WORST = 0.1
# Most candidates considered in one search: the work grows with the cube of their number.
MOST_IN_VIEW = 2000
# Loss of a Config that could not be measured: worse than any other, but finite.
NEVER = 1e9
JITTER = 1e-6
Z = 1.959964

# Prior of the log latency, as standard deviations: the effect of a knob at all batch sizes, and how much that effect
# changes over three doublings of the batch size. Fitted to the recorded surface of `fashion` by marginal likelihood and
# rounded; the other recorded surfaces were not used.
OWN = {
    ("model",): (0.35, 0.04),
    ("pruning",): (0.25, 0.03),
    ("model", "pruning"): (0.2, 0.02),
    ("runtime",): (0.45, 0.3),
    ("precision",): (0.1, 0.1),
    ("runtime", "precision"): (0.1, 0.1),
    ("device", "threads"): (0.15, 0.15),
}
LEVEL, SLOPE, NOISE = 5.0, 1.5, 0.06
# Batch size, in doublings, around which the effects change.
MIDDLE = 4
# Joint effect of all knobs beyond that: how similar a Config is to one that differs in this knob, and over how many
# doublings of the batch size it stays similar.
TOGETHER, DOUBLINGS = 0.7, 4.5
LIKENESS = {("model",): 0.75, ("pruning",): 0.9, ("precision",): 0.5, ("runtime",): 0.5, ("device", "threads"): 0.93}
# The same for the log error rate, which hardly depends on batch size, threads and runtime.
WRONG = {
    ("model",): 0.5,
    ("pruning",): 0.5,
    ("precision",): 0.5,
    ("model", "pruning"): 0.3,
    ("model", "precision"): 0.25,
    ("pruning", "precision"): 0.25,
    ("model", "pruning", "precision"): 0.15,
}
WRONG_LEVEL, WRONG_NOISE = 3.0, 0.02
# The same for the log seconds that a Config takes apart from timing: a new variant is prepared and scored.
BESIDE = {("new",): 1.0, ("model", "new"): 0.7, ("runtime",): 0.7, ("runtime", "new"): 0.7}
BESIDE_LEVEL, BESIDE_NOISE = 1.5, 0.4

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Search:
    """Ask which Configs to measure next, and tell the results.

    The log latency is a Gaussian process over the knobs. Each knob has its own effect and one that changes with the log
    batch size; all knobs together have a joint effect. The log error rate is a Gaussian process too, without batch
    size, threads and runtime. Another score than accuracy has no error rate: the score itself takes its place, shifted
    and scaled by the mean and the standard deviation of the known ones, so that its unit and zero do not matter.
    Surfaces are drawn from the posterior. The next Configs are those that, over the draws, add the most hypervolume to
    the measured ones per second of measuring (after TSEMO: Bradford, Schweidtmann and Lapkin, 2018).

    Parameters
    ----------
    configs : sequence of Config
        The candidates, all from one task.
    budget_s : float
        Seconds that measuring one Config takes. A Config with long calls takes more: at least a dozen calls.
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
        number = len(self.configs)
        self._view = np.sort(self._rng.permutation(number)[:MOST_IN_VIEW])
        self._time = _Process(_time_kernel(self._knobs), NOISE, number, self._view)
        self._error = _Process(_sum_kernel(self._knobs, WRONG, WRONG_LEVEL), WRONG_NOISE, number, self._view)
        self._variant = self._knobs.groupby(list(VARIANT)).ngroup().to_numpy()
        # Each candidate appears twice: with a known variant, and with a new one.
        twice = pd.concat([self._knobs.assign(new=False), self._knobs.assign(new=True)], ignore_index=True)
        self._beside = _Process(_sum_kernel(twice, BESIDE, BESIDE_LEVEL), BESIDE_NOISE, 2 * number, np.array([0]))
        self._beside_s = np.full(2 * number, np.nan)
        self._tried = np.zeros(number, dtype=bool)
        self._latency, self._throughput, self._accuracy = (np.full(number, np.nan) for _ in range(3))
        self._interval = np.full((2, number), np.nan)
        self._score = Scale()

    def tell(self, surface: pd.DataFrame, took_s: float = 0) -> None:
        """Learn from measured rows and, if known, from the total seconds that they took.

        A Config that could not be measured is not asked for again.
        """
        self._score = scale_of(surface)
        numbers = [self._number[config] for config in configs_of(surface)]
        if np.setdiff1d(numbers, self._view).size:
            self._view = np.union1d(self._view, numbers)
            self._time.look_at(self._view)
            self._error.look_at(self._view)
        beside_s = took_s - (surface["samples"] * surface["latency_p50_ms"]).sum() / 1e3
        # A row from a store took less time than its own samples, so its time says nothing.
        if beside_s > 0 and (surface["status"] == "ok").all():
            now = np.array(numbers)
            self._beside_s[now + len(self.configs) * self._new(now)] = beside_s / len(now)
        for i, row in zip(numbers, surface.to_dict("records"), strict=True):
            self._tried[i] = True
            if row["status"] == "ok":
                self._latency[i], self._throughput[i] = row["latency_p50_ms"], row["throughput_per_s"]
                self._interval[:, i] = row["latency_p50_lo_ms"], row["latency_p50_hi_ms"]
            if row["accuracy"] == row["accuracy"]:
                self._accuracy[self._variant == self._variant[i]] = row["accuracy"]

    def ask(self, number: int) -> list[Config]:
        """Return the `number` Configs most worth measuring next, or fewer if fewer are left."""
        self._fit()
        open_ = self._view[~self._tried[self._view]]
        if not len(open_):
            open_ = np.flatnonzero(~self._tried)
            return [self.configs[i] for i in open_[:number]]
        cost = self._cost_ms()
        if np.isfinite(self._latency).sum() < min(SPREAD, max(4, len(self.configs) // 4)):
            chosen = self._time.spread(open_, cost, number, self._rng)
        else:
            # A little noise puts candidates that promise nothing in random order.
            worth = (self._promise() + 1e-9 * self._rng.random(len(self.configs)))[open_] / cost[open_]
            chosen = open_[np.argsort(-worth)[:number]].tolist()
        return [self.configs[i] for i in chosen]

    def predicted(self) -> pd.DataFrame:
        """Return every candidate with its measured values or, where there are none, the model's predictions."""
        self._fit()
        known, spread = ~np.isnan(self._latency), Z * self._time.deviation() * self._scale()
        latency = np.where(known, self._latency, np.exp(self._time.mean))
        low = np.where(known, self._interval[0], latency * np.exp(-spread))
        high = np.where(known, self._interval[1], latency * np.exp(spread))
        throughput = np.where(np.isnan(self._throughput), 1e3 * self._batch / latency, self._throughput)
        guess = self._score_of(self._error.mean) if self._scored else np.nan
        guess = np.clip(guess, 0, 1) if self._score.is_accuracy else guess
        accuracy = np.where(np.isnan(self._accuracy), guess, self._accuracy)
        latencies = {"latency_p50_ms": latency, "latency_p50_lo_ms": low, "latency_p50_hi_ms": high}
        return self._knobs.assign(
            **latencies, throughput_per_s=throughput, accuracy=accuracy, score=str(self._score), measured=known,
            tried=self._tried,
        )  # fmt: skip

    def error(self) -> float:
        """Median relative error of the measured latencies, each predicted from the others only."""
        self._fit()
        return float(np.median(np.abs(np.expm1(self._time.left_out())))) if self._time.fitted else float("nan")

    @property
    def _scored(self) -> bool:
        """Whether any accuracy is known; a task without test data has none."""
        return bool(np.isfinite(self._accuracy).any())

    def _scale(self) -> float:
        """How much larger prediction errors are than predicted: the root mean square of their z-scores."""
        if not self._time.fitted:
            return 1.0
        return float(np.sqrt(np.mean(self._time.left_out(standard=True) ** 2)))

    def _fit(self) -> None:
        self._time.fit(np.log(self._latency))
        self._error.fit(self._error_of(np.where(np.isnan(self._latency), np.nan, self._accuracy)))
        self._beside.fit(np.log(self._beside_s))

    def _error_of(self, accuracy: np.ndarray) -> np.ndarray:
        """What the Gaussian process of accuracy models; smaller is better."""
        if self._score.is_accuracy:
            return np.asarray(np.log(np.clip(1 - accuracy, 1e-4, None)))
        middle, spread = self._known_scores()
        return (middle - accuracy) / spread

    def _score_of(self, error: np.ndarray) -> np.ndarray:
        """The inverse of `_error_of`."""
        if self._score.is_accuracy:
            return np.asarray(1 - np.exp(error))
        middle, spread = self._known_scores()
        return middle - error * spread

    def _known_scores(self) -> tuple[float, float]:
        """Mean and standard deviation of the known scores, each variant once; 1 for no deviation."""
        known = np.unique(np.column_stack([self._variant, self._accuracy])[np.isfinite(self._accuracy)], axis=0)[:, 1]
        if not len(known):
            return 0.0, 1.0
        return float(known.mean()), float(known.std()) or 1.0

    def _gain_of(self, accuracy: np.ndarray) -> np.ndarray:
        """Accuracy as the hypervolume counts it: of another score, from 0 at the worst known to 1 at the best."""
        if self._score.is_accuracy or not self._scored:
            return accuracy
        worst, best = np.nanmin(self._accuracy), np.nanmax(self._accuracy)
        return np.asarray((accuracy - worst) / ((best - worst) or 1.0))

    def _cost_ms(self) -> np.ndarray:
        """Time to measure each candidate; until anything is known, larger batches are assumed to take longer."""
        if not self._time.fitted:
            return self._budget_ms * self._batch**0.25
        cost: np.ndarray = np.maximum(CALLS * np.exp(self._time.mean), self._budget_ms)
        if self._beside.fitted:
            everyone = np.arange(len(self.configs))
            cost = cost + 1e3 * np.exp(self._beside.mean[everyone + len(everyone) * self._new(everyone)])
        return cost

    def _new(self, numbers: np.ndarray) -> np.ndarray:
        """Whether each candidate's variant is still unmeasured: its model must then be prepared and scored."""
        return np.isin(self._variant[numbers], self._variant[self._tried], invert=True)

    def _promise(self) -> np.ndarray:
        """Score each candidate by the hypervolume it adds and how often it is on the frontier, over the draws."""
        gain, on = np.zeros(len(self.configs)), np.zeros(len(self.configs))
        latency, throughput, accuracy = (np.array([REFERENCE[o.column]]) for o in OBJECTIVES)
        if not self._score.is_accuracy:
            accuracy = accuracy - BELOW_WORST
        volume = moocore.Hypervolume(ref=_losses(latency, throughput, accuracy)[0])
        known, tried = np.isfinite(self._latency[self._view]), self._tried[self._view]
        for losses in self._drawn():
            best = losses[known]
            best = best[moocore.is_nondominated(best)]
            before = volume(best)
            for i in np.flatnonzero(moocore.is_nondominated(losses) & ~tried):
                added = volume(np.vstack([best, losses[i]])) - before
                gain[self._view[i]] += added
                on[self._view[i]] += added > 0
        promise: np.ndarray = gain / max(gain.max(), 1e-12) + MEMBERSHIP * on / DRAWS
        return promise

    def _drawn(self) -> Iterator[np.ndarray]:
        """Yield the losses of the candidates in view, measured or drawn, one array per draw."""
        view = self._view
        latency, throughput, accuracy = self._latency[view], self._throughput[view], self._accuracy[view]
        unknown, unscored = np.isnan(latency), np.isnan(accuracy) & self._scored
        # One draw per variant, whatever its threads and batch size.
        _, first, variant = np.unique(self._variant[view], return_index=True, return_inverse=True)
        times, errors = self._time.draw(DRAWS, self._rng), self._error.draw(DRAWS, self._rng)[first][variant]
        for drawn_time, drawn_error in zip(times.T, errors.T, strict=True):
            time = np.where(unknown, np.exp(drawn_time), latency)
            rate = np.where(unknown, 1e3 * self._batch[view] / time, throughput)
            right = np.where(unscored, self._score_of(drawn_error), accuracy) if self._scored else np.ones(len(view))
            losses = _losses(time, rate, self._gain_of(right))
            # A Config that could not be measured is on no frontier.
            losses[self._tried[view] & unknown] = NEVER
            yield losses


def predicted(surface: pd.DataFrame, configs: Iterable[Config]) -> pd.DataFrame:
    """Predict each of `configs`, measured or not, from the rows of `surface`.

    Parameters
    ----------
    surface : DataFrame
        Measurements, for instance from an adaptive `sweep`.
    configs : iterable of Config
        Configs that might have been measured.

    Returns
    -------
    DataFrame
        The knobs; `latency_p50_ms`, `throughput_per_s` and `accuracy`, measured where `measured` is true and otherwise
        predicted; `latency_p50_lo_ms` and `latency_p50_hi_ms`, the 95 % interval; and `tried`, whether the Config was
        tried at all. The spread of the predictions is scaled by how far each measured latency is from its prediction by
        the others.

    Raises
    ------
    ValueError
        If there is no Config or no measured row, or if the surface is from several machines or tasks.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and status == 'ok'")
    >>> believed = predicted(surface[::4], configs_of(surface))
    >>> len(believed) == len(surface), believed["measured"].mean().round(2)
    (True, np.float64(0.25))
    """
    surface = checked(surface, "surface")
    check_one_machine(surface)
    if not measured(surface).any():
        raise ValueError("surface: wanted at least one row that was measured; got none")
    asked = list(dict.fromkeys(configs))
    if not asked:
        raise ValueError("configs: wanted at least one Config; got none")
    tasks = sorted(surface["task"].unique())
    if len(tasks) > 1:
        raise ValueError(f"surface: wanted rows of one task; got {', '.join(tasks)}")
    search = Search(list(dict.fromkeys([*asked, *configs_of(surface)])))
    search.tell(surface)
    return search.predicted().iloc[: len(asked)]


class _Process:
    """A Gaussian process (Rasmussen and Williams, 2006) over candidates, with a fixed kernel.

    Parameters
    ----------
    kernel : callable
        (numbers of candidates, numbers of candidates that broadcast with them) -> covariances.
    noise : float
        Standard deviation of the measurement noise.
    number : int
        Number of all candidates.
    view : array of int
        Numbers of the candidates to draw.
    """

    def __init__(self, kernel: Kernel, noise: float, number: int, view: np.ndarray) -> None:
        self._kernel, self._noise, self._all = kernel, noise, np.arange(number)
        self._known = np.array([], dtype=int)
        self._cross = np.empty((number, 0))
        self.look_at(view)
        self.fit(np.full(number, np.nan))

    def look_at(self, view: np.ndarray) -> None:
        """Draw these candidates from now on; they include all measured ones."""
        self._view = view
        self._root: np.ndarray | None = None

    def fit(self, values: np.ndarray) -> None:
        """Fit to the finite values, one per candidate; they include those of the last fit."""
        new = np.setdiff1d(np.flatnonzero(np.isfinite(values)), self._known)
        self._known = np.concatenate([self._known, new])
        self._cross = np.hstack([self._cross, self._kernel(self._all[:, None], new[None, :])])
        self._y = values[self._known]
        self._inverse = np.linalg.inv(self._cross[self._known] + self._noise**2 * np.eye(len(self._known)))
        self.mean = self._cross @ (self._inverse @ self._y)
        self.fitted = len(self._known) > 1

    def draw(self, number: int, rng: np.random.Generator) -> np.ndarray:
        """Draw values of the candidates in view: draws from the prior, corrected by the known values (Matheron).

        Returns
        -------
        array of float, shape (candidates in view, number)
        """
        if self._root is None:
            covariance = self._kernel(self._view[:, None], self._view[None, :])
            self._root = np.linalg.cholesky(covariance + JITTER * np.eye(len(self._view)))
        prior = self._root @ rng.standard_normal((len(self._view), number))
        noise = self._noise * rng.standard_normal((len(self._known), number))
        missed = self._y[:, None] - prior[np.searchsorted(self._view, self._known)] - noise
        drawn: np.ndarray = prior + self._cross[self._view] @ (self._inverse @ missed)
        return drawn

    def deviation(self) -> np.ndarray:
        """Standard deviation of the prediction for each candidate, including measurement noise."""
        variance = self._kernel(self._all, self._all) - ((self._cross @ self._inverse) * self._cross).sum(axis=1)
        deviation: np.ndarray = np.sqrt(variance.clip(min=0) + self._noise**2)
        return deviation

    def left_out(self, standard: bool = False) -> np.ndarray:
        """Each known value minus its prediction from the others (leave-one-out, in closed form); or its z-score."""
        precision = np.diag(self._inverse)
        residuals: np.ndarray = (self._inverse @ self._y) / precision
        return residuals * np.sqrt(precision) if standard else residuals

    def spread(self, open_: np.ndarray, cost: np.ndarray, number: int, rng: np.random.Generator) -> list[int]:
        """Choose from the candidates `open_`, one by one, those that tell the most about the others for their cost."""
        variance = self.deviation() ** 2 - self._noise**2
        chosen: list[int] = []
        told = self._known
        for _ in range(min(number, len(open_))):
            worth = variance[open_] / cost[open_] * (1 + 1e-6 * rng.random(len(open_)))
            worth[np.isin(open_, chosen)] = -1.0
            best = int(open_[worth.argmax()])
            chosen.append(best)
            # The variance of the others that is left once this one is known.
            between = self._kernel(self._all, np.array([best])) - self._explained(told, best)
            variance = variance - between**2 / (between[best] + self._noise**2)
            told = np.append(told, best)
        return chosen

    def _explained(self, told: np.ndarray, candidate: int) -> np.ndarray:
        """The part of each covariance with `candidate` that the candidates in `told` explain."""
        cross = self._kernel(self._all[:, None], told[None, :])
        noise = self._noise**2 * np.eye(len(told))
        explained: np.ndarray = cross @ np.linalg.solve(cross[told] + noise, cross[candidate])
        return explained


def _losses(latency_ms: np.ndarray, throughput_per_s: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """The three objectives as `hypervolume` scales them, shape (candidates, 3); smaller is better."""
    return np.column_stack([np.log10(latency_ms), -np.log10(throughput_per_s), -accuracy])


def _time_kernel(knobs: pd.DataFrame) -> Kernel:
    doublings = np.log2(knobs["batch_size"].to_numpy(float))
    tilt = (doublings - MIDDLE) / 3
    levels = {names: _numbered(knobs, names) for names in (*OWN, *LIKENESS)}

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        same = {names: level[a] == level[b] for names, level in levels.items()}
        slope = tilt[a] * tilt[b]
        total = LEVEL**2 + SLOPE**2 * slope
        for names, (own, tilted) in OWN.items():
            total = total + same[names] * (own**2 + tilted**2 * slope)
        alike = np.exp(-((doublings[a] - doublings[b]) ** 2) / (2 * DOUBLINGS**2))
        for names, likeness in LIKENESS.items():
            alike = alike * np.where(same[names], 1.0, likeness)
        covariance: np.ndarray = total + TOGETHER**2 * alike
        return covariance

    return kernel


def _sum_kernel(knobs: pd.DataFrame, effects: dict[tuple[str, ...], float], level: float) -> Kernel:
    levels = {names: _numbered(knobs, names) for names in effects}

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        total = np.full(np.broadcast(a, b).shape, level**2)
        for names, own in effects.items():
            total += own**2 * (levels[names][a] == levels[names][b])
        return total

    return kernel


def _numbered(knobs: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    numbers: np.ndarray = knobs.groupby(list(names), sort=False).ngroup().to_numpy()
    return numbers
