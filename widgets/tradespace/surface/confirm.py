"""Measure a choice again: the best-looking of many points was often lucky (the winner's curse)."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from tradespace.surface.columns import COLUMNS, configs_of, table
from tradespace.surface.columns import row as row_of
from tradespace.surface.objectives import feasible, numbers
from tradespace.surface.reading import check_columns
from tradespace.surface.solve import PROBLEM, Confirmation, Problem, ranked

if TYPE_CHECKING:
    from tradespace.tasks.task import Task

MOST_TRIES = 5


def confirmed(problem: Problem, task: "Task | None") -> pd.DataFrame:
    """Find the best row that meets the constraints in a second measurement too; try at most five.

    Raises
    ------
    ValueError
        If no task is given and that of the surface is not shipped, or if the surface is from another machine.
    """
    from tradespace.measuring.engine import measure
    from tradespace.measuring.machine import machine
    from tradespace.surface.derived import PRODUCTS

    surface = problem.surface
    check_columns(surface, COLUMNS)
    for elsewhere in set(surface["machine"]) - {machine()}:
        raise ValueError(
            f"confirm: wanted a surface of this machine ({machine()}), to measure it again; got one of {elsewhere!r}"
        )
    best = ranked(problem, feasible(surface, problem.constraints))
    for row in best[:MOST_TRIES]:
        chosen = surface.iloc[[row]]
        again = table([row_of(measure(task or _shipped(surface), *configs_of(chosen)))]).set_axis(chosen.index)
        # The caller's own columns, such as a cost, are not measured: they stay as they were.
        own = chosen[[name for name in chosen if name not in again]]
        again = pd.concat([again, own], axis=1)
        again = again.assign(**{name: PRODUCTS[name][0](again) for name in own if name in PRODUCTS})
        if feasible(again, problem.constraints).all():
            value = float(numbers(again, problem.objectives[0].column)[0])
            again.attrs[PROBLEM] = replace(problem, confirmation=Confirmation(int(row), value))
            return again
    none = surface.iloc[:0]
    none.attrs[PROBLEM] = replace(problem, confirmation=Confirmation())
    return none


def _shipped(surface: pd.DataFrame) -> "Task":
    from tradespace.tasks import list_tasks, load_task

    names = surface["task"].unique()
    if len(names) != 1 or names[0] not in list_tasks():
        raise ValueError(f"task: wanted the Task that was measured, since {', '.join(map(repr, names))} is not shipped")
    return load_task(str(names[0]))
