"""Measure many Configs into one surface."""

import hashlib
import json
import time
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from tradespace.config import Config, check
from tradespace.errors import choose, positive
from tradespace.measuring.engine import LOOP_VERSION, measure_rounds
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.worker import variant
from tradespace.prepare import versions
from tradespace.surface.columns import row, table
from tradespace.surface.search import Search
from tradespace.surface.store import Store
from tradespace.tasks.task import Task

SEARCHES = ("all", "adaptive")
ASKED_AT_ONCE = 1

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
    search: str = "all",
    budget: float | None = None,
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
    search : str
        `all`, or `adaptive`: measure only what may be on the frontier of latency, throughput and accuracy, as judged
        from what was measured so far, until `budget` is spent. Interrupted, it returns what it has. `predicted` tells
        what is believed of the Configs that were skipped; the progress bar, by how much such predictions are off.
    budget : float, optional
        Seconds for an adaptive search, all told.

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
    choose("search", search, SEARCHES)
    if (search == "adaptive") != (budget is not None):
        raise ValueError(f"budget: wanted seconds for search='adaptive', and nothing else; got {budget!r}, {search!r}")
    budget = positive("budget", budget) if budget is not None else None
    measuring = _Sweep(task, checked, None if store is None else Store(store), ci, budget_s, executor)
    with tqdm(total=len(checked), unit="config", disable=not progress) as bar:
        if budget is not None:
            return _adaptive(measuring, checked, budget, bar)
        measuring.measure(checked, bar)
    _interrupted.clear()
    return table(measuring.rows[config] for config in checked)


def _adaptive(measuring: "_Sweep", configs: list[Config], budget_s: float, bar: "tqdm[NoReturn]") -> pd.DataFrame:
    """Measure what may be on the frontier until the time is up, or somebody interrupts: the best so far is returned."""
    finder, now = Search(configs, measuring.budget_s), time.monotonic()
    end = now + budget_s
    try:
        while now < end and (asked := finder.ask(ASKED_AT_ONCE)):
            measuring.measure(asked, bar)
            before, now = now, time.monotonic()
            finder.tell(table(measuring.rows[config] for config in asked), now - before)
            bar.set_description(f"predicted to {finder.error():.0%}")
        if len(measuring.rows) == len(configs):
            _interrupted.clear()
    except KeyboardInterrupt:
        pass
    return table(measuring.rows[config] for config in configs if config in measuring.rows)


class _Sweep:
    """A sweep under way: the rows there are, and where they come from."""

    def __init__(
        self,
        task: Task,
        configs: list[Config],
        store: Store | None,
        ci: float,
        budget_s: float,
        executor: Executor | None,
    ) -> None:
        self.rows: dict[Config, dict[str, object]] = {}
        self._task, self._store, self._ci, self.budget_s, self._executor = task, store, ci, budget_s, executor
        self._identities = _identities(task, configs)
        self._keys = {config: _key(identity) for config, identity in self._identities.items()}
        self._scores = _known_scores(configs, self._identities, store)

    def measure(self, configs: list[Config], bar: "tqdm[NoReturn]") -> None:
        """Add the rows of `configs`: those that are known, then those that have to be measured."""
        for config in configs:
            found = _known(self._keys[config], self._store, self._ci, self.budget_s)
            if found is not None:
                self.rows[config] = found
        missing = [config for config in configs if config not in self.rows]
        bar.update(len(configs) - len(missing))
        for measurement, finished in measure_rounds(
            self._task, missing, ci=self._ci, budget_s=self.budget_s, executor=self._executor, scores=self._scores
        ):
            config = measurement.config
            bar.set_postfix_str(f"{config.model} {config.precision} {config.runtime}", refresh=False)
            if finished:
                self._keep(measurement)
                bar.update()

    def _keep(self, measurement: Measurement) -> None:
        config = measurement.config
        self.rows[config] = row(measurement)
        _interrupted[self._keys[config], self._ci, self.budget_s] = self.rows[config]
        if self._store is not None:
            self._store.save(self._keys[config], self._identities[config], measurement, self.budget_s)
        if self._store is not None and measurement.correct is not None:
            identity = _of_score(self._identities[config])
            self._store.save_score(_key(identity), identity, measurement.correct)


def _known_scores(configs: list[Config], identities: Identities, saved: Store | None) -> dict[Config, np.ndarray]:
    """What the store knows of the accuracy of `configs`, whatever their threads and batch size."""
    if saved is None:
        return {}
    keys = {variant(config): _key(_of_score(identities[config])) for config in configs}
    found = {config: saved.find_score(key) for config, key in keys.items()}
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
