"""Explain a choice: what binds, what a little more room would gain, and what to relax if nothing is feasible."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tradespace.config import KNOBS
from tradespace.surface.columns import plain, scale_of
from tradespace.surface.margin import ROUNDING, gains, scaled_gains
from tradespace.surface.objectives import Constraint, feasible, measured, numbers
from tradespace.surface.solve import PROBLEM, Problem, ranked
from tradespace.text import counted

RELAXED_BY = 0.1


@dataclass(frozen=True)
class Explanation:
    """A choice, explained.

    Parameters
    ----------
    feasible : int
        Number of measured rows that meet every constraint.
    binding : tuple of Constraint
        Constraints without which the choice would be better.
    relaxed : DataFrame
        One row per constraint: the `constraint` in words, its limit `relaxed_to` 10 % looser, the value of the
        objective `then`, and the `gain` over now, which is 0 within the margin. If nothing is feasible, `relaxed_to` is
        the nearest limit that lets a row in, with all other constraints kept, and NaN if no limit does.
    nearest_miss : DataFrame
        The better row that breaks the constraints least, if there is one; if nothing is feasible, the row that comes
        nearest.
    sentences : tuple of str
    """

    feasible: int
    binding: tuple[Constraint, ...]
    relaxed: pd.DataFrame
    nearest_miss: pd.DataFrame
    sentences: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.sentences)


def explain(choice: pd.DataFrame) -> Explanation:
    """Explain an answer of `solve`: which constraints bind, what relaxing them would gain, and the nearest miss.

    Parameters
    ----------
    choice : DataFrame
        As returned by `solve`, with or without a row.

    Raises
    ------
    ValueError
        If it did not come from `solve`, or lost its problem on the way (some pandas operations drop it).

    Examples
    --------
    >>> from tradespace.surface.objectives import at_most, maximize
    >>> from tradespace.surface.solve import solve
    >>> surface = pd.DataFrame({"ms": [1.0, 2.0, 2.1], "accuracy": [0.8, 0.85, 0.9], "status": "ok"})
    >>> explain(solve(surface, maximize("accuracy"), subject_to=[at_most("ms", 2)]))
    The best of 2 feasible rows: accuracy 0.85.
    'ms at most 2' binds: with at most 2.2, accuracy would be 0.9.
    Nearest miss: accuracy 0.9 with ms 2.1, 5 % beyond its limit.
    """
    problem = choice.attrs.get(PROBLEM)
    if not isinstance(problem, Problem):
        raise ValueError("choice: wanted what ts.solve() returned; got a DataFrame that does not carry its problem")
    kept = feasible(problem.surface, problem.constraints)
    order = ranked(problem, kept)
    return _of_choice(problem, order, int(kept.sum())) if len(order) else _of_none(problem, int(kept.sum()))


def _of_choice(problem: Problem, order: np.ndarray, count: int) -> Explanation:
    surface, objective = problem.surface, problem.objectives[0]
    values = numbers(surface, objective.column)
    best = values[order[0]]
    sentences = [
        f"The best of {len(order)} feasible rows: {_said(surface, objective.column, best)}{_name(surface, order[0])}.",
        *_of_confirmation(problem, order[0]),
    ]
    better = _known(problem) & _better(problem, order[0])
    binding, rows = [], []
    for number, constraint in enumerate(problem.constraints):
        others = _all_but(problem.constraints, number)
        without = ranked(problem, feasible(surface, others))[0]
        looser = _relaxed(constraint)
        row = ranked(problem, feasible(surface, [*others, looser]))[0]
        then, gained = values[row], bool(better[row])
        rows.append((_asked(surface, constraint), looser.limit, then, then - best if gained else 0.0))
        # Without the limit there are more rows: if another one is chosen, it is better, or ties.
        if _goals(problem, without) != _goals(problem, order[0]):
            binding.append(constraint)
            gain = _said(surface, objective.column, then, " would be") if gained else "nothing would change"
            sentences.append(f"'{_asked(surface, constraint)}' binds: with {_limit(looser)}, {gain}.")
    if not binding:
        sentences.append("No constraint binds: removing any one of them would not change the choice.")
    miss, words = _nearest(problem, better)
    if len(miss):
        sentences.append(
            f"Nearest miss: {_said(surface, objective.column, values[miss[0]])}{_name(surface, miss[0])} with {words}."
        )
    return Explanation(count, tuple(binding), _frame(rows), surface.iloc[miss], tuple(sentences))


def _of_confirmation(problem: Problem, best: int) -> list[str]:
    """Describe the second measurement of the best row; empty if there was none."""
    confirmation = problem.confirmation
    if confirmation is None:
        return []
    if confirmation.row is None:
        return ["Measured again, neither it nor the next best rows met the constraints."]
    now = _said(problem.surface, problem.objectives[0].column, confirmation.value)
    if confirmation.row == best:
        return [f"Measured again: {now}."]
    taken = _name(problem.surface, confirmation.row)
    return [f"Measured again, it did not meet the constraints. Chosen instead: {now}{taken}."]


def _of_none(problem: Problem, count: int) -> Explanation:
    surface, known = problem.surface, measured(problem.surface)
    sentences = ["Nothing is feasible."]
    if not known.any():
        sentences.append("The surface has no measured row.")
    named = dict.fromkeys((*(c.column for c in problem.constraints), *(o.column for o in problem.objectives)))
    for column in named:
        if known.any() and np.isnan(numbers(surface, column)[known]).all():
            name = _called(surface, column)
            sentences.append(f"{name} is unknown in every measured row, so no row can meet a limit on it.")
    sentences += _contradictions(problem)
    rows, binding = [], []
    for number, constraint in enumerate(problem.constraints):
        others = _all_but(problem.constraints, number)
        candidates = feasible(surface, others) & _known(problem)
        values = numbers(surface, constraint.column)[candidates]
        values = values[~np.isnan(values)]
        needed = (values.max() if constraint.at_least else values.min()) if len(values) else np.nan
        rows.append((_asked(surface, constraint), needed, np.nan, np.nan))
        if len(values):
            binding.append(constraint)
            change = _share(constraint, needed)
            sentences.append(
                f"Enough by itself: '{_asked(surface, constraint)}' relaxed to {_outward(constraint, needed)}{change}."
            )
    miss, words = _nearest(problem, _known(problem))
    if problem.constraints and len(miss) and not binding:
        sentences.append(
            f"No constraint is enough by itself. The row that comes nearest{_name(surface, miss[0])}: {words}."
        )
    return Explanation(count, tuple(binding), _frame(rows), surface.iloc[miss], tuple(sentences))


def _all_but(constraints: tuple[Constraint, ...], number: int) -> list[Constraint]:
    return [*constraints[:number], *constraints[number + 1 :]]


def _contradictions(problem: Problem) -> list[str]:
    """Describe pairs of limits on one column that no row can meet."""
    most = [constraint for constraint in problem.constraints if not constraint.at_least]
    least = [constraint for constraint in problem.constraints if constraint.at_least]
    pairs = [(a, b) for a in most for b in least if a.column == b.column and a.limit < b.limit]
    asked = [[_asked(problem.surface, one) for one in pair] for pair in pairs]
    return [f"'{a}' and '{b}' contradict each other." for a, b in asked]


def _called(surface: pd.DataFrame, column: str) -> str:
    """What sentences call a column: that of accuracies by the name of the score."""
    return scale_of(surface).name if column == "accuracy" else column


def _unit(surface: pd.DataFrame, column: str) -> str:
    unit = scale_of(surface).unit if column == "accuracy" else ""
    return f" {unit}" if unit else ""


def _said(surface: pd.DataFrame, column: str, value: float, verb: str = "") -> str:
    return f"{_called(surface, column)}{verb} {_short(value)}{_unit(surface, column)}"


def _asked(surface: pd.DataFrame, constraint: Constraint) -> str:
    return f"{replace(constraint, column=_called(surface, constraint.column))}{_unit(surface, constraint.column)}"


def _nearest(problem: Problem, among: np.ndarray) -> tuple[np.ndarray, str]:
    """Find the row in `among` whose largest violation, relative to its limit, is smallest; and describe it."""
    surface = problem.surface
    shares = np.zeros((len(surface), max(len(problem.constraints), 1)))
    for i, constraint in enumerate(problem.constraints):
        shares[:, i] = _violation(constraint, numbers(surface, constraint.column))
    worst = np.where(among & ~np.isnan(shares).any(axis=1), np.nan_to_num(shares, nan=np.inf).max(axis=1), np.inf)
    if not np.isfinite(worst).any():
        return np.array([], dtype=int), ""
    row = int(worst.argmin())
    broken = [(c, shares[row, i]) for i, c in enumerate(problem.constraints) if shares[row, i] > 0]
    words = [
        f"{_said(surface, c.column, numbers(surface, c.column)[row])}, {_percent(share)} % beyond its limit"
        for c, share in broken
    ]
    return np.array([row]), "; ".join(words)


def _violation(constraint: Constraint, values: np.ndarray) -> np.ndarray:
    kept = values >= constraint.limit if constraint.at_least else values <= constraint.limit
    scale = abs(constraint.limit) or 1.0
    with np.errstate(invalid="ignore"):
        beyond = np.nan_to_num(np.abs(values - constraint.limit) / scale, nan=np.inf)
    shares: np.ndarray = np.where(kept, 0.0, np.where(np.isnan(values), np.nan, beyond))
    return shares


def _known(problem: Problem) -> np.ndarray:
    """Whether each row was measured and every objective of it is known."""
    known = measured(problem.surface)
    for objective in problem.objectives:
        known = known & ~np.isnan(numbers(problem.surface, objective.column))
    return known


def _goals(problem: Problem, row: int) -> list[float]:
    """The objectives of a row, in order; larger is better."""
    return [float(gains(objective, problem.surface)[row]) for objective in problem.objectives]


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.995 else f"{100 * share:,.0f}"


def _outward(constraint: Constraint, value: float) -> str:
    """Round `value` outward, so that a limit copied from the text lets the row in."""
    if abs(value) >= 9999.5:
        return f"{(np.floor if constraint.at_least else np.ceil)(value):.0f}"
    if not value:
        return "0"
    digits = 10.0 ** (3 - np.floor(np.log10(abs(value))))
    rounded = (np.floor if constraint.at_least else np.ceil)(round(value * digits, 6)) / digits
    return f"{rounded:.4g}"


def _relaxed(constraint: Constraint) -> Constraint:
    room = RELAXED_BY * abs(constraint.limit)
    return replace(constraint, limit=constraint.limit - room if constraint.at_least else constraint.limit + room)


def _limit(constraint: Constraint) -> str:
    return f"at {'least' if constraint.at_least else 'most'} {_short(constraint.limit)}"


def _share(constraint: Constraint, needed: float) -> str:
    """The relative change of a limit, in words; empty where it has no meaning."""
    if not constraint.limit or not np.isfinite(constraint.limit):
        return ""
    share = (needed - constraint.limit) / abs(constraint.limit)
    return f" ({'+' if share > 0 else '-'}{_percent(abs(share))} %)"


def _better(problem: Problem, row: int) -> np.ndarray:
    """Whether each row is better than `row` in the first objective, by more than its margin."""
    scaled, margins = scaled_gains(problem.surface, problem.objectives[:1], problem.margin)
    better: np.ndarray = scaled[:, 0] > scaled[row, 0] + margins[0] * (1 + ROUNDING)
    return better


def _frame(rows: list[tuple[str, float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["constraint", "relaxed_to", "then", "gain"])


def _name(surface: pd.DataFrame, row: int) -> str:
    """The knobs of a row, in brackets; empty if the DataFrame has none."""
    words = {"batch_size": "batch {}"}
    (here,) = plain(surface.iloc[[row]][[name for name in KNOBS if name in surface]]).to_dict("records")
    values = {str(k): v for k, v in here.items() if k != "device" and (k, v) != ("pruning", "none")}
    knobs = [
        counted(value, "thread") if name == "threads" else words.get(name, "{}").format(value)
        for name, value in values.items()
    ]
    return f" ({', '.join(knobs)})" if knobs else ""
