"""The choice: the best row among those that keep every constraint."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.surface.objectives import Constraint, Objective, as_objectives, feasible

if TYPE_CHECKING:
    from tradespace.tasks.task import Task

PROBLEM = "problem"


@dataclass(frozen=True)
class Confirmation:
    """What measuring a choice once more came to.

    Parameters
    ----------
    row : int or None
        Number of the surface's row that kept the constraints then too; None if none of those tried did.
    value : float
        Its first objective in the second measurement; NaN if there is no row.
    """

    row: int | None = None
    value: float = math.nan


@dataclass(frozen=True, eq=False)
class Problem:
    """What was asked of which surface; every choice carries it along, for `explain`.

    Parameters
    ----------
    surface : DataFrame
    objectives : tuple of Objective
        The first counts; each next one decides between rows that tie in all before it.
    constraints : tuple of Constraint
    confirmation : Confirmation, optional
        If the choice was measured once more.
    """

    surface: pd.DataFrame
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    confirmation: Confirmation | None = None

    def __deepcopy__(self, memo: object) -> "Problem":
        # pandas copies what a frame carries along with every frame made from it.
        return self


def solve(
    surface: pd.DataFrame,
    objective: Objective | Iterable[Objective],
    subject_to: Iterable[Constraint] = (),
    *,
    confirm: bool = False,
    task: "Task | None" = None,
) -> pd.DataFrame:
    """The row of `surface` that is best by `objective` and keeps every constraint of `subject_to`.

    Parameters
    ----------
    objective : Objective, or a list of them
        Of several, each next one decides between rows that tie in all before it.
    subject_to : iterable of Constraint
        On any numeric column, or on `power`, `latency_throughput_product` or `energy_delay`, which are computed.
    confirm : bool
        Whether to measure the choice once more, and take the next best if it breaks a constraint then. Of many points
        the one that looks best was often lucky; the row that comes back is that of the second measurement.
    task : Task, optional
        What to measure again; by default the shipped task that the surface names.

    Returns
    -------
    DataFrame
        One row; the first of those that tie. No row if nothing is feasible: that is an answer too. `explain` says why.

    Raises
    ------
    ValueError
        If the objective or a constraint names a column that is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> from tradespace.surface.objectives import at_most, maximize
    >>> surface = pd.DataFrame({"ms": [1.0, 2.0, 3.0], "accuracy": [0.8, 0.85, 0.9], "status": "ok"})
    >>> solve(surface, maximize("accuracy"), subject_to=[at_most("ms", 2)])["ms"].tolist()
    [2.0]
    >>> len(solve(surface, maximize("accuracy"), subject_to=[at_most("ms", 0.5)]))
    0
    """
    objectives = as_objectives(objective)
    constraints = tuple(subject_to) if isinstance(subject_to, Iterable) else subject_to
    kept = feasible(surface, constraints)
    problem = Problem(surface.copy(deep=False), objectives, constraints)
    if confirm:
        from tradespace.surface.confirm import confirmed

        return confirmed(problem, task)
    return choice(problem, kept)


def choice(problem: Problem, kept: np.ndarray) -> pd.DataFrame:
    """The best of the rows that are `kept`, carrying the problem along."""
    order = ranked(problem, kept)[:1]
    best = problem.surface.iloc[order]
    best.attrs[PROBLEM] = problem
    return best


def ranked(problem: Problem, kept: np.ndarray) -> np.ndarray:
    """Numbers of the `kept` rows that are known in every objective, best first; of those that tie the first first."""
    goals = np.column_stack([gains(objective, problem.surface) for objective in problem.objectives])
    rows = np.flatnonzero(kept & ~np.isnan(goals).any(axis=1))
    # lexsort sorts by its last key first.
    order: np.ndarray = rows[np.lexsort(-goals[rows].T[::-1])]
    return order


def gains(objective: Objective, surface: pd.DataFrame) -> np.ndarray:
    """The objective of each row, larger being better; NaN in rows that were not measured."""
    values = objective.values(surface)
    return values if objective.maximize else -values
