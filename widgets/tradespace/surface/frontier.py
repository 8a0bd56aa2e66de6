"""The Pareto frontier: the rows that no other row beats."""

from collections.abc import Iterable

import moocore
import numpy as np
import pandas as pd

from tradespace.surface.objectives import Objective, as_objectives, check_one_machine, check_possible


def pareto(surface: pd.DataFrame, *objectives: Objective | Iterable[Objective]) -> pd.DataFrame:
    """Nondominated rows of `surface`, in their original order, with all columns.

    A row is dominated if another is at least as good in every objective and better in one. Rows that tie in every
    objective stay together on the frontier. A row that was not measured, or is NaN in an objective, is never on it.

    Parameters
    ----------
    surface : DataFrame
    *objectives : Objective, or a list of them
        From `minimize` and `maximize`.

    Raises
    ------
    ValueError
        If there is no objective, or one names a column that is missing or holds something else than numbers that can
        be. Accuracies may be in per cent, if all are: their order is the same.

    Examples
    --------
    >>> import pandas as pd
    >>> from tradespace.surface.objectives import maximize, minimize
    >>> surface = pd.DataFrame({"ms": [1.0, 2.0, 3.0], "accuracy": [0.8, 0.9, 0.85], "status": "ok"})
    >>> pareto(surface, [minimize("ms"), maximize("accuracy")])["ms"].tolist()
    [1.0, 2.0]
    """
    goals = as_objectives(*objectives)
    check_possible(surface, [goal.column for goal in goals], order_only=True)
    return surface[nondominated(surface, goals)]


def nondominated(surface: pd.DataFrame, objectives: tuple[Objective, ...]) -> np.ndarray:
    """Whether each row of `surface` is on the frontier of `objectives`."""
    check_one_machine(surface)
    return undominated(np.column_stack([goal.values(surface) for goal in objectives]), objectives)


def undominated(values: np.ndarray, objectives: tuple[Objective, ...]) -> np.ndarray:
    """Whether no other row of `values`, of shape (rows, objectives), dominates a row; false for one with a NaN."""
    on: np.ndarray = ~np.isnan(values).any(axis=1)
    # Dominance depends only on the order of values, so ranks can replace them. Infinities would make moocore 0.3.2 read
    # out of bounds.
    ranks = [np.unique(column, return_inverse=True)[1].astype(float) for column in values[on].T]
    if on.any():
        directions = [objective.maximize for objective in objectives]
        on[on] = moocore.is_nondominated(np.column_stack(ranks), maximise=directions, keep_weakly=True)
    return on
