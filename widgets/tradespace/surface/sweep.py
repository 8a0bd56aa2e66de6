"""Measure many Configs into one surface."""

import atexit
import hashlib
import json
import math
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pandas as pd
from tqdm.auto import tqdm

from tradespace.config import KNOBS, VARIANT, Config, check
from tradespace.errors import choose, positive, renamed
from tradespace.measuring.engine import LOOP_VERSION, machine_of, measure_rounds
from tradespace.measuring.measurement import Scored
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import Work, in_words
from tradespace.prepare import versions
from tradespace.surface.columns import row, table
from tradespace.surface.search import Search
from tradespace.surface.store import Store
from tradespace.tasks.task import Task
from tradespace.text import counted

SEARCHES = ("all", "adaptive")
ASKED_AT_ONCE = 1
# Minimum interval between updates of the bar: each one costs a message to the browser.
REDRAWN_S = 0.2
# Estimating the time left takes a core from what is timed: of a thousand points it takes a tenth of a second.
ESTIMATING = 0.01
# Up to this share of the work, the bar says what the time is needed for; after that, what is being done.
PARTS_UNTIL = 0.05

Identities = dict[Config, dict[str, object]]


@renamed(ci="max_width", budget="total_s")
def sweep(
    task: Task,
    configs: Iterable[Config],
    *,
    store: str | Path | None = None,
    max_width: float = 0.02,
    budget_s: float = 3.0,
    score_s: float = 5.0,
    progress: bool = True,
    executor: Executor | None = None,
    search: str = "all",
    total_s: float | None = None,
) -> pd.DataFrame:
    """Measure every Config on this machine into a surface: one row each, in the given order, repeats merged.

    You may interrupt it at any time: the same call in the same kernel, or with the same store in another, continues
    where it stopped. Even a killed kernel loses no more than the current slice.

    The progress bar counts seconds of work: those spent, and an estimate of those left.

    Parameters
    ----------
    store : str or Path, optional
        File in which to save every slice as soon as it is measured, and every finished point with its raw samples
        (`Store(path).measurements()` reads them). A point that is in it already is not measured again, unless something
        that it depends on has changed: the machine, torch or the runtime, the timing loop, the model's code or
        weights, or the task's score or data. A point that was measured less closely than requested continues from its
        slices. Accuracy is saved likewise, once for all threads and batch sizes.
    max_width, budget_s, score_s : float
        As for `measure`: the requested width of each interval, the maximum seconds of samples per Config, and the
        maximum seconds of scoring per model, precision and runtime.
    progress : bool
        Whether to draw a progress bar.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default, a separate process on this machine. If it runs on another host, `machine` is that
        host.
    search : str
        `all`, or `adaptive`: until `total_s` have passed, measure only Configs that may be on the frontier of latency,
        throughput and accuracy, judging from the measurements so far. `predicted` estimates the Configs that were
        skipped; the progress bar shows how far off such predictions are.
    total_s : float, optional
        Total seconds for an adaptive search.

    Raises
    ------
    ValueError
        Before any work, if there is no Config, one is not valid here, a number is not above zero, or the store is not a
        file that `Store` can open.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> surface = ts.sweep(task, ts.grid(task, model="resnet8", batch_size=[1, 8]), budget_s=0.2, progress=False)
    >>> surface["batch_size"].tolist(), surface["status"].tolist()
    ([1, 8], ['ok', 'ok'])
    """
    checked = list(dict.fromkeys(check(task, configs)))
    schedule = Schedule(max_width, budget_s, score_s)
    choose("search", search, SEARCHES)
    if (search == "adaptive") != (total_s is not None):
        raise ValueError(
            f"total_s: wanted seconds for search='adaptive', and none for 'all'; got {total_s!r}, {search!r}"
        )
    total_s = positive("total_s", total_s) if total_s is not None else None
    given = None if store is None else Store(store)
    where = machine_of(executor)
    identities = _identities(task, checked, where)
    unfinished = _unfinished(identities, schedule, search)
    kept = given or Store(unfinished)
    with kept.held_open(), _Progress(len(checked), progress, total_s) as bar:
        measuring = _Sweep(task, identities, kept, schedule, executor, where, bar)
        try:
            measuring.measure(checked) if total_s is None else _adaptive(measuring, total_s, bar)
        except KeyboardInterrupt as interrupt:
            known = f"{len(bar.rows)} of {counted(len(checked), 'point')}"
            interrupt.add_note(f"{known} were measured and are kept: the same call continues from there")
            raise
    if store is None:
        _forget(unfinished)
    return table(bar.rows[config] for config in checked if config in bar.rows)


def _unfinished(identities: Identities, schedule: Schedule, search: str) -> Path:
    """Where a sweep without a store saves its measurements until it is complete."""
    asked = {"points": sorted(map(_key, identities.values())), "search": search, **asdict(schedule)}
    return _folder() / f"{_key(asked)}.sqlite"


