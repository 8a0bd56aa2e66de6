"""A against B: measured in turns until it is clear which is faster, and whether accuracy was lost."""

import math
from collections.abc import Generator
from concurrent.futures import Executor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tradespace.config import Config, check
from tradespace.errors import renamed
from tradespace.measuring.engine import SCORED_AT_SLICE, measure_rounds
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import time_left_s
from tradespace.show.common.assets import assets
from tradespace.show.common.json import number
from tradespace.show.common.measuring import MeasuringWidget
from tradespace.show.common.percentiles import MEANING, TOO_FEW, percentiles
from tradespace.show.common.words import in_brief
from tradespace.show.verdict.figure import plot_verdict
from tradespace.show.verdict.numbers import SIDES, highest_ms, in_words, ratio_in_words, speed
from tradespace.tasks.task import Task
from tradespace.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYMBOLS = {"o": "symbolCircle", "^": "symbolTriangle"}


class Verdict(MeasuringWidget):
    """Which of two Configs is faster, and which is more accurate, as it becomes known.

    Slices of A and B take turns, so that whatever slows the machine down slows both. The verdicts are those of
    `compare` and `compare_accuracy`. Measuring starts when the widget is displayed, while the notebook goes on.
    `wait()` waits for the end, as in `verdict.wait().b`; `start()` and `stop()` do what the buttons do.

    Parameters
    ----------
    task : Task
    a, b : Config
        They may be equal; then no difference should be found.
    max_width, budget_s : float
        As for `measure`, for each Config.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.
    start : bool
        Whether measuring starts when the widget is displayed.

    Attributes
    ----------
    a, b : Measurement
        The measurements so far.

    Raises
    ------
    ValueError
        If a Config names another task's model or more threads than the machine has.

    Examples
    --------
    >>> import tradespace as ts
    >>> one, many = (ts.Config("resnet8", batch_size=n) for n in (1, 256))
    >>> verdict = Verdict(ts.load_task("fashion"), many, one, budget_s=0.3)
    >>> ts.compare(verdict.wait().a, verdict.b).verdict
    'faster'
    """

    _esm, _css = assets("verdict", "measuring")
    a: Measurement
    b: Measurement

    @renamed(ci="max_width")
    def __init__(
        self,
        task: Task,
        a: Config,
        b: Config,
        *,
        max_width: float = 0.02,
        budget_s: float = 3.0,
        executor: Executor | None = None,
        start: bool = True,
    ) -> None:
        # They may be equal: copying b makes them distinguishable.
        configs = [*check(task, [a]), *(replace(config) for config in check(task, [b]))]
        super().__init__(task, configs, Schedule(max_width, budget_s), executor, start)

    def _steps(self) -> Generator[Measurement, None, None]:
        for measurement, _ in measure_rounds(self._task, self._configs, self._schedule, executor=self._executor):
            yield measurement
            if measurement.status in ("crashed", "timeout"):
                return  # one side is not enough for a verdict

    def _land(self, step: Measurement) -> None:
        setattr(self, "a" if step.config is self._configs[0] else "b", step)

    def _shown(self) -> dict[str, Any]:
        headline, about_accuracy = in_words(self.a, self.b, self.running, self._cut_short, self._task.test is not None)
        return chart(self.a, self.b) | {
            "headline": headline,
            "accuracy": about_accuracy,
            "progress": self._progress() if self.running else "",
            "doubts": doubts(self.a, self.b, self.running),
        }

    def _progress(self) -> str:
        """The progress of a measurement under way."""
        a, b = self.a, self.b
        if not (a.slices or b.slices):
            return "preparing the models"
        if self._task.test and max(len(a.slices), len(b.slices)) == SCORED_AT_SLICE:
            return "scoring on the test set"
        left_s = sum(time_left_s(one, self._schedule) for one in (a, b) if one.status == "ok")
        return f"{counted(len(a.slices), 'slice')} of A, {len(b.slices)} of B, about {math.ceil(left_s)} s left"

    def _still(self) -> "Figure":
        return plot_verdict(self.a, self.b)


def chart(a: Measurement, b: Measurement) -> dict[str, Any]:
    """Both measurements and their ratio, as JSON; unknown values are None."""
    compared = speed(a, b)
    return {
        "sides": [_side(name, one) for name, one in zip(SIDES, (a, b), strict=True)],
        "ratio": compared and {
            "value": compared.ratio, "low": number(compared.ratio_lo), "high": number(compared.ratio_hi),
            "margin": compared.margin, "text": ratio_in_words(compared),
        },
        "highest_ms": number(highest_ms(a, b)),
    }  # fmt: skip


def _side(name: str, one: Measurement) -> dict[str, Any]:
    colour, marker = SIDES[name]
    kept = {id(a_slice) for a_slice in one.kept}
    middle = percentiles(one)[1]
    return {
        "name": name,
        "title": in_brief(one.config),
        "text": one.reason if one.failure else middle.text,
        "colour": colour,
        "symbol": SYMBOLS[marker],
        "medians_ms": [float(np.median(a_slice.samples_ns)) / 1e6 for a_slice in one.slices],
        "left_out": [id(a_slice) not in kept for a_slice in one.slices],
        "p50_ms": number(middle.value_ms),
        "low_ms": number(middle.low_ms),
        "high_ms": number(middle.high_ms),
    }


def doubts(a: Measurement, b: Measurement, running: bool) -> list[dict[str, str]]:
    """The flags of both with their meaning; while measuring, too few samples are not yet a doubt."""
    raised = {name: one.flags.split() for name, one in zip(SIDES, (a, b), strict=True)}
    return [
        {"flag": f"{flag} ({' and '.join(names)})", "meaning": meaning}
        for flag, meaning in MEANING.items()
        if (names := [name for name, flags in raised.items() if flag in flags]) and not (running and flag in TOO_FEW)
    ]
