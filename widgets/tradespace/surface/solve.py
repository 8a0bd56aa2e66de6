"""The choice: the best row among those that keep every constraint."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tradespace.surface.objectives import Constraint, Objective, check_objective, feasible


def solve(surface: pd.DataFrame, objective: Objective, subject_to: Iterable[Constraint] = ()) -> pd.DataFrame:
    """The row of `surface` that is best by `objective` and keeps every constraint of `subject_to`.

    Returns
    -------
    DataFrame
        One row; the first of those that tie. No row if nothing is feasible: that is an answer too.

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
    check_objective(objective)
    values = objective.values(surface)
    candidates = np.flatnonzero(feasible(surface, subject_to) & ~np.isnan(values))
    if not len(candidates):
        return surface.iloc[:0]
    gains = values[candidates] if objective.maximize else -values[candidates]
    return surface.iloc[[candidates[gains.argmax()]]]
