"""Measure many Configs into one surface."""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from tradespace.config import Config, check
from tradespace.errors import positive
from tradespace.measuring.engine import LOOP_VERSION, measure_rounds
from tradespace.measuring.machine import machine
from tradespace.surface.columns import row, table
from tradespace.surface.store import Store
from tradespace.tasks.task import Task

# Rows of a sweep that was interrupted without a store: the same sweep goes on with them in the same kernel.
_interrupted: dict[tuple[str, float, float], dict[str, object]] = {}


def sweep(
    task: Task,
    configs: Iterable[Config],
    *,
    store: str | Path | None = None,
    ci: float = 0.02,
    budget_s: float = 3.0,
    progress: bool = True,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Measure every Config on this machine: a surface with one row each, in the order given; repeats are merged.

    Interrupt it at any time: called again in the same kernel, or with the same store in another, it goes on where it
    was and measures no finished point twice.

    Parameters
    ----------
    store : str or Path, optional
        A file that every finished point is saved in at once, raw samples with it (`Store(path).measurements()` reads
        them). Points that are in it already are not measured again, unless something changed that they depend on:
        the machine, torch, the timing loop, the model's layers or weights, the task's data.
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
    identities = _identities(task, checked)
    keys = {config: hashlib.sha256(json.dumps(identities[config]).encode()).hexdigest() for config in checked}
    saved = None if store is None else Store(store)
    known = {config: _known(key, saved, ci, budget_s) for config, key in keys.items()}
    rows = {config: found for config, found in known.items() if found is not None}
    missing = [config for config in checked if config not in rows]
    with tqdm(total=len(checked), initial=len(rows), unit="config", disable=not progress) as bar:
        for measurement, finished in measure_rounds(task, missing, ci=ci, budget_s=budget_s, executor=executor):
            config = measurement.config
            bar.set_postfix_str(f"{config.model} {config.precision}", refresh=False)
            if finished:
                rows[config] = row(measurement)
                _interrupted[keys[config], ci, budget_s] = rows[config]
                if saved is not None:
                    saved.save(keys[config], identities[config], measurement, budget_s)
                bar.update()
    _interrupted.clear()
    return table(rows[config] for config in checked)


def _known(key: str, saved: Store | None, ci: float, budget_s: float) -> dict[str, object] | None:
    """The row of a point that need not be measured again, if there is one."""
    kept = _interrupted.get((key, ci, budget_s))
    return saved.find(key, ci, budget_s) if kept is None and saved is not None else kept


def _identities(task: Task, configs: list[Config]) -> dict[Config, dict[str, object]]:
    """For each Config, all that its row depends on."""
    fingerprints = {model: task.fingerprint(model) for model in {config.model for config in configs}}
    here = {"task": task.name, "machine": machine(), "loop": LOOP_VERSION}
    return {config: {**here, "content": fingerprints[config.model], **asdict(config)} for config in configs}
