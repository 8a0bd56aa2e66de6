"""Fill in the surface in the background: the candidates, and which of them to measure next."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tradespace.config import KNOBS, Config, grid, physical_cores
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import expected_s
from tradespace.prepare import untimed
from tradespace.surface.columns import configs_of
from tradespace.surface.search import Search
from tradespace.tasks.task import Task

BATCHES = (1, 4, 16, 64, 256)
# Configs chosen at a time, from what is known by then.
AT_ONCE = 3


def candidates(
    task: Task,
    pruning: str,
    device: str,
    precisions: Sequence[str],
    runtimes: Sequence[str],
    why: Callable[[Config], str | None],
) -> list[Config]:
    """The Configs of one pruning that can be timed here, without `compile`, which takes seconds per batch size.

    Parameters
    ----------
    why : callable
        Maps a Config to the reason why it cannot run, or None.
    """
    variants = grid(
        task,
        pruning=pruning,
        precision=list(precisions),
        runtime=[name for name in runtimes if name != "compile"],
        device=device,
        threads=1,
    )
    able = [config for config in variants if not why(config) and not untimed(config)]
    threads = sorted({1, physical_cores()})
    return [
        replace(config, threads=number, batch_size=items) for config in able for number in threads for items in BATCHES
    ]


def offer(configs: Sequence[Config], schedule: Schedule) -> str:
    """What filling in would do, before it begins."""
    minutes = expected_s(configs, schedule) / 60
    about = f"about {minutes:.0f} min" if minutes >= 1.5 else "about a minute"
    return f"Fill in: {len(configs)} points to choose from; all of them take {about}, and scoring their models"


class FillIn:
    """Chooses what to measure next in the background, and reports progress.

    Parameters
    ----------
    configs : list of Config
        The candidates.
    budget_s : float
        Seconds of measuring per Config.
    """

    def __init__(self, configs: list[Config], budget_s: float) -> None:
        self._configs, self._budget_s = configs, budget_s
        self._start, self._first = 0.0, -1
        self.words = f"filling in: {len(configs)} points to choose from"
        # How many of them are measured, from 0 to 1.
        self.share = 0.0

    def ask(self, surface: pd.DataFrame) -> list[Config]:
        """The Configs most worth measuring, given the rows of `surface`; empty once all were tried."""
        asked = set(self._configs)
        known = surface[np.array([config in asked for config in configs_of(surface)], dtype=bool)]
        known = known.drop_duplicates(list(KNOBS), keep="last")
        done, number = len(known), len(self._configs)
        if self._first < 0:
            self._start, self._first = time.monotonic(), done
        self.words, self.share = f"filling in: {done} of {number} points", done / max(1, number)
        if done == number:
            return []
        search = Search(self._configs, self._budget_s)
        search.tell(known)
        if done > self._first:
            error = search.error()
            left_min = (time.monotonic() - self._start) / (done - self._first) * (number - done) / 60
            self.words += "" if math.isnan(error) else f", predictions off by {error:.0%}"
            self.words += f", all in about {left_min:.0f} min" if left_min >= 1 else ", all in under a minute"
        return search.ask(AT_ONCE)