@cache
def _folder() -> Path:
    """A folder that is removed when the kernel ends."""
    folder = TemporaryDirectory(prefix="tradespace-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _forget(path: Path) -> None:
    for journal in ("", "-wal", "-shm"):
        path.with_name(path.name + journal).unlink(missing_ok=True)


def _adaptive(measuring: "_Sweep", total_s: float, bar: "_Progress") -> None:
    """Measure what may be on the frontier until the time is up."""
    finder, now = Search(measuring.configs, measuring.schedule.budget_s), time.monotonic()
    end = now + total_s
    while now < end and (asked := finder.ask(ASKED_AT_ONCE)):
        measuring.measure(asked)
        before, now = now, time.monotonic()
        finder.tell(table(bar.rows[config] for config in asked), now - before)
        bar.note = f", predictions off by {finder.error():.0%}"


class _Progress:
    """The rows that a sweep has so far, and its progress bar, which counts seconds of work."""

    def __init__(self, number: int, shown: bool, total_s: float | None) -> None:
        self.rows: dict[Config, dict[str, object]] = {}
        self.work, self.note = Work(self._draw), ""
        self._number, self._total_s = number, total_s
        self._drawn_s, self._share = -math.inf, 0.0
        self._stages: dict[str, float] = {}
        self._estimated_s, self._estimate_from_s = 0.0, -math.inf
        self._bar: tqdm[NoReturn] = tqdm(total=1.0, bar_format="{percentage:3.0f}%|{bar}| {desc}", disable=not shown)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        end = "" if kind is None else ", interrupted" if issubclass(kind, KeyboardInterrupt) else ", failed"
        self._share = self._share if end else 1.0
        self._show(f"in {in_words(self.work.done_s)}{end}{self.note}")
        self._bar.close()

    def _draw(self) -> None:
        """Update the bar, unless it was updated just now."""
        done_s = self.work.done_s
        if self._bar.disable or done_s - self._drawn_s < REDRAWN_S:
            return
        self._drawn_s = done_s
        left_s = self._left_s(done_s)
        # A bar that moves back would be less useful than one that waits.
        self._share = max(self._share, done_s / max(done_s + left_s, 1e-9))
        parts = ", ".join(f"{name} {in_words(seconds)}" for name, seconds in self._stages.items() if seconds >= 1)
        now = f": {parts}" if parts and self._share < PARTS_UNTIL else f"{self.note}; {self.work.doing}"
        self._show(f"about {in_words(left_s)} left{now}")

    def _left_s(self, done_s: float) -> float:
        """Estimated seconds left. An estimate is used until a new one takes no more than `ESTIMATING` of the time."""
        if self._total_s is not None:
            return max(self._total_s - done_s, 0.0)
        if done_s >= self._estimate_from_s:
            self._stages, self._estimated_s = self.work.left_s(), done_s
            self._estimate_from_s = done_s + (self.work.done_s - done_s) / ESTIMATING
        return max(sum(self._stages.values()) - (done_s - self._estimated_s), 0.0)

    def _show(self, words: str) -> None:
        self._bar.n = self._share
        self._bar.set_description_str(f"{len(self.rows)} of {self._number} points, {words}")


class _Sweep:
    """A sweep in progress: what is already known, and the store that saves what is measured."""

    def __init__(
        self,
        task: Task,
        identities: Identities,
        store: Store,
        schedule: Schedule,
        executor: Executor | None,
        where: str,
        bar: _Progress,
    ) -> None:
        self.configs, self.schedule = list(identities), schedule
        self._task, self._store, self._executor, self._bar = task, store, executor, bar
        self._identities, self._where = identities, where
        self._keys = {config: _key(identity) for config, identity in identities.items()}
        found = {config.variant: store.find_score(_key(_of_score(one))) for config, one in identities.items()}
        self._scores = {name: score for name, score in found.items() if score is not None}
        self._kept = dict(self._scores)

    def measure(self, configs: list[Config]) -> None:
        """Add the rows of `configs`: first the known ones, then those that have to be measured."""
        for config in configs:
            if (found := self._known(config)) is not None:
                self._bar.rows[config] = found
        missing = [config for config in configs if config not in self._bar.rows]
        slices = {config: self._store.find_slices(self._keys[config]) for config in missing}
        taken = {config: len(those) for config, those in slices.items()}
        for measurement, finished in measure_rounds(
            self._task,
            missing,
            self.schedule,
            executor=self._executor,
            scores=self._scores,
            slices=slices,
            work=self._bar.work,
            where=self._where,
        ):
            config = measurement.config
            if len(measurement.slices) > taken[config]:
                self._store.save_slice(self._keys[config], taken[config], measurement.slices[-1])
                taken[config] += 1
            self._keep_score(config)
            if finished:
                self._bar.rows[config] = row(measurement)
                self._store.save(self._keys[config], self._identities[config], measurement, self.schedule.budget_s)

    def _known(self, config: Config) -> dict[str, object] | None:
        """The row of a point that need not be measured again, if there is one."""
        found = self._store.find(self._keys[config], self.schedule)
        score = self._scores.get(config.variant, Scored(whole=self._task.test is None))
        return found if score.done(self.schedule.score_s) else None

    def _keep_score(self, config: Config) -> None:
        score = self._scores.get(config.variant)
        if score is not None and score is not self._kept.get(config.variant):
            identity = _of_score(self._identities[config])
            self._store.save_score(_key(identity), identity, score)
            self._kept[config.variant] = score


def _of_score(identity: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in identity.items() if name in VARIANT or name not in KNOBS}


def _key(identity: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _identities(task: Task, configs: list[Config], where: str) -> Identities:
    """For each Config, everything that its row depends on."""
    weights = {(config.model, config.pruning) for config in configs}
    content = {names: task.fingerprint(*names) for names in weights}
    here = {"task": task.name, "machine": where, "loop": LOOP_VERSION}
    return {
        config: {**here, **versions(config), "content": content[config.model, config.pruning], **asdict(config)}
        for config in configs
    }
