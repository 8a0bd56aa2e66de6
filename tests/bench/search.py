"""Adaptive search replayed on recorded surfaces, beside random search and Optuna on the same measuring time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import loky
import numpy as np
import optuna
import pandas as pd
import tradespace as ts
from report import Finding, print_table
from tradespace.config import KNOBS, physical_cores
from tradespace.surface.columns import configs_of
from tradespace.surface.search import OBJECTIVES, Search, Z

SURFACES = Path(__file__).parents[2] / "data" / "surfaces"
BUDGET = 0.1
SEEDS, QUICK_SEEDS = 200, 4
AT_ONCE = 1
REPEATS = 200
# Of Optuna: far more than fit into the budget. Points that it asks for again cost nothing.
TRIALS = 2000
MEDIAN_TARGET, TENTH_TARGET, OPTIMUM_TARGET, WITHIN = 0.97, 0.95, 0.95, 0.05
# The latency cut-offs: what a twentieth, and what half of the measured points keep.
CUTOFFS = {"tight": 0.05, "loose": 0.5}
HEADER = ("surface", "strategy", "hypervolume, 10th", "median", "optimum, tight", "optimum, loose", "points")

Strategy = Callable[[pd.DataFrame, int], Iterator[list[int]]]


def run(quick: bool) -> list[Finding]:
    """For each surface and strategy, over seeds: share of the full hypervolume, and how often the optimum is found."""
    lines, findings = [], []
    for name, surface in recorded().items():
        for strategy in STRATEGIES:
            seeds = range(QUICK_SEEDS if quick else SEEDS)
            with loky.ProcessPoolExecutor(physical_cores()) as pool:
                results = np.array(list(pool.map(replay, [surface] * len(seeds), [strategy] * len(seeds), seeds)))
            tenth, middle = np.quantile(results[:, 0], [0.1, 0.5])
            tight, loose = (results[:, 1:3] >= 1 - WITHIN).mean(axis=0)
            points = f"{results[:, 3].mean():.0f} of {len(surface)}"
            lines.append((name, strategy, f"{tenth:.3f}", f"{middle:.3f}", f"{tight:.0%}", f"{loose:.0%}", points))
            if strategy == "ours":
                found = f"{tenth:.3f}; {middle:.3f}"
                reached = bool(tenth >= TENTH_TARGET and middle >= MEDIAN_TARGET)
                target = f">= {TENTH_TARGET}; {MEDIAN_TARGET}"
                findings.append(
                    Finding("search", f"{name}: hypervolume, 10th percentile; median", found, target, reached)
                )
                reached = bool(min(tight, loose) >= OPTIMUM_TARGET)
                words = f"{name}: optimum within 5 %, tight; loose cut-off"
                findings.append(Finding("search", words, f"{tight:.0%}; {loose:.0%}", ">= 95 % of seeds", reached))
        tight, loose = (again(surface, share) for share in CUTOFFS.values())
        lines.append(
            (name, "all, twice", "-", "-", f"{tight:.0%}", f"{loose:.0%}", f"{len(surface)} of {len(surface)}")
        )
    if not lines:
        return [Finding("search", "recorded surfaces", "none yet: data/surfaces/make_surfaces.py measures them")]
    print_table(HEADER, lines)
    return findings


def recorded() -> dict[str, pd.DataFrame]:
    """The recorded surfaces, rows that were measured; and of each, the part of one runtime less, as a third kind."""
    surfaces = {}
    for path in sorted(SURFACES.glob("*.csv")):
        surface = ts.load_surface(path)
        surface = surface[(surface["status"] == "ok") & surface["accuracy"].notna()].reset_index(drop=True)
        surfaces[path.stem] = surface
    if not surfaces:
        return {}
    largest = max(surfaces, key=lambda name: len(surfaces[name]))
    alone = surfaces[largest].query("runtime == 'eager'").reset_index(drop=True)
    return {**surfaces, f"{largest}, eager alone": alone}


def seconds(surface: pd.DataFrame) -> np.ndarray:
    """Measuring time of each row."""
    return (surface["samples"] * surface["latency_p50_ms"] / 1e3).to_numpy()


def replay(surface: pd.DataFrame, strategy: str, seed: int) -> tuple[float, float, float, int]:
    """One search to a tenth of the measuring time: shares of the full hypervolume and of both optima, points spent."""
    cost, spent, seen = seconds(surface), 0.0, []
    for asked in STRATEGIES[strategy](surface, seed):
        fits = [row for row in asked if row not in seen]
        for row in fits:
            spent += cost[row]
            seen.append(row)
        if spent >= BUDGET * cost.sum():
            break
    # What went over the budget does not count.
    while seen and sum(cost[row] for row in seen) > BUDGET * cost.sum():
        seen.pop()
    found = surface.iloc[sorted(set(seen))]
    worst = {o.column: (surface[o.column].min() if o.maximize else surface[o.column].max()) for o in OBJECTIVES}
    volume = ts.hypervolume(found, OBJECTIVES, reference=worst) / ts.hypervolume(surface, OBJECTIVES, reference=worst)
    optima = [optimum(found, surface, share) for share in CUTOFFS.values()]
    return volume, optima[0], optima[1], len(set(seen))


def optimum(found: pd.DataFrame, surface: pd.DataFrame, share: float) -> float:
    """Highest throughput under a latency cut-off, at most a point below the best accuracy there: found over full."""
    cutoff = float(surface["latency_p50_ms"].quantile(share))
    within = ts.at_most("latency_p50_ms", cutoff)
    best = surface.loc[surface["latency_p50_ms"] <= cutoff, "accuracy"].max()
    limits = [within, ts.at_least("accuracy", best - 0.01)]
    goal = ts.maximize("throughput_per_s")
    ours, full = (ts.solve(frame, goal, subject_to=limits) for frame in (found, surface))
    return float(ours["throughput_per_s"].iloc[0] / full["throughput_per_s"].iloc[0]) if len(ours) else 0.0


def again(surface: pd.DataFrame, share: float) -> float:
    """How often everything, measured twice, chooses within 5 % of its own optimum: what the noise allows anybody.

    Both measurements are drawn from the intervals of the recorded medians.
    """
    cutoff = float(surface["latency_p50_ms"].quantile(share))
    kept = []
    for seed in range(REPEATS):
        rng = np.random.default_rng(seed)
        first, second = remeasured(surface, rng), remeasured(surface, rng)
        best = second.loc[second["latency_p50_ms"] <= cutoff, "accuracy"].max()
        limits = [ts.at_most("latency_p50_ms", cutoff), ts.at_least("accuracy", best - 0.01)]
        goal = ts.maximize("throughput_per_s")
        chosen, full = (ts.solve(frame, goal, subject_to=limits) for frame in (first, second))
        then = second.loc[chosen.index]
        enough = (1 - WITHIN) * full["throughput_per_s"].iloc[0]
        kept.append(((then["latency_p50_ms"] <= cutoff) & (then["throughput_per_s"] >= enough)).any())
    return float(np.mean(kept))


def remeasured(surface: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The surface as it might come out another time."""
    spread = np.log(surface["latency_p50_hi_ms"] / surface["latency_p50_lo_ms"]) / (2 * Z)
    slower = np.exp(spread.fillna(spread.max()) * rng.standard_normal(len(surface)))
    return surface.assign(
        latency_p50_ms=surface["latency_p50_ms"] * slower, throughput_per_s=surface["throughput_per_s"] / slower
    )


