"""The Pareto frontier: the rows that no other row beats."""

from collections.abc import Iterable, Mapping

import moocore
import numpy as np
import pandas as pd

from tradespace.surface.margin import ROUNDING, check_margin, scaled_gains
from tradespace.surface.objectives import Objective, as_objectives, check_one_machine, check_possible

# In units of a margin; beyond it, differences are not added up.
FARTHEST = 1e100


def pareto(
    surface: pd.DataFrame, *objectives: Objective | Iterable[Objective], margin: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Nondominated rows of `surface`, in their original order, with all columns.

    A row is dominated if another is at least as good in every objective and better in one. Rows that tie in every
    objective stay together on the frontier. A row that was not measured, or is NaN in an objective, is never on it.

    Parameters
    ----------
    surface : DataFrame
    *objectives : Objective, or a list of them
        From `minimize` and `maximize`.
    margin : mapping of str to float, optional
        Column -> difference that is too small to matter, or to be known. As in `compare`, it is a share of times and
        rates (0.02 is 2 %); of everything else it is in the unit of the column, as in `compare_accuracy`.

    Returns
    -------
    DataFrame
        With a margin, the part of the frontier that is left when each row goes that another one which stays can stand
        in for. A row can stand in for another if it is at least as good in every objective up to the margin, and better
        on balance: in an objective without a margin or, if they tie in all of these, in the sum of their differences,
        each divided by its margin. There is exactly one such set. It does not depend on the order of rows or
        objectives, and every known row that is not in it has a stand-in there: it is an ε-Pareto set (Laumanns, Thiele,
        Deb and Zitzler, 2002).

    Raises
    ------
    ValueError
        If there is no objective, or one names a column that is missing or holds something else than numbers that can
        be. Accuracies may be in per cent, if all are: their order is the same. If a margin names a column that is no
        objective, or is negative.

    Examples
    --------
    >>> import pandas as pd
    >>> from tradespace.surface.objectives import maximize, minimize
    >>> surface = pd.DataFrame({"ms": [1.0, 2.0, 3.0], "accuracy": [0.8, 0.9, 0.85], "status": "ok"})
    >>> pareto(surface, [minimize("ms"), maximize("accuracy")])["ms"].tolist()
    [1.0, 2.0]

    Twice the time for a hundredth of a point of accuracy:

    >>> surface = pd.DataFrame({"ms": [1.0, 2.0, 4.0], "accuracy": [0.9, 0.9001, 0.92], "status": "ok"})
    >>> pareto(surface, [minimize("ms"), maximize("accuracy")], margin={"accuracy": 0.005})["ms"].tolist()
    [1.0, 4.0]
    """
    goals = as_objectives(*objectives)
    check_possible(surface, [goal.column for goal in goals], order_only=True)
    margin = check_margin(margin, goals)
    on = nondominated(surface, goals)
    if any(margin.values()):
        gains, margins = scaled_gains(surface, goals, margin)
        on[on] = _without_stand_ins(gains[on], margins)
    return surface[on]


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


def _without_stand_ins(gains: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """Whether each row of a frontier stays, given its gains (rows x objectives) and the margin of each objective.

    A row that can stand in for another comes before it in the order of balance. So one pass in that order finds the
    only set in which no row can stand in for another and which has a stand-in for each row outside.
    """
    exact = margins == 0
    room = margins * (1 + ROUNDING)
    balance = np.clip(gains[:, ~exact] / margins[~exact], -FARTHEST, FARTHEST).sum(axis=1)
    ranked = np.column_stack([gains[:, exact], balance])
    stays = np.zeros(len(gains), bool)
    # lexsort sorts by its last key first.
    for row in np.lexsort(-ranked.T[::-1]):
        covers = stays & (gains + room >= gains[row]).all(axis=1)
        stays[row] = not (ranked[covers] > ranked[row]).any()
    return stays
