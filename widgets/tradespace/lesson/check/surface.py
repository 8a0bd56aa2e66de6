"""Exercises of notebook 04: dominance, frontiers seen in two axes, hypervolume, and what to measure again."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.lesson.check.answers import listed, number
from tradespace.lesson.exercise import Judgement, exercise, right, wrong
from tradespace.surface.columns import configs_of
from tradespace.surface.confidence import worth_measuring
from tradespace.surface.frontier import nondominated
from tradespace.surface.hypervolume import hypervolume
from tradespace.surface.objectives import OBJECTIVES, measured

NAMES = {"latency_p50_ms": "latency", "throughput_per_s": "throughput", "accuracy": "accuracy"}
# Volumes nearer to each other than this share of the whole may change places at the next measurement.
ALIKE = 0.005
# Probabilities of 500 draws, so near to each other, are the same.
LUCK = 0.1


@exercise("04-dominates")
def dominates(rival: Any, loser: Any, surface: pd.DataFrame) -> Judgement:
    """Whether `rival` dominates `loser` in latency, throughput and accuracy.

    Parameters
    ----------
    rival, loser : row label, Series, or DataFrame of one row
        Both of `surface`.
    surface : DataFrame
        Latency in ms, throughput in items a second, accuracy a fraction.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and precision == 'fp32' and threads == 1")
    >>> small, large = surface.query("batch_size == 1").index[0], surface.query("batch_size == 64").index[0]
    >>> dominates(small, large, surface).passed  # quicker, and less productive
    False
    """
    winner, beaten = _row(rival, surface), _row(loser, surface)
    answer = (
        "Keep the rows that are at most as slow, at least as productive and at least as accurate as the loser; "
        f"row {_dominator(beaten, surface)} is one that is also better in something."
    )
    if winner == beaten:
        return wrong("That is the point itself. To dominate it, it would have to be better somewhere.", answer)
    gains = _gains(surface.loc[[winner, beaten]])
    if np.isnan(gains[0]).any():
        return wrong("That point was not measured in all three.", answer)
    named = [NAMES[objective.column] for objective in OBJECTIVES]
    worse = [name for name, a, b in zip(named, *gains, strict=True) if a < b]
    better = [name for name, a, b in zip(named, *gains, strict=True) if a > b]
    if worse:
        return wrong(
            f"It is better in {listed(better)}, and worse in {listed(worse)}. Neither dominates the other "
            "as long as each is better in something.",
            answer,
        )
    if not better:
        return wrong("The two are equal in all three: that is a tie.", answer)
    return right(f"It is better in {listed(better)}, and worse in nothing. Nobody needs the other point.")


@exercise("04-hidden")
def hidden(count: Any, surface: pd.DataFrame) -> Judgement:
    """Whether `count` points of the frontier in three are dominated once only latency and throughput are looked at.

    Parameters
    ----------
    count : int, or the rows themselves
    surface : DataFrame

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and runtime == 'openvino'")
    >>> axes = ts.minimize("latency_p50_ms"), ts.maximize("throughput_per_s"), ts.maximize("accuracy")
    >>> frontier = ts.pareto(surface, axes)
    >>> hidden(len(frontier) - len(ts.pareto(frontier, axes[:2])), surface).passed
    True
    """
    whole, flat = nondominated(surface, OBJECTIVES), nondominated(surface, OBJECTIVES[:2])
    expected = int((whole & ~flat).sum())
    said = _count(count)
    of_whole, on_flat = int(whole.sum()), int(flat.sum())
    answer = (
        f"{of_whole} points are on the frontier in three. Of them {of_whole - expected} are also on the frontier in "
        f"latency and throughput: {expected} are hidden."
    )
    if said == expected:
        return right(
            f"{expected} of {of_whole} points look beaten when accuracy is not drawn, and are not. "
            "Crossing points out on a flat chart would have lost them."
        )
    if said == of_whole:
        return wrong("That is the whole frontier in three. Some of its points are on the flat frontier too.", answer)
    if said == on_flat:
        return wrong("That many are on the frontier in two. The question is which ones are missing there.", answer)
    if said == int(measured(surface).sum()) - on_flat:
        return wrong(
            "That counts points that are dominated in three as well. Begin with the frontier in three.", answer
        )
    return wrong("Take the frontier in three, and ask which of its points `ts.pareto` keeps in two.", answer)


@exercise("04-expendable")
def expendable(choice: Any, surface: pd.DataFrame, column: str = "precision") -> Judgement:
    """Whether the surface keeps the most hypervolume without the rows whose `column` is `choice`.

    Parameters
    ----------
    choice : str
        One of the values of the column.
    surface : DataFrame
        Volumes are in powers of ten of latency and throughput, times accuracy, down to the usual reference.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and pruning == 'none' and threads == 1")
    >>> expendable("eager", surface, column="runtime").passed
    True
    """
    whole = hypervolume(surface, OBJECTIVES)
    values = surface[column].unique()
    left = {str(value): hypervolume(surface[surface[column] != value], OBJECTIVES) for value in values}
    best = max(left, key=lambda value: left[value])
    losses = ", ".join(f"{value} {(whole - volume) / whole:.1%}" for value, volume in left.items())
    answer = f"Lost without each: {losses}. The least is lost without {best}."
    if not isinstance(choice, str) or choice not in left:
        return wrong(f"Wanted one of {', '.join(left)}, in quotes.", answer)
    if left[choice] >= left[best] - ALIKE * whole:
        return right(f"Lost without each: {losses}.")
    if left[choice] == min(left.values()):
        return wrong("Without that one the *least* volume is left: it is the one to keep.", answer)
    return wrong("Take the rows of each away in turn, and compare the volumes that are left.", answer)


@exercise("04-again")
def measure_again(configs: Any, judged: pd.DataFrame, count: int = 3) -> Judgement:
    """Whether `configs` are those of which it is least certain that they are on the frontier.

    Parameters
    ----------
    configs : list of Config, or rows of `judged`
    judged : DataFrame
        What `frontier_confidence` returned: its `on_frontier` is a probability, from 0 to 1.
    count : int
        How many there is time for.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and threads == 1")
    >>> judged = ts.frontier_confidence(surface, OBJECTIVES, draws=100)
    >>> measure_again(ts.worth_measuring(judged)[:3], judged).passed
    True
    """
    asked = configs_of(configs) if isinstance(configs, pd.DataFrame) else _configs(configs)
    chance = dict(zip(configs_of(judged), judged["on_frontier"], strict=True))
    best = worth_measuring(judged)[:count]
    verdicts = dict(zip(configs_of(judged), judged["verdict"], strict=True))
    answer = f"Least certain first: {', '.join(f'{c!r} ({chance[c]:.0%})' for c in best) or 'none, so an empty list'}."
    if not best and not asked:
        return right("There is nothing left to doubt: every verdict is `on` or `off`.")
    if any(config not in chance for config in asked):
        return wrong("One of them is not in the table.", answer)
    sure = sum(verdicts[config] != "can't tell" for config in asked)
    if sure:
        verb = "is" if sure == 1 else "are"
        return wrong(f"{sure} of yours {verb} settled already. More seconds there would change no verdict.", answer)
    if len(set(asked)) != len(best):
        return wrong(f"Wanted {len(best)} different points; got {len(set(asked))}.", answer)
    furthest = max(abs(chance[config] - 0.5) for config in best)
    if max(abs(chance[config] - 0.5) for config in asked) > furthest + LUCK:
        return wrong("They are in doubt, but others are more so: what is the chance that says least?", answer)
    chances = ", ".join(f"{chance[config]:.0%}" for config in asked)
    return right(f"Their chances to be on the frontier are {chances}: a second measurement settles most there.")


def _row(given: Any, surface: pd.DataFrame) -> Any:
    """The label of the row that is meant."""
    if isinstance(given, pd.DataFrame | pd.Index | list | tuple | np.ndarray) and len(given) != 1:
        raise ValueError(f"wanted one point; got {len(given)}")
    if isinstance(given, pd.DataFrame):
        given = given.index
    label = given.name if isinstance(given, pd.Series) else given
    if isinstance(label, pd.Index | list | tuple | np.ndarray):
        label = label[0]
    if label not in surface.index:
        raise ValueError(f"wanted a row number of the table; got {label!r}")
    return label


def _gains(rows: pd.DataFrame) -> np.ndarray:
    """Of each row the three objectives, larger being better."""
    return np.column_stack([o.values(rows) * (1 if o.maximize else -1) for o in OBJECTIVES])


def _dominator(loser: Any, surface: pd.DataFrame) -> Any:
    gains = _gains(surface)
    own = gains[surface.index.get_loc(loser)]
    over = np.flatnonzero((gains >= own).all(axis=1) & (gains > own).any(axis=1))
    return surface.index[int(over[0])] if len(over) else None


def _count(given: Any) -> float:
    if isinstance(given, pd.DataFrame | pd.Index | list | tuple | set | np.ndarray):
        return len(given)
    return number(given)


def _configs(given: Any) -> list[Config]:
    found = [given] if isinstance(given, Config) else list(given) if isinstance(given, Iterable) else []
    if isinstance(given, str) or not all(isinstance(config, Config) for config in found):
        raise TypeError("wanted a list of Configs, as `ts.worth_measuring` gives")
    return found
