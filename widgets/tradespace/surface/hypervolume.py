"""How much of the objective space a frontier covers, down to a reference point, which must be stated with it."""

from collections.abc import Iterable, Mapping

import moocore
import numpy as np
import pandas as pd

from tradespace.surface.columns import scale_of
from tradespace.surface.frontier import nondominated
from tradespace.surface.objectives import LOGARITHMIC, Objective, as_objectives, check_possible

# As bad as anything worth drawing: one second per batch, one item per second, no right answers.
REFERENCE: dict[str, float] = {"latency_p50_ms": 1e3, "throughput_per_s": 1.0, "accuracy": 0.0}


def hypervolume(
    surface: pd.DataFrame,
    *objectives: Objective | Iterable[Objective],
    reference: Mapping[str, float] | None = None,
) -> float:
    """Volume that the frontier of `surface` dominates, down to a reference point (Zitzler and Thiele, 1998).

    Times and rates count in powers of ten, fractions as they are. So in latency, throughput and accuracy, halving every
    latency adds the same volume wherever the frontier is.

    Parameters
    ----------
    surface : DataFrame
    *objectives : Objective, or a list of them
    reference : mapping of str to float, optional
        Column -> worst value that still counts; by default `REFERENCE`: 1,000 ms, 1 item per second, accuracy 0. A
        score that is no accuracy has no default, since none suits every unit.
        Points that are not better in every objective add nothing. Only volumes with the same reference are comparable.

    Raises
    ------
    ValueError
        If an objective has no reference value.

    Examples
    --------
    >>> from tradespace.surface.objectives import maximize, minimize
    >>> surface = pd.DataFrame({"latency_p50_ms": [10.0, 100.0], "accuracy": [0.8, 0.9], "status": "ok"})
    >>> round(hypervolume(surface, [minimize("latency_p50_ms"), maximize("accuracy")]), 6)
    1.7
    """
    goals, worst = as_objectives(*objectives), REFERENCE if reference is None else reference
    columns, scale = [objective.column for objective in goals], scale_of(surface)
    if "accuracy" in columns and reference is None and not scale.is_accuracy:
        wanted = f"the worst {scale.name} that still counts, since no default suits every score"
        example = {column: worst.get(column, "...") for column in columns} | {"accuracy": "..."}
        raise ValueError(f"reference: wanted {wanted}; got none. Pass reference={_typed(example)}")
    lacking = [column for column in columns if column not in worst]
    if lacking:
        raise ValueError(f"reference: wanted a worst value for each objective; got none for {', '.join(lacking)}")
    for objective in goals:
        value = worst[objective.column]
        if not np.isfinite(value) or (value <= 0 and objective.column.endswith(LOGARITHMIC)):
            wanted = f"a finite worst value for {objective.column}, above 0 if it is a time or a rate"
            raise ValueError(f"reference: wanted {wanted}; got {value!r}")
    check_possible(surface, [goal.column for goal in goals])
    on = nondominated(surface, goals)
    points = np.column_stack([_scaled(o.column, o.values(surface)[on]) for o in goals])
    edge = np.array([_scaled(o.column, np.array([worst[o.column]]))[0] for o in goals])
    signs = np.array([-1.0 if objective.maximize else 1.0 for objective in goals])
    points, edge = points * signs, edge * signs
    points = points[(points < edge).all(axis=1)]
    if np.isinf(points).any():
        return float("inf")
    return float(moocore.hypervolume(points, ref=edge)) if len(points) else 0.0


def _typed(example: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{column!r}: {value}" for column, value in example.items()) + "}"


def _scaled(column: str, values: np.ndarray) -> np.ndarray:
    if not column.endswith(LOGARITHMIC):
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: np.ndarray = np.log10(values)
    return logs
