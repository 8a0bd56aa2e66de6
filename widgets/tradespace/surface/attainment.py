"""The tradeoff surface itself: the best accuracy attainable within a latency and at a throughput."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tradespace.surface.objectives import check_one_machine, check_possible, measured, numbers

STEPS = 40


def attainment(
    surface: pd.DataFrame,
    latency: Sequence[float] | np.ndarray | None = None,
    throughput: Sequence[float] | np.ndarray | None = None,
    *,
    latency_column: str = "latency_p50_ms",
) -> pd.DataFrame:
    """Best accuracy, or mean of another score, attainable at or below each latency and at or above each throughput.

    Parameters
    ----------
    latency, throughput : sequence of float, optional
        Limits in ms and in items per second; by default 40 steps from the lowest to the highest measured value.
    latency_column : str
        The latency to limit, such as `latency_p99_ms`.

    Returns
    -------
    DataFrame
        Index `throughput_per_s`, columns named after `latency_column`, both ascending; NaN where no row qualifies.
        Accuracy rises to the right and falls downwards: more time never hurts, more demand never helps.

    Raises
    ------
    ValueError
        If nothing was measured, or the limits are empty.

    Examples
    --------
    >>> surface = pd.DataFrame({"latency_p50_ms": [1.0, 10.0], "throughput_per_s": [1000.0, 3000.0],
    ...                         "accuracy": [0.8, 0.9], "status": "ok"})
    >>> attainment(surface, latency=[5, 20], throughput=[500, 2000, 5000]).values.tolist()
    [[0.8, 0.9], [nan, 0.9], [nan, nan]]
    """
    check_one_machine(surface)
    columns = {latency_column: "latency_column", "throughput_per_s": "surface", "accuracy": "surface"}
    for column, argument in columns.items():
        check_possible(surface, [column], argument)
    points = np.column_stack([numbers(surface, *column) for column in columns.items()])[measured(surface)]
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        raise ValueError("surface: wanted a measured row with latency, throughput and accuracy; got none")
    allowed = _limits("latency", latency, points[:, 0])
    asked = _limits("throughput", throughput, points[:, 1])
    # Each point qualifies from the first latency that allows it up to the last throughput that it reaches.
    first = np.searchsorted(allowed, points[:, 0], side="left")
    last = np.searchsorted(asked, points[:, 1], side="right") - 1
    grid = np.full((len(asked), len(allowed)), -np.inf)
    serves = (first < len(allowed)) & (last >= 0)
    np.maximum.at(grid, (last[serves], first[serves]), points[serves, 2])
    grid = np.maximum.accumulate(grid, axis=1)
    grid = np.maximum.accumulate(grid[::-1], axis=0)[::-1]
    return pd.DataFrame(
        np.where(np.isinf(grid), np.nan, grid),
        index=pd.Index(asked, name="throughput_per_s"),
        columns=pd.Index(allowed, name=latency_column),
    )


def _limits(name: str, given: Sequence[float] | np.ndarray | None, found: np.ndarray) -> np.ndarray:
    if given is None:
        found = found[found > 0] if (found > 0).any() else found
        return np.unique(np.geomspace(found.min(), found.max(), STEPS)) if found.min() > 0 else np.unique(found)
    limits = np.unique(np.asarray(given, float))
    if not len(limits) or np.isnan(limits).any():
        raise ValueError(f"{name}: wanted at least one number, and no NaN; got {given!r}")
    return limits