def ours(surface: pd.DataFrame, seed: int) -> Iterator[list[int]]:
    """What `sweep(search="adaptive")` does."""
    configs = configs_of(surface)
    number = {config: i for i, config in enumerate(configs)}
    search = Search(configs, float(np.median(seconds(surface))), seed)
    while asked := [number[config] for config in search.ask(AT_ONCE)]:
        yield asked
        search.tell(surface.iloc[asked])


def at_random(surface: pd.DataFrame, seed: int) -> Iterator[list[int]]:
    """In random order."""
    for row in np.random.default_rng(seed).permutation(len(surface)):
        yield [int(row)]


def with_optuna(surface: pd.DataFrame, seed: int) -> Iterator[list[int]]:
    """Optuna's sampler for several objectives, NSGA-II; knobs that go together are one, so that few pairs are void."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    knobs = surface[list(KNOBS)].astype(str)
    together = pd.DataFrame(
        {"model": knobs["model"] + " " + knobs["pruning"], "how": knobs["runtime"] + " " + knobs["precision"]}
    )
    together = together.join(knobs[["threads", "batch_size"]])
    number = {tuple(levels): i for i, levels in enumerate(together.itertuples(index=False))}
    levels = {name: sorted(together[name].unique()) for name in together}
    directions = ["maximize" if objective.maximize else "minimize" for objective in OBJECTIVES]
    study = optuna.create_study(directions=directions, sampler=optuna.samplers.NSGAIISampler(seed=seed))
    results = surface[[objective.column for objective in OBJECTIVES]].to_numpy()
    for _ in range(TRIALS):
        trial = study.ask()
        row = number.get(tuple(trial.suggest_categorical(name, levels[name]) for name in levels))
        if row is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        study.tell(trial, results[row].tolist())
        yield [row]


STRATEGIES: dict[str, Strategy] = {"ours": ours, "random": at_random, "optuna": with_optuna}
