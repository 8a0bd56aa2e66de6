"""Measure many Configs into one surface."""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from tradespace.config import Config, check
from tradespace.errors import positive
from tradespace.measuring.engine import LOOP_VERSION, measure_rounds
from tradespace.measuring.machine import machine
from tradespace.measuring.worker import variant
from tradespace.prepare import versions
from tradespace.surface.columns import row, table
from tradespace.surface.store import Store
from tradespace.tasks.task import Task

Identities = dict[Config, dict[str, object]]

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
        the machine, torch or the runtime, the timing loop, the model's layers or weights, the task's data. Accuracy is
        kept likewise, once for all threads and batch sizes.
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
    keys = {config: _key(identity) for config, identity in identities.items()}
    saved = None if store is None else Store(store)
    known = {config: _known(key, saved, ci, budget_s) for config, key in keys.items()}
    rows = {config: found for config, found in known.items() if found is not None}
    missing = [config for config in checked if config not in rows]
    scores = _known_scores(missing, identities, saved)
    rounds = measure_rounds(task, missing, ci=ci, budget_s=budget_s, executor=executor, scores=scores)
    with tqdm(total=len(checked), initial=len(rows), unit="config", disable=not progress) as bar:
        for measurement, finished in rounds:
            config = measurement.config
            bar.set_postfix_str(f"{config.model} {config.precision} {config.runtime}", refresh=False)
            if finished:
                rows[config] = row(measurement)
                _interrupted[keys[config], ci, budget_s] = rows[config]
                if saved is not None:
                    saved.save(keys[config], identities[config], measurement, budget_s)
                if saved is not None and measurement.correct is not None:
                    identity = _of_score(identities[config])
                    saved.save_score(_key(identity), identity, measurement.correct)
                bar.update()
    _interrupted.clear()
    return table(rows[config] for config in checked)


def _known_scores(configs: list[Config], identities: Identities, saved: Store | None) -> dict[Config, np.ndarray]:
    """What the store knows of the accuracy of `configs`, whatever their threads and batch size."""
    if saved is None:
        return {}
    found = {variant(config): saved.find_score(_key(_of_score(identities[config]))) for config in configs}
    return {config: correct for config, correct in found.items() if correct is not None}


def _of_score(identity: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in identity.items() if name not in ("threads", "batch_size")}


def _key(identity: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _known(key: str, saved: Store | None, ci: float, budget_s: float) -> dict[str, object] | None:
    """The row of a point that need not be measured again, if there is one."""
    kept = _interrupted.get((key, ci, budget_s))
    return saved.find(key, ci, budget_s) if kept is None and saved is not None else kept


def _identities(task: Task, configs: list[Config]) -> Identities:
    """For each Config, all that its row depends on."""
    weights = {(config.model, config.pruning) for config in configs}
    content = {names: task.fingerprint(*names) for names in weights}
    here = {"task": task.name, "machine": machine(), "loop": LOOP_VERSION}
    return {
        config: {**here, **versions(config), "content": content[config.model, config.pruning], **asdict(config)}
        for config in configs
    }
