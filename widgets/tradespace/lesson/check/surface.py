"""Exercises of notebook 04: dominance, a frontier seen in two axes, hypervolume, and what to measure again."""

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
# Volumes that differ by less than this share of the whole may change places in the next measurement.
ALIKE = 0.005
# Probabilities estimated from 500 draws are the same if they differ by less than this.
LUCK = 0.1


@exercise("04-dominates")
def dominates(rival: Any, loser: Any, surface: pd.DataFrame) -> Judgement:
    """Whether `rival` dominates `loser` in latency, throughput and accuracy.

    Parameters
    ----------
    rival, loser : row label, Series, or DataFrame of one row
        Rows of `surface`.
    surface : DataFrame
        Latency in ms, throughput in items per second, accuracy as a fraction.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and precision == 'fp32' and threads == 1")
    >>> small, large = surface.query("batch_size == 1").index[0], surface.query("batch_size == 64").index[0]
    >>> dominates(small, large, surface).passed  # lower latency, but lower throughput
    False
    """
    winner, beaten = _row(rival, surface), _row(loser, surface)
    answer = (
        "Keep the rows with at most the latency of the loser, and at least its throughput and accuracy; "
        f"row {_dominator(beaten, surface)} is one that is also better in something."
    )
    if winner == beaten:
        return wrong("That is the point itself. A point that dominates it is better in something.", answer)
    gains = _gains(surface.loc[[winner, beaten]])
    if np.isnan(gains[0]).any():
        return wrong("That point was not measured in all three.", answer)
    named = [NAMES[objective.column] for objective in OBJECTIVES]
    worse = [name for name, a, b in zip(named, *gains, strict=True) if a < b]
    better = [name for name, a, b in zip(named, *gains, strict=True) if a > b]
    if worse:
        return wrong(
            f"It is better in {listed(better)}, but worse in {listed(worse)}. "
            "A point that dominates another is worse in nothing.",
            answer,
        )
    if not better:
        return wrong("The two are equal in all three: that is a tie.", answer)
    return right(f"It is better in {listed(better)}, and worse in nothing. Nobody needs the other point.")


@exercise("04-hidden")
def hidden(count: Any, surface: pd.DataFrame) -> Judgement:
    """Whether `count` points of the frontier in three objectives are dominated in latency and throughput only.

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
        f"{of_whole} points are on the frontier in three objectives. Of these, {of_whole - expected} are also on the "
        f"frontier in latency and throughput: {expected} are hidden."
    )
    if said == expected:
        return right(
            f"{expected} of {of_whole} points look dominated if accuracy is not drawn, but are not. "
            "Crossing out points on a flat chart would have lost them."
        )
    if said == of_whole:
        return wrong("That is the whole frontier in three. Some of its points are on the flat frontier too.", answer)
    if said == on_flat:
        return wrong("That many are on the frontier in two. The question is how many are missing there.", answer)
    if said == int(measured(surface).sum()) - on_flat:
        return wrong(
            "That counts points that are dominated in three as well. Begin with the frontier in three.", answer
        )
    return wrong("Take the frontier in three: which of its points does `ts.pareto` keep in two?", answer)


@exercise("04-expendable")
def expendable(choice: Any, surface: pd.DataFrame, column: str = "precision") -> Judgement:
    """Whether the surface loses the least hypervolume without the rows whose `column` is `choice`.

    Parameters
    ----------
    choice : str
        One of the values of the column.
    surface : DataFrame
        Latency and throughput enter the volume as powers of ten; the reference is the default one.

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
    answer = f"Volume lost without each: {losses}. The least is lost without {best}."
    if not isinstance(choice, str) or choice not in left:
        return wrong(f"Wanted one of {', '.join(left)}, in quotes.", answer)
    if left[choice] >= left[best] - ALIKE * whole:
        return right(f"Volume lost without each: {losses}.")
    if left[choice] == min(left.values()):
        return wrong("Without that one, the *least* volume is left: it is the one to keep.", answer)
    return wrong("Leave out the rows of each in turn, and compare the volumes that remain.", answer)


@exercise("04-again")
def measure_again(configs: Any, judged: pd.DataFrame, count: int = 3) -> Judgement:
    """Whether `configs` are those whose place on the frontier is least certain.

    Parameters
    ----------
    configs : list of Config, or rows of `judged`
    judged : DataFrame
        What `frontier_confidence` returned: its `on_frontier` is a probability, from 0 to 1.
    count : int
        How many there is time to measure.

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
        return right("Nothing is left in doubt: every verdict is `on` or `off`.")
    if any(config not in chance for config in asked):
        return wrong("One of them is not in the table.", answer)
    sure = sum(verdicts[config] != "can't tell" for config in asked)
    if sure:
        verb = "is" if sure == 1 else "are"
        return wrong(
            f"{sure} of yours {verb} already settled. More seconds there would not change any verdict.", answer
        )
    if len(set(asked)) != len(best):
        return wrong(f"Wanted {len(best)} different points; got {len(set(asked))}.", answer)
    furthest = max(abs(chance[config] - 0.5) for config in best)
    if max(abs(chance[config] - 0.5) for config in asked) > furthest + LUCK:
        return wrong("They are in doubt, but others are more so: which probability is the least certain?", answer)
    chances = ", ".join(f"{chance[config]:.0%}" for config in asked)
    return right(f"Their chances of being on the frontier are {chances}: a second measurement settles the most there.")


def _row(given: Any, surface: pd.DataFrame) -> Any:
    """Return the label of the row that was given."""
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
    """Return the three objectives of each row, with signs such that larger is better."""
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
        raise TypeError("wanted a list of Configs, as `ts.worth_measuring` returns")
    return found
