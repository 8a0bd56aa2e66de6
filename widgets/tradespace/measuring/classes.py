"""Accuracy per class: what does a compressed model forget first?"""

import numpy as np
import pandas as pd

from tradespace.measuring.compare import compare_accuracy
from tradespace.measuring.measurement import Measurement
from tradespace.tasks.task import Task, scoring_order


def accuracy_by_class(task: Task, measurement: Measurement, baseline: Measurement | None = None) -> pd.DataFrame:
    """Accuracy, or the mean of another score, on the test items of each class, and that of a baseline.

    Only scored items count; with a baseline, only those scored in both.

    Parameters
    ----------
    baseline : Measurement, optional
        Of the same task, for example in fp32.

    Returns
    -------
    DataFrame
        One row per class. Columns `label items accuracy accuracy_lo accuracy_hi score`, with 95 % intervals. With a
        baseline, also `baseline_accuracy`, `lost` and `gained` (items that only one of the two gets right; by a score
        of numbers, items on which it is better), and `p_value` (`compare_accuracy` of this class only: by chance, one
        in twenty is below 5 %); the most forgotten class comes first. Its `attrs["machines"]` says where.

    Raises
    ------
    ValueError
        If the task has no class labels, or if a Measurement has no test results or more than the task has items.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> exact, rounded = (ts.measure(task, ts.Config("resnet8", precision=p), budget_s=0.1) for p in ("fp32", "w3"))
    >>> table = accuracy_by_class(task, rounded, exact)
    >>> len(table), bool(table["lost"].sum() > table["gained"].sum())
    (10, True)
    """
    labels = _labels(task)
    for name, one in (("measurement", measurement), ("baseline", baseline)):
        if one is not None and not 0 < one.accuracy_n <= len(labels):
            raise ValueError(f"{name}: wanted results on the task's {len(labels)} test items; got {one.accuracy_n}")
    items = min(one.accuracy_n for one in (measurement, baseline) if one is not None)
    labels = labels[scoring_order(len(labels))][:items]
    rows = [_row(task, label, labels == label, measurement, baseline) for label in np.unique(labels)]
    table = pd.DataFrame(rows)
    table.attrs["machines"] = sorted({one.machine for one in (measurement, baseline) if one is not None})
    if baseline is None:
        return table
    order = (table["gained"] - table["lost"]).sort_values(kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _labels(task: Task) -> np.ndarray:
    if task.test is None or task.test[1].ndim != 1 or task.test[1].is_floating_point():
        raise ValueError(f"task: wanted one with a class as the label of each test item; {task.name!r} has none")
    return task.test[1].numpy()


def _row(
    task: Task, label: int, own: np.ndarray, measurement: Measurement, baseline: Measurement | None
) -> dict[str, object]:
    b = _only(own, measurement)
    name = task.classes[label] if task.classes else str(label)
    ends = {"accuracy_lo": b.accuracy_lo, "accuracy_hi": b.accuracy_hi}
    row = {"label": name, "items": b.accuracy_n, "accuracy": b.accuracy, **ends, "score": b.score}
    if baseline is None:
        return row
    a = _only(own, baseline)
    compared = compare_accuracy(a, b)
    return {
        **row,
        "baseline_accuracy": a.accuracy,
        "lost": compared.only_a,
        "gained": compared.only_b,
        "p_value": compared.p_value,
    }


def _only(own: np.ndarray, measurement: Measurement) -> Measurement:
    """The results of `measurement` on the items where `own` is true."""
    assert measurement.scores is not None
    scores = measurement.scores[: len(own)][own]
    return Measurement(measurement.task, measurement.config, scores=scores, score=measurement.score)
