"""Exercises of notebook 04: dominance, a frontier seen in two axes, hypervolume, and what more seconds settle."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tradespace.lesson.check.answers import listed, near, number
from tradespace.lesson.exercise import Judgement, exercise, right, unmeasured, wrong
from tradespace.surface.columns import configs_of
from tradespace.surface.frontier import nondominated, pareto
from tradespace.surface.hypervolume import hypervolume
from tradespace.surface.objectives import OBJECTIVES, measured

NAMES = {"latency_p50_ms": "latency", "throughput_per_s": "throughput", "accuracy": "accuracy"}
UNSURE = "can't tell"


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
def hidden(count: Any, surface: pd.DataFrame, margin: Mapping[str, float] | None = None) -> Judgement:
    """Whether `count` points of the frontier in three objectives are dominated in latency and throughput only.

    Parameters
    ----------
    count : int, or the rows themselves
    surface : DataFrame
    margin : mapping of str to float, optional
        That of the frontier in three, as in `pareto`.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and runtime == 'openvino'")
    >>> axes = ts.minimize("latency_p50_ms"), ts.maximize("throughput_per_s"), ts.maximize("accuracy")
    >>> frontier = ts.pareto(surface, axes)
    >>> hidden(len(frontier) - len(ts.pareto(frontier, axes[:2])), surface).passed
    True
    """
    kept = pareto(surface, OBJECTIVES, margin=margin)
    of_whole, both = len(kept), int(nondominated(kept, OBJECTIVES[:2]).sum())
    on_flat, expected = int(nondominated(surface, OBJECTIVES[:2]).sum()), of_whole - both
    said = _count(count)
    answer = (
        f"{of_whole} points are left of the frontier in three objectives. Of these, {both} are also on the frontier in "
        f"latency and throughput: {expected} are hidden."
    )
    if said == expected:
        return right(
            f"{expected} of {of_whole} points look dominated if accuracy is not drawn, but are not. "
            "Crossing out points on a flat chart would have lost them."
        )
    if said == of_whole:
        return wrong("That is the whole frontier in three. Some of its points are on the flat frontier too.", answer)
    if said in (both, on_flat):
        return wrong("That many are on the frontier in two. The question is how many are missing there.", answer)
    exact = surface[nondominated(surface, OBJECTIVES)]
    if margin and said == len(exact) - int(nondominated(exact, OBJECTIVES[:2]).sum()):
        return wrong("That counts points whose lead in accuracy is within the margin. Begin with what is left.", answer)
    if said == int(measured(surface).sum()) - on_flat:
        return wrong(
            "That counts points that are dominated in three as well. Begin with the frontier in three.", answer
        )
    return wrong("Take the frontier in three: which of its points does `ts.pareto` keep in two?", answer)


@exercise("04-loss")
def volume_lost(loss: Any, surface: pd.DataFrame, kept: pd.DataFrame, reference: Mapping[str, float]) -> Judgement:
    """Whether `loss` is the share of the hypervolume of `surface` that is lost if only `kept` is left of it.

    Parameters
    ----------
    loss : float
        A fraction, or the same in per cent.
    surface, kept : DataFrame
        `kept` is a part of the surface.
    reference : mapping of str to float
        By column, the worst value that still counts.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet8' and threads == 1")
    >>> near = {"latency_p50_ms": 10, "throughput_per_s": 100, "accuracy": 0.8}
    >>> eager = surface[surface["runtime"] == "eager"]
    >>> axes = ts.minimize("latency_p50_ms"), ts.maximize("throughput_per_s"), ts.maximize("accuracy")
    >>> whole, left = (ts.hypervolume(rows, axes, reference=near) for rows in (surface, eager))
    >>> volume_lost(1 - left / whole, surface, eager, near).passed, volume_lost(left, surface, eager, near).passed
    (True, False)
    """
    said = number(loss)
    if not measured(kept).any() or measured(kept).sum() == measured(surface).sum():
        return unmeasured("nothing else could be measured, so nothing is lost.")
    whole, left = (hypervolume(rows, OBJECTIVES, reference=reference) for rows in (surface, kept))
    if not whole:
        return unmeasured("no point is better than the reference in all three.")
    expected = 1 - left / whole
    far = 1 - hypervolume(kept, OBJECTIVES) / hypervolume(surface, OBJECTIVES)
    answer = f"{left:.4g} is left of {whole:.4g}, so 1 - {left:.4g} / {whole:.4g} = {expected:.1%} is lost."
    if _share(said, expected):
        return right(f"{answer} At the distant reference it was {far:.1%}: the points are the same, the ruler is not.")
    if _share(said, far):
        return wrong("That is the loss at the distant reference. Pass the near one as `reference`.", answer)
    if _share(said, 1 - expected):
        return wrong("That is the share that is left. How much is lost?", answer)
    if left and _share(said, whole / left - 1):
        return wrong("Divide by the whole volume: the loss is a share of that.", answer)
    if near(said, whole - left):
        return wrong("That is the volume that is lost. As a share of the whole?", answer)
    return wrong("Work out both volumes with `reference=`, and compare what is left with the whole.", answer)


@exercise("04-settled")
def settled(count: Any, judged: pd.DataFrame, rejudged: pd.DataFrame) -> Judgement:
    """Whether `count` points were in doubt in `judged` and are not in `rejudged`.

    Parameters
    ----------
    count : int, or the rows themselves
    judged, rejudged : DataFrame
        What `frontier_confidence` returned before and after some points were measured again.

    Examples
    --------
    >>> knobs = {"pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1}
    >>> judged = pd.DataFrame({"model": ["a", "b", "c"], "batch_size": 1, **knobs})
    >>> before = judged.assign(verdict=["on", "can't tell", "can't tell"])
    >>> settled(1, before, judged.assign(verdict=["on", "off", "can't tell"])).passed
    True
    """
    said = _count(count)
    now = dict(zip(configs_of(rejudged), rejudged["verdict"], strict=True))
    before = dict(zip(configs_of(judged), judged["verdict"], strict=True))
    doubted = [config for config, verdict in before.items() if verdict == UNSURE and config in now]
    found = [now[config] for config in doubted if now[config] != UNSURE]
    counts = f"{found.count('on')} on the frontier, {found.count('off')} off it"
    answer = (
        f"Of {len(doubted)} points in doubt, {len(found)} {'is' if len(found) == 1 else 'are'} settled now: {counts}."
    )
    if not doubted and said == 0:
        return right("Nothing was in doubt, so there was nothing to settle.")
    if said == len(found):
        return right(f"{answer} Points that tie stay in doubt, however long you measure.")
    if said == sum(verdict == UNSURE for verdict in now.values()):
        return wrong("That many are in doubt now. How many of those that were are not any more?", answer)
    if said == len(doubted):
        return wrong("That many were in doubt. How many of them are not any more?", answer)
    if said == sum(verdict != UNSURE for verdict in now.values()):
        return wrong("That counts points that never were in doubt. Begin with those that were.", answer)
    return wrong("Count the rows with `can't tell` before, and `on` or `off` now.", answer)


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


def _share(said: float, expected: float) -> bool:
    """Whether a share was given, as a fraction or in per cent, to three digits."""
    return any(near(value, expected) or abs(value - expected) < 0.0005 for value in (said, said / 100))
