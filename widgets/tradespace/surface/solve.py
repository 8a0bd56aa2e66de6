"""The choice: the best row among those that meet every constraint."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.surface.margin import ROUNDING, check_margin, gains, scaled_gains
from tradespace.surface.objectives import Constraint, Objective, as_objectives, check_possible, feasible

if TYPE_CHECKING:
    from tradespace.tasks.task import Task

PROBLEM = "problem"


@dataclass(frozen=True)
class Confirmation:
    """The result of measuring a choice again.

    Parameters
    ----------
    row : int or None
        Number of the surface's row that met the constraints again; None if no row that was tried did.
    value : float
        The row's first objective in the second measurement; NaN if there is no row.
    """

    row: int | None = None
    value: float = math.nan


@dataclass(frozen=True, eq=False)
class Problem:
    """A surface and the question put to it; every choice carries its problem along, for `explain`.

    Parameters
    ----------
    surface : DataFrame
    objectives : tuple of Objective
        The first one decides; each later one breaks ties in all earlier ones.
    constraints : tuple of Constraint
    margin : mapping of str to float
        Rows that differ by no more than this in an objective tie in it.
    confirmation : Confirmation, optional
        Present if the choice was measured again.
    """

    surface: pd.DataFrame
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    margin: Mapping[str, float] = field(default_factory=dict)
    confirmation: Confirmation | None = None

    def __deepcopy__(self, memo: object) -> "Problem":
        # pandas copies the attrs of a DataFrame into every DataFrame made from it.
        return self


def solve(
    surface: pd.DataFrame,
    objective: Objective | Iterable[Objective],
    subject_to: Iterable[Constraint] = (),
    *,
    margin: Mapping[str, float] | None = None,
    confirm: bool = False,
    task: "Task | None" = None,
) -> pd.DataFrame:
    """Choose the best row of `surface` by `objective` that meets every constraint of `subject_to`.

    Parameters
    ----------
    objective : Objective, or a list of them
        If there are several, each later one breaks ties in all earlier ones.
    subject_to : iterable of Constraint
        On any numeric column, or on `power`, `latency_throughput_product` or `energy_delay`, which are computed.
    margin : mapping of str to float, optional
        Column of an objective -> difference that is too small to matter, or to be known; a share of times and rates, as
        in `pareto`. All rows within the margin of the best tie in that objective, and the next one decides between
        them. Constraints are as strict as without it.
    confirm : bool
        Whether to measure the choice again, and take the next best if it then breaks a constraint. The best-looking of
        many points was often lucky. The row returned is that of the second measurement.
    task : Task, optional
        The task to measure again; by default the shipped task that the surface names.

    Returns
    -------
    DataFrame
        One row. If several tie, margins included, it is the best of them by the objectives without margins, and the
        first if they are equal. No row if nothing is feasible: that is an answer too. `explain` says why.

    Raises
    ------
    ValueError
        If the objective or a constraint names a column that is missing or holds something else than numbers that can
        be, or if a margin names a column that is no objective, or is negative.

    Examples
    --------
    >>> import pandas as pd
    >>> from tradespace.surface.objectives import at_most, maximize
    >>> surface = pd.DataFrame({"ms": [1.0, 2.0, 3.0], "accuracy": [0.8, 0.85, 0.9], "status": "ok"})
    >>> solve(surface, maximize("accuracy"), subject_to=[at_most("ms", 2)])["ms"].tolist()
    [2.0]
    >>> len(solve(surface, maximize("accuracy"), subject_to=[at_most("ms", 0.5)]))
    0

    The quickest of all that are within half a point of the best accuracy:

    >>> from tradespace.surface.objectives import minimize
    >>> surface = pd.DataFrame({"ms": [1.0, 2.0, 3.0], "accuracy": [0.8, 0.899, 0.9], "status": "ok"})
    >>> solve(surface, [maximize("accuracy"), minimize("ms")], margin={"accuracy": 0.005})["ms"].tolist()
    [2.0]
    """
    objectives = as_objectives(objective)
    constraints = tuple(subject_to) if isinstance(subject_to, Iterable) else subject_to
    kept = feasible(surface, constraints)
    check_possible(surface, [one.column for one in objectives], order_only=True)
    problem = Problem(surface.copy(deep=False), objectives, constraints, check_margin(margin, objectives))
    if confirm:
        from tradespace.surface.confirm import confirmed

        return confirmed(problem, task)
    return choice(problem, kept)


def choice(problem: Problem, kept: np.ndarray) -> pd.DataFrame:
    """The best of the `kept` rows, which carries the problem along."""
    order = ranked(problem, kept)[:1]
    best = problem.surface.iloc[order]
    best.attrs[PROBLEM] = problem
    return best


def ranked(problem: Problem, kept: np.ndarray) -> np.ndarray:
    """Numbers of the `kept` rows that are known in every objective, best first; ties keep their order.

    With a margin, the second is the best of all but the first, and so on.
    """
    goals = np.column_stack([gains(objective, problem.surface) for objective in problem.objectives])
    rows = np.flatnonzero(kept & ~np.isnan(goals).any(axis=1))
    # lexsort sorts by its last key first.
    order: np.ndarray = rows[np.lexsort(-goals[rows].T[::-1])]
    if not any(problem.margin.values()):
        return order
    scaled, margins = scaled_gains(problem.surface, problem.objectives, problem.margin)
    best_first = []
    while len(order):
        tied = order
        for gain, width in zip(scaled.T, margins, strict=True):
            tied = tied[gain[tied] + width * (1 + ROUNDING) >= gain[tied].max()]
        best_first.append(tied[0])
        order = order[order != tied[0]]
    return np.array(best_first, dtype=int)
