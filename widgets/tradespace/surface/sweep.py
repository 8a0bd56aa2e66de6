"""Measure many Configs into one surface."""

from collections.abc import Iterable
from concurrent.futures import Executor

import pandas as pd
from tqdm.auto import tqdm

from tradespace.config import Config, check
from tradespace.errors import positive
from tradespace.measuring.engine import measure_rounds
from tradespace.surface.columns import row, table
from tradespace.tasks.task import Task


def sweep(
    task: Task,
    configs: Iterable[Config],
    *,
    ci: float = 0.02,
    budget_s: float = 3.0,
    progress: bool = True,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Measure every Config on this machine: a surface with one row each, in the order given; repeats are merged.

    Parameters
    ----------
    ci, budget_s : float
        As for `measure`: the asked width of each interval, and the most seconds of samples a Config.
    progress : bool
        Whether to draw a progress bar.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.

    Raises
    ------
    ValueError
        If there is no Config, or one is not valid here; before any work.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> surface = ts.sweep(task, ts.grid(task, model="resnet8", batch_size=[1, 8]), budget_s=0.2, progress=False)
    >>> surface["batch_size"].tolist(), surface["status"].tolist()
    ([1, 8], ['ok', 'ok'])
    """
    checked = list(dict.fromkeys(check(task, configs)))
    ci, budget_s = positive("ci", ci), positive("budget_s", budget_s)
    rows: dict[Config, dict[str, object]] = {}
    with tqdm(total=len(checked), unit="config", disable=not progress) as bar:
        for measurement, finished in measure_rounds(task, checked, ci=ci, budget_s=budget_s, executor=executor):
            bar.set_postfix_str(f"{measurement.config.model} {measurement.config.precision}", refresh=False)
            if finished:
                rows[measurement.config] = row(measurement)
                bar.update()
    return table(rows[config] for config in checked)
